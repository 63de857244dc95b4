package supervisor

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// loop is the one goroutine that owns the state. Others send it functions; after each it plans, starts the actions of
// the plan in goroutines of their own, and tells subscribers. It does no I/O itself.
//
// Order: messages are applied in the order of their arrival; a subscriber sees changes in the order in which they were
// made. An action's outcome comes back as a message that carries the turn of the instance, and is dropped if the node has
// moved on.
type loop struct {
	state   state
	inbox   chan func()
	act     func(ctx context.Context, a action) // starts an action; it must not block
	waiters []waiter
	subs    []*subscription
	seq     uint64
	recent  []sandbox.Event // the latest events, for subscribers that come back
	work    sync.WaitGroup  // actions, watches and probes under way
	ended   chan struct{}   // closed when run has returned
}

// waiter is asked after each message until it is done.
type waiter struct {
	done   func() (bool, error)
	result chan error
}

// subscription gets events until it is closed. A subscriber that is too slow is cut off, and must begin anew.
type subscription struct {
	events chan sandbox.Event
	closed bool
}

// eventBuffer is how many events a subscriber may lag behind.
const eventBuffer = 512

func newLoop(s state) *loop {
	return &loop{state: s, inbox: make(chan func()), ended: make(chan struct{})}
}

// run works until the goal is to stop and nothing runs any more.
func (l *loop) run(ctx context.Context) {
	defer close(l.ended)
	defer l.closeSubs()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wake := l.reconcile(ctx)
		l.askWaiters()
		if l.state.goal == goalStop && len(l.state.running()) == 0 {
			l.finish()
			return
		}
		timer.Stop()
		if !wake.IsZero() {
			timer.Reset(max(0, time.Until(wake)))
		}
		select {
		case f := <-l.inbox:
			f()
		case <-timer.C:
		}
	}
}

// reconcile plans until the plan is empty, because an action may make another possible at once.
func (l *loop) reconcile(ctx context.Context) (wake time.Time) {
	l.phase()
	for {
		actions, at := plan(l.state.desired(), l.state.actual(), time.Now())
		if len(actions) == 0 {
			return at
		}
		for _, a := range actions {
			l.begin(ctx, a)
		}
	}
}

// begin marks an action as under way and starts it.
func (l *loop) begin(ctx context.Context, a action) {
	if a.verb == forgetNode {
		delete(l.state.nodes, a.unit)
		l.emit(sandbox.Event{Gone: a.unit})
		return
	}
	if a.verb == runTask {
		l.state.tasks[a.unit].step.State = sandbox.StepRunning
		l.stepBegins(a.unit)
		l.act(ctx, a)
		return
	}
	n := l.state.nodes[a.unit]
	n.busy = true
	switch a.verb {
	case startNode:
		n.turn++
		n.restart, n.expected, n.wasReady, n.adopted = false, false, false, false
		n.view.State, n.view.Started, n.view.Took = sandbox.Starting, time.Now(), 0
		l.stepBegins(a.unit)
	case stopNode:
		n.expected = true
		n.view.State = sandbox.Stopping
	}
	l.emitNode(a.unit)
	l.act(ctx, a)
}

// phase derives the sandbox's phase from its nodes.
func (l *loop) phase() {
	s := &l.state
	next := s.info.Phase
	switch {
	case s.goal == goalStop:
		next = sandbox.PhaseStopping
	case s.complete():
		next = sandbox.PhaseReady
	case s.info.Phase == sandbox.PhaseReady:
		next = sandbox.PhaseDegraded
	}
	if next == s.info.Phase {
		return
	}
	if s.info.Phase == sandbox.PhaseStarting && next == sandbox.PhaseReady {
		s.info.Took = time.Since(s.began)
	}
	s.info.Phase = next
	l.emitSandbox()
}

// finish tells subscribers how it ended.
func (l *loop) finish() {
	l.state.info.Phase = sandbox.PhaseStopped
	if l.state.info.Failure != nil {
		l.state.info.Phase = sandbox.PhaseFailed
	}
	l.emitSandbox()
	l.askWaiters()
}

