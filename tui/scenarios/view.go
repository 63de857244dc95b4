// Package scenarios is the view that runs scenarios: what there is to run, the steps of a run as they go, and what failed.
// Only package tui imports it.
package scenarios

import (
	"context"
	"slices"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/scenarios/attach"
	"github.com/cordage-sandbox/cordage/scenarios/builtin"
	"github.com/cordage-sandbox/cordage/scenarios/lang"
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
	history []*past  // latest first, those of earlier sessions too
	begun   int      // counts the sessions of this one
	archive archive

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

// New makes the view. What runs came to is kept in the directory keep, which need not be there; without a name nothing is.
func New(s Source, keep string) *View {
	v := &View{
		open:    func(ctx context.Context) (Cluster, error) { return attach.Open(ctx, s) },
		archive: archive{keep}, keys: newKeyMap(), mark: map[string]bool{}, last: map[string]scenarioRun{}, unfold: map[string]bool{}, width: 80, height: 21,
	}
	return v
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
			return v, tea.Batch(readShipped, v.archive.read)
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
	case keptMsg:
		return v, v.recall(msg)
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
