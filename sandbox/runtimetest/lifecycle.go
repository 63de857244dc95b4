package runtimetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/probe"
)

func startAndStop(t *testing.T, s Sandbox) {
	r := s()
	wantNames(t, r)
	spec := workerSpec(t, r, "crypto-1", behaviour{Secret: "s3cret-value"})
	before := time.Now()
	i := startReady(t, r, spec)
	if i.Node() != spec.Name || i.ID() == "" || i.SpecHash() != spec.Hash() {
		t.Errorf("instance is node %q, id %q, hash %q; want %q, an id, %q", i.Node(), i.ID(), i.SpecHash(), spec.Name, spec.Hash())
	}
	if i.Started().Before(before.Add(-time.Second)) || i.Started().After(time.Now().Add(time.Second)) {
		t.Errorf("instance was started at %v, it is %v", i.Started(), time.Now())
	}
	wantNames(t, r, spec.Name)
	stop(t, i)
	if exit := i.Exit(); exit.Code != 0 || exit.Signal != "" || !strings.Contains(exit.Log, "crypto-1 ends") {
		t.Errorf("stopped node has exit %+v, want code 0 and its last words", exit)
	}
	wantNames(t, r)
	wantFree(t, spec)
	if log := readLog(t, r, spec.Name, -1); strings.Contains(log, "s3cret") {
		t.Errorf("the log tells a secret: %s", log)
	}
	stop(t, i) // once more is no error
}

func oneNodeOfAName(t *testing.T, s Sandbox) {
	r := s()
	spec := workerSpec(t, r, "rest-1", behaviour{})
	i := startReady(t, r, spec)
	for name, other := range map[string]sandbox.Runtime{"the same runtime": r, "the next supervisor's": s()} {
		if second, err := other.Start(t.Context(), spec); err == nil {
			_ = second.Kill(t.Context())
			t.Errorf("%s started a second node of that name", name)
		} else if !strings.Contains(err.Error(), i.ID()) {
			t.Errorf("%s: error %q does not name the instance %s that runs", name, err, i.ID())
		}
	}
	wantNames(t, r, spec.Name)
	stop(t, i)
	startReady(t, r, spec) // and again
}

func kill(t *testing.T, s Sandbox) {
	r := s()
	spec := workerSpec(t, r, "crypto-1", behaviour{Stubborn: true})
	i := startReady(t, r, spec)
	if err := i.Kill(t.Context()); err != nil {
		t.Fatalf("Kill: %v", err)
	}
	if !ended(i) {
		t.Error("Kill returned before the node had ended")
	}
	if exit := i.Exit(); exit.Signal != "KILL" {
		t.Errorf("killed node has exit %+v, want signal KILL", exit)
	}
	wantNames(t, r)
	wantFree(t, spec)
	if err := i.Kill(t.Context()); err != nil {
		t.Errorf("Kill of an ended node: %v", err)
	}
}

func endsByItself(t *testing.T, s Sandbox) {
	r := s()
	i := start(t, r, workerSpec(t, r, "crypto-1", behaviour{Exit: 7}))
	awaitEnd(t, i)
	if exit := i.Exit(); exit.Code != 7 || !strings.Contains(exit.Log, "crypto-1 fails") {
		t.Errorf("exit is %+v, want code 7 and the last log lines", exit)
	}
	wantNames(t, r)
}

