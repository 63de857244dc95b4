package scenarios

import (
	"fmt"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/tui/screen"
)

type keyMap struct {
	Run, RunAll, Again, Mark, Show, Fold, Read, Other, Steps, Back, Stop, Save, Open, Failed, Trace key.Binding

	List screen.ListKeys

	Submit, Cancel key.Binding // in dialogs
}

func newKeyMap() keyMap {
	bind := func(help, about string, keys ...string) key.Binding {
		return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, about))
	}
	return keyMap{
		Run:    bind("enter", "run", "enter"),
		RunAll: bind("a", "run all", "a"),
		Again:  bind("r", "run again", "r"),
		Mark:   bind("space", "mark", "space", " "),
		Show:   bind("enter", "show", "enter"),
		Fold:   bind("space", "fold", "space", " "),
		Read:   bind("enter", "read", "enter"),
		Other:  bind("h", "history", "h"),
		Steps:  bind("→", "steps", "right"),
		Back:   bind("←", "scenarios", "left"),
		Stop:   bind("x", "stop", "x"),
		Save:   bind("s", "save JUnit", "s"),
		Open:   bind("o", "open file", "o"),
		Failed: bind("f", "failed step", "f"),
		Trace:  bind("t", "follow request", "t"),
		List:   screen.NewListKeys(),
		Submit: bind("enter", "take it", "enter"),
		Cancel: bind("esc", "close", "esc"),
	}
}

// list are the keys that do something at present.
func (k keyMap) list(v *View) []key.Binding {
	if v.dialog != nil {
		return []key.Binding{k.Submit, k.Cancel}
	}
	enabled := func(b key.Binding, on bool) key.Binding {
		b.SetEnabled(on)
		return b
	}
	stop := enabled(k.Stop, v.running())
	saved := v.shown != nil && v.shown.over
	var list []key.Binding
	switch v.pane {
	case onList:
		if n := len(v.marked()); n > 1 {
			k.Run.SetHelp("enter", fmt.Sprintf("run %d", n))
		}
		list = []key.Binding{k.Run, k.RunAll, k.Mark, stop, enabled(k.Other, len(v.history) > 0), enabled(k.Steps, v.shown != nil), k.Open, enabled(k.Save, saved), enabled(k.Again, v.shown != nil)}
	case onHistory:
		k.Other.SetHelp("h", "scenarios")
		list = []key.Binding{k.Show, k.Again, stop, k.Other, enabled(k.Save, saved)}
	case onSteps:
		r, ok := v.current()
		traced := ok && r.step != nil && r.step.trace != ""
		list = []key.Binding{k.Read, k.Fold, enabled(k.Trace, traced), enabled(k.Failed, v.shown != nil && v.shown.verdict() == "failed"), stop, enabled(k.Again, saved), enabled(k.Save, saved), k.Back, k.Other}
	}
	return append(list, k.List.All()...)
}

func (v *View) key(msg tea.KeyPressMsg) tea.Cmd {
	k := v.keys
	switch {
	case key.Matches(msg, k.RunAll):
		return v.start(v.visible())
	case key.Matches(msg, k.Stop):
		return v.stop()
	case key.Matches(msg, k.Open):
		v.dialog = &dialog{title: "open a scenario file or a directory of them", hint: "a path; ~ is your home directory", field: screen.NewField(""), take: readPath}
		return nil
	case key.Matches(msg, k.Save):
		return v.save()
	case key.Matches(msg, k.Other):
		v.otherList()
		return nil
	case key.Matches(msg, k.Steps):
		if v.shown != nil {
			v.pane = onSteps
		}
		return nil
	case key.Matches(msg, k.Back):
		v.pane, v.reading = onList, false
		return nil
	}
	switch v.pane {
	case onHistory:
		return v.historyKey(msg)
	case onSteps:
		return v.stepsKey(msg)
	}
	return v.listKey(msg)
}

func (v *View) otherList() {
	v.reading = false
	if v.pane == onHistory || len(v.history) == 0 {
		v.pane = onList
		return
	}
	v.pane = onHistory
}

func (v *View) listKey(msg tea.KeyPressMsg) tea.Cmd {
	k := v.keys
	switch {
	case key.Matches(msg, k.Run):
		return v.start(v.marked())
	case key.Matches(msg, k.Again) && v.shown != nil:
		return v.again(v.shown)
	case key.Matches(msg, k.Mark):
		if s, ok := v.selected(); ok {
			v.mark[s.File+s.Name] = !v.mark[s.File+s.Name]
			v.table.Cursor++
		}
		v.table = v.table.Fit(len(v.visible()), v.listPage())
		return nil
	}
	v.table, _ = v.table.Update(msg, len(v.visible()), v.listPage())
	return nil
}

func (v *View) historyKey(msg tea.KeyPressMsg) tea.Cmd {
	k := v.keys
	at := v.past.Cursor
	switch {
	case at >= len(v.history):
	case key.Matches(msg, k.Show):
		v.show(at)
		v.follow = !v.history[at].over
		return nil
	case key.Matches(msg, k.Again):
		return v.again(v.history[at])
	}
	v.past, _ = v.past.Update(msg, len(v.history), v.historyPage())
	return nil
}

