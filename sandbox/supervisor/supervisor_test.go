package supervisor

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cordage-sandbox/cordage/sandbox"
)

func TestOrderOfStartAndStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.Wish{}, newFakeRuntime())
		r.up(t)
		starts := r.runtime.done("start", "databases", "topics")
		for _, before := range [][2]string{
			{"start postgres", "databases"}, {"start kafka-1", "topics"}, {"databases", "start database-1"},
			{"topics", "start database-1"}, {"databases", "start crypto-1"}, {"topics", "start rest-1"},
		} {
			if slices.Index(starts, before[0]) > slices.Index(starts, before[1]) {
				t.Errorf("%s came after %s: %v", before[0], before[1], starts)
			}
		}
		if err := r.end(); err != nil {
			t.Errorf("run: %v", err)
		}
		want := []string{"stop lb-1", "stop rest-1", "stop crypto-1", "stop database-1", "stop kafka-1", "stop postgres"}
		if diff := cmp.Diff(want, r.runtime.done("stop")); diff != "" {
			t.Errorf("order of the stop (-want +got):\n%s", diff)
		}
		if got := r.Snapshot().Sandbox.Phase; got != sandbox.PhaseStopped {
			t.Errorf("the last phase is %s", got)
		}
	})
}

func TestADeadPartFailsTheStartAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		runtime := newFakeRuntime()
		runtime.dies["kafka-1"] = 1
		r := newRig(t, sandbox.Wish{}, runtime)
		r.cluster.sick["kafka-1"] = true
		began := time.Now()
		r.begin(t)
		err := <-r.ended
		r.Close()
		if took := time.Since(began); took > time.Second {
			t.Errorf("the start failed after %v", took)
		}
		failed, ok := errors.AsType[*sandbox.StartError](err)
		if !ok {
			t.Fatalf("run: %v, want a StartError", err)
		}
		f := failed.Failure
		if f.Part != "kafka-1" || f.Cause != "ended with exit code 1" || len(f.Log) != 2 || !strings.Contains(f.Hint, "disk is full") {
			t.Errorf("the failure is %+v", f)
		}
		if len(runtime.running) != 0 {
			t.Errorf("still running: %v", runtime.running)
		}
		state, err := ReadState(r.dir)
		if err != nil || state.Failure == nil || state.Wanted {
			t.Errorf("kept is %+v, %v", state, err)
		}
	})
}

func TestAStartThatHangsNamesTheLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.Wish{}, newFakeRuntime())
		r.cluster.sick["crypto-1"] = true
		r.begin(t)
		err := <-r.ended
		r.Close()
		if err == nil || !strings.Contains(err.Error(), "not within 1m30s") || !strings.Contains(err.Error(), "it is sick") {
			t.Errorf("run: %v", err)
		}
	})
}

func TestADeadNodeIsStartedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.Wish{}, newFakeRuntime())
		r.up(t)
		r.runtime.instance("database-1").end(sandbox.Exit{Signal: "KILL"})
		r.await(t, func(s sandbox.Snapshot) bool { return s.Sandbox.Phase == sandbox.PhaseDegraded })
		r.await(t, func(s sandbox.Snapshot) bool { return s.Sandbox.Phase == sandbox.PhaseReady })
		if n := r.node("database-1"); n.Restarts != 1 {
			t.Errorf("restarts: %d", n.Restarts)
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestACrashLoopEndsAndARestartGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.Wish{}, newFakeRuntime())
		r.up(t)
		r.cluster.set(r.cluster.sick, "rest-1", true)
		r.runtime.dies["rest-1"] = 100
		r.runtime.instance("rest-1").end(sandbox.Exit{Code: 2})
		r.await(t, func(s sandbox.Snapshot) bool { return nodeState(s, "rest-1") == sandbox.Crashed })
		starts := len(slices.DeleteFunc(r.runtime.done("start"), func(s string) bool { return s != "start rest-1" }))
		if want := defaultPolicy().fail; starts != want {
			t.Errorf("rest-1 was started %d times, want %d", starts, want)
		}
		if n := r.node("rest-1"); !strings.Contains(n.Reason, "no space left") {
			t.Errorf("its reason is %q", n.Reason)
		}
		r.runtime.mu.Lock()
		r.runtime.dies["rest-1"] = 0
		r.runtime.mu.Unlock()
		r.cluster.set(r.cluster.sick, "rest-1", false)
		if _, err := r.Restart(t.Context(), "rest-1"); err != nil {
			t.Errorf("restart: %v", err)
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestKillByRequestIsNoCrash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.Wish{}, newFakeRuntime())
		r.up(t)
		for range 100 {
			if _, err := r.Kill(t.Context(), "crypto"); err != nil {
				t.Fatalf("kill: %v", err)
			}
			r.await(t, func(s sandbox.Snapshot) bool { return s.Sandbox.Phase == sandbox.PhaseReady })
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestScaleTellsTheBalancerFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.Wish{}, newFakeRuntime())
		r.up(t)
		nodes, err := r.Scale(t.Context(), "rest", 3)
		if err != nil || len(nodes) != 3 {
			t.Fatalf("scale up: %v, %v", nodes, err)
		}
		nodes, err = r.Scale(t.Context(), "rest", 1)
		if err != nil || len(nodes) != 1 {
			t.Fatalf("scale down: %v, %v", nodes, err)
		}
		done := r.runtime.done("files", "signal", "stop")
		want := []string{"files lb-1", "signal lb-1 HUP", "files lb-1", "signal lb-1 HUP", "stop rest-2", "stop rest-3"}
		slices.Sort(done[4:])
		if diff := cmp.Diff(want, done); diff != "" {
			t.Errorf("what was done (-want +got):\n%s", diff)
		}
		if _, err := r.Scale(t.Context(), "lb", 2); err == nil {
			t.Error("there can be two load balancers")
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
		state, err := ReadState(r.dir)
		if err != nil || state.Spec.Replicas["rest"] != 1 {
			t.Errorf("kept is %+v, %v", state.Spec, err)
		}
	})
}

