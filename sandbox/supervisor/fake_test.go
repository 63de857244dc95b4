package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/probe"
	"github.com/cordage-sandbox/cordage/sandbox/process"
	"github.com/cordage-sandbox/cordage/workers/clock"
	"github.com/cordage-sandbox/cordage/workers/role"
)

// The runtime and the cluster below are fakes, for one purpose: the timing and the order of what the loop does, which
// real processes would make slow and uncertain. Real processes are tested by the scripts of cmd/cordage.

// fakeRuntime "runs" nodes as values.
type fakeRuntime struct {
	mu      sync.Mutex
	log     []string // what was done, in order
	running map[string]*fakeInstance
	refuse  map[string]error // Start of a node fails
	dies    map[string]int   // so many next starts of a node die after a moment
	left    []sandbox.Instance
}

func newFakeRuntime() *fakeRuntime {
	return &fakeRuntime{running: map[string]*fakeInstance{}, refuse: map[string]error{}, dies: map[string]int{}}
}

func (r *fakeRuntime) Name() string { return "fake" }

func (r *fakeRuntime) Prepare(_ context.Context, progress func(sandbox.Progress)) error {
	progress(sandbox.Progress{Step: "fetch nothing", Done: 1})
	return nil
}

func (r *fakeRuntime) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, fmt.Sprintf(format, args...))
}

// done gives what was done with the verbs given, in order.
func (r *fakeRuntime) done(verbs ...string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []string
	for _, line := range r.log {
		if verb, _, _ := strings.Cut(line, " "); slices.Contains(verbs, verb) {
			list = append(list, line)
		}
	}
	return list
}

func (r *fakeRuntime) Start(_ context.Context, spec sandbox.NodeSpec) (sandbox.Instance, error) {
	r.note("start %s", spec.Name)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.refuse[spec.Name]; err != nil {
		return nil, err
	}
	if r.running[spec.Name] != nil {
		return nil, errors.New("it runs already")
	}
	i := &fakeInstance{runtime: r, node: spec.Name, hash: spec.Hash(), done: make(chan struct{}), began: time.Now()}
	r.running[spec.Name] = i
	if r.dies[spec.Name] > 0 {
		r.dies[spec.Name]--
		time.AfterFunc(10*time.Millisecond, func() { i.end(sandbox.Exit{Code: 1, Log: "first line\nno space left on device"}) })
	}
	return i, nil
}

func (r *fakeRuntime) Route(context.Context) (sandbox.Routes, error) { return process.Routes{}, nil }

func (r *fakeRuntime) Find(context.Context) ([]sandbox.Instance, error) { return r.left, nil }

func (r *fakeRuntime) Logs(context.Context, string, int, bool) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("a line\n")), nil
}

func (r *fakeRuntime) Purge(context.Context) error { r.note("purge"); return nil }

func (r *fakeRuntime) ReplaceFiles(_ context.Context, spec sandbox.NodeSpec) error {
	r.note("files %s", spec.Name)
	return nil
}

func (r *fakeRuntime) instance(node string) *fakeInstance {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.running[node]
}

// fakeInstance is a value that "runs".
type fakeInstance struct {
	runtime *fakeRuntime
	node    string
	hash    string
	began   time.Time
	once    sync.Once
	done    chan struct{}
	exit    sandbox.Exit
}

func (i *fakeInstance) end(e sandbox.Exit) {
	i.once.Do(func() {
		i.runtime.mu.Lock()
		delete(i.runtime.running, i.node)
		i.runtime.mu.Unlock()
		i.exit = e
		close(i.done)
	})
}

func (i *fakeInstance) Node() string          { return i.node }
func (i *fakeInstance) ID() string            { return "1" }
func (i *fakeInstance) SpecHash() string      { return i.hash }
func (i *fakeInstance) Started() time.Time    { return i.began }
func (i *fakeInstance) Done() <-chan struct{} { return i.done }
func (i *fakeInstance) Exit() sandbox.Exit    { return i.exit }

func (i *fakeInstance) Stop(context.Context) error {
	i.runtime.note("stop %s", i.node)
	time.Sleep(50 * time.Millisecond) //nolint:forbidigo // the fake's own pace, in the time of a synctest bubble
	i.end(sandbox.Exit{})
	return nil
}

