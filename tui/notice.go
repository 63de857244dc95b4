package tui

import (
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// notices are what the user has been told, oldest first. The latest one is shown for a while at the foot; all of them stay
// in the list until the UI ends.
type notices struct {
	list   []screen.Notice
	unread int
	until  time.Time // the latest is shown at the foot until then
	cursor int       // of the list, from the latest
}

const (
	keptNotices = 500
	shownFor    = 8 * time.Second
)

// add adds a notice.
func (n *notices) add(new screen.Notice) {
	if last := len(n.list) - 1; last >= 0 && n.list[last].Text == new.Text && new.Time.Sub(n.list[last].Time) < shownFor {
		n.list[last].Time = new.Time // said again and again
		n.until = new.Time.Add(shownFor)
		return
	}
	n.list = append(n.list, new)
	n.list = n.list[max(0, len(n.list)-keptNotices):]
	if new.Severity != sandbox.Notice {
		n.unread++
	}
	n.until = new.Time.Add(shownFor)
}

// recall adds what was told before this UI was there: it belongs into the list, and is no news. What the list has already
// is left out.
func (n *notices) recall(old screen.Notice) {
	for _, o := range n.list {
		if o.Text == old.Text && o.Node == old.Node {
			return
		}
	}
	n.list = append(n.list, old)
}

// latest is the one to show at the foot.
func (n *notices) latest(now time.Time) (screen.Notice, bool) {
	if len(n.list) == 0 || now.After(n.until) {
		return screen.Notice{}, false
	}
	return n.list[len(n.list)-1], true
}

func (n *notices) open() { n.unread, n.cursor, n.until = 0, 0, time.Time{} }

// move moves the cursor.
func (n *notices) move(msg tea.Msg, page int) {
	t, _ := screen.Table{Cursor: n.cursor}.Update(msg, len(n.list), page)
	n.cursor = t.Cursor
}

// lines draws the list, latest first, and tells the line of the one under the cursor.
func (n *notices) lines(m *Model, w int) (lines []string, cursor int) {
	t := m.theme
	for i := len(n.list) - 1; i >= 0; i-- {
		one := n.list[i]
		sign, style := screen.SeveritySign(t, one.Severity)
		mark, text := " ", t.Text
		if len(n.list)-1-i == n.cursor {
			mark, text, cursor = t.Accent.Render(t.Signs.Cursor), t.Strong, len(lines)
		}
		head := mark + t.Dim.Render(one.Time.Local().Format("15:04:05")) + " " + style.Render(sign) + " "
		const indent = 12
		said := one.Text
		if one.Node != "" && !strings.Contains(said, one.Node) {
			said = one.Node + ": " + said
		}
		for j, l := range wrapAll(said, w-indent) {
			if j > 0 {
				head = strings.Repeat(" ", indent)
			}
			lines = append(lines, head+text.Render(l))
		}
		for _, l := range one.Log {
			lines = append(lines, strings.Repeat(" ", indent)+t.Faint.Render(t.Signs.V)+" "+t.Dim.Render(screen.Line(l)))
		}
		if one.Hint != "" {
			for _, l := range wrapAll(t.Signs.Right+" "+one.Hint, w-indent) {
				lines = append(lines, strings.Repeat(" ", indent)+t.Accent.Render(l))
			}
		}
	}
	if len(lines) == 0 {
		lines = []string{t.Dim.Render("nothing has been told yet")}
	}
	return lines, cursor
}

func wrapAll(text string, w int) (lines []string) {
	for _, l := range screen.Lines(text) {
		lines = append(lines, screen.Wrap(l, w)...)
	}
	return lines
}

// scroll is a position in lines that are only read.
type scroll struct{ top int }

func (s scroll) update(msg tea.Msg, n, page int) scroll {
	switch msg := msg.(type) {
	case tea.MouseWheelMsg:
		const step = 3
		if msg.Button == tea.MouseWheelUp {
			s.top -= step
		} else {
			s.top += step
		}
	case tea.KeyPressMsg:
		switch msg.String() {
		case "up", "k":
			s.top--
		case "down", "j":
			s.top++
		case "pgup", "ctrl+b":
			s.top -= page
		case "pgdown", "ctrl+f", "space":
			s.top += page
		case "home", "g":
			s.top = 0
		case "end", "G":
			s.top = n
		}
	}
	s.top = max(0, min(s.top, n-page))
	return s
}
