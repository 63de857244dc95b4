package screen

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// ASCII replaces what a terminal without Unicode cannot draw, cell by cell, so that the layout stays. Signs of the theme
// are ASCII there already; this is for data, and for what was cut off.
func ASCII(frame string) string {
	if strings.IndexFunc(frame, func(r rune) bool { return r > 0x7e }) < 0 {
		return frame
	}
	known := map[rune]string{
		'…': "~", '·': "-", '→': ">", '←': "<", '↑': "^", '↓': "v", '—': "-", '–': "-", '‘': "'", '’': "'", '“': `"`, '”': `"`,
		'µ': "u", '✓': "+", '✗': "x", '●': "*", '∅': "0", '⏎': "/", '×': "x", '│': "|", '─': "-", '├': "+", '└': "`", '╰': "`", '≥': ">", '≤': "<",
	}
	var b strings.Builder
	b.Grow(len(frame))
	for _, r := range frame {
		if r <= 0x7e {
			b.WriteRune(r)
			continue
		}
		s, ok := known[r]
		if !ok {
			s = strings.Repeat("?", ansi.StringWidth(string(r)))
		}
		b.WriteString(s)
	}
	return b.String()
}
