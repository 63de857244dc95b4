package supervisor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/trace"
)

// Snapshot is the full state.
func (s *Supervisor) Snapshot() (snap sandbox.Snapshot) {
	if !s.loop.ask(func() { snap = s.loop.state.snapshot() }) {
		return s.loop.state.snapshot() // the loop has ended and owns it no more
	}
	return snap
}

// Subscribe gives events: those after number since if they are still kept, else (always for -1) the full state first;
// until ctx ends, the supervisor ends, or the subscriber is too slow: then the channel is closed.
func (s *Supervisor) Subscribe(ctx context.Context, since int) <-chan sandbox.Event {
	var sub *subscription
	if !s.loop.ask(func() { sub = s.loop.subscribe(since) }) {
		closed := make(chan sandbox.Event, 1)
		closed <- sandbox.Event{Time: time.Now().UTC(), State: new(s.loop.state.snapshot())}
		close(closed)
		return closed
	}
	context.AfterFunc(ctx, func() {
		s.loop.post(func() {
			if !sub.closed {
				close(sub.events)
				sub.closed = true
			}
		})
	})
	return sub.events
}

// Traces are the spans of the workers.
func (s *Supervisor) Traces() *trace.Store { return s.traces }

// Secrets are the sandbox's secrets, for whoever may read its socket.
func (s *Supervisor) Secrets() Secrets { return s.secrets }

// Runtime is the runtime of the nodes.
func (s *Supervisor) Runtime() sandbox.Runtime { return s.config.Runtime }

// Restart stops the nodes that are meant (a node's name, a worker type, or "all") in a way that loses nothing, starts
// them again, one after the other, and returns when they are ready.
func (s *Supervisor) Restart(ctx context.Context, name string) ([]sandbox.Node, error) {
	names, err := s.match("restart "+name, name)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		turn := 0
		s.loop.ask(func() {
			n := s.loop.state.nodes[name]
			if n == nil {
				return
			}
			turn = n.turn
			n.restart = true
			n.deaths.clear()
		})
		if err := s.awaitReady(ctx, "restart", name, turn); err != nil {
			return nil, err
		}
	}
	return s.nodes(names), nil
}

// awaitReady waits until the node is ready with a later instance than that of the turn.
func (s *Supervisor) awaitReady(ctx context.Context, attempt, name string, turn int) error {
	err := s.loop.await(ctx, func() (bool, error) {
		n := s.loop.state.nodes[name]
		switch {
		case n == nil:
			return false, &sandbox.UnknownNodeError{Node: name, Known: s.loop.state.order()}
		case s.loop.state.goal == goalStop:
			return false, &sandbox.BusyError{Attempt: attempt + " " + name, Phase: sandbox.PhaseStopping}
		case n.view.State == sandbox.Crashed && n.turn > turn:
			return false, fmt.Errorf("%s %s: %s", attempt, name, n.view.Reason)
		}
		return n.turn > turn && n.view.State == sandbox.Ready, nil
	})
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%s %s: it did not become ready in time: %w", attempt, name, err)
	}
	return err
}

// Kill ends the nodes that are meant with SIGKILL, and returns when they have ended. They are started again at once; the
// death does not count towards a crash loop.
func (s *Supervisor) Kill(ctx context.Context, name string) ([]sandbox.Node, error) {
	kill := func(i sandbox.Instance, ctx context.Context) error {
		if err := i.Kill(ctx); err != nil {
			return err
		}
		return s.loop.await(ctx, func() (bool, error) { // the loop has taken note of it, so that no stale state is read
			n := s.loop.state.nodes[i.Node()]
			return n == nil || n.instance != i, nil
		})
	}
	return s.each(ctx, "kill", name, func(n *node) { n.expected = true }, kill, nil)
}

// Pause freezes the nodes that are meant.
func (s *Supervisor) Pause(ctx context.Context, name string) ([]sandbox.Node, error) {
	return s.each(ctx, "pause", name, nil, sandbox.Instance.Pause, func(n *node) { n.view.State = sandbox.Paused })
}

// Unpause lets paused nodes go on.
func (s *Supervisor) Unpause(ctx context.Context, name string) ([]sandbox.Node, error) {
	return s.each(ctx, "unpause", name, nil, sandbox.Instance.Unpause, func(n *node) {
		if n.view.State == sandbox.Paused {
			n.view.State = sandbox.Degraded // until it says otherwise
		}
	})
}

