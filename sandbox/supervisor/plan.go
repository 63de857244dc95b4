package supervisor

import (
	"slices"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// goal of a supervisor.
type goal int

const (
	goalRun goal = iota
	goalStop
)

// unit is one thing that the supervisor brings about: a node, or a task such as making the topics.
type unit struct {
	name  string
	about string            // what it does, for people: "start PostgreSQL"
	after []string          // units that must be ready or done before it is begun
	needs []string          // units without which it does not become ready, though it can be begun
	spec  *sandbox.NodeSpec // nil: a task
	stage int               // nodes of a higher stage are stopped before those of a lower one
}

// desired is what should be.
type desired struct {
	goal  goal
	units []unit // in the order of start
}

// nodeView is what the plan sees of a node.
type nodeView struct {
	state   sandbox.State
	busy    bool      // an action on it is under way
	hash    string    // of the spec that the running instance was started with
	routes  []string  // upstreams that the load balancer has been given
	restart bool      // somebody asked for a restart
	retryAt time.Time // in state backoff
	stage   int       // kept here too: a node may no longer be wanted
}

// settling tells that an action on the node is under way, or that it has stopped and its end has not been told yet.
func (n nodeView) settling() bool { return n.busy || n.state == sandbox.Stopping }

// taskView is what the plan sees of a task.
type taskView struct{ state sandbox.StepState }

// actual is what is.
type actual struct {
	nodes map[string]nodeView
	tasks map[string]taskView
}

// verb of an action.
type verb string

const (
	startNode  verb = "start"
	stopNode   verb = "stop"
	reloadNode verb = "reload" // hand it its files again
	forgetNode verb = "forget" // it is neither wanted nor running
	runTask    verb = "run"
)

// action is one step from what is towards what should be.
type action struct {
	verb verb
	unit string
}

// plan lists what can be done now, in the order of start, and when to look again even if nothing happens (zero: never).
// It is a pure function; every action makes its unit busy, so that it is not planned twice.
func plan(d desired, a actual, now time.Time) (actions []action, wake time.Time) {
	if d.goal == goalStop {
		return planStop(a), time.Time{}
	}
	routed := routedTo(d, a)
	for _, u := range d.units {
		if u.spec == nil {
			if a.tasks[u.name].state == sandbox.StepWaiting && satisfied(u, a) {
				actions = append(actions, action{runTask, u.name})
			}
			continue
		}
		n := a.nodes[u.name]
		if n.state == sandbox.Backoff && n.retryAt.After(now) && !n.restart {
			if wake.IsZero() || n.retryAt.Before(wake) {
				wake = n.retryAt
			}
			continue
		}
		if v := towards(u, n, a, routed); v != "" {
			actions = append(actions, action{v, u.name})
		}
	}
	return append(actions, planLeftover(d, a)...), wake
}

// towards is the next action on a wanted node; empty if there is none now.
func towards(u unit, n nodeView, a actual, routes []string) verb {
	switch {
	case n.settling():
		return ""
	case n.state == sandbox.Crashed && !n.restart:
		return ""
	case !n.state.Runs():
		if satisfied(u, a) {
			return startNode
		}
		return ""
	case n.restart || n.hash != u.spec.Hash():
		return stopNode // and then it is one that does not run
	case u.spec.Role == balancerRole && !slices.Equal(n.routes, routes):
		return reloadNode
	}
	return ""
}

// planLeftover deals with nodes that are no longer wanted. A rest worker is stopped only after the load balancer has
// been told, so that no request is sent to one that goes.
func planLeftover(d desired, a actual) (actions []action) {
	for _, name := range sortedNames(a.nodes) {
		n := a.nodes[name]
		wanted := slices.ContainsFunc(d.units, func(u unit) bool { return u.name == name })
		if wanted || n.settling() {
			continue
		}
		switch {
		case !n.state.Runs():
			actions = append(actions, action{forgetNode, name})
		case !stillRouted(name, a):
			actions = append(actions, action{stopNode, name})
		}
	}
	return actions
}

// planStop stops the nodes of the highest stage, and the next stage only when they have ended.
func planStop(a actual) (actions []action) {
	highest := -1
	for _, n := range a.nodes {
		if n.state.Runs() || n.busy {
			highest = max(highest, n.stage)
		}
	}
	for _, name := range sortedNames(a.nodes) {
		if n := a.nodes[name]; n.stage == highest && n.state.Runs() && !n.settling() {
			actions = append(actions, action{stopNode, name})
		}
	}
	return actions
}

// satisfied tells whether everything that u comes after is there at present.
func satisfied(u unit, a actual) bool {
	for _, name := range u.after {
		if t, ok := a.tasks[name]; ok {
			if t.state != sandbox.StepDone {
				return false
			}
			continue
		}
		if s := a.nodes[name].state; s != sandbox.Ready && s != sandbox.Degraded && s != sandbox.Paused {
			return false
		}
	}
	return true
}

// routedTo lists the rest workers that the load balancer should know.
func routedTo(d desired, _ actual) (routes []string) {
	for _, u := range d.units {
		if u.spec != nil && u.spec.Role == restRole {
			routes = append(routes, u.name)
		}
	}
	return routes
}

func stillRouted(name string, a actual) bool {
	for _, n := range a.nodes {
		if n.state.Runs() && slices.Contains(n.routes, name) {
			return true
		}
	}
	return false
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