// adopt is what happens after the supervisor was killed: another one finds the nodes and owns them.
func adopt(t *testing.T, s Sandbox) {
	first, second := s(), s()
	spec := workerSpec(t, first, "database-1", behaviour{})
	started := startReady(t, first, spec)
	other := startReady(t, first, workerSpec(t, first, "database-2", behaviour{}))

	found, err := second.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 2 { //nolint:mnd // the two started above
		t.Fatalf("Find found %d nodes, want 2", len(found))
	}
	adopted := found[0]
	if adopted.Node() != started.Node() || adopted.ID() != started.ID() || adopted.SpecHash() != started.SpecHash() {
		t.Errorf("adopted is %s %s %s, started was %s %s %s", adopted.Node(), adopted.ID(), adopted.SpecHash(),
			started.Node(), started.ID(), started.SpecHash())
	}
	const skew = 2 * time.Second
	if d := adopted.Started().Sub(started.Started()).Abs(); d > skew {
		t.Errorf("adopted was started at %v, in truth at %v", adopted.Started(), started.Started())
	}
	if u, err := adopted.Usage(t.Context()); err != nil || u.RSS == 0 {
		t.Errorf("Usage of an adopted node: %+v, %v", u, err)
	}
	stop(t, adopted)
	awaitEnd(t, started)
	if exit := adopted.Exit(); !strings.Contains(exit.Log, "database-1 ends") {
		t.Errorf("adopted node has exit %+v, want its last log lines", exit)
	}
	if err := found[1].Kill(t.Context()); err != nil {
		t.Errorf("Kill of an adopted node: %v", err)
	}
	awaitEnd(t, other)
	wantNames(t, second)
	startReady(t, second, spec) // its name and port are free again
}

func stopOfAStubbornNode(t *testing.T, s Sandbox) {
	r := s()
	spec := workerSpec(t, r, "crypto-1", behaviour{Stubborn: true})
	i := startReady(t, r, spec)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := i.Stop(ctx); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("Stop of a node that does not stop: %v, want an error that says it was killed", err)
	}
	if !ended(i) {
		t.Error("Stop returned before the node had ended")
	}
	wantFree(t, spec)
}

func pauseAndUnpause(t *testing.T, s Sandbox) {
	r := s()
	spec := workerSpec(t, r, "crypto-1", behaviour{})
	i := startReady(t, r, spec)
	if err := i.Pause(t.Context()); err != nil {
		t.Fatalf("Pause: %v", err)
	}
	// The stop reaches all of the node's threads a moment after it was asked for.
	for deadline := time.Now().Add(5 * time.Second); ; {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		answer, err := says(ctx, spec)
		cancel()
		if err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("a paused node still answers: %q", answer)
			break
		}
	}
	wantNames(t, r, spec.Name) // it still runs
	if err := i.Unpause(t.Context()); err != nil {
		t.Fatalf("Unpause: %v", err)
	}
	awaitReady(t, i, probe.HTTP{URL: healthURL(spec)})
}

func stopOfAPausedNode(t *testing.T, s Sandbox) {
	r := s()
	i := startReady(t, r, workerSpec(t, r, "crypto-1", behaviour{}))
	if err := i.Pause(t.Context()); err != nil {
		t.Fatalf("Pause: %v", err)
	}
	stop(t, i)
	if exit := i.Exit(); exit.Code != 0 {
		t.Errorf("a paused node that was stopped has exit %+v, want code 0", exit)
	}
}

// fileReplacer is the part of a runtime that hands a running node its files again.
type fileReplacer interface {
	ReplaceFiles(ctx context.Context, spec sandbox.NodeSpec) error
}

func filesAreReplaced(t *testing.T, s Sandbox) {
	r := s()
	replacer, ok := r.(fileReplacer)
	if !ok {
		t.Skip("this runtime starts nodes again instead")
	}
	spec := workerSpec(t, r, "lb-1", behaviour{Says: "before"})
	i := startReady(t, r, spec)
	hash := spec.Hash()
	spec.Files["boot.json"] = asJSON(t, behaviour{Says: "after"})
	if spec.Hash() != hash {
		t.Error("the content of files changed the hash of the specification")
	}
	if err := replacer.ReplaceFiles(t.Context(), spec); err != nil {
		t.Fatalf("ReplaceFiles: %v", err)
	}
	if err := i.Signal(t.Context(), "HUP"); err != nil {
		t.Fatalf("Signal: %v", err)
	}
	eventually(t, "the node to read its files again", func(ctx context.Context) error {
		answer, err := says(ctx, spec)
		if err == nil && answer != "after" {
			err = fmt.Errorf("it says %q", answer)
		}
		return err
	})
	if err := i.Signal(t.Context(), "NOSUCH"); err == nil {
		t.Error("Signal with a name that is none succeeded")
	}
}

