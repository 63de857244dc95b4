// Package scenarios is the view that runs scenarios: what there is to run, the steps of a run as they go, and what failed.
// Only package tui imports it.
package scenarios

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/scenarios/attach"
	"github.com/cordage-sandbox/cordage/scenarios/builtin"
	"github.com/cordage-sandbox/cordage/scenarios/lang"
	"github.com/cordage-sandbox/cordage/scenarios/run"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// Name of the view.
const Name = "scenarios"

// Source is what the view needs of a supervisor: to attach scenarios to its sandbox.
type Source interface{ attach.Supervisor }

// pane of the view that has the keys.
type pane int

const (
	onList pane = iota
	onHistory
	onSteps
)

// View is the view's model.
type View struct {
	open func(ctx context.Context) (Cluster, error)
	keys keyMap

	state  *screen.State
	list   []*lang.Scenario
	asked  bool            // what ships has been asked for
	wanted string          // to be run as soon as they are read
	fault  error           // why what ships cannot be read
	mark   map[string]bool // by name: to be run together
	last   map[string]scenarioRun

	session *session // the one that runs, or ran last
	history []past   // latest first

	filter string // lower case
	pane   pane
	table  screen.Table // of the list
	past   screen.Table // of the history

	shown   *past // the run whose steps are shown
	tree    screen.Table
	follow  bool // the cursor follows the step that runs
	unfold  map[string]bool
	reading bool // the step's details fill the window
	scroll  int  // of the details
	beyond  int  // how many of their lines did not fit when they were drawn last

	dialog *dialog

	width, height int // of the view's area, as it was drawn last
}

// past is a session as far as it is known.
type past struct {
	number    int
	scenarios []*lang.Scenario
	runs      []scenarioRun
	began     time.Time
	over      bool
}

// New makes the view.
func New(s Source) *View {
	v := &View{
		open: func(ctx context.Context) (Cluster, error) { return attach.Open(ctx, s) },
		keys: newKeyMap(), mark: map[string]bool{}, last: map[string]scenarioRun{}, unfold: map[string]bool{}, width: 80, height: 21,
	}
	return v
}

// shippedMsg are the scenarios that come with Cordage. They are read when the view is seen first: to check them takes more
// time and memory than all the rest of the UI's start.
type shippedMsg struct {
	list []*lang.Scenario
	err  error
}

func readShipped() tea.Msg {
	list, err := shipped()
	return shippedMsg{list, err}
}

// Name is the view's.
func (v *View) Name() string { return Name }

// Init does nothing.
func (v *View) Init() tea.Cmd { return nil }

// Keys are those of what has them.
func (v *View) Keys() []key.Binding { return v.keys.list(v) }

// Typing tells whether keys are text.
func (v *View) Typing() bool { return v.dialog != nil }

// Filter is what the list is filtered by.
func (v *View) Filter() string { return v.filter }

// Moving tells whether a scenario runs.
func (v *View) Moving() bool { return v.running() }

func (v *View) running() bool { return len(v.history) > 0 && !v.history[0].over }

// End stops what runs, and waits until the sandbox is as it was before.
func (v *View) End() {
	if v.running() {
		v.session.end()
	}
}

// Close closes the innermost thing.
func (v *View) Close() (screen.View, bool) {
	switch {
	case v.dialog != nil:
		v.dialog = nil
	case v.reading:
		v.reading = false
	case v.pane == onSteps:
		v.pane = onList
	default:
		return v, false
	}
	return v, true
}

// Update changes the model.
func (v *View) Update(msg tea.Msg) (screen.View, tea.Cmd) {
	switch msg := msg.(type) {
	case screen.ShownMsg:
		if !v.asked {
			v.asked = true
			return v, readShipped
		}
	case shippedMsg:
		return v, v.shipped(msg)
	case screen.StateMsg:
		v.state = msg.State
	case screen.FilterMsg:
		v.filter = strings.ToLower(msg.Text)
		v.table = v.table.Fit(len(v.visible()), v.listPage())
	case screen.OpenMsg:
		return v, v.runNamed(msg.What)
	case stateMsg:
		return v, v.take(msg)
	case readMsg:
		return v, v.read(msg)
	case writtenMsg:
		return v, v.written(msg)
	case tea.PasteMsg:
		if v.dialog != nil {
			return v, v.dialog.update(v, msg)
		}
	case tea.KeyPressMsg:
		if v.dialog != nil {
			return v, v.dialog.update(v, msg)
		}
		return v, v.key(msg)
	case tea.MouseMsg:
		v.mouse(msg)
	}
	return v, nil
}

