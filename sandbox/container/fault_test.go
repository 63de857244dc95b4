package container

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/image"
	"github.com/cordage-sandbox/cordage/sandbox/port"
	"github.com/cordage-sandbox/cordage/sandbox/probe"
)

// The faults that an engine adds to those of processes.

const testLimit = 60 * time.Second

func freePort(t *testing.T) int {
	t.Helper()
	p, err := port.Hold(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	if err := p.HandOver(); err != nil {
		t.Fatal(err)
	}
	return p.Number()
}

// workerOf is a worker of the suite that says its name.
func workerOf(t *testing.T, name string) sandbox.NodeSpec {
	t.Helper()
	number := freePort(t)
	text, err := json.Marshal(map[string]any{"monitor": routes{}.Bind(number), "says": name, "secret": testSecret})
	if err != nil {
		t.Fatal(err)
	}
	return sandbox.NodeSpec{
		Name: name, Kind: sandbox.Worker, Role: "crypto", Ports: map[string]int{"monitor": number},
		Files: map[string][]byte{bootFile: text}, MemoryLimit: 64 << 20, CPULimit: 0.5,
	}
}

const testSecret = "a-secret-that-is-nowhere"

func postgresOf(t *testing.T) sandbox.NodeSpec {
	t.Helper()
	return sandbox.NodeSpec{
		Name: "postgres", Kind: sandbox.PostgreSQL, Ports: map[string]int{purposeSQL: freePort(t)},
		Files: map[string][]byte{passwordFile: []byte(testSecret)},
	}
}

func healthOf(spec sandbox.NodeSpec) probe.HTTP {
	return probe.HTTP{URL: "http://" + port.Address(spec.Ports["monitor"]) + "/isHealthy"}
}

func startReady(t *testing.T, r *Runtime, spec sandbox.NodeSpec) *instance {
	t.Helper()
	i, err := r.Start(t.Context(), spec)
	if err != nil {
		t.Fatalf("Start(%s): %v", spec.Name, err)
	}
	var ready probe.Probe = healthOf(spec)
	if spec.Kind == sandbox.PostgreSQL {
		ready = probe.PostgreSQL{Port: spec.Ports[purposeSQL], User: "postgres", Password: testSecret, Database: "postgres"}
	}
	if err := probe.Wait(t.Context(), ready, testLimit, probe.Watched{Done: i.Done()}); err != nil {
		t.Fatal(err)
	}
	return i.(*instance) //nolint:forcetypeassert // this runtime makes no other
}

func awaitEnd(t *testing.T, i sandbox.Instance) sandbox.Exit {
	t.Helper()
	select {
	case <-i.Done():
	case <-time.After(testLimit):
		t.Fatalf("%s did not end within %v", i.Node(), testLimit)
	}
	return i.Exit()
}

func testRuntime(t *testing.T) *Runtime {
	t.Helper()
	needImages(t)
	return newTestRuntime(t, testOptions(t))
}

// A node that somebody kills through the engine, not through the runtime.
func TestKillThroughTheEngine(t *testing.T) {
	t.Parallel()
	r := testRuntime(t)
	i := startReady(t, r, workerOf(t, "crypto-1"))
	if _, err := r.engine.ContainerKill(t.Context(), i.id, client.ContainerKillOptions{Signal: "KILL"}); err != nil {
		t.Fatal(err)
	}
	if exit := awaitEnd(t, i); exit.Signal != "KILL" || !strings.Contains(exit.Log, "crypto-1 begins") {
		t.Errorf("exit is %+v, want signal KILL and its log", exit)
	}
	startReady(t, r, workerOf(t, "crypto-1"))
}

// A container that somebody removes.
func TestRemoveThroughTheEngine(t *testing.T) {
	t.Parallel()
	r := testRuntime(t)
	i := startReady(t, r, workerOf(t, "crypto-1"))
	if err := removeContainer(t.Context(), r.engine, i.id); err != nil {
		t.Fatal(err)
	}
	awaitEnd(t, i)
	startReady(t, r, workerOf(t, "crypto-1"))
}

// A node that is cut off from the network answers nobody, runs on, and answers again when it is connected.
func TestDisconnectFromTheNetwork(t *testing.T) {
	t.Parallel()
	r := testRuntime(t)
	spec := workerOf(t, "crypto-1")
	i := startReady(t, r, spec)
	network := r.name("")
	if _, err := r.engine.NetworkDisconnect(t.Context(), network, client.NetworkDisconnectOptions{Container: i.id, Force: true}); err != nil {
		t.Fatal(err)
	}
	quick := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	if resp, err := quick.Get(healthOf(spec).URL); err == nil {
		resp.Body.Close()
		t.Error("a node that is cut off still answers")
	}
	if found, err := r.Find(t.Context()); err != nil || len(found) != 1 {
		t.Errorf("Find finds %v, %v; want the node, which runs", found, err)
	}
	if _, err := r.engine.NetworkConnect(t.Context(), network, client.NetworkConnectOptions{Container: i.id}); err != nil {
		t.Fatal(err)
	}
	if err := probe.Wait(t.Context(), healthOf(spec), testLimit, probe.Watched{Done: i.Done()}); err != nil {
		t.Error(err)
	}
}

// An image that the user has chosen and that is nowhere: the error names it, says why, and tells a way out.
func TestImageMissing(t *testing.T) {
	t.Parallel()
	needEngine(t)
	o := testOptions(t)
	o.Images.PostgreSQL = "cordage-no-such-image:1"
	r := newTestRuntime(t, o)
	err := r.Prepare(t.Context(), func(sandbox.Progress) {})
	missing, ok := errors.AsType[*image.MissingError](err)
	if !ok || !strings.Contains(err.Error(), o.Images.PostgreSQL) || !strings.Contains(missing.Hint(), "docker load") {
		t.Errorf("Prepare: %v; want a *MissingError that names the image, with a way out", err)
	}
	if _, err := r.Start(t.Context(), postgresOf(t)); err == nil || !strings.Contains(err.Error(), o.Images.PostgreSQL) {
		t.Errorf("Start: %v, want an error that names the image", err)
	}
}

// The workers' image is removed under a running sandbox: the next start makes it again.
func TestWorkerImageIsRemoved(t *testing.T) {
	t.Parallel()
	needEngine(t)
	o := testOptions(t)
	own, err := os.ReadFile(o.Images.Program)
	if err != nil {
		t.Fatal(err)
	}
	// Another content, so that no other test uses the image: the last byte of the loaded part is part of a table.
	o.Images.Program = filepath.Join(t.TempDir(), "worker")
	if err := os.WriteFile(o.Images.Program, patched(own), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	r := newTestRuntime(t, o)
	name, err := r.image(t.Context(), sandbox.Worker, func(sandbox.Progress) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = r.engine.ImageRemove(context.Background(), name, client.ImageRemoveOptions{Force: true})
	})
	if _, err := r.engine.ImageRemove(t.Context(), name, client.ImageRemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	startReady(t, r, workerOf(t, "crypto-1"))
}

// patched changes a text in an executable that nothing depends on.
func patched(program []byte) []byte {
	return []byte(strings.Replace(string(program), "called with %q", "Called with %q", 1))
}

// The disk behind a volume is full: the node ends, and its last words say why.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	r := testRuntime(t)
	spec := postgresOf(t)
	_, err := r.engine.VolumeCreate(t.Context(), client.VolumeCreateOptions{
		Name: r.name(spec.Name), Labels: r.labels(map[string]string{labelNode: spec.Name}),
		DriverOpts: map[string]string{"type": "tmpfs", "device": "tmpfs", "o": "size=8m,mode=0700,uid=999,gid=999"},
	})
	if err != nil {
		t.Fatal(err)
	}
	i, err := r.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	if exit := awaitEnd(t, i); exit.Code == 0 || !strings.Contains(exit.Log, "No space left on device") {
		t.Errorf("exit is %+v, want a failure that says that no space is left", exit)
	}
}

// A node that needs more memory than its limit ends, and it is said why.
func TestOutOfMemory(t *testing.T) {
	t.Parallel()
	r := testRuntime(t)
	spec := workerOf(t, "crypto-1")
	text, err := json.Marshal(map[string]any{"says": spec.Name, "eat": 2 * spec.MemoryLimit})
	if err != nil {
		t.Fatal(err)
	}
	spec.Files[bootFile] = text
	i, err := r.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	if exit := awaitEnd(t, i); exit.Signal != "KILL" || exit.Why != "it needed more memory than its limit, 64 MiB" {
		t.Errorf("exit is %+v, want signal KILL and the reason", exit)
	}
}

// Closing a runtime ends its watches and no node; a next runtime finds what runs.
func TestClose(t *testing.T) {
	t.Parallel()
	needImages(t)
	o := testOptions(t)
	r := newTestRuntime(t, o)
	first, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	spec := workerOf(t, "crypto-1")
	i := startReady(t, first, spec)
	if err := first.Close(); err != nil { // it waits for the watches
		t.Fatal(err)
	}
	if i.over() {
		t.Error("closing the runtime ended a node")
	}
	found, err := r.Find(t.Context())
	if err != nil || len(found) != 1 || found[0].ID() != i.ID() {
		t.Errorf("the next runtime finds %v, %v; want the node", found, err)
	}
}

// A sandbox whose data are at one engine is not begun anew at another, just because that is the one in use now.
func TestOtherEngine(t *testing.T) {
	t.Parallel()
	r := testRuntime(t)
	if _, err := r.Route(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := New(t.Context(), r.o); err != nil {
		t.Fatalf("the same engine: %v", err)
	}
	note := func(h home) {
		text, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		writeText(t, r.homeFile(), string(text))
	}
	note(home{ID: r.engine.facts.ID, Host: "unix:///another/name/of/it.sock"})
	again, err := Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	keepsName := again.facts.ID == r.engine.facts.ID // Podman does not
	if _, err := New(t.Context(), r.o); (err == nil) != keepsName {
		t.Errorf("the same engine at another place, of which it is known that it is the same (%v): %v", keepsName, err)
	}
	note(home{ID: "another", Host: "tcp://far:2375"})
	_, err = New(t.Context(), r.o)
	other, ok := errors.AsType[*OtherEngineError](err)
	if !ok || !strings.Contains(other.Hint(), "DOCKER_HOST=tcp://far:2375") || !strings.Contains(other.Hint(), "rm "+r.homeFile()) {
		t.Errorf("another engine: %v", err)
	}
	if err := r.Purge(t.Context()); err != nil || exists(r.homeFile()) {
		t.Errorf("Purge: %v; the note of the engine is there: %v", err, exists(r.homeFile()))
	}
}

// The engine has no addresses for one more network.
func TestNetworkPoolExhausted(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
		"all predefined address pools have been fully subnetted",
	} {
		e := &NetworkError{Err: errors.New("Error response from daemon: " + text)}
		if !strings.Contains(e.Error(), text) || !strings.Contains(e.Hint(), "docker network prune") {
			t.Errorf("%v; hint: %s", e, e.Hint())
		}
	}
}

// What the engine tells everybody of a container holds no secret, and the container may do nothing.
func TestHardening(t *testing.T) {
	t.Parallel()
	r := testRuntime(t)
	for _, spec := range []sandbox.NodeSpec{workerOf(t, "crypto-1"), postgresOf(t)} {
		i := startReady(t, r, spec)
		found, err := r.engine.ContainerInspect(t.Context(), i.id, client.ContainerInspectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(found.Raw), testSecret) {
			t.Errorf("%s: the engine tells a secret:\n%s", spec.Name, found.Raw)
		}
		c := found.Container
		if h := c.HostConfig; !h.ReadonlyRootfs || strings.Join(h.CapDrop, "") != "ALL" || len(h.CapAdd) != 0 || h.Privileged ||
			strings.Join(h.SecurityOpt, "") != "no-new-privileges" || len(h.Binds) != 0 ||
			h.Memory != spec.MemoryLimit || h.MemorySwap != spec.MemoryLimit || h.NanoCPUs != int64(spec.CPULimit*1e9) ||
			h.PidsLimit == nil || *h.PidsLimit != maxProcesses || h.IpcMode.IsHost() || h.PidMode.IsHost() || h.UsernsMode.IsHost() ||
			h.RestartPolicy.Name != "no" || h.LogConfig.Config["max-size"] != logSize || h.LogConfig.Config["max-file"] != logCount {
			t.Errorf("%s: the container may do more than it must: %+v", spec.Name, h)
		}
		if c.Config.StopSignal != "SIG"+stopSignalOf(spec.Kind) || c.Config.StopTimeout == nil || *c.Config.StopTimeout != stopPatience {
			t.Errorf("%s is stopped by %s, with %v s", spec.Name, c.Config.StopSignal, c.Config.StopTimeout)
		}
		for name := range c.NetworkSettings.Networks {
			if name != r.name("") {
				t.Errorf("%s is in the network %s too", spec.Name, name)
			}
		}
		for _, m := range c.Mounts {
			if m.Type != "volume" || m.Name != r.name(spec.Name) {
				t.Errorf("%s has the mount %+v", spec.Name, m)
			}
		}
		if c.Config.User == "" || c.Config.User == "root" || strings.HasPrefix(c.Config.User, "0") {
			t.Errorf("%s runs as user %q", spec.Name, c.Config.User)
		}
		for name := range c.Config.Labels {
			if strings.HasPrefix(name, "org.testcontainers") {
				t.Errorf("%s has the label %s, by which others may remove it", spec.Name, name)
			}
		}
		for inside, bindings := range c.HostConfig.PortBindings {
			for _, b := range bindings {
				if b.HostIP.String() != "127.0.0.1" {
					t.Errorf("%s: port %s is published on %s", spec.Name, inside, b.HostIP)
				}
			}
		}
	}
}

// All that a sandbox has is found by labels, also without its directory, and removed.
func TestLeftovers(t *testing.T) {
	t.Parallel()
	r := testRuntime(t)
	startReady(t, r, workerOf(t, "crypto-1"))
	startReady(t, r, postgresOf(t))
	find := func() *Leftover {
		all, err := r.engine.Leftovers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range all {
			if l.Owner == r.owner {
				return &l
			}
		}
		return nil
	}
	l := find()
	if l == nil || l.Sandbox != "test" || l.Dir != r.o.Dir || !l.Here || l.Containers != 2 || l.Running != 2 || l.Networks != 1 || l.Volumes != 1 {
		t.Errorf("found is %+v; want two containers, a network and a volume of this sandbox", l)
	}
	if err := r.engine.RemoveAll(t.Context(), r.o.Dir); err != nil {
		t.Fatal(err)
	}
	if l := find(); l != nil {
		t.Errorf("%+v is left", l)
	}
}
