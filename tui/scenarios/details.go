package scenarios

import (
	"strings"

	"charm.land/lipgloss/v2"

	"github.com/cordage-sandbox/cordage/scenarios/run"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// current is the row of the tree under the cursor.
func (v *View) current() (treeRow, bool) {
	rows := v.rows()
	if v.tree.Cursor < len(rows) {
		return rows[v.tree.Cursor], true
	}
	return treeRow{}, false
}

// details are h lines on the step under the cursor, from where they are scrolled to.
func (v *View) details(f screen.Frame, w, h int) []string {
	r, ok := v.current()
	if !ok || h < 2 {
		return nil
	}
	lines := []string{heading(f, screen.Cut(screen.Line(r.name()), w-8), false, "", w)}
	body := v.about(f, r, w-2)
	if len(body) > h-1 { // the rest is a key away
		body = append(body[:h-2], f.Theme.Key.Render("enter")+f.Theme.Dim.Render(" reads all of it"))
	}
	for _, l := range body {
		lines = append(lines, " "+l)
	}
	return lines
}

// reader shows the details in the whole window.
func (v *View) reader(f screen.Frame) string {
	r, ok := v.current()
	if !ok {
		return screen.Fill(nil, f.Width, f.Height)
	}
	body := v.about(f, r, f.Width-2)
	room := f.Height - 1
	v.beyond = max(0, len(body)-room)
	top := min(v.scroll, v.beyond)
	more := ""
	if below := v.beyond - top; below > 0 {
		more = f.Theme.Dim.Render(f.Theme.Signs.Down + " " + screen.Plural(below, "line") + " below ")
	}
	lines := []string{heading(f, screen.Cut(screen.Line(r.name()), f.Width-24), true, more, f.Width)}
	for _, l := range body[top:] {
		lines = append(lines, " "+l)
	}
	return screen.Fill(lines, f.Width, f.Height)
}

// about tells all of a step: where it stands, what it asked for, what was expected and what came.
func (v *View) about(f screen.Frame, r treeRow, w int) (lines []string) {
	t := f.Theme
	block := func(title, text string, style lipgloss.Style) {
		if text == "" {
			return
		}
		lines = append(lines, t.Dim.Render(title))
		for _, l := range screen.Lines(text) {
			for _, part := range wrap(l, w-2) {
				lines = append(lines, "  "+style.Render(part))
			}
		}
	}
	if r.step == nil {
		block("error", r.run.err, t.Bad)
		return append(lines, v.summary(f, r)...)
	}
	s := r.step
	place := s.place
	if s.trace != "" {
		place += ", trace " + s.trace[:min(len(s.trace), 12)] + " (t)"
	}
	lines = append(lines, t.Dim.Render(screen.Cut(place, w)))
	switch {
	case s.status == run.Failed && r.inner:
		lines = append(lines, t.Dim.Render("a step inside failed"))
	case s.status == run.Failed && (s.want != "" || s.got != ""):
		lines = append(lines, compared(f, s.want, s.got, w)...)
		block("request", s.request, t.Text)
		block("in full", s.err, t.Dim)
	case s.status == run.Failed:
		block("error", s.err, t.Bad)
		block("request", s.request, t.Text)
	case s.status == run.Skipped:
		lines = append(lines, t.Dim.Render("skipped: a step before it failed"))
	case s.status == "":
		lines = append(lines, t.Busy.Render("under way"))
	}
	return lines
}

// summary counts the steps of a scenario.
func (v *View) summary(f screen.Frame, r treeRow) []string {
	count := map[run.Status]int{}
	var walk func(steps []*step)
	walk = func(steps []*step) {
		for _, s := range steps {
			if len(s.steps) == 0 {
				count[s.status]++
			}
			walk(s.steps)
		}
	}
	walk(r.run.steps)
	text := screen.Plural(count[run.Passed], "step") + " passed"
	if n := count[run.Failed]; n > 0 {
		text += ", " + screen.Plural(n, "step") + " failed"
	}
	if n := count[run.Skipped]; n > 0 {
		text += ", " + screen.Plural(n, "step") + " skipped"
	}
	return []string{f.Theme.Dim.Render(text)}
}

// wrap breaks a line of code, which keeps its indentation.
func wrap(line string, w int) []string {
	margin := line[:len(line)-len(strings.TrimLeft(line, " "))]
	if screen.Width(line) <= w {
		return []string{line}
	}
	var out []string
	for i, part := range screen.Wrap(strings.TrimLeft(line, " "), max(10, w-len(margin)-2)) {
		if i > 0 {
			part = "  " + part
		}
		out = append(out, margin+part)
	}
	return out
}

// compared shows what was expected beside what came.
func compared(f screen.Frame, want, got string, w int) (lines []string) {
	t := f.Theme
	half := (w - 1) / 2
	column := func(title, text string, style lipgloss.Style) (list []string) {
		list = append(list, t.Dim.Render(screen.Pad(title, half)))
		for _, l := range screen.Lines(text) {
			for _, part := range wrap(l, half-3) {
				list = append(list, screen.Pad("  "+style.Render(part), half))
			}
		}
		return list
	}
	left, right := column(t.Signs.Check+" expected", want, t.Good), column(t.Signs.Failed+" actual", got, t.Bad)
	for i := range max(len(left), len(right)) {
		line := strings.Repeat(" ", half)
		if i < len(left) {
			line = left[i]
		}
		line += t.Faint.Render(t.Signs.V)
		if i < len(right) {
			line += right[i]
		}
		lines = append(lines, line)
	}
	return lines
}
