package supervisor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// node is what the loop knows of a node. Only the loop's goroutine touches it.
type node struct {
	view     sandbox.Node
	spec     sandbox.NodeSpec // that the instance was started with
	instance sandbox.Instance // nil when none runs
	stage    int
	turn     int // counts instances, so that news of an earlier one are told from news of this
	busy     bool
	routes   []string
	restart  bool
	expected bool // somebody asked for the death of the present instance
	wasReady bool // the present instance
	adopted  bool // the present instance: how long its start took is not known
	deaths   deaths
	retryAt  time.Time
}

// task is what the loop knows of a task.
type task struct{ step sandbox.Step }

// state is all that the loop owns.
type state struct {
	info    sandbox.Info
	layout  layout
	units   []unit // of the layout, in the order of start
	goal    goal
	nodes   map[string]*node
	tasks   map[string]*task
	steps   map[string]*sandbox.Step // of the start, by unit; tasks and nodes alike
	notices []sandbox.Notification   // the latest
	began   time.Time
}

// desired is what should be.
func (s *state) desired() desired { return desired{goal: s.goal, units: s.units} }

// actual is the plan's view of what is.
func (s *state) actual() actual {
	a := actual{nodes: map[string]nodeView{}, tasks: map[string]taskView{}}
	for name, n := range s.nodes {
		a.nodes[name] = nodeView{
			state: n.view.State, busy: n.busy, hash: n.hash(), routes: n.routes, restart: n.restart,
			retryAt: n.retryAt, stage: n.stage,
		}
	}
	for name, t := range s.tasks {
		a.tasks[name] = taskView{state: t.step.State}
	}
	return a
}

func (n *node) hash() string {
	if n.instance == nil {
		return ""
	}
	return n.instance.SpecHash()
}

// take brings nodes, tasks and steps in line with the layout: what is new is pending.
func (s *state) take(l layout) {
	s.layout, s.units = l, l.units()
	for _, u := range s.units {
		if _, known := s.steps[u.name]; !known && s.info.Phase == sandbox.PhaseStarting {
			s.steps[u.name] = &sandbox.Step{Name: u.name, About: u.about, After: slices.Concat(u.after, u.needs), State: sandbox.StepWaiting}
		}
		if u.spec == nil {
			if s.tasks[u.name] == nil {
				s.tasks[u.name] = &task{step: *s.steps[u.name]}
			}
			continue
		}
		if s.nodes[u.name] == nil {
			s.nodes[u.name] = &node{
				view: sandbox.Node{Name: u.name, Kind: u.spec.Kind, Role: u.spec.Role, State: sandbox.Pending, Ports: u.spec.Ports},
			}
		}
		s.nodes[u.name].stage = u.stage
		s.nodes[u.name].view.Ports = u.spec.Ports
	}
}

// unit finds a unit of the layout.
func (s *state) unit(name string) (unit, bool) {
	i := slices.IndexFunc(s.units, func(u unit) bool { return u.name == name })
	if i < 0 {
		return unit{}, false
	}
	return s.units[i], true
}

// order lists the nodes in the order of start; those no longer wanted come last.
func (s *state) order() []string {
	var names []string
	for _, u := range s.units {
		if s.nodes[u.name] != nil {
			names = append(names, u.name)
		}
	}
	for _, name := range sortedNames(s.nodes) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// snapshot copies the whole state for a subscriber.
func (s *state) snapshot() sandbox.Snapshot {
	snap := sandbox.Snapshot{Sandbox: s.info, Nodes: []sandbox.Node{}, Steps: []sandbox.Step{}, Notices: slices.Clone(s.notices)}
	for _, name := range s.order() {
		snap.Nodes = append(snap.Nodes, s.nodes[name].view)
	}
	for _, u := range s.units {
		if step := s.steps[u.name]; step != nil {
			snap.Steps = append(snap.Steps, *step)
		}
	}
	return snap
}

// keptNotices is how many of the latest notifications are kept for new subscribers.
const keptNotices = 20

// tell keeps a notification.
func (s *state) tell(n sandbox.Notification) {
	s.notices = append(s.notices, n)
	s.notices = s.notices[max(0, len(s.notices)-keptNotices):]
}

// complete tells whether everything wanted is there.
func (s *state) complete() bool {
	for _, u := range s.units {
		if u.spec == nil {
			if s.tasks[u.name].step.State != sandbox.StepDone {
				return false
			}
			continue
		}
		if s.nodes[u.name].view.State != sandbox.Ready {
			return false
		}
	}
	return true
}

// running lists the nodes that run or are being started or stopped.
func (s *state) running() (names []string) {
	for _, name := range s.order() {
		if n := s.nodes[name]; n.view.State.Runs() || n.busy {
			names = append(names, name)
		}
	}
	return names
}

// match finds the nodes that a user means: a node's name, a worker type, or "all".
func (s *state) match(name string) ([]string, error) {
	var names []string
	for _, n := range s.order() {
		if n == name || s.nodes[n].view.Role == name || string(s.nodes[n].view.Kind) == name || name == "all" {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return nil, &sandbox.UnknownNodeError{Node: name, Known: s.order()}
	}
	return names, nil
}

// endedWhy says how an instance ended, for people.
func endedWhy(e sandbox.Exit) string {
	text := fmt.Sprintf("ended with exit code %d", e.Code)
	switch {
	case e.Signal != "":
		text = "ended by signal " + e.Signal
	case e.Code < 0:
		text = "ended"
	}
	if e.Why != "" {
		text += ": " + e.Why
	}
	return text
}

// logLines splits the last log lines of an exit.
func logLines(e sandbox.Exit) []string {
	if strings.TrimSpace(e.Log) == "" {
		return nil
	}
	return strings.Split(strings.TrimRight(e.Log, "\n"), "\n")
}
