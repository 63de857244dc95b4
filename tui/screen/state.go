package screen

import (
	"slices"
	"strconv"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// Link is how the UI is connected to the sandbox's supervisor.
type Link string

const (
	Connecting Link = "connecting" // not yet known whether a supervisor runs
	Connected  Link = "connected"
	Lost       Link = "lost"   // was connected; retried
	Absent     Link = "absent" // no supervisor runs; retried
)

// State is what is known of the sandbox, kept from its event stream. Views read it and never change it. While the link
// is lost it is what was known last.
type State struct {
	Name  string
	Link  Link
	Since time.Time // of the link's present condition
	Err   error     // why it is lost

	Info  sandbox.Info
	Nodes []sandbox.Node // in the order of start
	Steps []sandbox.Step // of the latest start
	Usage map[string]*Usage

	// Happened is what happened lately, oldest first, at most keptChanges.
	Happened []Change
}

// Change is something that happened to a node or the sandbox.
type Change struct {
	Time  time.Time
	Node  string        // empty for the sandbox
	From  sandbox.State // empty for a new node, equal to To if only the usage changed
	To    sandbox.State // stopped if the node is gone
	Text  string
	Usage bool // only a new sample of the usage
}

const keptChanges = 300

// NewState is the state before anything is known.
func NewState(name string) *State {
	return &State{Name: name, Link: Connecting, Usage: map[string]*Usage{}}
}

// Node finds a node by its name.
func (s *State) Node(name string) (sandbox.Node, bool) {
	i := s.index(name)
	if i < 0 {
		return sandbox.Node{}, false
	}
	return s.Nodes[i], true
}

func (s *State) index(name string) int {
	return slices.IndexFunc(s.Nodes, func(n sandbox.Node) bool { return n.Name == name })
}

// Ready counts the nodes that are ready.
func (s *State) Ready() (ready int) {
	for _, n := range s.Nodes {
		if n.State == sandbox.Ready {
			ready++
		}
	}
	return ready
}

// Recent are the latest changes of a node's state, latest first; of all nodes if it is empty.
func (s *State) Recent(node string, most int) (list []Change) {
	for _, c := range slices.Backward(s.Happened) {
		if len(list) == most {
			break
		}
		if node == "" || c.Node == node {
			list = append(list, c)
		}
	}
	return list
}

// Apply takes over an event and gives what changed. It is for the root, and for tests of views.
func (s *State) Apply(e sandbox.Event) (changes []Change) {
	switch {
	case e.State != nil:
		s.restart(*e.State, e.Time)
		return nil
	case e.Sandbox != nil:
		if e.Sandbox.Phase != s.Info.Phase {
			changes = append(changes, Change{Time: e.Time, Text: "the sandbox is " + string(e.Sandbox.Phase)})
		}
		s.Info = *e.Sandbox
	case e.Node != nil:
		changes = append(changes, s.node(*e.Node, e.Time))
	case e.Gone != "":
		if i := s.index(e.Gone); i >= 0 {
			changes = append(changes, Change{Time: e.Time, Node: e.Gone, From: s.Nodes[i].State, To: sandbox.Stopped, Text: "is no longer part of the sandbox"})
			s.Nodes = slices.Delete(s.Nodes, i, i+1)
			delete(s.Usage, e.Gone)
		}
	case e.Step != nil:
		if i := slices.IndexFunc(s.Steps, func(o sandbox.Step) bool { return o.Name == e.Step.Name }); i >= 0 {
			s.Steps[i] = *e.Step
		} else {
			s.Steps = append(s.Steps, *e.Step)
		}
	case e.Notify != nil:
		changes = append(changes, Change{Time: e.Time, Node: e.Notify.Node, Text: e.Notify.Text})
	}
	for _, c := range changes {
		if !c.Usage {
			s.Happened = append(s.Happened, c)
		}
	}
	if extra := len(s.Happened) - keptChanges; extra > 0 {
		s.Happened = slices.Delete(s.Happened, 0, extra)
	}
	return changes
}

// restart takes over the full state with which a subscription begins.
func (s *State) restart(full sandbox.Snapshot, at time.Time) {
	if s.Info.Supervisor != full.Sandbox.Supervisor {
		clear(s.Usage) // the processor time of another life
	}
	s.Info, s.Nodes, s.Steps = full.Sandbox, full.Nodes, full.Steps
	for _, n := range s.Nodes {
		s.sample(n, at)
	}
}

func (s *State) node(n sandbox.Node, at time.Time) Change {
	c := Change{Time: at, Node: n.Name, To: n.State}
	s.sample(n, at)
	i := s.index(n.Name)
	if i < 0 {
		s.Nodes = append(s.Nodes, n)
		c.Text = "joined"
		return c
	}
	before := s.Nodes[i]
	s.Nodes[i] = n
	c.From = before.State
	// A new instance of a node that is starting anyway is no news.
	same := before.Instance == n.Instance || before.Instance == "" && n.State == sandbox.Starting
	c.Usage = before.State == n.State && same && before.Reason == n.Reason
	if c.Usage {
		return c
	}
	c.Text = nodeText(n)
	switch {
	case n.State == sandbox.Stopped && before.State.Runs():
		c.Text = "ended by request"
	case n.Restarts > before.Restarts:
		c.Text = "died, restart " + strconv.Itoa(n.Restarts) + ": " + c.Text
	}
	return c
}

// nodeText says what became of a node, in one line.
func nodeText(n sandbox.Node) string {
	text := string(n.State)
	if n.State == sandbox.Ready && n.Took > 0 {
		text += " after " + Duration(n.Took)
	}
	if n.Reason != "" {
		text += ": " + Line(n.Reason)
	}
	return text
}
