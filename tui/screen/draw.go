package screen

import (
	"math"
	"strings"

	"charm.land/lipgloss/v2"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/theme"
)

// Sparkline draws the latest samples in w cells of one line, the newest on the right. most is the value of a full cell;
// 0 takes the largest sample.
func Sparkline(t *theme.Theme, samples []float64, w int, most float64) string {
	if len(samples) > w {
		samples = samples[len(samples)-w:]
	}
	if most <= 0 {
		for _, s := range samples {
			most = max(most, s)
		}
	}
	bars := t.Signs.Bars
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", max(0, w-len(samples))))
	for _, s := range samples {
		level := 0
		if most > 0 {
			level = int(math.Ceil(s/most*float64(len(bars)))) - 1
		}
		b.WriteString(bars[min(max(level, 0), len(bars)-1)])
	}
	return b.String()
}

// Bar draws a bar of w cells that is full by the fraction done (0…1).
func Bar(t *theme.Theme, done float64, w int, style lipgloss.Style) string {
	done = min(max(done, 0), 1)
	parts := len(t.Signs.Parts) + 1
	eighths := int(math.Round(done * float64(w*parts)))
	full, rest := eighths/parts, eighths%parts
	bar := strings.Repeat(t.Signs.Full, full)
	if rest > 0 && full < w {
		bar += t.Signs.Parts[rest-1]
	}
	return style.Render(bar) + t.Faint.Render(strings.Repeat(t.Signs.Empty, w-Width(bar)))
}

// Rule is a horizontal line of w cells, with a title if there is one.
func Rule(t *theme.Theme, title string, w int) string {
	if title == "" {
		return t.Faint.Render(strings.Repeat(t.Signs.H, max(0, w)))
	}
	title = Cut(title, w-4)
	return t.Faint.Render(strings.Repeat(t.Signs.H, 2)) + " " + t.Dim.Render(title) + " " +
		t.Faint.Render(strings.Repeat(t.Signs.H, max(0, w-4-Width(title))))
}

// Box draws a frame around lines: w times h cells in all, with a title in its upper edge. A focused box stands out.
func Box(t *theme.Theme, title string, lines []string, w, h int, focused bool) string {
	if w < 4 || h < 3 {
		return Fill(lines, max(0, w), max(0, h))
	}
	b, edge, head := t.Signs.Border, t.Faint, t.Dim
	if focused {
		edge, head = t.Accent, t.Strong
	}
	top := edge.Render(b.TopLeft + b.Top)
	if title = Cut(title, w-6); title != "" {
		top += " " + head.Render(title) + " " + edge.Render(strings.Repeat(b.Top, w-5-Width(title))+b.TopRight)
	} else {
		top += edge.Render(strings.Repeat(b.Top, w-3) + b.TopRight)
	}
	left, right := edge.Render(b.Left), edge.Render(b.Right)
	out := make([]string, 0, h)
	out = append(out, top)
	for i := range h - 2 {
		line := ""
		if i < len(lines) {
			line = lines[i]
		}
		out = append(out, left+Pad(line, w-2)+right)
	}
	out = append(out, edge.Render(b.BottomLeft+strings.Repeat(b.Bottom, w-2)+b.BottomRight))
	return strings.Join(out, "\n")
}

// Spinner is the sign of work without a measure.
func Spinner(f Frame) string {
	return f.Theme.Signs.Spin[f.Beat%len(f.Theme.Signs.Spin)]
}

// StateSign is the sign of a node's state and the style that goes with it. The sign alone tells the state.
func StateSign(t *theme.Theme, s sandbox.State) (string, lipgloss.Style) {
	switch s {
	case sandbox.Ready:
		return t.Signs.Ready, t.Good
	case sandbox.Starting:
		return t.Signs.Starting, t.Busy
	case sandbox.Pending:
		return t.Signs.Waiting, t.Dim
	case sandbox.Degraded:
		return t.Signs.Warning, t.Warn
	case sandbox.Backoff:
		return t.Signs.Again, t.Bad
	case sandbox.Crashed:
		return t.Signs.Failed, t.Bad
	case sandbox.Paused:
		return t.Signs.Paused, t.Warn
	case sandbox.Stopping, sandbox.Stopped:
		return t.Signs.Stopped, t.Dim
	}
	return "?", t.Dim
}

// PhaseSign is the sign of a sandbox's phase and the style that goes with it.
func PhaseSign(t *theme.Theme, p sandbox.Phase) (string, lipgloss.Style) {
	switch p {
	case sandbox.PhaseReady:
		return t.Signs.Ready, t.Good
	case sandbox.PhaseStarting:
		return t.Signs.Starting, t.Busy
	case sandbox.PhaseDegraded:
		return t.Signs.Warning, t.Warn
	case sandbox.PhaseFailed:
		return t.Signs.Failed, t.Bad
	case sandbox.PhaseStopping, sandbox.PhaseStopped:
		return t.Signs.Stopped, t.Dim
	}
	return t.Signs.Waiting, t.Dim
}

// SeveritySign is the sign of a notice's severity and the style that goes with it.
func SeveritySign(t *theme.Theme, s sandbox.Severity) (string, lipgloss.Style) {
	switch s {
	case sandbox.Fault:
		return t.Signs.Failed, t.Bad
	case sandbox.Warning:
		return t.Signs.Warning, t.Warn
	}
	return t.Signs.Dot, t.Accent
}

// Looking is what a view shows as long as nothing is known of the sandbox: that it is looked for, and what is in the way.
func Looking(f Frame) string {
	t := f.Theme
	lines := []string{t.Dim.Render("looking for sandbox " + f.State.Name)}
	if f.State.Err != nil {
		why := Failure("ask its supervisor", f.State.Err)
		lines = append(lines, "")
		for _, l := range Wrap(Line(why.Text), f.Width-4) {
			lines = append(lines, t.Warn.Render(l))
		}
		if why.Hint != "" {
			lines = append(lines, t.Accent.Render(Cut(t.Signs.Right+" "+Line(why.Hint), f.Width-4)))
		}
		lines = append(lines, t.Dim.Render("it is tried again"))
	}
	return Middle(lines, f.Width, f.Height)
}

// Away tells why nothing new comes from the sandbox; empty while there is a supervisor that answers.
func Away(f Frame) string {
	switch f.State.Link {
	case Connected:
		return ""
	case Lost:
		return "nothing comes: the supervisor is lost"
	case Absent:
		return "nothing comes: the sandbox is not running"
	}
	return "looking for the sandbox"
}
