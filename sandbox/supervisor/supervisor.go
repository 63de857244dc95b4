// Package supervisor brings a sandbox up, keeps it up, and takes it down. It owns the desired state (which nodes, how
// many), drives a runtime towards it, starts again what dies, and tells what happens as one stream of events. One
// goroutine owns the state (loop.go); what to do next is decided by a pure function (plan.go). Workers and front ends must
// not import it: front ends talk to its API through package client.
package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/trace"
	"github.com/cordage-sandbox/cordage/workers/clock"
)

// Config is what a supervisor works with.
type Config struct {
	Dir      sandbox.Dir
	Runtime  sandbox.Runtime
	Wish     sandbox.Wish
	Versions map[string]string // of cordage, postgres, kafka, java; for people
	Log      *slog.Logger

	cluster cluster       // nil: the real one
	policy  restartPolicy // zero: the default one
}

// Supervisor is the supervisor of one sandbox.
type Supervisor struct {
	config    Config
	secrets   Secrets
	loop      *loop
	ports     ports
	traces    *trace.Store
	observers observers
	lock      *sandbox.Lock

	life     context.Context // of this supervisor; ends after the last node
	endLife  context.CancelFunc
	starting context.Context // of what is being started; ends with the wish to stop
	endStart context.CancelCauseFunc

	kept struct {
		mu    sync.Mutex
		state State
	}
	control sync.Mutex // one change of the clock or of the replicas at a time
	purge   bool
	found   []sandbox.Instance
}

// RunningError says that the sandbox has a supervisor already.
type RunningError struct{ Name string }

func (e *RunningError) Error() string {
	return fmt.Sprintf("start a supervisor for sandbox %s: it has one", e.Name)
}

// New takes the sandbox's lock, reads what it keeps, finds what runs, and reserves ports. [Supervisor.Close] must follow.
//
// Errors: *RunningError, *PortError, *sandbox.FixedError, *BadFileError.
func New(ctx context.Context, c Config) (_ *Supervisor, err error) {
	began := time.Now()
	if c.cluster == nil {
		if c.cluster, err = newRealCluster(ctx, c.Dir.Name); err != nil {
			return nil, err
		}
	}
	if c.policy == (restartPolicy{}) {
		c.policy = defaultPolicy()
	}
	if err := c.Dir.Make(); err != nil {
		return nil, err
	}
	s := &Supervisor{config: c, traces: trace.NewStore(trace.Limits{})}
	lock, ok, err := c.Dir.TryLock()
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, &RunningError{c.Dir.Name}
	}
	s.lock = lock
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	l, info, moved, err := s.prepare(ctx)
	if err != nil {
		return nil, err
	}
	info.Started = began.UTC()
	s.life, s.endLife = context.WithCancel(context.WithoutCancel(ctx))
	s.starting, s.endStart = context.WithCancelCause(s.life)
	s.loop = newLoop(state{
		info: info, nodes: map[string]*node{}, tasks: map[string]*task{}, steps: map[string]*sandbox.Step{}, began: began,
	})
	s.loop.act = s.act
	s.observers = s.newObservers()
	s.loop.state.take(l)
	s.adopt(moved)
	return s, nil
}

// prepare reads and completes what the sandbox keeps, and reserves its ports. It returns warnings of moved ports.
func (s *Supervisor) prepare(ctx context.Context) (l layout, info sandbox.Info, moved []sandbox.Notification, err error) {
	d := s.config.Dir
	if s.kept.state, err = ReadState(d); err != nil {
		return l, info, nil, err
	}
	s.kept.state.Clock.Mode = cmp.Or(s.kept.state.Clock.Mode, clock.Machine) // of a sandbox whose clock nobody has changed
	spec, err := s.config.Wish.Apply(s.kept.state.Spec, s.kept.state.Data)
	if err != nil {
		return l, info, nil, err
	}
	if s.secrets, err = loadSecrets(d, time.Now()); err != nil {
		return l, info, nil, err
	}
	if s.found, err = s.config.Runtime.Find(ctx); err != nil {
		return l, info, nil, fmt.Errorf("look for nodes of sandbox %s that run already: %w", d.Name, err)
	}
	numbers, moved, err := s.reserve(spec)
	if err != nil {
		return l, info, nil, err
	}
	err = s.remember(func(st *State) { st.Spec, st.Ports, st.Wanted, st.Failure = spec, numbers, true, nil })
	if err != nil {
		return l, info, nil, err
	}
	routes, err := s.config.Runtime.Route(ctx)
	if err != nil {
		return l, info, nil, fmt.Errorf("find the ways between the nodes of sandbox %s: %w", d.Name, err)
	}
	l = layout{spec: spec, ports: numbers, secrets: s.secrets, routes: routes}
	return l, sandbox.Info{
		Name: d.Name, Runtime: s.config.Runtime.Name(), RuntimeWhy: s.config.Wish.RuntimeWhy, Phase: sandbox.PhaseStarting, Dir: d.Path, Endpoints: l.endpoints(),
		Versions: s.config.Versions, Supervisor: os.Getpid(), Clock: s.kept.state.Clock, Spec: spec,
	}, moved, nil
}

