package supervisor

import (
	"context"
	"errors"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/probe"
)

// Limits of what a node may take. A start that takes longer is a failure that names the limit.
const (
	readyLimit = 90 * time.Second
	frontLimit = 60 * time.Second
	usageEvery = 5 * time.Second
)

// healthEvery is the pause between two questions about a node's health.
func healthEvery(k sandbox.Kind) time.Duration {
	if k == sandbox.Worker {
		return time.Second
	}
	return 5 * time.Second // a connection to a server costs it more
}

// stopLimit bounds how long a node may take to stop before it is killed.
func stopLimit(k sandbox.Kind) time.Duration {
	if k == sandbox.Worker {
		return 15 * time.Second
	}
	return 60 * time.Second // PostgreSQL writes a checkpoint, Kafka hands over and flushes
}

// act starts an action in a goroutine of its own. It is called by the loop.
func (s *Supervisor) act(ctx context.Context, a action) {
	u, _ := s.loop.state.unit(a.unit)
	if a.verb == runTask {
		s.loop.work.Go(func() { s.runTask(a.unit) })
		return
	}
	n := s.loop.state.nodes[a.unit]
	turn, instance := n.turn, n.instance
	switch a.verb {
	case startNode:
		spec, routes := *u.spec, routesFor(u, s.loop.state.units)
		s.loop.work.Go(func() { s.startNode(spec, routes, turn) })
	case stopNode:
		kind := n.view.Kind
		paused := n.view.State == sandbox.Paused
		s.loop.work.Go(func() { s.stopNode(ctx, a.unit, kind, turn, instance, paused) })
	case reloadNode:
		spec, routes := *u.spec, routesFor(u, s.loop.state.units)
		s.loop.work.Go(func() { s.reloadNode(ctx, spec, routes, turn, instance) })
	}
}

// routesFor are the upstreams that a unit is given; nil for all but the load balancer.
func routesFor(u unit, units []unit) []string {
	if u.spec.Role != balancerRole {
		return nil
	}
	return routedTo(desired{units: units}, actual{})
}

func (s *Supervisor) startNode(spec sandbox.NodeSpec, routes []string, turn int) {
	s.ports.handOver(spec.Name)
	instance, err := s.config.Runtime.Start(s.starting, spec)
	s.loop.post(func() {
		n := s.loop.state.nodes[spec.Name]
		n.busy = false
		if err != nil {
			s.died(spec.Name, "start", err, nil)
			return
		}
		n.routes = routes
		s.runs(spec, instance, turn)
	})
}

// runs takes over an instance that has just been started or adopted. It runs in the loop.
func (s *Supervisor) runs(spec sandbox.NodeSpec, instance sandbox.Instance, turn int) {
	n := s.loop.state.nodes[spec.Name]
	n.instance, n.spec = instance, spec
	n.view.State, n.view.Instance, n.view.Started = sandbox.Starting, instance.ID(), instance.Started()
	s.loop.emitNode(spec.Name)
	s.config.Log.Info("node runs", "node", spec.Name, "instance", instance.ID())
	s.loop.work.Go(func() {
		<-instance.Done()
		s.loop.post(func() { s.hasEnded(spec.Name, turn, instance.Exit()) })
	})
	s.loop.work.Go(func() { s.tend(spec, instance, turn) })
}

// tend waits until the instance is ready, and then watches its health and usage until it ends.
func (s *Supervisor) tend(spec sandbox.NodeSpec, instance sandbox.Instance, turn int) {
	ctx, cancel := context.WithCancel(s.life)
	defer cancel()
	stop := context.AfterFunc(doneContext(instance.Done()), cancel)
	defer stop()
	p := s.config.cluster.Ready(spec)
	err := probe.Wait(ctx, p, readyLimit, probe.Watched{Done: instance.Done()})
	if err != nil {
		if late, ok := errors.AsType[*probe.TimeoutError](err); ok {
			log := s.tail(spec.Name)
			s.loop.post(func() { s.notReady(spec.Name, turn, instance, late, log) })
		}
		return // its death is told by who watches it
	}
	s.loop.post(func() { s.isReady(spec.Name, turn) })
	health, usage := time.NewTicker(healthEvery(spec.Kind)), time.NewTicker(usageEvery)
	defer health.Stop()
	defer usage.Stop()
	s.sample(ctx, spec.Name, turn, instance)
	for {
		select {
		case <-ctx.Done():
			return
		case <-usage.C:
			s.sample(ctx, spec.Name, turn, instance)
		case <-health.C:
			err := ask(ctx, p)
			if ctx.Err() == nil {
				s.loop.post(func() { s.health(spec.Name, turn, err) })
			}
		}
	}
}

// doneContext ends when done is closed. Its goroutine ends then too, which it does: an instance ends.
func doneContext(done <-chan struct{}) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-done; cancel() }()
	return ctx
}

// healthLimit bounds one question about a node's health.
const healthLimit = 2 * time.Second

func ask(ctx context.Context, p probe.Probe) error {
	ctx, cancel := context.WithTimeout(ctx, healthLimit)
	defer cancel()
	return p.Ask(ctx)
}

func (s *Supervisor) sample(ctx context.Context, name string, turn int, instance sandbox.Instance) {
	u, err := instance.Usage(ctx)
	if err != nil {
		return // it is ending, or the system does not tell
	}
	s.loop.post(func() {
		if n := s.current(name, turn); n != nil {
			n.view.RSS, n.view.CPU = u.RSS, u.CPU
			s.loop.emitNode(name)
		}
	})
}

// current is the node if its present instance is that of the turn.
func (s *Supervisor) current(name string, turn int) *node {
	n := s.loop.state.nodes[name]
	if n == nil || n.turn != turn || n.instance == nil {
		return nil
	}
	return n
}

