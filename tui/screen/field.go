package screen

import (
	"strings"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
)

// Field is one line of text that is typed, with the usual keys of editing. It is a value: Update gives the next one.
type Field struct{ input textinput.Model }

// NewField makes a field that has the focus and holds a text.
func NewField(text string) Field {
	i := textinput.New()
	i.Prompt = ""
	i.SetVirtualCursor(false) // Render draws one, without blinking
	i.Focus()
	i.SetValue(text)
	i.CursorEnd()
	return Field{i}
}

// Value is the text.
func (f Field) Value() string { return f.input.Value() }

// Set replaces the text.
func (f Field) Set(text string) Field {
	f.input.SetValue(text)
	f.input.CursorEnd()
	return f
}

// Update takes keys and what is pasted.
func (f Field) Update(msg tea.Msg) (Field, tea.Cmd) {
	var cmd tea.Cmd
	f.input, cmd = f.input.Update(msg)
	return f, cmd
}

// Render draws the text in w cells, with the cursor if the field is focused and a hint while it is empty.
func (f Field) Render(fr Frame, w int, hint string, focused bool) string {
	t := fr.Theme
	text := []rune(f.input.Value())
	if !focused {
		if len(text) == 0 {
			return Pad(t.Dim.Render(Cut(hint, w)), w)
		}
		return Pad(t.Text.Render(Cut(string(text), w)), w)
	}
	block := lipgloss.NewStyle().Reverse(true)
	if len(text) == 0 {
		return Pad(block.Render(" ")+t.Dim.Render(Cut(hint, w-2)), w)
	}
	at := min(f.input.Position(), len(text))
	first := 0 // the part around the cursor is seen
	for first < at && Width(string(text[first:at])) > w-2 {
		first++
	}
	under, rest := " ", ""
	if at < len(text) {
		under, rest = string(text[at]), string(text[at+1:])
	}
	before := string(text[first:at])
	return Pad(t.Text.Render(before)+block.Render(under)+t.Text.Render(Cut(rest, w-Width(before)-Width(under))), w)
}

// Over lays a box over the middle of a body of w times h cells.
func Over(body, box string, w, h int) string {
	bw, bh := lipgloss.Size(box)
	if bw > w || bh > h { // the window is smaller than what is asked in it
		bw, bh = min(bw, w), min(bh, h)
		box = Fill(strings.Split(box, "\n"), bw, bh)
	}
	x, y := max(0, (w-bw)/2), max(0, (h-bh)/3)
	return lipgloss.NewCompositor(lipgloss.NewLayer(body), lipgloss.NewLayer(box).X(x).Y(y).Z(1)).Render()
}

// Labelled is a label in a column of its own and a value, which is broken into several lines of w cells in all.
func Labelled(f Frame, label, value string, style lipgloss.Style, w int) []string {
	const column = 12
	var lines []string
	for i, part := range Wrap(value, max(8, w-column)) {
		if i > 0 {
			label = ""
		}
		lines = append(lines, f.Theme.Dim.Render(Pad(label, column))+style.Render(strings.TrimSpace(part)))
	}
	return lines
}
