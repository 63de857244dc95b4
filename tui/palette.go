package tui

import (
	"cmp"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/tui/screen"
)

// palette is the list of commands that are found by typing.
type palette struct {
	all    []screen.Command
	found  []screen.Command
	cursor int
}

// openPalette gathers the commands: views, the view's own, and the root's.
func (m *Model) openPalette() tea.Cmd {
	m.palette = palette{}
	for i, v := range m.views {
		if c, ok := v.(screen.Commander); ok && i == m.at {
			m.palette.all = append(m.palette.all, c.Commands()...)
		}
	}
	for _, v := range m.views {
		m.palette.all = append(m.palette.all, screen.Command{Name: v.Name(), About: "show view", Do: screen.Go(v.Name(), nil)})
	}
	for i, v := range m.views {
		if c, ok := v.(screen.Commander); ok && i != m.at {
			m.palette.all = append(m.palette.all, c.Commands()...)
		}
	}
	m.palette.all = append(m.palette.all, m.rootCommands()...)
	m.over = choosing
	m.input.Reset()
	m.palette.find("")
	return m.input.Focus()
}

func (m *Model) rootCommands() []screen.Command {
	stop := screen.Question{Title: "Stop sandbox " + m.config.Name + "?", Yes: "stop",
		Text: "All nodes are stopped. What they keep stays, and the next start goes on from there.", Do: m.stop(false)}
	purge := screen.Question{Title: "Remove sandbox " + m.config.Name + "?", Yes: "remove",
		Text: "All nodes are stopped, and everything the sandbox keeps is removed: databases, topics, logs.", Do: m.stop(true)}
	return []screen.Command{
		{Name: "notifications", About: "what has been told", Do: func() tea.Msg { return overlayMsg(noticing) }},
		{Name: "help", About: "keys", Do: func() tea.Msg { return overlayMsg(helping) }},
		{Name: "quit", About: "the sandbox goes on", Do: tea.Quit},
		{Name: "stop", About: "stop the sandbox, keep its data", Do: screen.Ask(stop)},
		{Name: "purge", About: "stop the sandbox and remove its data", Do: screen.Ask(purge)},
	}
}

type overlayMsg overlay

// find filters the commands: those whose words begin as typed come first, then those that contain it.
func (p *palette) find(typed string) {
	typed = strings.ToLower(strings.TrimSpace(typed))
	p.cursor = 0
	p.found = p.found[:0]
	rank := map[string]int{}
	for _, c := range p.all {
		if r := match(strings.ToLower(c.Name), typed); r >= 0 {
			p.found = append(p.found, c)
			rank[c.Name] = r
		}
	}
	if typed != "" {
		slices.SortStableFunc(p.found, func(a, b screen.Command) int { return cmp.Compare(rank[a.Name], rank[b.Name]) })
	}
}

// match ranks a name for what was typed: 0 begins so, 1 a word begins so, 2 contains it, 3 contains its letters in order;
// -1 not at all.
func match(name, typed string) int {
	switch {
	case strings.HasPrefix(name, typed):
		return 0
	case strings.Contains(name, " "+typed):
		return 1
	case strings.Contains(name, typed):
		return 2
	}
	rest := name
	for _, r := range typed {
		_, after, ok := strings.Cut(rest, string(r))
		if !ok {
			return -1
		}
		rest = after
	}
	return 3
}

// complete is what tab adds: as far as all that is found, and begins as typed, agrees.
func (p *palette) complete(typed string) string {
	common := ""
	for _, c := range p.found {
		if !strings.HasPrefix(strings.ToLower(c.Name), strings.ToLower(typed)) {
			continue
		}
		if common == "" {
			common = c.Name
			continue
		}
		for !strings.HasPrefix(c.Name, common) {
			common = common[:len(common)-1]
		}
	}
	if len(common) > len(typed) {
		return common
	}
	if p.cursor < len(p.found) {
		return p.found[p.cursor].Name
	}
	return typed
}

func (p *palette) move(by int) {
	if n := len(p.found); n > 0 {
		p.cursor = (p.cursor + by + n) % n
	}
}

// stop stops the sandbox.
func (m *Model) stop(purge bool) tea.Cmd {
	source, name := m.config.Source, m.config.Name
	return func() tea.Msg {
		ctx, cancel := actionContext()
		defer cancel()
		if err := source.Stop(ctx, purge); err != nil {
			return screen.NoticeMsg{Notice: screen.Failure("stop sandbox "+name, err)}
		}
		return nil
	}
}