// visible are the scenarios that pass the filter.
func (v *View) visible() []*lang.Scenario {
	return slices.DeleteFunc(slices.Clone(v.list), func(s *lang.Scenario) bool {
		return !strings.Contains(strings.ToLower(s.Name+" "+s.Description), v.filter)
	})
}

// selected is the scenario under the cursor.
func (v *View) selected() (*lang.Scenario, bool) {
	list := v.visible()
	if v.table.Cursor < len(list) {
		return list[v.table.Cursor], true
	}
	return nil, false
}

// marked are the scenarios to be run together: those with a mark, or the one under the cursor.
func (v *View) marked() []*lang.Scenario {
	list := slices.DeleteFunc(slices.Clone(v.list), func(s *lang.Scenario) bool { return !v.mark[s.File+s.Name] })
	if len(list) > 0 {
		return list
	}
	if s, ok := v.selected(); ok {
		return []*lang.Scenario{s}
	}
	return nil
}

// start runs scenarios, unless some run already: they change the same clock and the same workers.
func (v *View) start(list []*lang.Scenario) tea.Cmd {
	switch {
	case len(list) == 0:
		return nil
	case v.running():
		return screen.Tell(screen.Notice{Severity: sandbox.Warning, Text: "scenarios are running already", Hint: "x stops them"})
	case v.state != nil && v.state.Link != screen.Connected:
		return screen.Tell(screen.Notice{Severity: sandbox.Warning, Text: "scenarios need a sandbox that runs", Hint: "start it in view launch"})
	}
	fit := slices.DeleteFunc(slices.Clone(list), func(s *lang.Scenario) bool { return !v.fits(s) })
	unfit := v.unfit(list)
	if len(fit) == 0 {
		return unfit
	}
	return tea.Batch(unfit, v.begin(fit))
}

// fits tells whether the sandbox is as the scenario needs it.
func (v *View) fits(s *lang.Scenario) bool {
	return s.Brokers == 0 || v.state == nil || s.Brokers == max(1, v.state.Info.Spec.Brokers)
}

// unfit tells of the scenarios that this sandbox is not made for.
func (v *View) unfit(list []*lang.Scenario) tea.Cmd {
	for _, s := range list {
		if !v.fits(s) {
			return screen.Tell(screen.Notice{
				Severity: sandbox.Warning, Text: fmt.Sprintf("scenario %s is left out: it needs %d Kafka brokers", s.Name, s.Brokers),
				Hint: "in a terminal: cordage scenario run " + s.Name + " (in a sandbox of its own)",
			})
		}
	}
	return nil
}

func (v *View) begin(list []*lang.Scenario) tea.Cmd {
	number := 1
	if len(v.history) > 0 {
		number = v.history[0].number + 1
	}
	v.session = newSession(number, list, v.open)
	began := v.session.state(false)
	v.history = slices.Insert(v.history, 0, past{number: number, scenarios: list, runs: began.runs})
	const kept = 50
	v.history = v.history[:min(len(v.history), kept)]
	v.show(0)
	v.follow = true
	return tea.Batch(v.session.work, v.session.next())
}

// show shows the steps of a session.
func (v *View) show(i int) {
	v.shown = &v.history[i]
	v.pane, v.tree, v.scroll, v.reading, v.follow = onSteps, screen.Table{}, 0, false, false
	clear(v.unfold)
	v.toFailure()
}

// take takes over how far the session is.
func (v *View) take(m stateMsg) tea.Cmd {
	i := slices.IndexFunc(v.history, func(p past) bool { return p.number == m.number })
	if i < 0 {
		return nil
	}
	p := &v.history[i]
	p.runs, p.over = m.runs, m.over
	if p.began.IsZero() {
		p.began = m.runs[0].began
	}
	if v.shown != nil && v.shown.number == p.number {
		v.shown = p
		v.toRunning()
	}
	if !m.over {
		return v.session.next()
	}
	for _, r := range m.runs {
		v.last[r.name] = r
	}
	if v.shown == p && v.follow {
		v.toFailure()
	}
	return screen.Tell(p.notice())
}

