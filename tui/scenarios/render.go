package scenarios

import (
	"fmt"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/cordage-sandbox/cordage/scenarios/lang"
	"github.com/cordage-sandbox/cordage/scenarios/run"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// wideFrom is the width from which list and steps are side by side.
const wideFrom = 120

func (v *View) wide() bool { return v.width >= wideFrom }

func (v *View) listWidth() int {
	if v.wide() {
		return 48
	}
	return v.width
}

// The lines of the left side: heading and list, description, heading and history.
func (v *View) listLines() int    { return min(max(4, len(v.visible())+2), max(4, v.height/3)) }
func (v *View) historyLines() int { return min(max(3, len(v.history)+2), max(4, v.height/3)) }
func (v *View) listPage() int     { return max(1, v.listLines()-2) }
func (v *View) historyPage() int  { return max(1, v.historyLines()-2) }
func (v *View) historyTop() int   { return v.height - v.historyLines() - 1 }

// treePage is how many steps are seen; below them are the details of one.
func (v *View) treePage() int { return max(3, v.height-v.detailLines()-3) }

func (v *View) detailLines() int { return max(6, v.height*2/5) }

// Render draws the list, the steps of a run, or both.
func (v *View) Render(f screen.Frame) string {
	v.width, v.height = f.Width, f.Height
	var body string
	switch {
	case v.reading && v.shown != nil:
		body = v.reader(f)
	case v.wide():
		body = screen.Beside(v.left(f), v.right(f, f.Width-v.listWidth()-1), f.Theme.Faint.Render(f.Theme.Signs.V))
	case v.pane == onSteps && v.shown != nil:
		body = v.right(f, f.Width)
	default:
		body = v.left(f)
	}
	if v.dialog != nil {
		body = screen.Over(body, v.dialog.render(f), f.Width, f.Height)
	}
	return body
}

func heading(f screen.Frame, title string, focused bool, right string, w int) string {
	t := f.Theme
	style := t.Dim
	if focused {
		style = t.Strong
	}
	left := t.Faint.Render(t.Signs.H+t.Signs.H) + " " + style.Render(title) + " "
	if right != "" {
		right = " " + right
	}
	room := w - screen.Width(left) - screen.Width(right)
	return screen.Pad(left+t.Faint.Render(strings.Repeat(t.Signs.H, max(0, room)))+right, w)
}

func (v *View) left(f screen.Frame) string {
	w := v.listWidth()
	list := v.visible()
	lines := []string{heading(f, fmt.Sprintf("scenarios (%d)", len(list)), v.pane == onList, "", w)}
	lines = append(lines, strings.Split(v.scenarioList(f, list, w), "\n")...)
	lines = append(lines, "")
	room := f.Height - v.historyLines() - len(lines)
	lines = append(lines, v.description(f, w, room)...)
	for len(lines) < f.Height-v.historyLines() {
		lines = append(lines, "")
	}
	lines = append(lines[:f.Height-v.historyLines()], heading(f, fmt.Sprintf("history (%d)", len(v.history)), v.pane == onHistory, "", w))
	lines = append(lines, strings.Split(v.historyList(f, w), "\n")...)
	return screen.Fill(lines, w, f.Height)
}

func (v *View) scenarioList(f screen.Frame, list []*lang.Scenario, w int) string {
	t := f.Theme
	if len(list) == 0 {
		text := "none has “" + v.filter + "” in it"
		if v.fault != nil {
			text = v.fault.Error()
		}
		return screen.Fill([]string{"  " + t.Dim.Render(screen.Line(text))}, w, v.listPage()+1)
	}
	columns := []screen.Column{{Title: "  name", Stretch: true}, {Title: "steps", Right: true}, {Title: "last run"}}
	return v.table.Render(f, columns, len(list), func(i int) screen.Row {
		s := list[i]
		mark := "  "
		if v.mark[s.File+s.Name] {
			mark = t.Signs.Mark + " "
		}
		last, style := v.lastRun(f, s)
		return screen.Row{
			{Text: mark + screen.Line(s.Name), Style: t.Text}, {Text: fmt.Sprint(countSteps(s.Steps)), Style: t.Dim}, {Text: last, Style: style},
		}
	}, w, v.listPage()+1, v.pane == onList && v.dialog == nil)
}

// countSteps counts steps with those inside, one round of each.
func countSteps(steps []lang.Step) (n int) {
	for _, s := range steps {
		n++
		switch a := s.Action.(type) {
		case lang.Parallel:
			n += countSteps(a.Steps)
		case lang.Each:
			n += countSteps(a.Steps)
		}
	}
	return n
}

func (v *View) lastRun(f screen.Frame, s *lang.Scenario) (string, lipgloss.Style) {
	t := f.Theme
	if v.running() {
		for _, r := range v.history[0].runs {
			if r.name == s.Name && r.status == "" {
				if r.began.IsZero() {
					return t.Signs.Waiting + " waits", t.Dim
				}
				return screen.Spinner(f) + " " + screen.Duration(f.Now.Sub(r.began)), t.Busy
			}
		}
	}
	r, ok := v.last[s.Name]
	switch {
	case !ok && !v.fits(s):
		return fmt.Sprintf("needs %d brokers", s.Brokers), t.Dim
	case !ok:
		return "", t.Dim
	case r.stopped:
		return t.Signs.Stopped + " stopped", t.Dim
	case r.status == run.Passed:
		return t.Signs.Check + " " + screen.Duration(r.took), t.Good
	}
	return t.Signs.Failed + " " + screen.Duration(r.took), t.Bad
}

// description tells what the scenario under the cursor does, and where its file is.
func (v *View) description(f screen.Frame, w, room int) (lines []string) {
	t := f.Theme
	s, ok := v.selected()
	if !ok || room < 1 {
		return nil
	}
	for _, l := range screen.Wrap(screen.Line(s.Description), w-3) {
		lines = append(lines, "  "+t.Text.Render(l))
	}
	facts := "at most " + shortDuration(s.Timeout)
	if strings.ContainsRune(s.File, '/') {
		facts += ", " + s.File
	}
	lines = append(lines, "  "+t.Dim.Render(screen.Cut(facts, w-3)), "")
	for _, step := range s.Steps {
		lines = append(lines, "  "+t.Dim.Render(t.Signs.Dot+" ")+t.Dim.Render(screen.Cut(screen.Line(step.Name), w-6)))
	}
	if len(lines) > room {
		lines = append(lines[:max(0, room-1)], "  "+t.Dim.Render(t.Signs.More))
	}
	return lines
}

func shortDuration(d time.Duration) string {
	text := d.String() // 10m0s, 1h0m0s, 30s
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func (v *View) historyList(f screen.Frame, w int) string {
	t := f.Theme
	if len(v.history) == 0 {
		return screen.Fill([]string{"  " + t.Dim.Render("nothing was run yet; enter runs what is under the cursor")}, w, v.historyPage()+1)
	}
	columns := []screen.Column{{Title: "began"}, {Title: "what", Stretch: true}, {Title: "result"}, {Title: "took", Right: true}}
	return v.past.Render(f, columns, len(v.history), func(i int) screen.Row {
		p := v.history[i]
		took := ""
		if !p.began.IsZero() {
			took = screen.Duration(p.took(f.Now))
		}
		sign, style := p.sign(f)
		return screen.Row{{Text: p.when(f.Now), Style: t.Dim}, {Text: p.title(), Style: t.Text}, {Text: sign + " " + p.verdict(), Style: style}, {Text: took, Style: t.Dim}}
	}, w, v.historyPage()+1, v.pane == onHistory && v.dialog == nil)
}

// right is the tree of the run that is shown, with the details of the step under the cursor.
func (v *View) right(f screen.Frame, w int) string {
	t := f.Theme
	if v.shown == nil {
		return screen.Middle([]string{
			t.Text.Render("no run to show yet"), "", t.Key.Render("enter") + t.Dim.Render("  runs the scenario under the cursor"),
			t.Key.Render("space") + t.Dim.Render("  marks several to run together"), t.Key.Render("a") + t.Dim.Render("      runs all"),
		}, w, f.Height)
	}
	p := v.shown
	sign, style := p.sign(f)
	lines := []string{heading(f, strings.TrimPrefix(p.when(f.Now)+"  "+p.title(), "  "), v.pane == onSteps, style.Render(sign+" "+p.verdict())+t.Dim.Render(" "+screen.Duration(p.took(f.Now))+" "), w)}
	rows := v.rows()
	columns := []screen.Column{{Title: "  step", Stretch: true}, {Title: "took", Right: true}}
	tree := v.tree.Render(f, columns, len(rows), func(i int) screen.Row { return v.drawRow(f, rows[i], w) }, w, v.treePage()+1, v.pane == onSteps && v.dialog == nil)
	lines = append(lines, strings.Split(tree, "\n")...)
	lines = append(lines, v.details(f, w, f.Height-len(lines))...)
	return screen.Fill(lines, w, f.Height)
}
