package theme

import (
	"strings"

	"charm.land/lipgloss/v2"
)

// Ink is a style for many short pieces of one line: what a style writes before and after a text, found once. A style looks
// at margins, borders and widths of each text, which made most of the cost of a frame of the topology.
type Ink struct{ before, after string }

// NewInk takes the colours of a style.
func NewInk(s lipgloss.Style) Ink {
	const mark = "x"
	before, after, _ := strings.Cut(s.Render(mark), mark)
	return Ink{before, after}
}

// Write writes a text in the ink; it must be one line.
func (i Ink) Write(b *strings.Builder, text string) {
	b.WriteString(i.before)
	b.WriteString(text)
	b.WriteString(i.after)
}