// notice tells how a session ended.
func (p past) notice() screen.Notice {
	failed := 0
	for _, r := range p.runs {
		if r.status != run.Passed {
			failed++
		}
	}
	switch {
	case failed == 0 && len(p.runs) == 1:
		return screen.Done("scenario " + p.runs[0].name + " passed in " + screen.Duration(p.runs[0].took))
	case failed == 0:
		return screen.Done(fmt.Sprintf("%d scenarios passed", len(p.runs)))
	case len(p.runs) == 1:
		return screen.Notice{Severity: sandbox.Warning, Text: "scenario " + p.runs[0].name + " " + p.verdict(), Hint: "view scenarios shows what was expected and what came"}
	}
	return screen.Notice{Severity: sandbox.Warning, Text: fmt.Sprintf("%d of %d scenarios did not pass", failed, len(p.runs)), Hint: "view scenarios shows what was expected and what came"}
}

// verdict is a word for what became of a session.
func (p past) verdict() string {
	if !p.over {
		return "running"
	}
	out := "passed"
	for _, r := range p.runs {
		if r.stopped {
			return "stopped"
		}
		if r.status != run.Passed {
			out = "failed"
		}
	}
	return out
}

// results are what reports are made of: of the scenarios that were run.
func (p past) results() (list []*run.Result) {
	for _, r := range p.runs {
		if r.result != nil {
			list = append(list, r.result)
		}
	}
	return list
}

// runNamed runs a scenario that another view or the palette names; "all" are all.
func (v *View) runNamed(what any) tea.Cmd {
	name, ok := what.(string)
	if !ok {
		return nil
	}
	if len(v.list) == 0 && v.fault == nil {
		v.wanted = name // what there is is still being read
		return nil
	}
	if name == "all" {
		return v.start(v.list)
	}
	for _, s := range v.list {
		if s.Name == name {
			return v.start([]*lang.Scenario{s})
		}
	}
	return screen.Fail("run scenario "+name, errors.New("there is none of that name"))
}

// read takes over scenarios that were read from the user's files; those of the same file are replaced.
func (v *View) read(m readMsg) tea.Cmd {
	for _, s := range m.list {
		v.list = append(slices.DeleteFunc(v.list, func(o *lang.Scenario) bool { return o.File == s.File }), s)
		v.mark[s.File+s.Name] = len(m.list) > 1
	}
	if len(m.list) > 0 {
		v.filter, v.pane = "", onList
		v.table.Cursor = len(v.list) - 1
	}
	return screen.Fail("read scenarios from "+m.path, m.err)
}

func (v *View) written(m writtenMsg) tea.Cmd {
	if errors.Is(m.err, fs.ErrExist) && v.shown != nil {
		return screen.Ask(screen.Question{
			Title: "Replace " + m.path + "?", Text: "There is a file of that name.", Yes: "replace", Do: writeJUnit(m.path, v.shown.results(), true),
		})
	}
	if m.err != nil {
		return screen.Fail("write the JUnit report", m.err)
	}
	return screen.Tell(screen.Done("the JUnit report is in " + m.path))
}

// Commands are for the palette.
func (v *View) Commands() []screen.Command {
	list := []screen.Command{{Name: "run all scenarios", About: "one after the other", Do: screen.Go(Name, "all")}}
	names := builtin.Names()
	for _, s := range v.list {
		if !slices.Contains(names, s.Name) {
			names = append(names, s.Name)
		}
	}
	for _, name := range names {
		list = append(list, screen.Command{Name: "run " + name, About: "a scenario", Do: screen.Go(Name, name)})
	}
	return list
}

func (v *View) shipped(m shippedMsg) tea.Cmd {
	v.list, v.fault = append(m.list, v.list...), m.err
	if name := v.wanted; name != "" {
		v.wanted = ""
		return v.runNamed(name)
	}
	return nil
}