func (v *View) stepsKey(msg tea.KeyPressMsg) tea.Cmd {
	k := v.keys
	rows := v.rows()
	switch {
	case key.Matches(msg, k.Failed):
		v.toFailure()
		v.scroll = 0
		return nil
	case key.Matches(msg, k.Again) && v.shown.over:
		return v.again(v.shown)
	case key.Matches(msg, k.Trace):
		return v.followRequest()
	case key.Matches(msg, k.Read):
		v.reading, v.scroll = !v.reading, 0
		return nil
	case v.reading:
		v.scrollDetails(msg)
		return nil
	case key.Matches(msg, k.Fold) && v.tree.Cursor < len(rows):
		if r := rows[v.tree.Cursor]; r.inner {
			v.unfold[r.path] = !r.open
		}
		return nil
	}
	var took bool
	if v.tree, took = v.tree.Update(msg, len(rows), v.treePage()); took {
		v.follow, v.scroll = false, 0
	}
	return nil
}

// followRequest shows the request of the step under the cursor hop by hop.
func (v *View) followRequest() tea.Cmd {
	if r, ok := v.current(); ok && r.step != nil && r.step.trace != "" {
		return screen.Go("messages", screen.OpenTrace{ID: r.step.trace})
	}
	return nil
}

func (v *View) scrollDetails(msg tea.Msg) {
	t, _ := screen.Table{Cursor: min(v.scroll, v.beyond)}.Update(msg, v.beyond+1, v.height)
	v.scroll = t.Cursor
}

// stop stops what runs, after a question.
func (v *View) stop() tea.Cmd {
	if !v.running() {
		return nil
	}
	s := v.session
	return screen.Ask(screen.Question{
		Title: "Stop the scenarios?", Text: "The step at work is broken off. The sandbox's clock and number of workers are put back.", Yes: "stop",
		Do: func() tea.Msg { s.cancel(); return nil },
	})
}

// save asks where the report of the run that is shown goes.
func (v *View) save() tea.Cmd {
	if v.shown == nil || !v.shown.over || len(v.shown.results()) == 0 {
		return nil
	}
	name := "scenarios"
	if len(v.shown.runs) == 1 {
		name = v.shown.runs[0].name
	}
	results := v.shown.results()
	v.dialog = &dialog{
		title: "save a JUnit report", hint: "a path", field: screen.NewField(fmt.Sprintf("%s-%s.xml", name, v.shown.began.Format("20060102-150405"))),
		take: func(path string) tea.Cmd { return writeJUnit(path, results, false) },
	}
	return nil
}

// dialog asks for a path.
type dialog struct {
	title, hint string
	field       screen.Field
	take        func(path string) tea.Cmd
}

func (d *dialog) update(v *View, msg tea.Msg) tea.Cmd {
	if k, ok := msg.(tea.KeyPressMsg); ok && key.Matches(k, v.keys.Submit) {
		if d.field.Value() == "" {
			return nil
		}
		v.dialog = nil
		return d.take(d.field.Value())
	}
	var cmd tea.Cmd
	d.field, cmd = d.field.Update(msg)
	return cmd
}

func (d *dialog) render(f screen.Frame) string {
	t := f.Theme
	w := min(f.Width-2, 80)
	lines := []string{
		"", " " + t.Accent.Render(t.Signs.Cursor+" ") + d.field.Render(f, w-6, d.hint, true), "",
		" " + t.Key.Render("enter") + t.Dim.Render(" take it   ") + t.Key.Render("esc") + t.Dim.Render(" close"),
	}
	return screen.Box(t, d.title, lines, w, len(lines)+2, true)
}

// mouse takes clicks and the wheel.
func (v *View) mouse(msg tea.MouseMsg) {
	at := msg.Mouse()
	if v.dialog != nil {
		return
	}
	if wheel, ok := msg.(tea.MouseWheelMsg); ok && (v.reading || v.pane == onSteps && at.Y > v.treePage()+1) {
		by := 3
		if wheel.Button == tea.MouseWheelUp {
			by = -by
		}
		v.scroll = max(0, min(v.scroll+by, v.beyond))
		return
	}
	inSteps := v.wide() && at.X > v.listWidth() || !v.wide() && v.pane == onSteps
	at.Y-- // the heading
	clicked := false
	if click, ok := msg.(tea.MouseClickMsg); ok {
		clicked = true
		click.Y = at.Y
		msg = click
	}
	switch {
	case inSteps && v.shown != nil:
		v.pane, v.follow = onSteps, false
		v.tree, _ = v.tree.Update(msg, len(v.rows()), v.treePage())
	case at.Y > v.historyTop() && len(v.history) > 0:
		if clicked {
			at.Y -= v.historyTop() + 1
			msg = tea.MouseClickMsg(at)
		}
		v.pane = onHistory
		v.past, _ = v.past.Update(msg, len(v.history), v.historyPage())
	case at.Y <= v.listPage():
		v.pane = onList
		v.table, _ = v.table.Update(msg, len(v.visible()), v.listPage())
	}
}

// elapsed is how long something has taken so far.
func elapsed(began time.Time, now time.Time, took time.Duration, over bool) time.Duration {
	if over {
		return took
	}
	return max(0, now.Sub(began))
}
