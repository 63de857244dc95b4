package scenarios

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/scenarios/lang"
	"github.com/cordage-sandbox/cordage/scenarios/run"
)

// Cluster is a sandbox as scenarios act on it, until it is closed: that puts its clock and its workers back.
type Cluster interface {
	run.Cluster
	Close(ctx context.Context) error
}

// session is one run of one or several scenarios, one after the other. It works in a command of its own; the view sees
// copies of its results only.
type session struct {
	number    int
	scenarios []*lang.Scenario
	open      func(ctx context.Context) (Cluster, error)
	archive   archive

	cancel context.CancelFunc
	ctx    context.Context //nolint:containedctx // of the one run that the session is
	wake   chan struct{}
	done   chan struct{}

	mu     sync.Mutex
	runs   []*scenarioRun
	unkept error                 // why it could not be kept
	steps  map[*run.Result]*step // of the scenario that runs
}

// scenarioRun is what has become of one scenario.
type scenarioRun struct {
	name    string
	file    string
	status  run.Status // empty while it runs or waits
	began   time.Time  // zero while it waits
	took    time.Duration
	err     string
	steps   []*step
	result  *run.Result // when it is over
	stopped bool        // by the user
}

// step is a step as it is shown.
type step struct {
	name, place        string
	status             run.Status // empty while it runs
	began              time.Time
	took               time.Duration
	err                string
	request, want, got string
	trace              string // id of its last REST request
	steps              []*step
}

func newSession(number int, scenarios []*lang.Scenario, open func(context.Context) (Cluster, error), a archive) *session {
	s := &session{number: number, scenarios: scenarios, open: open, archive: a, wake: make(chan struct{}, 1), done: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for _, one := range scenarios {
		s.runs = append(s.runs, &scenarioRun{name: one.Name, file: one.File})
	}
	return s
}

// stateMsg is how far a session is.
type stateMsg struct {
	number int
	runs   []scenarioRun
	over   bool
	unkept error
}

// work runs the scenarios, and gives nothing: next tells of all.
func (s *session) work() tea.Msg {
	defer close(s.done)
	for i, one := range s.scenarios {
		if s.ctx.Err() != nil {
			s.change(func() { s.runs[i].stopped = true })
			continue
		}
		s.change(func() { s.runs[i].began = time.Now(); s.steps = map[*run.Result]*step{} })
		result, err := s.one(one, s.runs[i])
		s.change(func() { s.runs[i].finish(result, err, s.ctx.Err() != nil) })
	}
	s.keep()
	return nil
}

// keep writes what the session came to, also when the UI is being left.
func (s *session) keep() {
	k := kept{Began: s.runs[0].began}
	if k.Began.IsZero() { // it was stopped at once
		return
	}
	for _, r := range s.runs { // only this goroutine changes them
		k.Scenarios = append(k.Scenarios, keptScenario{Name: r.name, File: r.file, Stopped: r.stopped, Result: r.result})
	}
	err := s.archive.keep(k)
	s.change(func() { s.unkept = err })
}

func (s *session) change(do func()) {
	s.mu.Lock()
	do()
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// detachLimit bounds what is put back after a scenario.
const detachLimit = time.Minute

func (s *session) one(scenario *lang.Scenario, into *scenarioRun) (result *run.Result, err error) {
	dir, err := os.MkdirTemp("", "cordage-scenario-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) // it is in the user's own directory for temporary files
	const attachLimit = 15 * time.Second
	attaching, cancel := context.WithTimeoutCause(s.ctx, attachLimit, fmt.Errorf("the sandbox did not answer within %v", attachLimit))
	cluster, err := s.open(attaching)
	cancel()
	if err != nil {
		return nil, fmt.Errorf("attach to the sandbox: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), detachLimit)
		defer cancel()
		err = errors.Join(err, cluster.Close(ctx))
	}()
	r := &run.Runner{Cluster: cluster, Dir: dir, Now: time.Now, Watch: func(r *run.Result) { s.change(func() { s.watch(r, into) }) }}
	return r.Run(s.ctx, scenario)
}

// watch takes over a step that begins or has ended. The result belongs to the runner before and after.
func (s *session) watch(r *run.Result, into *scenarioRun) {
	known, ok := s.steps[r]
	if !ok {
		known = &step{name: r.Name, place: r.Place, began: r.Started}
		s.steps[r] = known
		if parent := s.steps[r.Parent]; parent != nil {
			parent.steps = append(parent.steps, known)
		} else {
			into.steps = append(into.steps, known)
		}
		return
	}
	*known = *stepOf(r)
}

// stepOf copies a result that is complete, with the steps inside, skipped ones too.
func stepOf(r *run.Result) *step {
	s := &step{
		name: r.Name, place: r.Place, status: r.Status, began: r.Started, took: r.Duration, err: r.Error,
		request: r.Request, want: r.Want, got: r.Got, trace: r.Trace,
	}
	for _, inner := range r.Steps {
		s.steps = append(s.steps, stepOf(inner))
	}
	return s
}

func (r *scenarioRun) finish(result *run.Result, err error, stopped bool) {
	r.took, r.status, r.stopped = time.Since(r.began), run.Failed, stopped
	if result != nil {
		r.status, r.err, r.took, r.result = result.Status, result.Error, result.Duration, result
		r.steps = nil
		for _, inner := range result.Steps {
			r.steps = append(r.steps, stepOf(inner))
		}
	}
	if stopped {
		r.status, r.err = run.Failed, "stopped"
		return
	}
	if err != nil {
		r.status, r.err = run.Failed, err.Error()
		if r.result == nil { // so that reports have it too
			r.result = &run.Result{Name: r.name, Started: r.began, Duration: r.took}
		}
		r.result.Status, r.result.Error = run.Failed, r.err
	}
}

// next waits for a change and gives how far the session is, ten times a second at most.
func (s *session) next() tea.Cmd {
	return func() tea.Msg {
		select {
		case <-s.wake:
		case <-s.done:
			return s.state(true)
		}
		const pause = 100 * time.Millisecond
		select {
		case <-time.After(pause):
		case <-s.done:
			return s.state(true)
		}
		return s.state(false)
	}
}

func (s *session) state(over bool) stateMsg {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := stateMsg{number: s.number, over: over, unkept: s.unkept}
	for _, r := range s.runs {
		c := *r
		c.steps = copySteps(r.steps)
		m.runs = append(m.runs, c)
	}
	return m
}

func copySteps(steps []*step) []*step {
	if steps == nil {
		return nil
	}
	out := make([]*step, len(steps))
	for i, s := range steps {
		c := *s
		c.steps = copySteps(s.steps)
		out[i] = &c
	}
	return out
}

// end stops the session, and waits until what it changed is put back.
func (s *session) end() {
	s.cancel()
	select {
	case <-s.done:
	case <-time.After(detachLimit):
	}
}
