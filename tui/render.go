package tui

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// The frame around a view, in lines.
const (
	headLines = 2 // the sandbox; the tabs
	footLines = 1 // keys, or the latest notice
	tabLine   = 1

	leastWidth, leastHeight = 40, 10
)

// View draws everything, unless what was drawn last still holds.
func (m *Model) View() tea.View {
	if m.drawn == nil {
		v := m.draw()
		m.drawn = &v
	}
	return *m.drawn
}

func (m *Model) draw() tea.View {
	v := tea.NewView("")
	v.AltScreen = true
	v.WindowTitle = "cordage " + m.config.Name
	if !m.config.NoMouse {
		v.MouseMode = tea.MouseModeCellMotion
	}
	content := m.Frame()
	v.Cursor = m.cursor()
	v.SetContent(content)
	return v
}

// Frame is the screen as text: m.height lines of m.width cells.
func (m *Model) Frame() string {
	if m.tooSmall() {
		need := fmt.Sprintf("the window is too small: %d×%d cells are the least", leastWidth, leastHeight)
		if m.config.ASCII {
			need = screen.ASCII(need)
		}
		return screen.Middle(screen.Wrap(need, m.width), m.width, m.height)
	}
	body := m.body()
	switch m.over {
	case helping:
		w, h := m.listSize()
		body = m.list("help", m.helpLines(w), m.help.top, h, body)
	case noticing:
		w, h := m.listSize()
		lines, cursor := m.notices.lines(m, w)
		body = m.list("notifications, enter: the log at that time", lines, cursor-h/3, h, body)
	case asking:
		body = m.lay(body, m.questionBox())
	case choosing:
		body = m.lay(body, m.paletteBox())
	}
	frame := strings.Join([]string{m.head(), m.tabs(), body, m.foot()}, "\n")
	if m.config.ASCII {
		frame = screen.ASCII(frame)
	}
	return frame
}

func (m *Model) tooSmall() bool { return m.width < leastWidth || m.height < leastHeight }

func (m *Model) body() string {
	w, h := m.width, m.height-headLines-footLines
	if len(m.views) == 0 {
		return screen.Fill(nil, w, h)
	}
	return m.views[m.at].Render(screen.Frame{Width: w, Height: h, Theme: m.theme, State: m.state, Now: m.now, Beat: m.beat})
}

// head tells of the sandbox: name, phase, nodes, age, and what is unread.
func (m *Model) head() string {
	t, s := m.theme, m.state
	left := " " + t.Accent.Bold(true).Render("cordage") + " " + t.Strong.Render(s.Name) + "  " + m.condition()
	if s.Link == screen.Connected {
		left += t.Dim.Render("  " + m.counts())
	}
	var right []string
	if m.notices.unread > 0 {
		right = append(right, t.Bad.Render(t.Signs.Bell+" "+screen.Plural(m.notices.unread, "notice")+" (!)"))
	}
	if s.Link == screen.Connected {
		if mode := string(s.Info.Clock.Mode); mode != "" && mode != "machine" {
			right = append(right, t.Warn.Render("clock "+mode))
		}
	}
	right = append(right, t.Dim.Render(m.now.Local().Format(time.TimeOnly)))
	return screen.Ends(left, strings.Join(right, "  ")+" ", m.width)
}

// condition is the link, or the phase if there is one.
func (m *Model) condition() string {
	t, s := m.theme, m.state
	switch s.Link {
	case screen.Connecting:
		return t.Busy.Render(t.Signs.Starting + " connecting")
	case screen.Absent:
		return t.Dim.Render(t.Signs.Stopped + " not running")
	case screen.Lost:
		return t.Bad.Render(t.Signs.Failed+" supervisor lost") + t.Dim.Render(" "+screen.Ago(m.now.Sub(s.Since))+", retrying")
	}
	sign, style := screen.PhaseSign(t, s.Info.Phase)
	return style.Render(sign + " " + string(s.Info.Phase))
}

func (m *Model) counts() string {
	s := m.state
	text := ""
	if n := len(s.Nodes); n > 0 {
		text = fmt.Sprintf("%d/%s", s.Ready(), screen.Plural(n, "node"))
	}
	if at := s.Info.Started; !at.IsZero() && s.Link == screen.Connected {
		text += "  up " + screen.Ago(m.now.Sub(at))
	}
	if s.Info.Runtime != "" {
		text += "  " + s.Info.Runtime
	}
	return text
}

// tabs are the views; the one that is shown stands out, also without colour.
func (m *Model) tabs() string {
	var b strings.Builder
	for i := range m.views {
		label := m.tabLabel(i)
		if i == m.at {
			b.WriteString(m.theme.Select.Render(m.theme.Signs.Cursor + label[1:]))
		} else {
			b.WriteString(m.theme.Dim.Render(label))
		}
	}
	return screen.Pad(b.String(), m.width)
}

// tabLabel is a tab: number and name or, of those that are not shown, only the number where there is no room for all names.
func (m *Model) tabLabel(i int) string {
	room := m.width
	for _, v := range m.views {
		room -= screen.Width(v.Name()) + 4
	}
	label := " " + string(rune('1'+i)) + " "
	if i == m.at || room >= 0 {
		label += m.views[i].Name() + " "
	}
	return label
}

func (m *Model) tabAt(x int) (int, bool) {
	at := 0
	for i := range m.views {
		w := screen.Width(m.tabLabel(i))
		if x >= at && x < at+w {
			return i, true
		}
		at += w
	}
	return 0, false
}

