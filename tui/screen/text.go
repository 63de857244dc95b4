package screen

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

// Width is the number of cells that s takes, styles not counted.
func Width(s string) int { return ansi.StringWidth(s) }

// Cut shortens s to at most n cells, the last of which then is the sign of more.
func Cut(s string, n int) string {
	if n <= 0 {
		return ""
	}
	return ansi.Truncate(s, n, "…")
}

// Pad makes s exactly n cells wide, cutting or filling on the right.
func Pad(s string, n int) string {
	w := Width(s)
	if w > n {
		s = Cut(s, n)
		w = Width(s)
	}
	return s + strings.Repeat(" ", max(0, n-w))
}

// PadLeft makes s exactly n cells wide, cutting on the right or filling on the left, for numbers.
func PadLeft(s string, n int) string {
	w := Width(s)
	if w > n {
		return Pad(s, n)
	}
	return strings.Repeat(" ", n-w) + s
}

// Ends puts left and right at the ends of a line of n cells. If both do not fit, right is cut off first.
func Ends(left, right string, n int) string {
	room := n - Width(left)
	if room <= 1 {
		return Pad(left, n)
	}
	right = Cut(right, room-1)
	return left + strings.Repeat(" ", room-Width(right)) + right
}

// Line is s in one line: without line breaks, tabs and control characters, so that what comes from elsewhere cannot
// disturb the screen.
func Line(s string) string {
	s = ansi.Strip(s)
	if i := strings.IndexFunc(s, Obeyed); i < 0 {
		return s
	}
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if Obeyed(r) {
			return ' '
		}
		return r
	}, s)), " ")
}

// Obeyed tells whether a terminal takes a character as an order rather than as one to show: control characters, breaks of
// lines, changes of direction.
func Obeyed(r rune) bool {
	return r < 0x20 || (r >= 0x7f && r < 0xa0) || r == '\u2028' || r == '\u2029' || r == '\ufeff' ||
		(r >= '\u202a' && r <= '\u202e') || (r >= '\u2066' && r <= '\u2069') // changes of direction
}

// Lines splits s into lines that are safe to draw.
func Lines(s string) []string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	for i, l := range lines {
		lines[i] = Line(strings.ReplaceAll(l, "\t", "    "))
	}
	return lines
}

// Wrap breaks plain text into lines of at most n cells.
func Wrap(s string, n int) []string {
	return strings.Split(ansi.Wrap(s, max(1, n), ""), "\n")
}

// Fill makes exactly h lines of exactly w cells out of lines, cutting what is too much.
func Fill(lines []string, w, h int) string {
	var b strings.Builder
	for i := range h {
		if i > 0 {
			b.WriteByte('\n')
		}
		if i < len(lines) {
			b.WriteString(Pad(lines[i], w))
		} else {
			b.WriteString(strings.Repeat(" ", w))
		}
	}
	return b.String()
}

// Middle puts lines into the middle of w times h cells, as blank space says "nothing here yet".
func Middle(lines []string, w, h int) string {
	widest := 0
	for _, l := range lines {
		widest = max(widest, Width(l))
	}
	out := make([]string, max(0, (h-len(lines))/2), h+len(lines))
	for _, l := range lines {
		out = append(out, strings.Repeat(" ", max(0, (w-widest)/2))+l)
	}
	return Fill(out, w, h)
}

// Beside puts two blocks of h lines side by side, with one cell between them.
func Beside(left, right string, between string) string {
	l, r := strings.Split(left, "\n"), strings.Split(right, "\n")
	var b strings.Builder
	for i := range max(len(l), len(r)) {
		if i > 0 {
			b.WriteByte('\n')
		}
		if i < len(l) {
			b.WriteString(l[i])
		}
		b.WriteString(between)
		if i < len(r) {
			b.WriteString(r[i])
		}
	}
	return b.String()
}

// Duration prints a duration for people: 840ms, 2.41s, 12.3s, 2m05s, 3h04m.
func Duration(d time.Duration) string {
	switch {
	case d <= 0:
		return "0s"
	case d < time.Millisecond:
		return fmt.Sprintf("%dµs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.2fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

// Ago prints how long something has lasted, in whole seconds, minutes, hours or days.
func Ago(d time.Duration) string {
	switch {
	case d < time.Second:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// Bytes prints a size for people: 512 B, 12 KB, 340 MB, 1.2 GB.
func Bytes(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%d KB", n>>10)
	case n < 1<<30:
		return fmt.Sprintf("%d MB", n>>20)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/(1<<30))
}

// Count prints a number for people in at most five cells: 950, 12.3k, 4.5M.
func Count(n int64) string {
	switch {
	case n < 10_000:
		return fmt.Sprint(n)
	case n < 1_000_000:
		return fmt.Sprintf("%.1fk", float64(n)/1e3)
	case n < 1_000_000_000:
		return fmt.Sprintf("%.1fM", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1fG", float64(n)/1e9)
}

// Rate prints events per second: 0.4/s, 12/s, 1.2k/s; nothing for none.
func Rate(r float64) string {
	switch {
	case r < 0.05:
		return ""
	case r < 10:
		return fmt.Sprintf("%.1f/s", r)
	}
	return Count(int64(r)) + "/s"
}

// Plural is n with its noun: 1 node, 2 nodes.
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Highlight renders text in style, and where the lower-case part occurs in it, in match.
func Highlight(text, part string, style, match lipgloss.Style) string {
	at := -1
	if part != "" {
		at = strings.Index(strings.ToLower(text), part)
	}
	if at < 0 || at+len(part) > len(text) {
		return style.Render(text)
	}
	var b strings.Builder
	if at > 0 {
		b.WriteString(style.Render(text[:at]))
	}
	b.WriteString(match.Render(text[at : at+len(part)]))
	if rest := text[at+len(part):]; rest != "" {
		b.WriteString(style.Render(rest))
	}
	return b.String()
}

// Fields are a few fields of a log line in one line, in the order of their names.
func Fields(fields map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		const most = 200
		if b.Len() > most {
			break
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(name + "=" + Line(fields[name]))
	}
	return b.String()
}