// each does something to the running instances of the nodes that are meant; before and after run in the loop.
func (s *Supervisor) each(ctx context.Context, what, name string, before func(*node),
	do func(sandbox.Instance, context.Context) error, after func(*node),
) ([]sandbox.Node, error) {
	names, err := s.match(what+" "+name, name)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		var instance sandbox.Instance
		turn := 0
		s.loop.ask(func() {
			if n := s.loop.state.nodes[name]; n != nil && n.instance != nil {
				instance, turn = n.instance, n.turn
				if before != nil {
					before(n)
				}
			}
		})
		if instance == nil {
			return nil, fmt.Errorf("%s %s: it does not run", what, name)
		}
		if err := do(instance, ctx); err != nil {
			return nil, fmt.Errorf("%s %s: %w", what, name, err)
		}
		s.loop.ask(func() {
			if n := s.current(name, turn); n != nil && after != nil {
				after(n)
				s.loop.emitNode(name)
			}
		})
	}
	return s.nodes(names), nil
}

// Scale sets the number of workers of a type, and returns when they are ready and those too many have stopped.
func (s *Supervisor) Scale(ctx context.Context, role string, n int) ([]sandbox.Node, error) {
	if err := sandbox.CheckReplicas(role, n); err != nil {
		return nil, err
	}
	s.control.Lock()
	defer s.control.Unlock()
	var next layout
	s.loop.ask(func() { next = s.loop.state.layout })
	next.spec.Replicas = maps.Clone(next.spec.Replicas)
	next.spec.Replicas[role] = n
	next.ports = maps.Clone(next.ports)
	for _, key := range portKeys(next.spec) {
		if _, held := next.ports[key]; held && s.reserved(key) {
			continue
		}
		number, _, err := s.ports.hold(key, next.spec.Ports[key], next.ports[key])
		if err != nil {
			return nil, err
		}
		next.ports[key] = number
	}
	if err := s.remember(func(st *State) { st.Spec, st.Ports = next.spec, next.ports }); err != nil {
		return nil, err
	}
	s.loop.ask(func() {
		next.access = s.loop.state.layout.access
		s.loop.state.take(next)
		s.loop.state.info.Spec = next.spec
		s.loop.emitSandbox()
	})
	if err := s.awaitScaled(ctx, role); err != nil {
		return nil, err
	}
	var names []string
	s.loop.ask(func() { names, _ = s.loop.state.match(role) })
	return s.nodes(names), nil
}

// reserved tells whether a port is in use by a node of ours or held for one.
func (s *Supervisor) reserved(key string) bool {
	s.ports.mu.Lock()
	_, held := s.ports.held[key]
	s.ports.mu.Unlock()
	runs := false
	s.loop.ask(func() { n := s.loop.state.nodes[nodeOfKey(key)]; runs = n != nil && n.view.State.Runs() })
	return held || runs
}

func (s *Supervisor) awaitScaled(ctx context.Context, role string) error {
	return s.loop.await(ctx, func() (bool, error) {
		if s.loop.state.goal == goalStop {
			return false, &sandbox.BusyError{Attempt: "scale " + role, Phase: sandbox.PhaseStopping}
		}
		for name, n := range s.loop.state.nodes {
			u, wanted := s.loop.state.unit(name)
			if n.view.Role != role && (!wanted || u.spec.Role != balancerRole) {
				continue
			}
			if n.view.State == sandbox.Crashed {
				return false, fmt.Errorf("scale %s: %s: %s", role, name, n.view.Reason)
			}
			settled := n.view.State == sandbox.Ready && !n.busy
			if role == restRole && u.spec != nil && u.spec.Role == balancerRole {
				settled = !n.busy && slices.Equal(n.routes, routedTo(s.loop.state.desired(), actual{}))
			}
			if !wanted || !settled {
				return false, nil
			}
		}
		return true, nil
	})
}

// Stop stops everything, and with purge removes all that the sandbox keeps. It returns when nothing runs any more; the
// supervisor then ends by itself.
func (s *Supervisor) Stop(ctx context.Context, purge bool) error {
	s.loop.ask(func() {
		s.purge = s.purge || purge
		s.goalStop()
	})
	select {
	case <-s.loop.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop sandbox %s: %w", s.config.Dir.Name, context.Cause(ctx))
	}
}

// match finds the nodes that a user means.
func (s *Supervisor) match(attempt, name string) (names []string, err error) {
	ok := s.loop.ask(func() {
		if s.loop.state.goal == goalStop {
			err = &sandbox.BusyError{Attempt: attempt, Phase: sandbox.PhaseStopping}
			return
		}
		names, err = s.loop.state.match(name)
	})
	if !ok {
		err = &sandbox.BusyError{Attempt: attempt, Phase: sandbox.PhaseStopped}
	}
	return names, err
}

// nodes copies the nodes of the names that there still are.
func (s *Supervisor) nodes(names []string) []sandbox.Node {
	nodes := []sandbox.Node{}
	s.loop.ask(func() {
		for _, name := range names {
			if n := s.loop.state.nodes[name]; n != nil {
				nodes = append(nodes, n.view)
			}
		}
	})
	return nodes
}
