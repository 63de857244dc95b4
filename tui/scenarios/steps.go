package scenarios

import (
	"strconv"
	"strings"

	"charm.land/lipgloss/v2"

	"github.com/cordage-sandbox/cordage/scenarios/run"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// treeRow is a line of the tree of steps.
type treeRow struct {
	path    string // place in the tree, for folding
	depth   int
	step    *step        // nil for a scenario
	run     *scenarioRun // the scenario it belongs to
	inner   bool         // it has steps inside
	open    bool         // and they are shown
	waiting bool         // a scenario whose turn has not come
}

func (r treeRow) status() run.Status {
	if r.step != nil {
		return r.step.status
	}
	return r.run.status
}

func (r treeRow) name() string {
	if r.step != nil {
		return r.step.name
	}
	return r.run.name
}

// rows are the lines of the tree that is shown. Steps that have passed are folded, others are not, unless the user has
// said otherwise.
func (v *View) rows() (rows []treeRow) {
	if v.shown == nil {
		return nil
	}
	for i := range v.shown.runs {
		r := &v.shown.runs[i]
		path := strconv.Itoa(i)
		head := treeRow{path: path, run: r, inner: len(r.steps) > 0, waiting: r.began.IsZero(), open: true}
		if len(v.shown.runs) > 1 {
			head.open = v.unfolded(path, r.status != run.Passed || i == len(v.shown.runs)-1)
		}
		rows = append(rows, head)
		if head.open {
			rows = v.add(rows, r, r.steps, path, 1)
		}
	}
	return rows
}

func (v *View) add(rows []treeRow, r *scenarioRun, steps []*step, path string, depth int) []treeRow {
	for i, s := range steps {
		at := path + "/" + strconv.Itoa(i)
		row := treeRow{path: at, depth: depth, step: s, run: r, inner: len(s.steps) > 0}
		row.open = row.inner && v.unfolded(at, s.status == "" || s.status == run.Failed)
		rows = append(rows, row)
		if row.open {
			rows = v.add(rows, r, s.steps, at, depth+1)
		}
	}
	return rows
}

func (v *View) unfolded(path string, usual bool) bool {
	if set, ok := v.unfold[path]; ok {
		return set
	}
	return usual
}

// toRunning moves the cursor to the step that runs, while it is followed.
func (v *View) toRunning() {
	rows := v.rows()
	if !v.follow {
		v.tree = v.tree.Fit(len(rows), v.treePage())
		return
	}
	at := len(rows) - 1
	for i, r := range rows {
		if !r.inner && r.status() == "" && !r.waiting {
			at = i
		}
	}
	v.tree.Cursor = at
	v.tree = v.tree.Fit(len(rows), v.treePage())
}

// toFailure moves the cursor to the first step that failed, the innermost one.
func (v *View) toFailure() {
	at := -1
	depth := -1
	rows := v.rows()
	for i, r := range rows {
		if r.status() == run.Failed && r.depth > depth {
			at, depth = i, r.depth
			continue
		}
		if at >= 0 && r.depth <= depth {
			break
		}
	}
	if at >= 0 {
		v.tree.Cursor = at
	}
	v.tree = v.tree.Fit(len(rows), v.treePage())
}

// tookColumn is what the times take of a line, with the gaps.
const tookColumn = 15

// drawRow draws a line of the tree.
func (v *View) drawRow(f screen.Frame, r treeRow, w int) screen.Row {
	t := f.Theme
	sign, style := statusSign(f, r)
	fold := " "
	if r.inner {
		fold = t.Signs.Fold
		if r.open {
			fold = t.Signs.Unfold
		}
	}
	name := screen.Line(r.name())
	if r.inner && !r.open && r.step != nil {
		name += " (" + screen.Plural(len(r.step.steps), "step") + ")"
	}
	took := ""
	switch {
	case r.waiting, r.status() == run.Skipped:
	case r.step != nil:
		took = screen.Duration(elapsed(r.step.began, f.Now, r.step.took, r.step.status != ""))
	default:
		took = screen.Duration(elapsed(r.run.began, f.Now, r.run.took, r.run.status != ""))
	}
	text := style
	if r.status() == run.Passed {
		text = t.Text
	}
	if r.step == nil {
		text = t.Strong
	}
	return screen.Row{
		{Text: screen.Pad(strings.Repeat("  ", r.depth)+fold+" "+sign+" "+name, w-tookColumn), Style: text},
		{Text: took, Style: t.Dim},
	}
}

func statusSign(f screen.Frame, r treeRow) (string, lipgloss.Style) {
	t := f.Theme
	switch {
	case r.waiting:
		return t.Signs.Waiting, t.Dim
	case r.status() == run.Passed:
		return t.Signs.Check, t.Good
	case r.status() == run.Failed:
		return t.Signs.Failed, t.Bad
	case r.status() == run.Skipped:
		return "-", t.Dim
	}
	return screen.Spinner(f), t.Busy
}