func usage(t *testing.T, s Sandbox) {
	r := s()
	i := startReady(t, r, workerSpec(t, r, "crypto-1", behaviour{}))
	u, err := i.Usage(t.Context())
	if err != nil {
		t.Fatalf("Usage: %v", err)
	}
	const least, most = 1 << 20, 1 << 30
	if u.RSS < least || u.RSS > most || u.CPU < 0 || u.CPU > limit {
		t.Errorf("a worker uses %d bytes and %v of CPU: that cannot be", u.RSS, u.CPU)
	}
}

func purge(t *testing.T, s Sandbox) {
	r := s()
	spec := workerSpec(t, r, "crypto-1", behaviour{})
	i := startReady(t, r, spec)
	if err := r.Purge(t.Context()); err == nil {
		t.Error("Purge succeeded while a node runs")
	}
	if ended(i) {
		t.Error("Purge ended a node")
	}
	stop(t, i)
	if err := r.Purge(t.Context()); err != nil {
		t.Fatalf("Purge: %v", err)
	}
	if _, err := r.Logs(t.Context(), spec.Name, -1, false); err == nil {
		t.Error("logs are kept after Purge")
	}
	if err := r.Purge(t.Context()); err != nil {
		t.Errorf("Purge of an empty sandbox: %v", err)
	}
}

func badSpec(t *testing.T, s Sandbox) {
	r := s()
	good := workerSpec(t, r, "crypto-1", behaviour{})
	cases := map[string]func(*sandbox.NodeSpec){
		"name that is a path": func(n *sandbox.NodeSpec) { n.Name = "../crypto-1" },
		"empty name":          func(n *sandbox.NodeSpec) { n.Name = "" },
		"unknown kind":        func(n *sandbox.NodeSpec) { n.Kind = "zookeeper" },
		"no boot file":        func(n *sandbox.NodeSpec) { n.Files = nil },
		"file name is a path": func(n *sandbox.NodeSpec) {
			n.Files = map[string][]byte{"boot.json": good.Files["boot.json"], "../../evil": []byte("x")}
		},
	}
	for name, spoil := range cases {
		spec := good
		spoil(&spec)
		if i, err := r.Start(t.Context(), spec); err == nil {
			_ = i.Kill(t.Context())
			t.Errorf("%s: Start succeeded", name)
		}
	}
	wantNames(t, r)
}

// startAndStopStress starts and stops nodes side by side, and looks at them meanwhile, to be run with -race.
func startAndStopStress(t *testing.T, s Sandbox) {
	r := s()
	const nodes, rounds = 4, 3
	var wait sync.WaitGroup
	for n := range nodes {
		spec := workerSpec(t, r, fmt.Sprintf("flow-%d", n+1), behaviour{})
		wait.Go(func() {
			for range rounds {
				i, err := r.Start(t.Context(), spec)
				if err != nil {
					t.Errorf("Start(%s): %v", spec.Name, err)
					return
				}
				if found, err := r.Find(t.Context()); err != nil ||
					!slices.ContainsFunc(found, func(f sandbox.Instance) bool { return f.ID() == i.ID() }) {
					t.Errorf("Find does not find %s: %v", spec.Name, err)
				}
				if err := i.Kill(t.Context()); err != nil {
					t.Errorf("Kill(%s): %v", spec.Name, err)
				}
			}
		})
	}
	wait.Wait()
	wantNames(t, r)
}

func sandboxesDoNotSeeEachOther(t *testing.T, one, other Sandbox) {
	a, b := one(), other()
	spec := workerSpec(t, a, "crypto-1", behaviour{})
	i := startReady(t, a, spec)
	wantNames(t, b)
	same := workerSpec(t, b, "crypto-1", behaviour{Says: "the other"})
	j := startReady(t, b, same)
	if err := i.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantNames(t, a)
	wantNames(t, b, "crypto-1")
	if answer, err := says(t.Context(), same); err != nil || answer != "the other" {
		t.Errorf("the other sandbox's node says %q, %v", answer, err)
	}
	stop(t, j)
}