func (i *fakeInstance) Kill(context.Context) error {
	i.runtime.note("kill %s", i.node)
	i.end(sandbox.Exit{Code: -1, Signal: "KILL"})
	return nil
}
func (i *fakeInstance) Pause(context.Context) error { i.runtime.note("pause %s", i.node); return nil }
func (i *fakeInstance) Unpause(context.Context) error {
	i.runtime.note("unpause %s", i.node)
	return nil
}
func (i *fakeInstance) Signal(_ context.Context, name string) error {
	i.runtime.note("signal %s %s", i.node, name)
	return nil
}

func (i *fakeInstance) Usage(context.Context) (sandbox.Usage, error) {
	return sandbox.Usage{RSS: 1 << 20}, nil
}

// fakeCluster is a cluster whose parts are ready at once, except those that are sick.
type fakeCluster struct {
	runtime *fakeRuntime
	mu      sync.Mutex
	sick    map[string]bool
	clock   int64
	blind   map[string]bool // workers that do not take the clock over
}

func (c *fakeCluster) Databases(context.Context, layout, func(string)) (access, error) {
	c.runtime.note("databases")
	return access{config: role.DatabaseBoot{URL: "u", User: "u", Password: "p"}, reader: role.DatabaseBoot{URL: "u", User: "r", Password: "p"}}, nil
}

func (c *fakeCluster) Topics(context.Context, layout) error { c.runtime.note("topics"); return nil }

func (c *fakeCluster) PublishClock(_ context.Context, _ layout, s clock.Setting) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clock = s.Version
	return nil
}

func (c *fakeCluster) ClockSeen(_ context.Context, n sandbox.Node) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.blind[n.Name] {
		return 0, nil
	}
	return c.clock, nil
}

func (c *fakeCluster) Ready(spec sandbox.NodeSpec) probe.Probe { return fakeProbe{c, spec.Name} }
func (c *fakeCluster) Front(layout) probe.Probe                { return fakeProbe{c, "front"} }

func (c *fakeCluster) set(of map[string]bool, name string, value bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	of[name] = value
}

type fakeProbe struct {
	c    *fakeCluster
	name string
}

func (p fakeProbe) String() string { return p.name + " to be well" }
func (p fakeProbe) Ask(context.Context) error {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	if p.c.sick[p.name] {
		return errors.New("it is sick")
	}
	return nil
}

// rig is a supervisor over fakes.
type rig struct {
	*Supervisor
	runtime *fakeRuntime
	cluster *fakeCluster
	dir     sandbox.Dir
	ended   chan error
	stop    context.CancelFunc
}

// newRig makes one that does not run yet.
func newRig(t *testing.T, wish sandbox.Wish, runtime *fakeRuntime) *rig {
	t.Helper()
	r := &rig{runtime: runtime, dir: sandbox.Dir{Name: "test", Path: filepath.Join(t.TempDir(), "test")}, ended: make(chan error, 1)}
	r.cluster = &fakeCluster{runtime: runtime, sick: map[string]bool{}, blind: map[string]bool{}}
	r.open(t, wish)
	return r
}

func (r *rig) open(t *testing.T, wish sandbox.Wish) {
	t.Helper()
	s, err := New(t.Context(), Config{
		Dir: r.dir, Runtime: r.runtime, Wish: wish, Log: slog.New(slog.DiscardHandler), cluster: r.cluster,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Supervisor = s
}

// begin lets it run; end must follow.
func (r *rig) begin(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	r.stop = stop
	ended, s := r.ended, r.Supervisor
	go func() { ended <- s.drive(ctx, func() {}) }()
}

// up lets it run until it is ready.
func (r *rig) up(t *testing.T) {
	t.Helper()
	r.begin(t)
	r.await(t, func(s sandbox.Snapshot) bool { return s.Sandbox.Phase == sandbox.PhaseReady })
}

// await waits until the state is as wanted.
func (r *rig) await(t *testing.T, wanted func(sandbox.Snapshot) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	err := r.loop.await(ctx, func() (bool, error) { return wanted(r.loop.state.snapshot()), nil })
	if err != nil {
		t.Fatalf("await: %v; nodes are %+v", err, r.Snapshot().Nodes)
	}
}

// end stops it and returns what Run would.
func (r *rig) end() error {
	r.stop()
	err := <-r.ended
	r.Close()
	return err
}

func (r *rig) node(name string) sandbox.Node {
	for _, n := range r.Snapshot().Nodes {
		if n.Name == name {
			return n
		}
	}
	return sandbox.Node{}
}

func readBoot(t *testing.T, text []byte) role.Boot {
	t.Helper()
	path := filepath.Join(t.TempDir(), "boot.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := role.ReadBoot(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
