package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/client"
	"github.com/cordage-sandbox/cordage/scenarios/attach"
	"github.com/cordage-sandbox/cordage/scenarios/lang"
	"github.com/cordage-sandbox/cordage/scenarios/report"
	"github.com/cordage-sandbox/cordage/scenarios/run"
)

// runScenarios runs scenarios in the sandbox that runs, and starts others for those that it does not fit.
func (a *app) runScenarios(ctx context.Context, scenarios []*lang.Scenario, asked sandbox.Wish, f scenarioFlags) error {
	// A reader of the answer that goes away, as in "| head", must not end this process before it has put back what
	// scenarios changed, or removed their sandbox: while the signal is received here, writing fails in its place.
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	defer signal.Stop(pipe)
	wish, err := a.wish(asked)
	if err != nil {
		return err
	}
	results, err := a.runEach(ctx, scenarios, wish, f)
	if err := errors.Join(err, writeJUnit(f.junit, results)); err != nil {
		return err
	}
	return a.conclude(results)
}

// runEach runs scenarios, those in the running sandbox first. What ends it is an error; a scenario that fails is not.
func (a *app) runEach(ctx context.Context, scenarios []*lang.Scenario, wish sandbox.Wish, f scenarioFlags) ([]*run.Result, error) {
	c, err := a.connect(ctx)
	_, none := errors.AsType[*sandbox.NotRunningError](err)
	switch {
	case none:
		a.note("no sandbox %s runs; the scenarios get one of their own", a.name)
	case err != nil:
		return nil, err
	default:
		defer c.Close()
	}
	var results []*run.Result
	if !none {
		info, err := c.Sandbox(ctx)
		if err != nil {
			return nil, err
		}
		here, elsewhere := split(scenarios, max(1, info.Spec.Brokers))
		for _, s := range elsewhere {
			a.note("scenario %s needs a sandbox of %d Kafka brokers, and gets one of its own", s.Name, s.Brokers)
		}
		if results, err = a.runAttached(ctx, c, here); err != nil {
			return results, err
		}
		scenarios = elsewhere
	}
	for _, brokers := range []int{1, sandbox.Replication} {
		var group []*lang.Scenario
		if group, scenarios = split(scenarios, brokers); len(group) == 0 {
			continue
		}
		wish.Brokers = brokers
		more, err := a.inOwnSandbox(ctx, group, wish, f)
		if results = append(results, more...); err != nil {
			return results, err
		}
	}
	return results, nil
}

// split separates the scenarios that a sandbox of so many brokers fits from the others.
func split(scenarios []*lang.Scenario, brokers int) (fit, others []*lang.Scenario) {
	for _, s := range scenarios {
		if s.Brokers == 0 || s.Brokers == brokers {
			fit = append(fit, s)
		} else {
			others = append(others, s)
		}
	}
	return fit, others
}

// inOwnSandbox starts a sandbox, runs the scenarios there, and removes it, however they end. Ports stay open: those of the
// wish may be another sandbox's.
func (a *app) inOwnSandbox(ctx context.Context, scenarios []*lang.Scenario, wish sandbox.Wish, f scenarioFlags) (results []*run.Result, err error) {
	own := *a
	own.name, own.named = fmt.Sprintf("scenario-%d-%d", os.Getpid(), wish.Brokers), true
	own.out, own.json = a.err, false // its messages are not the answer
	wish.Ports, wish.Replicas = nil, maps.Clone(wish.Replicas)
	for _, s := range scenarios {
		for role, n := range s.Replicas {
			if wish.Replicas == nil {
				wish.Replicas = map[string]int{}
			}
			wish.Replicas[role] = max(n, wish.Replicas[role])
		}
	}
	if err := own.up(ctx, wish, false); err != nil {
		return nil, errors.Join(err, own.remove(ctx))
	}
	defer func() {
		if f.keep && (err != nil || failures(results) > 0) {
			a.note("sandbox %s is kept; remove it with: cordage down --purge --name %[1]s", own.name)
			return
		}
		err = errors.Join(err, own.remove(ctx))
	}()
	c, err := own.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return a.runAttached(ctx, c, scenarios)
}

// remove takes a sandbox down for good, also when ctx has ended.
func (a *app) remove(ctx context.Context) error {
	return a.down(context.WithoutCancel(ctx), true)
}

// detachLimit bounds what is put back after scenarios.
const detachLimit = time.Minute

func (a *app) runAttached(ctx context.Context, c *client.Client, scenarios []*lang.Scenario) (results []*run.Result, err error) {
	dir, err := os.MkdirTemp("", "cordage-scenario-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for what scenarios build (TMPDIR says where, if it is set): %w", err)
	}
	defer os.RemoveAll(dir) // it is in the user's own directory for temporary files
	live := a.newStepLine()
	for _, s := range scenarios {
		result, err := a.runOne(ctx, c, s, dir, live)
		if result != nil {
			results = append(results, result)
			if !a.json {
				out := &plain{w: a.out}
				err = errors.Join(err, report.Tree(out, result), out.flush())
			}
		}
		if err != nil {
			return results, err
		}
	}
	return results, nil
}

func (a *app) runOne(ctx context.Context, c *client.Client, s *lang.Scenario, dir string, live *stepLine) (_ *run.Result, err error) {
	cluster, err := attach.Open(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("run scenario %s: %w", s.Name, err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), detachLimit)
		defer cancel()
		err = errors.Join(err, cluster.Close(ctx))
	}()
	r := &run.Runner{Cluster: cluster, Dir: dir, Now: time.Now, Watch: live.show}
	defer live.clear()
	return r.Run(ctx, s)
}

func (a *app) conclude(results []*run.Result) error {
	if err := a.answer(results, func(w io.Writer) error { return report.Summary(w, results) }); err != nil {
		return err
	}
	if failed := failures(results); failed > 0 {
		return &checksError{fmt.Sprintf("%d of %d scenarios failed", failed, len(results))}
	}
	return nil
}

func failures(results []*run.Result) (failed int) {
	for _, r := range results {
		if r.Status != run.Passed {
			failed++
		}
	}
	return failed
}

// stepLine shows on a terminal which step is being done.
type stepLine struct {
	w     io.Writer
	width int // 0: not a terminal
}

func (a *app) newStepLine() *stepLine {
	l := &stepLine{w: a.err}
	if width, ok := isTerminal(a.err); ok {
		l.width = width
	}
	return l
}

func (l *stepLine) show(r *run.Result) {
	if l.width == 0 || r.Status != "" {
		return
	}
	text := []rune("… " + cell(r.Name))
	if len(text) >= l.width {
		text = text[:l.width-1]
	}
	fmt.Fprintf(l.w, "\r\x1b[K%s", string(text))
}

func (l *stepLine) clear() {
	if l.width > 0 {
		fmt.Fprint(l.w, "\r\x1b[K")
	}
}