// post gives the loop a message; it is dropped when the loop has ended.
func (l *loop) post(f func()) {
	select {
	case l.inbox <- f:
	case <-l.ended:
	}
}

// ask runs f in the loop and waits for it. It returns false when the loop has ended.
func (l *loop) ask(f func()) bool {
	done := make(chan struct{})
	select {
	case l.inbox <- func() { f(); close(done) }:
		<-done
		return true
	case <-l.ended:
		return false
	}
}

// await waits until done, which runs in the loop after each message, says so.
func (l *loop) await(ctx context.Context, done func() (bool, error)) error {
	w := waiter{done: done, result: make(chan error, 1)}
	l.post(func() { l.waiters = append(l.waiters, w) })
	select {
	case err := <-w.result:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-l.ended:
		select {
		case err := <-w.result:
			return err
		default:
			return &sandbox.BusyError{Attempt: "wait", Phase: sandbox.PhaseStopped}
		}
	}
}

func (l *loop) askWaiters() {
	l.waiters = slices.DeleteFunc(l.waiters, func(w waiter) bool {
		done, err := w.done()
		if done || err != nil {
			w.result <- err
		}
		return done || err != nil
	})
}

// emit tells all subscribers. It never blocks.
func (l *loop) emit(e sandbox.Event) {
	l.seq++
	e.Seq, e.Time = l.seq, time.Now().UTC()
	if l.recent = append(l.recent, e); len(l.recent) > recentEvents {
		l.recent = slices.Delete(l.recent, 0, len(l.recent)-recentEvents)
	}
	l.subs = slices.DeleteFunc(l.subs, func(s *subscription) bool {
		if s.closed {
			return true
		}
		select {
		case s.events <- e:
			return false
		default:
			close(s.events)
			s.closed = true
			return true
		}
	})
}

func (l *loop) emitSandbox() { l.emit(sandbox.Event{Sandbox: new(l.state.info)}) }

func (l *loop) emitNode(name string) {
	if n := l.state.nodes[name]; n != nil {
		l.emit(sandbox.Event{Node: new(n.view)})
	}
}

func (l *loop) emitStep(name string) {
	if s := l.state.steps[name]; s != nil {
		l.emit(sandbox.Event{Step: new(*s)})
	}
}

// recentEvents is how many events are kept for subscribers that come back.
const recentEvents = 256

// subscribe begins a subscription with the events after number since, if they are still kept, else (always for a
// negative number) with the full state.
func (l *loop) subscribe(since int) *subscription {
	s := &subscription{events: make(chan sandbox.Event, eventBuffer)}
	missed := int(l.seq) - since //nolint:gosec // far from overflow
	if since >= 0 && missed >= 0 && missed <= len(l.recent) {
		for _, e := range l.recent[len(l.recent)-missed:] {
			s.events <- e
		}
	} else {
		s.events <- sandbox.Event{Seq: l.seq, Time: time.Now().UTC(), State: new(l.state.snapshot())}
	}
	l.subs = append(l.subs, s)
	return s
}

func (l *loop) closeSubs() {
	for _, s := range l.subs {
		if !s.closed {
			close(s.events)
			s.closed = true
		}
	}
	l.subs = nil
}

// stepBegins and the like keep the record of the first start.
func (l *loop) stepBegins(name string) {
	if s := l.state.steps[name]; s != nil && s.State == sandbox.StepWaiting {
		s.State, s.Started = sandbox.StepRunning, time.Since(l.state.began)
		l.emitStep(name)
	}
}

func (l *loop) stepTells(name, detail string, done float64) {
	if s := l.state.steps[name]; s != nil && s.State == sandbox.StepRunning {
		s.Detail, s.Done = detail, done
		l.emitStep(name)
	}
}

func (l *loop) stepEnds(name string, as sandbox.StepState) {
	if s := l.state.steps[name]; s != nil && s.State == sandbox.StepRunning {
		s.State, s.Ended, s.Detail = as, time.Since(l.state.began), ""
		l.emitStep(name)
	}
}
