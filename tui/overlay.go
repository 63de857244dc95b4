package tui

import (
	"context"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/tui/screen"
)

// actionContext bounds what a user has asked for.
func actionContext() (context.Context, context.CancelFunc) {
	const limit = 2 * time.Minute
	return context.WithTimeout(context.Background(), limit)
}

// overlayKey takes a key for what lies over the view.
func (m *Model) overlayKey(msg tea.KeyPressMsg) tea.Cmd {
	if key.Matches(msg, m.keys.Back) {
		return m.closeOverlay()
	}
	switch m.over {
	case asking:
		return m.questionKey(msg)
	case choosing:
		return m.paletteKey(msg)
	case filtering:
		return m.filterKey(msg)
	case noticing:
		return m.noticesKey(msg)
	case helping:
		if key.Matches(msg, m.keys.Help, m.keys.Quit) {
			return m.closeOverlay()
		}
		w, h := m.listSize()
		m.help = m.help.update(msg, len(m.helpLines(w)), h)
	}
	return nil
}

func (m *Model) overlayMouse(msg tea.MouseMsg) tea.Cmd {
	w, h := m.listSize()
	switch m.over {
	case noticing:
		m.notices.move(msg, h)
	case helping:
		m.help = m.help.update(msg, len(m.helpLines(w)), h)
	case choosing:
		if wheel, ok := msg.(tea.MouseWheelMsg); ok {
			m.palette.move(map[bool]int{true: -1, false: 1}[wheel.Button == tea.MouseWheelUp])
		}
	}
	return nil
}

// noticesKey: the arrows go from notice to notice; enter shows the log lines of that time.
func (m *Model) noticesKey(msg tea.KeyPressMsg) tea.Cmd {
	if key.Matches(msg, m.keys.Notices, m.keys.Quit) {
		return m.closeOverlay()
	}
	if msg.String() == "enter" && m.notices.cursor < len(m.notices.list) {
		n := m.notices.list[len(m.notices.list)-1-m.notices.cursor]
		to := screen.OpenLogs{At: n.Time}
		if n.Node != "" {
			to.Nodes = []string{n.Node}
		}
		return tea.Batch(m.closeOverlay(), screen.Go("logs", to))
	}
	_, h := m.listSize()
	m.notices.move(msg, h)
	return nil
}

// closeOverlay closes what lies over the view; a filter that is left by esc is taken back.
func (m *Model) closeOverlay() tea.Cmd {
	was := m.over
	m.over = noOverlay
	m.input.Blur()
	if was == filtering {
		return m.tell(m.at, screen.FilterMsg{})
	}
	return nil
}

// questionKey: enter takes what is under the cursor, which is "no" at first; y and n are answers.
func (m *Model) questionKey(msg tea.KeyPressMsg) tea.Cmd {
	switch msg.String() {
	case "y", "Y":
		m.yes = true
	case "n", "N", "q":
		m.yes = false
	case "left", "right", "tab", "shift+tab", "h", "l":
		m.yes = !m.yes
		return nil
	case "enter":
	default:
		return nil
	}
	m.over = noOverlay
	if m.yes {
		return m.question.Do
	}
	return nil
}

func (m *Model) paletteKey(msg tea.KeyPressMsg) tea.Cmd {
	switch msg.String() {
	case "enter":
		if m.palette.cursor >= len(m.palette.found) {
			return nil
		}
		do := m.palette.found[m.palette.cursor].Do
		return tea.Batch(m.closeOverlay(), do)
	case "up", "ctrl+k", "ctrl+p":
		m.palette.move(-1)
		return nil
	case "down", "ctrl+j", "ctrl+n":
		m.palette.move(1)
		return nil
	case "tab":
		m.input.SetValue(m.palette.complete(m.input.Value()))
		m.input.CursorEnd()
		m.palette.find(m.input.Value())
		return nil
	}
	cmd, _ := m.inputMsg(msg)
	return cmd
}

func (m *Model) openFilter(text string) tea.Cmd {
	m.over = filtering
	m.input.SetValue(text)
	m.input.CursorEnd()
	return m.input.Focus()
}

// filterKey: the view is filtered as one types; enter keeps the filter; the arrows move in the view all the same.
func (m *Model) filterKey(msg tea.KeyPressMsg) tea.Cmd {
	switch msg.String() {
	case "enter":
		m.over = noOverlay
		m.input.Blur()
		return nil
	case "up", "down", "pgup", "pgdown":
		return m.tell(m.at, msg)
	}
	before := m.input.Value()
	cmd, _ := m.inputMsg(msg)
	if text := m.input.Value(); text != before {
		return tea.Batch(cmd, m.tell(m.at, screen.FilterMsg{Text: text}))
	}
	return cmd
}

// inputMsg gives a message to the input, and tells whether it was for it.
func (m *Model) inputMsg(msg tea.Msg) (cmd tea.Cmd, ok bool) {
	switch msg.(type) {
	case tea.KeyPressMsg, tea.PasteMsg:
	default:
		return nil, false
	}
	before := m.input.Value()
	m.input, cmd = m.input.Update(msg)
	if text := m.input.Value(); m.over == choosing && text != before {
		m.palette.find(text)
	}
	return cmd, true
}

// listSize is how many cells a list has that lies over the view.
func (m *Model) listSize() (w, h int) {
	return min(m.width-4, 110) - 4, max(1, m.height-headLines-footLines-4)
}

// helpLines draws the keys of the view and of everywhere, in as many columns as fit.
func (m *Model) helpLines(w int) (lines []string) {
	if len(m.views) > 0 {
		v := m.views[m.at]
		if own := m.keyLines(v.Keys(), w); len(own) > 0 {
			lines = append(lines, m.theme.Strong.Render(v.Name()))
			lines = append(lines, own...)
			lines = append(lines, "")
		}
	}
	lines = append(lines, m.theme.Strong.Render("everywhere"))
	lines = append(lines, m.keyLines(m.keys.all(), w)...)
	return append(append(lines, "", m.theme.Strong.Render("signs")), m.legend(w)...)
}

func (m *Model) keyLines(bindings []key.Binding, w int) (lines []string) {
	const keys, column = 11, 34
	var cells []string
	seen := map[string]bool{}
	for _, b := range bindings {
		h := b.Help()
		if !b.Enabled() || h.Key == "" || seen[h.Key+h.Desc] {
			continue
		}
		seen[h.Key+h.Desc] = true
		cells = append(cells, m.theme.Key.Render(screen.PadLeft(h.Key, keys))+"  "+m.theme.Dim.Render(h.Desc))
	}
	columns := max(1, w/column)
	rows := (len(cells) + columns - 1) / columns
	for i := range rows {
		var b strings.Builder
		for j := i; j < len(cells); j += rows {
			b.WriteString(screen.Pad(cells[j], column))
		}
		lines = append(lines, b.String())
	}
	return lines
}