func (s *Supervisor) isReady(name string, turn int) {
	n := s.current(name, turn)
	if n == nil || n.view.State != sandbox.Starting {
		return
	}
	n.view.State, n.view.Reason, n.wasReady = sandbox.Ready, "", true
	if !n.adopted {
		n.view.Took = time.Since(n.view.Started)
	}
	s.loop.emitNode(name)
	s.loop.stepEnds(name, sandbox.StepDone)
	s.config.Log.Info("node is ready", "node", name, "took", n.view.Took.Round(time.Millisecond).String()) // as workers log durations
}

func (s *Supervisor) health(name string, turn int, err error) {
	n := s.current(name, turn)
	if n == nil {
		return
	}
	was := n.view
	switch {
	case err == nil && n.view.State == sandbox.Degraded:
		n.view.State, n.view.Reason = sandbox.Ready, ""
	case err != nil && (n.view.State == sandbox.Ready || n.view.State == sandbox.Degraded):
		n.view.State, n.view.Reason = sandbox.Degraded, err.Error()
	}
	if was.State != n.view.State || was.Reason != n.view.Reason {
		s.loop.emitNode(name)
	}
	if was.State != n.view.State {
		s.config.Log.Info("health changed", "node", name, "state", n.view.State, "reason", n.view.Reason)
	}
}

// notReady deals with an instance that runs but does not become ready: it is ended, which counts as a death.
func (s *Supervisor) notReady(name string, turn int, instance sandbox.Instance, why error, log []string) {
	n := s.current(name, turn)
	if n == nil || n.view.State != sandbox.Starting {
		return
	}
	if s.loop.state.info.Phase == sandbox.PhaseStarting {
		s.fail(name, "become ready", why, log)
		return
	}
	s.notify(notification(codeNotReady, name, why))
	s.loop.work.Go(func() {
		if err := instance.Kill(s.life); err != nil {
			s.config.Log.Warn("kill failed", "node", name, "error", err)
		}
	})
}

// hasEnded takes note of the end of an instance.
func (s *Supervisor) hasEnded(name string, turn int, exit sandbox.Exit) {
	n := s.current(name, turn)
	if n == nil {
		return
	}
	n.instance, n.routes = nil, nil
	n.view.Instance, n.view.RSS, n.view.CPU = "", 0, 0
	s.config.Log.Info("node ended", "node", name, "code", exit.Code, "signal", exit.Signal, "expected", n.expected)
	if n.expected {
		n.view.State, n.view.Reason = sandbox.Stopped, ""
		if s.loop.state.goal == goalRun {
			n.view.Restarts++
		}
		s.loop.emitNode(name)
		return
	}
	s.died(name, "run", errors.New(endedWhy(exit)), logLines(exit))
}

// died decides what follows a death that nobody asked for.
func (s *Supervisor) died(name, stage string, cause error, log []string) {
	st := &s.loop.state
	n := st.nodes[name]
	n.view.Reason = reason(cause, log)
	if st.goal == goalStop {
		n.view.State = sandbox.Stopped
		s.loop.emitNode(name)
		return
	}
	if st.info.Phase == sandbox.PhaseStarting {
		n.view.State = sandbox.Crashed
		s.loop.emitNode(name)
		s.fail(name, stage, cause, log)
		return
	}
	n.deaths.record(s.config.policy, n.wasReady, time.Now())
	pause, crashed := s.config.policy.verdict(n.deaths)
	if crashed {
		n.view.State = sandbox.Crashed
		s.notify(notification(codeCrashLoop, name, cause))
	} else {
		n.view.State, n.retryAt = sandbox.Backoff, time.Now().Add(pause)
		n.view.Restarts++
		s.notify(notification(codeDied, name, cause))
	}
	s.loop.emitNode(name)
}

// reason is a cause with the last line of the log.
func reason(cause error, log []string) string {
	if len(log) == 0 {
		return cause.Error()
	}
	return cause.Error() + "; its log ends: " + log[len(log)-1]
}

func (s *Supervisor) stopNode(ctx context.Context, name string, kind sandbox.Kind, turn int, instance sandbox.Instance, paused bool) {
	if paused {
		if err := instance.Unpause(ctx); err != nil {
			s.config.Log.Warn("unpause failed", "node", name, "error", err)
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit(kind))
	defer cancel()
	err := instance.Stop(ctx)
	s.loop.post(func() {
		n := s.loop.state.nodes[name]
		if n == nil || n.turn != turn {
			return
		}
		n.busy = false
		if err != nil {
			s.notify(notification(codeNotStopped, name, err))
		}
	})
}

// reloadNode tells the load balancer its upstreams. A runtime that cannot hand over files again, or a balancer that
// does not take them, leads to a restart.
func (s *Supervisor) reloadNode(ctx context.Context, spec sandbox.NodeSpec, routes []string, turn int, instance sandbox.Instance) {
	err := errors.New("the runtime cannot replace a node's files")
	if r, ok := s.config.Runtime.(FileReplacer); ok {
		if err = r.ReplaceFiles(ctx, spec); err == nil {
			err = instance.Signal(ctx, "HUP")
		}
	}
	s.loop.post(func() {
		n := s.current(spec.Name, turn)
		if n == nil {
			return
		}
		n.busy = false
		if n.routes = routes; err != nil {
			n.restart = true
			s.notify(notification(codeReloadFailed, spec.Name, err))
		}
	})
}

// FileReplacer is what a runtime does to hand a running node its files again; the node is told by a signal.
type FileReplacer interface {
	ReplaceFiles(ctx context.Context, spec sandbox.NodeSpec) error
}
