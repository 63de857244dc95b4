package supervisor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/probe"
	"github.com/cordage-sandbox/cordage/workers/clock"
)

// cluster is what the supervisor does to the cluster itself, and how it asks whether a part is ready. The real one
// speaks to PostgreSQL, Kafka and the workers; tests of the loop's timing have another.
type cluster interface {
	// Databases makes schemas, users, tables and first rows, all or what is missing of them.
	Databases(ctx context.Context, l layout, progress func(string)) (access, error)
	// Topics makes the topics that are missing.
	Topics(ctx context.Context, l layout) error
	// PublishClock puts the setting on the bus.
	PublishClock(ctx context.Context, l layout, c clock.Setting) error
	// ClockSeen returns the version of the clock's setting that a worker shows.
	ClockSeen(ctx context.Context, n sandbox.Node) (int64, error)
	// Ready is how a node is asked whether it is ready.
	Ready(spec sandbox.NodeSpec) probe.Probe
	// Front is how the REST API is asked through the load balancer.
	Front(l layout) probe.Probe
}

// runTask runs a task of the start and tells the loop of its end.
func (s *Supervisor) runTask(name string) {
	var l layout
	var setting clock.Setting
	s.loop.ask(func() { l, setting = s.loop.state.layout, s.loop.state.info.Clock })
	var err error
	switch name {
	case taskPrepare:
		err = s.config.Runtime.Prepare(s.starting, func(p sandbox.Progress) {
			s.loop.post(func() { s.loop.stepTells(name, p.Step+note(p.Notes), p.Done) })
		})
	case taskDatabases:
		err = s.makeDatabases(l)
	case taskTopics:
		err = s.makeTopics(l, setting)
	case taskFront:
		err = probe.Wait(s.starting, s.config.cluster.Front(l), frontLimit, probe.Watched{})
	}
	var log []string
	if err != nil && name != taskPrepare {
		log = s.tail(logOf(name))
	}
	s.loop.post(func() { s.taskDone(name, err, log) })
}

func note(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}

func (s *Supervisor) makeDatabases(l layout) error {
	if err := s.remember(func(st *State) { st.Data = true }); err != nil {
		return err
	}
	found, err := s.config.cluster.Databases(s.starting, l, func(step string) {
		s.loop.post(func() { s.loop.stepTells(taskDatabases, step, -1) })
	})
	if err != nil {
		return err
	}
	s.loop.ask(func() {
		next := s.loop.state.layout
		next.access = found
		s.loop.state.take(next)
	})
	return nil
}

func (s *Supervisor) makeTopics(l layout, setting clock.Setting) error {
	if err := s.remember(func(st *State) { st.Data = true }); err != nil {
		return err
	}
	if err := s.config.cluster.Topics(s.starting, l); err != nil {
		return err
	}
	if setting.Version == 0 {
		return nil
	}
	// The setting is kept before it is published; a supervisor that was killed in between makes up for it here.
	return s.config.cluster.PublishClock(s.starting, l, setting)
}

// taskDone takes note of the end of a task. It runs in the loop.
func (s *Supervisor) taskDone(name string, err error, log []string) {
	t := s.loop.state.tasks[name]
	if err == nil {
		t.step.State = sandbox.StepDone
		s.loop.stepEnds(name, sandbox.StepDone)
		return
	}
	t.step.State = sandbox.StepFailed
	u, _ := s.loop.state.unit(name)
	s.fail(name, u.about, err, log)
}

// fail ends the start: what runs is stopped, and the failure is kept for whoever asks. Only the first counts.
func (s *Supervisor) fail(part, stage string, cause error, log []string) {
	st := &s.loop.state
	if st.goal == goalStop {
		return
	}
	s.loop.stepEnds(part, sandbox.StepFailed)
	st.info.Failure = &sandbox.Failure{
		Part: part, Stage: stage, Cause: cause.Error(), Log: log, Hint: sandbox.HintFor(s.config.Dir.Name, hintFor(part, cause, log)), Logs: s.config.Dir.Path,
	}
	s.config.Log.Error("start failed", "part", part, "stage", stage, "cause", cause)
	s.goalStop()
}

// goalStop makes the supervisor stop everything. It runs in the loop.
func (s *Supervisor) goalStop() {
	s.loop.state.goal = goalStop
	s.endStart(errStopping)
}

var errStopping = errors.New("the sandbox is being stopped") //nolint:gochecknoglobals // a constant

// tail gives the last lines of a node's log.
func (s *Supervisor) tail(name string) []string {
	const lines = 20
	ctx, cancel := context.WithTimeout(s.life, time.Second)
	defer cancel()
	r, err := s.config.Runtime.Logs(ctx, name, lines, false)
	if err != nil {
		return nil
	}
	defer r.Close()
	var tail []string
	for scan := bufio.NewScanner(r); scan.Scan(); {
		tail = append(tail, scan.Text())
	}
	return tail
}

// remember changes what the sandbox keeps between supervisors.
func (s *Supervisor) remember(change func(*State)) error {
	s.kept.mu.Lock()
	defer s.kept.mu.Unlock()
	change(&s.kept.state)
	if err := s.kept.state.write(s.config.Dir); err != nil {
		if _, gone := os.Stat(s.config.Dir.Path); gone != nil {
			return fmt.Errorf("keep the state of sandbox %s: its directory is gone", s.config.Dir.Name)
		}
		return err
	}
	return nil
}
