package messages

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/cordage-sandbox/cordage/sandbox/trace"
	"github.com/cordage-sandbox/cordage/tui/screen"
	"github.com/cordage-sandbox/cordage/tui/theme"
)

// renderFall draws the way of a request: a row for each span, with a bar for when it was at work.
func (v *View) renderFall(f screen.Frame) string {
	t, w := f.Theme, v.fall
	head := screen.Pad(w.head(f), f.Width)
	h := f.Height - 1
	if !w.asked {
		text := []string{t.Dim.Render("asking for the request")}
		if w.fault != nil {
			text = []string{t.Bad.Render(screen.Line(w.fault.Error())), t.Dim.Render("it is asked for again every second: workers tell of their spans after a moment")}
		}
		return head + "\n" + screen.Middle(text, f.Width, h)
	}
	below := 0
	if w.open || v.wide() {
		below = min(h*2/5, 16)
	}
	w.page = max(1, h-below-1)
	w.table = w.table.Fit(len(w.rows), w.page)
	lines := []string{head, w.scale(f)}
	top := w.table.Top()
	for i := top; i < min(len(w.rows), top+w.page); i++ {
		lines = append(lines, w.line(f, i))
	}
	body := screen.Fill(lines, f.Width, f.Height-below)
	if below > 0 {
		details := append([]string{screen.Rule(t, "", f.Width)}, v.part(f, w.details(f, f.Width-1), below-1)...)
		body += "\n" + screen.Fill(details, f.Width, below)
	}
	return body
}

func (w *fall) head(f screen.Frame) string {
	t := f.Theme
	if !w.asked {
		return " " + t.Dim.Render("request "+screen.Line(w.id))
	}
	sign, style := t.Signs.Check, t.Good
	if w.trace.Failed {
		sign, style = t.Signs.Failed, t.Bad
	}
	left := " " + style.Render(sign) + " " + t.Strong.Render(screen.Line(w.trace.Name)) + "  " + t.Text.Render(screen.Duration(w.trace.Took))
	right := t.Dim.Render(fmt.Sprintf("%s on %s  %s  ", screen.Plural(w.trace.Spans, "span"), screen.Plural(len(w.trace.Nodes), "node"),
		w.trace.Start.Local().Format("15:04:05.000"))) + t.Data.Render(w.trace.ID[:min(8, len(w.trace.ID))]) + " "
	return screen.Ends(left, right, f.Width)
}

// Widths of the columns before the bars, in cells.
const (
	nodeWidth  = 11
	placeWidth = 5
	tookWidth  = 8
)

// columns are the widths of the name and of the bars.
func columns(width int) (name, bar int) {
	rest := width - 2 - nodeWidth - placeWidth - tookWidth - 4
	share := 45 // percent
	if width < wideFrom {
		share = 36
	}
	bar = max(10, rest*share/100)
	return rest - bar, bar
}

// scale is the line with the times.
func (w *fall) scale(f screen.Frame) string {
	name, bar := columns(f.Width)
	left := "  " + screen.Pad("step", name) + " " + screen.Pad("node", nodeWidth) + " " + screen.Pad("", placeWidth) + " " + screen.PadLeft("took", tookWidth) + " "
	times := screen.Ends("0", screen.Duration(w.trace.Took), bar)
	if bar > 40 {
		half := screen.Duration(w.trace.Took / 2)
		at := bar/2 - len(half)/2
		times = times[:at] + half + times[at+len(half):]
	}
	return f.Theme.Dim.Render(left + times)
}

func (w *fall) line(f screen.Frame, i int) string {
	t, r := f.Theme, w.rows[i]
	nameWidth, bar := columns(f.Width)
	lead := tree(t, r)
	name := label(r.Span)
	if r.folded && r.below > 0 {
		name += fmt.Sprintf(" +%d", r.below)
	}
	style := t.Text
	switch {
	case r.Failed:
		style, name = t.Bad, t.Signs.Failed+" "+name
	case isStatement(r.Span):
		style = t.Dim
	}
	name = screen.Pad(lead+name, nameWidth)
	node, where := screen.Pad(screen.Line(r.Node), nodeWidth), screen.Pad(place(r.Span), placeWidth)
	took := screen.PadLeft(screen.Duration(r.Took), tookWidth)
	barText, barStyle := w.bar(t, r, bar), t.Hue(r.Node)
	if r.Failed {
		barStyle = t.Bad
	}
	if i == w.table.Cursor {
		return t.Select.Render(t.Signs.Cursor+" "+name+" "+node+" "+where+" "+took+" ") + barStyle.Render(barText)
	}
	return "  " + style.Render(name) + " " + t.Hue(r.Node).Render(node) + " " + t.Dim.Render(where) + " " + t.Text.Render(took) + " " + barStyle.Render(barText)
}

// label is what a span is called: a statement by its text.
func label(s trace.Span) string {
	if text := s.Attributes["db.query.text"]; isStatement(s) && text != "" {
		return screen.Line(strings.Join(strings.Fields(text), " "))
	}
	return screen.Line(s.Title())
}

// tree draws what leads to a row.
func tree(t *theme.Theme, r row) string {
	const deepest = 12
	if r.depth == 0 {
		return ""
	}
	var b strings.Builder
	for _, last := range r.last[max(1, len(r.last)-deepest) : len(r.last)-1] {
		if last {
			b.WriteString("  ")
		} else {
			b.WriteString(t.Signs.V + " ")
		}
	}
	if r.last[len(r.last)-1] {
		return b.String() + t.Signs.Elbow + t.Signs.H
	}
	return b.String() + t.Signs.Tee + t.Signs.H
}

// bar draws when the span was at work in w cells for the whole request. The shortest is one cell.
func (w *fall) bar(t *theme.Theme, r row, width int) string {
	whole := float64(w.trace.Took)
	if whole <= 0 {
		return t.Signs.Full
	}
	at := func(d time.Duration) int { return int(math.Round(float64(d) / whole * float64(width))) }
	from := min(max(0, at(r.Start.Sub(w.trace.Start))), width-1)
	to := min(max(from+1, at(r.Start.Sub(w.trace.Start)+r.Took)), width)
	return strings.Repeat(" ", from) + strings.Repeat(t.Signs.Full, to-from)
}

// details is all of the span under the cursor.
func (w *fall) details(f screen.Frame, width int) []string {
	r, ok := w.current()
	if !ok {
		return nil
	}
	t := f.Theme
	var lines []string
	say := func(label, value string, style lipgloss.Style) {
		if value = screen.Line(value); value != "" {
			lines = append(lines, screen.Labelled(f, " "+label, value, style, width)...)
		}
	}
	say("step", r.Title(), t.Strong)
	say("node", r.Node+"   "+r.Kind, t.Hue(r.Node))
	say("began", fmt.Sprintf("%s after the request, took %s", screen.Duration(r.Start.Sub(w.trace.Start)), screen.Duration(r.Took)), t.Text)
	if r.Failed {
		say("failed", r.Message, t.Bad)
	}
	const names = 30
	for _, name := range slices.Sorted(maps.Keys(r.Attributes)) {
		label := screen.Line(name)
		for _, part := range strings.Split(hardWrap(screen.Line(r.Attributes[name]), max(10, width-names-2)), "\n") {
			lines = append(lines, " "+t.Dim.Render(screen.Pad(label, names))+" "+t.Text.Render(part))
			label = ""
		}
	}
	return lines
}