// foot shows the filter that is typed, the latest notice, or the keys.
func (m *Model) foot() string {
	t := m.theme
	if m.over == filtering {
		return screen.Pad(" "+t.Accent.Render("/")+m.input.Value(), m.width)
	}
	if n, ok := m.notices.latest(m.now); ok && m.over == noOverlay {
		sign, style := screen.SeveritySign(t, n.Severity)
		text := screen.Line(n.Text)
		if n.Hint != "" {
			text += t.Dim.Render("  " + t.Signs.Right + " " + screen.Line(n.Hint))
		}
		return screen.Ends(" "+style.Render(sign+" "+string(n.Severity)+" ")+text, t.Dim.Render("! all "), m.width)
	}
	right := t.Key.Render(":") + t.Dim.Render(" commands  ") + t.Key.Render("?") + t.Dim.Render(" help ")
	return screen.Ends(" "+m.hints(m.width-screen.Width(right)-2), right, m.width)
}

// hints are the first keys of the view that fit.
func (m *Model) hints(room int) string {
	if len(m.views) == 0 {
		return ""
	}
	var b strings.Builder
	used := 0
	if f, ok := m.views[m.at].(screen.Filterer); ok && f.Filter() != "" {
		text := "/" + f.Filter() + "  "
		b.WriteString(m.theme.Accent.Render(text))
		used += screen.Width(text)
	}
	for _, k := range m.views[m.at].Keys() {
		h := k.Help()
		w := screen.Width(h.Key) + screen.Width(h.Desc) + 3
		if !k.Enabled() || h.Key == "" {
			continue
		}
		if used+w > room {
			break
		}
		used += w
		b.WriteString(m.theme.Key.Render(h.Key) + m.theme.Dim.Render(" "+h.Desc+"  "))
	}
	return b.String()
}

// legend tells the signs of states, in lines of w cells.
func (m *Model) legend(w int) (lines []string) {
	line := ""
	for _, s := range []sandbox.State{sandbox.Ready, sandbox.Starting, sandbox.Pending, sandbox.Degraded, sandbox.Paused, sandbox.Backoff, sandbox.Crashed, sandbox.Stopped} {
		sign, style := screen.StateSign(m.theme, s)
		one := style.Render(sign) + m.theme.Dim.Render(" "+string(s)+"  ")
		if screen.Width(line)+screen.Width(one) > w {
			lines, line = append(lines, line), ""
		}
		line += one
	}
	packet := m.theme.Flow.Render(m.theme.Signs.Packet) + m.theme.Dim.Render(" a message in flight")
	if screen.Width(line)+screen.Width(packet) > w {
		return append(lines, line, packet)
	}
	return append(lines, line+packet)
}

// list draws lines in a box over the body.
func (m *Model) list(title string, lines []string, top, h int, body string) string {
	w, _ := m.listSize()
	top = max(0, min(top, len(lines)-h))
	seen := make([]string, 0, h)
	for _, l := range lines[top:min(len(lines), top+h)] {
		seen = append(seen, " "+l)
	}
	if more := len(lines) - top - h; more > 0 {
		title += " (" + screen.Plural(more, "line") + " below)"
	}
	return m.lay(body, screen.Box(m.theme, title, seen, w+4, min(h, max(len(seen), 3))+2, true))
}

func (m *Model) questionBox() string {
	t := m.theme
	w := min(m.width-4, 64)
	lines := []string{""}
	for _, l := range wrapAll(m.question.Text, w-6) {
		lines = append(lines, "  "+t.Text.Render(l))
	}
	button := func(label string, on bool, style lipgloss.Style) string {
		if on {
			return style.Reverse(true).Bold(true).Render(t.Signs.Cursor + " " + label + " ")
		}
		return t.Dim.Render("  " + label + " ")
	}
	lines = append(lines, "", "  "+button("no (n)", !m.yes, t.Accent)+"   "+button(m.question.Yes+" (y)", m.yes, t.Bad), "")
	return screen.Box(t, m.question.Title, lines, w, len(lines)+2, true)
}

func (m *Model) paletteBox() string {
	t := m.theme
	w := min(m.width-4, 72)
	h := min(len(m.palette.all), m.height-headLines-footLines-6)
	lines := []string{" " + t.Accent.Render(":") + m.input.Value(), t.Faint.Render(strings.Repeat(t.Signs.H, w-2))}
	top := max(0, min(m.palette.cursor-h/2, len(m.palette.found)-h))
	for i := top; i < min(len(m.palette.found), top+h); i++ {
		c := m.palette.found[i]
		name, about := screen.Pad(c.Name, 30), screen.Pad(c.About, w-37)
		if i == m.palette.cursor {
			lines = append(lines, t.Select.Render(" "+t.Signs.Cursor+" "+name+" "+about+" "))
		} else {
			lines = append(lines, "   "+t.Text.Render(name)+" "+t.Dim.Render(about))
		}
	}
	if len(m.palette.found) == 0 {
		lines = append(lines, "   "+t.Dim.Render("no such command"))
	}
	return screen.Box(t, "commands", lines, w, h+4, true)
}

// lay lays a box over the middle of the body.
func (m *Model) lay(body, box string) string {
	return screen.Over(body, box, m.width, m.height-headLines-footLines)
}

func (m *Model) boxAt(box string) (x, y int) {
	w, h := lipgloss.Size(box)
	return max(0, (m.width-w)/2), max(0, (m.height-headLines-footLines-h)/3)
}

// cursor is where the terminal's cursor is: in what is typed into.
func (m *Model) cursor() *tea.Cursor {
	if m.tooSmall() {
		return nil
	}
	at := screen.Width(string([]rune(m.input.Value())[:min(m.input.Position(), len([]rune(m.input.Value())))]))
	switch m.over {
	case filtering:
		return tea.NewCursor(2+at, m.height-1)
	case choosing:
		x, y := m.boxAt(m.paletteBox())
		return tea.NewCursor(x+3+at, headLines+y+1)
	}
	return nil
}
