package screen

import (
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

// Table is a list of rows in aligned columns with a cursor and scrolling. It is a value: Update gives the next one. The
// rows are the caller's and are handed in at each step, so that data and rendering stay apart.
type Table struct {
	Cursor int
	top    int
}

// Column of a table. Widths of all columns are found from what is in them; what does not fit is taken from the
// columns that stretch, the last of them first.
type Column struct {
	Title   string
	Right   bool // align to the right, for numbers
	Stretch bool // takes what room is left, and gives it up
	Most    int  // cells; 0 for any
}

// Cell is a text and how it is drawn.
type Cell struct {
	Text  string
	Style lipgloss.Style
}

// Row of a table: one cell for each column.
type Row []Cell

// ListKeys are the keys of everything that scrolls.
type ListKeys struct{ Up, Down, PageUp, PageDown, Top, Bottom key.Binding }

// NewListKeys makes the keys.
func NewListKeys() ListKeys {
	return ListKeys{
		Up:       key.NewBinding(key.WithKeys("up", "k"), key.WithHelp("↑/k", "up")),
		Down:     key.NewBinding(key.WithKeys("down", "j"), key.WithHelp("↓/j", "down")),
		PageUp:   key.NewBinding(key.WithKeys("pgup", "ctrl+b"), key.WithHelp("pgup", "page up")),
		PageDown: key.NewBinding(key.WithKeys("pgdown", "ctrl+f"), key.WithHelp("pgdn", "page down")),
		Top:      key.NewBinding(key.WithKeys("home", "g"), key.WithHelp("g", "first")),
		Bottom:   key.NewBinding(key.WithKeys("end", "G"), key.WithHelp("G", "last")),
	}
}

// All lists the keys for the help.
func (k ListKeys) All() []key.Binding {
	return []key.Binding{k.Up, k.Down, k.PageUp, k.PageDown, k.Top, k.Bottom}
}

// Update moves the cursor among n rows of which page are seen. A click is taken where the rows begin at line 1 of the
// message's coordinates (line 0 is the head). It tells whether it took the message.
func (t Table) Update(msg tea.Msg, n, page int) (Table, bool) {
	k := NewListKeys()
	page = max(1, page)
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		switch {
		case key.Matches(msg, k.Up):
			t.Cursor--
		case key.Matches(msg, k.Down):
			t.Cursor++
		case key.Matches(msg, k.PageUp):
			t.Cursor -= page
		case key.Matches(msg, k.PageDown):
			t.Cursor += page
		case key.Matches(msg, k.Top):
			t.Cursor = 0
		case key.Matches(msg, k.Bottom):
			t.Cursor = n - 1
		default:
			return t, false
		}
	case tea.MouseWheelMsg:
		const step = 3
		if msg.Button == tea.MouseWheelUp {
			t.Cursor -= step
		} else {
			t.Cursor += step
		}
	case tea.MouseClickMsg:
		if at := t.top + msg.Y - 1; msg.Y >= 1 && at < n {
			t.Cursor = at
		}
	default:
		return t, false
	}
	return t.Fit(n, page), true
}

// Fit keeps the cursor among n rows and among the page that is seen.
func (t Table) Fit(n, page int) Table {
	t.Cursor = max(0, min(t.Cursor, n-1))
	t.top = max(0, min(t.top, n-max(1, page)))
	if t.Cursor < t.top {
		t.top = t.Cursor
	}
	if t.Cursor >= t.top+page {
		t.top = t.Cursor - max(1, page) + 1
	}
	return t
}

// Shift moves cursor and page by so many rows, as when rows before them come or go.
func (t Table) Shift(by int) Table {
	t.Cursor += by
	t.top += by
	return t
}

// Top is the first row that is seen.
func (t Table) Top() int { return t.top }

// Page is how many rows are seen in h lines, one of which is the head.
func Page(h int) int { return max(1, h-1) }

// Render draws the head and the rows that fit into w times h cells. Only the rows that are seen are asked for, so that
// long lists cost no more than short ones; widths follow what is seen.
func (t Table) Render(f Frame, columns []Column, n int, row func(i int) Row, w, h int, focused bool) string {
	page := Page(h)
	t = t.Fit(n, page)
	seen := make([]Row, 0, page)
	for i := t.top; i < min(n, t.top+page); i++ {
		seen = append(seen, row(i))
	}
	room := w - 2
	if n > page {
		room -= 2 // for the scroll bar
	}
	widths := columnWidths(columns, seen, room)
	lines := make([]string, 0, h)
	head := "  "
	for i, c := range columns {
		head += align(c, c.Title, widths[i]) + gap(i, len(columns))
	}
	lines = append(lines, f.Theme.Dim.Render(Cut(head, w)))
	for i, r := range seen {
		lines = append(lines, t.line(f, columns, widths, r, t.top+i == t.Cursor, focused, w))
	}
	if n > page {
		scrollbar(f, lines[1:], t.top, page, n, w)
	}
	return Fill(lines, w, h)
}

func (t Table) line(f Frame, columns []Column, widths []int, r Row, current, focused bool, w int) string {
	var b strings.Builder
	mark := "  "
	if current {
		mark = f.Theme.Signs.Cursor + " "
	}
	if current && focused { // one style for the whole row, so that it reads as one
		b.WriteString(mark)
		for i, c := range columns {
			b.WriteString(align(c, r[i].Text, widths[i]) + gap(i, len(columns)))
		}
		return f.Theme.Select.Render(Pad(b.String(), w))
	}
	b.WriteString(f.Theme.Accent.Render(mark))
	for i, c := range columns {
		b.WriteString(r[i].Style.Render(align(c, r[i].Text, widths[i])) + gap(i, len(columns)))
	}
	return b.String()
}

func gap(i, n int) string {
	if i == n-1 {
		return ""
	}
	return "  "
}

func align(c Column, text string, w int) string {
	if c.Right {
		return PadLeft(text, w)
	}
	return Pad(text, w)
}

func columnWidths(columns []Column, rows []Row, room int) []int {
	widths := make([]int, len(columns))
	total := 2 * (len(columns) - 1)
	for i, c := range columns {
		widths[i] = Width(c.Title)
		for _, r := range rows {
			widths[i] = max(widths[i], Width(r[i].Text))
		}
		if c.Most > 0 {
			widths[i] = min(widths[i], c.Most)
		}
		total += widths[i]
	}
	const least = 6
	for _, stretch := range []bool{true, false} { // first those that may shrink, then, if need be, all
		for i := len(columns) - 1; i >= 0 && total > room; i-- {
			if columns[i].Stretch == stretch {
				give := min(total-room, max(0, widths[i]-least))
				widths[i] -= give
				total -= give
			}
		}
	}
	return widths
}

// scrollbar draws where the page is at the right edge of the lines.
func scrollbar(f Frame, lines []string, top, page, n, w int) {
	size := max(1, page*page/n)
	at := 0
	if n > page {
		at = top * (page - size) / (n - page)
	}
	for i := range lines {
		sign := " " // no track: it would stand beside the line between two halves of the window
		if i >= at && i < at+size {
			sign = f.Theme.Dim.Render(f.Theme.Signs.Scroll)
		}
		lines[i] = Pad(ansi.Truncate(lines[i], w-1, ""), w-1) + sign // nothing is under it: the columns leave room
	}
}