// reserve holds the ports of all nodes that do not run yet. A running node has its ports, and keeps them.
func (s *Supervisor) reserve(spec sandbox.Spec) (map[string]int, []sandbox.Notification, error) {
	numbers := maps.Clone(s.kept.state.Ports)
	if numbers == nil {
		numbers = map[string]int{}
	}
	var moved []sandbox.Notification
	for _, key := range portKeys(spec) {
		node := nodeOfKey(key)
		runs := slices.ContainsFunc(s.found, func(i sandbox.Instance) bool { return i.Node() == node })
		wanted, last := spec.Ports[key], numbers[key]
		if runs && last != 0 && (wanted == 0 || wanted == last) {
			continue
		}
		number, why, err := s.ports.hold(key, wanted, last)
		if err != nil {
			return nil, nil, err
		}
		if numbers[key] = number; why != nil {
			moved = append(moved, notification(codePortMoved, node, fmt.Sprintf("%d instead of %d, because %v", number, last, why)))
		}
	}
	return numbers, moved, nil
}

// adopt takes over the nodes that run already, and leaves the first warnings for subscribers in the log.
func (s *Supervisor) adopt(warnings []sandbox.Notification) {
	st := &s.loop.state
	for _, instance := range s.found {
		name := instance.Node()
		u, wanted := st.unit(name)
		n := st.nodes[name]
		if n == nil {
			n = &node{view: sandbox.Node{Name: name, State: sandbox.Starting}, stage: stageOf(name)}
			st.nodes[name] = n
		}
		n.turn++
		n.adopted = true
		spec := sandbox.NodeSpec{Name: name}
		if wanted {
			spec = *u.spec
		}
		if !wanted || instance.SpecHash() != u.spec.Hash() {
			warnings = append(warnings, notification(codeForeign, name))
		} else {
			st.info.Adopted++
			s.loop.stepBegins(name)
		}
		s.runs(spec, instance, n.turn)
	}
	if st.info.Adopted > 0 {
		warnings = append(warnings, notification(codeAdopted, "", st.info.Adopted))
	}
	for _, w := range warnings {
		s.notify(w)
	}
}

// Close gives up the ports and the lock. Everything must have been stopped. A process that ends now need not call it: both
// end with it, and then whoever gets the lock knows that the process has ended.
func (s *Supervisor) Close() {
	s.ports.release("")
	s.lock.Close()
}

// Run brings the sandbox up and keeps it up until ctx ends or somebody asks for a stop; then it stops all nodes and
// returns. It calls ready once its methods can be called. A start that fails is a *sandbox.StartError, after all that ran
// has been stopped.
func (s *Supervisor) Run(ctx context.Context, ready func()) error {
	receiver, err := s.receiveTraces()
	if err != nil {
		return err
	}
	err = s.drive(ctx, ready)
	return errors.Join(err, receiver.Close())
}

// drive runs the loop until everything has been stopped.
func (s *Supervisor) drive(ctx context.Context, ready func()) error {
	stop := context.AfterFunc(ctx, func() { s.loop.post(s.goalStop) })
	defer stop()
	go s.loop.run(s.life)
	ready()
	<-s.loop.ended
	s.endLife()
	s.loop.work.Wait()
	return s.conclude()
}

// receiveTraces serves the receiver of the workers' spans.
func (s *Supervisor) receiveTraces() (*http.Server, error) {
	s.ports.handOver(nodeOfKey(portTraces))
	layout := s.loop.state.layout
	l, err := net.Listen("tcp4", layout.tracesAt(layout.routes.Host().Listen))
	if err != nil {
		return nil, fmt.Errorf("listen for spans: %w", err)
	}
	const headerLimit = 10 * time.Second
	server := &http.Server{
		Handler: trace.Receiver(s.traces, s.secrets.TracesToken), ReadHeaderTimeout: headerLimit,
		ErrorLog: slog.NewLogLogger(s.config.Log.Handler(), slog.LevelDebug),
	}
	go func() { _ = server.Serve(l) }() // ends with Close
	return server, nil
}

// conclude keeps how it ended, and purges if that was asked for.
func (s *Supervisor) conclude() error {
	failure := s.loop.state.info.Failure
	if s.purge {
		if err := s.config.Runtime.Purge(context.Background()); err != nil {
			return fmt.Errorf("remove sandbox %s: %w", s.config.Dir.Name, err)
		}
		return s.config.Dir.Remove()
	}
	err := s.remember(func(st *State) { st.Wanted, st.Failure = false, failure })
	if failure != nil {
		return errors.Join(&sandbox.StartError{Sandbox: s.config.Dir.Name, Failure: *failure}, err)
	}
	return err
}

// notify tells subscribers and the log. It runs in the loop.
func (s *Supervisor) notify(n sandbox.Notification) {
	n.Remedy = sandbox.HintFor(s.config.Dir.Name, n.Remedy)
	s.config.Log.Warn(n.Text, "code", n.Code, "node", n.Node, "severity", n.Severity)
	s.loop.state.tell(n)
	s.loop.emit(sandbox.Event{Notify: &n})
}