func TestAdoption(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := newFakeRuntime()
		r := newRig(t, sandbox.Wish{}, first)
		r.up(t)
		// A killed supervisor leaves its nodes and its files, and gives up its lock and ports. This one is only forgotten, with
		// nodes of its own, until the test is over.
		killed := *r
		second := newFakeRuntime()
		for name, i := range first.running {
			left := &fakeInstance{runtime: second, node: name, hash: i.hash, done: make(chan struct{}), began: i.began}
			second.left, second.running[name] = append(second.left, left), left
		}
		second.running["rest-1"].hash = "of another specification"
		r.Close()
		time.Sleep(time.Hour) //nolint:forbidigo // of the bubble's clock
		r.runtime, r.ended = second, make(chan error, 1)
		r.cluster = &fakeCluster{runtime: second, sick: map[string]bool{}, blind: map[string]bool{}}
		r.open(t, sandbox.Wish{})
		r.up(t)
		if got := r.Snapshot().Sandbox.Adopted; got != 5 {
			t.Errorf("%d nodes were adopted, want 5", got)
		}
		for _, n := range r.Snapshot().Nodes {
			if n.Took > time.Minute {
				t.Errorf("the start of %s took %v: time that it ran before is counted", n.Name, n.Took)
			}
		}
		if diff := cmp.Diff([]string{"stop rest-1", "start rest-1"}, second.done("start", "stop")); diff != "" {
			t.Errorf("what was done (-want +got):\n%s", diff)
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
		killed.stop()
		<-killed.ended
	})
}

func TestClockWaitsForEveryWorker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.Wish{}, newFakeRuntime())
		r.up(t)
		at := time.Date(2025, 5, 5, 0, 0, 0, 0, time.UTC)
		r.cluster.set(r.cluster.blind, "crypto-1", true)
		_, err := r.SetClock(t.Context(), sandbox.ClockChange{Action: "freeze", Time: at})
		if err == nil || !strings.Contains(err.Error(), "crypto-1 shows version 0") {
			t.Errorf("a worker that does not take the clock over: %v", err)
		}
		r.cluster.set(r.cluster.blind, "crypto-1", false)
		s, err := r.SetClock(t.Context(), sandbox.ClockChange{Action: "advance", By: "1h"})
		if err != nil || s.Version != 2 || !s.At.Equal(at.Add(time.Hour)) {
			t.Errorf("the clock is %+v, %v", s, err)
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
		if state, err := ReadState(r.dir); err != nil || state.Clock != s {
			t.Errorf("kept is %+v, %v", state.Clock, err)
		}
	})
}

func TestSubscription(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.Wish{}, newFakeRuntime())
		r.begin(t)
		events := r.Subscribe(t.Context(), -1)
		first := <-events
		if first.State == nil || len(first.State.Nodes) != 6 {
			t.Fatalf("the first event is %+v, not the full state", first)
		}
		seq, ready := first.Seq, false
		for e := range events {
			if seq++; e.Seq != seq {
				t.Fatalf("event %d comes after %d", e.Seq, seq-1)
			}
			if ready = e.Sandbox != nil && e.Sandbox.Phase == sandbox.PhaseReady; ready {
				break
			}
		}
		if !ready {
			t.Error("it never told that it is ready")
		}
		again := <-r.Subscribe(t.Context(), int(seq)-1)
		if again.Seq != seq || again.Sandbox == nil {
			t.Errorf("who comes back gets %+v, want event %d", again, seq)
		}
		slow := r.Subscribe(t.Context(), -1)
		for range eventBuffer + 10 {
			r.loop.ask(r.loop.emitSandbox)
		}
		n := 0
		for range slow {
			n++
		}
		if n != eventBuffer {
			t.Errorf("a slow subscriber got %d events and was cut off, want %d", n, eventBuffer)
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestTheSecondSupervisorIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.Wish{}, newFakeRuntime())
	defer r.Close()
	_, err := New(t.Context(), Config{Dir: r.dir, Runtime: newFakeRuntime(), cluster: r.cluster})
	if _, ok := errors.AsType[*RunningError](err); !ok {
		t.Errorf("a second supervisor: %v, want a RunningError", err)
	}
}

func TestPurgeLeavesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.Wish{}, newFakeRuntime())
		r.up(t)
		if err := r.Supervisor.Stop(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		if err := <-r.ended; err != nil {
			t.Fatal(err)
		}
		r.Close()
		if r.dir.Exists() || !slices.Contains(r.runtime.done("purge"), "purge") {
			t.Error("the directory is still there, or the runtime was not purged")
		}
	})
}

func nodeState(s sandbox.Snapshot, name string) sandbox.State {
	for _, n := range s.Nodes {
		if n.Name == name {
			return n.State
		}
	}
	return ""
}
