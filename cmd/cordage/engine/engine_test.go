// Package engine_test runs the command line with sandboxes in containers: what happens to them from up to down --purge, and
// what others do to them behind Cordage's back. It stands apart from the scripts of processes, so that each has the time that
// Go gives a package.
package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	containertypes "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/cordage-sandbox/cordage/fixtures/script"
	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/artefact"
	"github.com/cordage-sandbox/cordage/sandbox/container"
	"github.com/cordage-sandbox/cordage/sandbox/image"
)

// TestContainers runs the scripts of testdata/script with a static executable, as a container needs one. It needs a
// container engine: without one it is skipped, or fails where there must be one (CORDAGE_REQUIRE_ENGINE=1). The images of
// servers are built on CORDAGE_BASE_IMAGE.
func TestContainers(t *testing.T) { runContainerScripts(t, "testdata/script") }

// TestEngineRestart restarts the engine with the command in CORDAGE_RESTART_ENGINE: an engine that nobody else uses.
func TestEngineRestart(t *testing.T) {
	if os.Getenv("CORDAGE_RESTART_ENGINE") == "" {
		t.Skip("CORDAGE_RESTART_ENGINE names no command that restarts the container engine")
	}
	runContainerScripts(t, "testdata/restart")
}

func runContainerScripts(t *testing.T, dir string) {
	t.Helper()
	engine, err := container.Connect(t.Context())
	switch {
	case err != nil && os.Getenv("CORDAGE_REQUIRE_ENGINE") != "":
		t.Fatalf("there must be a container engine: %v", err)
	case err != nil:
		t.Skipf("no container engine: %v", err)
	}
	needImages(t, engine)
	bin := script.Build(t)
	e := engineOf{engine}
	commands := script.Commands()
	maps.Copy(commands, map[string]func(*testscript.TestScript, bool, []string){
		"closed": closedCmd, "node": nodeCmd, "engine": e.cmd, "count": e.countCmd, "restartengine": restartEngineCmd,
	})
	testscript.Run(t, testscript.Params{
		Dir: dir, RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			if err := script.SetUp(t, env, "container"); err != nil {
				return err
			}
			env.Setenv("PATH", bin+string(filepath.ListSeparator)+env.Getenv("PATH"))
			env.Setenv("BASE", os.Getenv("CORDAGE_BASE_IMAGE"))
			for _, name := range []string{"DOCKER_HOST", "DOCKER_CONTEXT", "CORDAGE_RESTART_ENGINE"} {
				env.Setenv(name, os.Getenv(name))
			}
			state := env.Getenv("XDG_STATE_HOME")
			env.Defer(func() { e.removeBelow(t, state) })
			return nil
		},
		Cmds: commands,
	})
}

// needImages skips a test where the images of servers cannot be had, or fails where there must be an engine.
func needImages(t *testing.T, engine *container.Engine) {
	t.Helper()
	cache, err := artefact.Open(artefact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	set := image.Set{Engine: engine, Cache: cache, Base: os.Getenv("CORDAGE_BASE_IMAGE")}
	// Other tests may be making them: one that hangs takes its own time, not this one's too.
	const limit = 4 * time.Minute
	ctx, cancel := context.WithTimeoutCause(t.Context(), limit, fmt.Errorf("not within %v", limit))
	defer cancel()
	for _, kind := range []sandbox.Kind{sandbox.PostgreSQL, sandbox.Kafka} {
		_, err := set.Ensure(ctx, kind, func(sandbox.Progress) {})
		switch {
		case err != nil && os.Getenv("CORDAGE_REQUIRE_ENGINE") != "":
			t.Fatalf("the images must be had: %v", err)
		case err != nil:
			t.Skipf("no images of PostgreSQL and Kafka (CORDAGE_BASE_IMAGE may name an image to build them on): %v", err)
		}
	}
}

// engineOf is what scripts do at the engine, beside Cordage.
type engineOf struct{ *container.Engine }

// removeBelow removes what a script that failed has left at the engine.
func (e engineOf) removeBelow(t *testing.T, state string) {
	for _, pid := range script.ProcessesOf(state) { // a supervisor would start again what is removed
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	left, err := e.Leftovers(context.Background())
	if err != nil {
		t.Errorf("look for what is left: %v", err)
	}
	for _, l := range left {
		if strings.HasPrefix(l.Dir, state) {
			if err := e.RemoveAll(context.Background(), l.Dir); err != nil {
				t.Error(err)
			}
		}
	}
}

// find gives the container of a node of the script's sandboxes.
func (e engineOf) find(ts *testscript.TestScript, node string) (id string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	list, err := e.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", "cordage.node="+node)})
	ts.Check(err)
	for _, c := range list.Items {
		if strings.HasPrefix(c.Labels["cordage.dir"], ts.Getenv("XDG_STATE_HOME")) {
			return c.ID
		}
	}
	ts.Fatalf("there is no container of %s", node)
	return ""
}

// cmd is: engine kill|pause|unpause|disconnect|connect NODE.
func (e engineOf) cmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: engine kill|pause|unpause|disconnect|connect NODE")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	node := args[1]
	id := e.find(ts, node)
	found, err := e.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	ts.Check(err)
	name := string(found.Container.HostConfig.NetworkMode)
	switch args[0] {
	case "kill":
		_, err = e.ContainerKill(ctx, id, client.ContainerKillOptions{Signal: "KILL"})
	case "pause":
		_, err = e.ContainerPause(ctx, id, client.ContainerPauseOptions{})
	case "unpause":
		_, err = e.ContainerUnpause(ctx, id, client.ContainerUnpauseOptions{})
	case "disconnect":
		_, err = e.NetworkDisconnect(ctx, name, client.NetworkDisconnectOptions{Container: id})
	case "connect":
		_, err = e.NetworkConnect(ctx, name, client.NetworkConnectOptions{Container: id, EndpointConfig: &network.EndpointSettings{Aliases: []string{node}}})
	default:
		ts.Fatalf("engine %s: what is that?", args[0])
	}
	ts.Check(err)
}

// countCmd is: count FILE; it writes what there is of everything that a sandbox could leave, one kind a line.
func (e engineOf) countCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: count FILE")
	}
	text, err := e.count(ts.Getenv("XDG_STATE_HOME"))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// libraryLabel is on what testcontainers makes by itself: a reaper, a network.
const libraryLabel = "org.testcontainers"

// count tells what the sandboxes below a state directory have, and what has come with them that bears no name of theirs.
func (e engineOf) count(state string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	left, err := e.Leftovers(ctx)
	if err != nil {
		return "", err
	}
	var containers, networks, volumes int
	for _, l := range left {
		if strings.HasPrefix(l.Dir, state) {
			containers, networks, volumes = containers+l.Containers, networks+l.Networks, volumes+l.Volumes
		}
	}
	// Volumes without a name belong to nobody by their labels: none may come with a sandbox.
	all, err := e.VolumeList(ctx, client.VolumeListOptions{Filters: make(client.Filters).Add("dangling", "true")})
	if err != nil {
		return "", err
	}
	unnamed := 0
	for _, v := range all.Items {
		if len(v.Name) == 64 && !strings.Contains(v.Name, "-") {
			unnamed++
		}
	}
	by := make(client.Filters).Add("label", libraryLabel)
	strangers, err := e.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: by})
	if err != nil {
		return "", err
	}
	strange, err := e.NetworkList(ctx, client.NetworkListOptions{Filters: by})
	if err != nil {
		return "", err
	}
	files, sockets := 0, 0
	_ = filepath.WalkDir(state, func(_ string, d fs.DirEntry, err error) error { // what cannot be read is not there
		switch {
		case err != nil || d.IsDir():
		case d.Type()&fs.ModeSocket != 0:
			sockets++
		default:
			files++
		}
		return nil
	})
	return fmt.Sprintf("containers %d\nnetworks %d\nvolumes %d\nunnamed volumes %d\ncontainers of the library %d\nnetworks of the library %d\nprocesses %d\nsockets %d\nfiles %d\n",
		containers, networks, volumes, unnamed, len(strangers.Items), len(strange.Items), len(script.ProcessesOf(state)), sockets, files), nil
}

// TestCountNotices: the count by which scripts tell that nothing is left notices each thing that could be. It makes things
// at the engine that others count too, so it runs before the scripts, alone.
func TestCountNotices(t *testing.T) {
	engine, err := container.Connect(t.Context())
	if err != nil && os.Getenv("CORDAGE_REQUIRE_ENGINE") == "" {
		t.Skipf("no container engine: %v", err)
	}
	if err != nil {
		t.Fatalf("there must be a container engine: %v", err)
	}
	defer engine.Close()
	needImages(t, engine)
	ctx, e := t.Context(), engineOf{engine}
	state, err := os.MkdirTemp("", "count") // short, for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(state) })
	dir := filepath.Join(state, "cordage", "x")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	name := "cordage-" + filepath.Base(state)
	ours := map[string]string{"cordage.owner": filepath.Base(state), "cordage.sandbox": "x", "cordage.dir": dir}
	library := map[string]string{libraryLabel: "true"}
	set := image.Set{Engine: engine, Base: os.Getenv("CORDAGE_BASE_IMAGE"), Offline: true}
	postgres, _, err := set.Find(ctx, sandbox.PostgreSQL)
	if err != nil {
		t.Fatal(err)
	}
	makeContainer := func(labels map[string]string) error {
		o := client.ContainerCreateOptions{
			Name: name + "-" + strconv.Itoa(len(labels)), Config: &containertypes.Config{Image: postgres.Name, Labels: labels},
			HostConfig: &containertypes.HostConfig{Mounts: []mount.Mount{{Type: mount.TypeVolume, Source: name, Target: "/var/lib/postgresql/data"}}},
		}
		made, err := e.ContainerCreate(ctx, o)
		t.Cleanup(func() {
			_, _ = e.ContainerRemove(context.Background(), made.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		})
		return err
	}
	makeNetwork := func(name string, labels map[string]string) error {
		made, err := e.NetworkCreate(ctx, name, client.NetworkCreateOptions{Driver: "bridge", Labels: labels})
		t.Cleanup(func() { _, _ = e.NetworkRemove(context.Background(), made.ID, client.NetworkRemoveOptions{}) })
		return err
	}
	makeVolume := func(name string, labels map[string]string) error {
		made, err := e.VolumeCreate(ctx, client.VolumeCreateOptions{Name: name, Labels: labels})
		t.Cleanup(func() {
			_, _ = e.VolumeRemove(context.Background(), made.Volume.Name, client.VolumeRemoveOptions{Force: true})
		})
		return err
	}
	for _, thing := range []struct {
		line string
		make func() error
	}{
		{"volumes 1", func() error { return makeVolume(name, ours) }},
		{"containers 1", func() error { return makeContainer(ours) }},
		{"networks 1", func() error { return makeNetwork(name, ours) }},
		{"unnamed volumes ", func() error { return makeVolume("", nil) }},
		{"containers of the library 1", func() error { return makeContainer(library) }},
		{"networks of the library 1", func() error { return makeNetwork(name+"-library", library) }},
		{"files 1", func() error { return os.WriteFile(filepath.Join(dir, "state.json"), nil, 0o600) }},
		{"sockets 1", func() error {
			l, err := net.Listen("unix", filepath.Join(dir, "s"))
			t.Cleanup(func() { l.Close() })
			return err
		}},
		{"processes 1", func() error {
			cmd := exec.Command("sleep", "600")
			cmd.Env = []string{"XDG_STATE_HOME=" + state, "PATH=" + os.Getenv("PATH")}
			t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
			return cmd.Start()
		}},
	} {
		before, err := e.count(state)
		if err != nil {
			t.Fatal(err)
		}
		if err := thing.make(); err != nil {
			t.Fatalf("%s: %v", thing.line, err)
		}
		after, err := e.count(state)
		if err != nil || before == after || !strings.Contains("\n"+after, "\n"+thing.line) {
			t.Errorf("the count does not notice it: want %q, have %v\n%s", thing.line, err, after)
		}
	}
}

// closedCmd is: closed FILE; no port of a node in FILE, an answer of cordage status --json, is listened on.
func closedCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: closed FILE")
	}
	var status struct {
		Nodes []struct{ Ports map[string]int }
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &status))
	for _, n := range status.Nodes {
		for purpose, number := range n.Ports {
			c, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(number)), time.Second)
			if err == nil {
				c.Close()
				ts.Fatalf("port %d (%s) is still listened on", number, purpose)
			}
		}
	}
}

// nodeCmd is: node LIMIT NODE STATE; it waits until the node is in that state.
func nodeCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: node LIMIT NODE STATE")
	}
	limit, err := time.ParseDuration(args[0])
	ts.Check(err)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	last := "cordage status failed"
	for deadline := time.Now().Add(limit); ; <-tick.C {
		file := ts.MkAbs("node.json")
		var status struct{ Nodes []sandbox.Node }
		if err := ts.Exec("sh", "-c", "cordage status --json >"+file); err == nil {
			ts.Check(json.Unmarshal([]byte(ts.ReadFile(file)), &status))
		}
		for _, n := range status.Nodes {
			if n.Name == args[1] {
				last = fmt.Sprintf("%s: %s", n.State, n.Reason)
				if string(n.State) == args[2] {
					return
				}
			}
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s is not %s within %v, but %s", args[1], args[2], limit, last)
		}
	}
}

// restartEngineCmd restarts the engine and waits until it answers.
func restartEngineCmd(ts *testscript.TestScript, _ bool, _ []string) {
	cmd := exec.Command("sh", "-c", ts.Getenv("CORDAGE_RESTART_ENGINE"))
	if out, err := cmd.CombinedOutput(); err != nil {
		ts.Fatalf("restart the engine: %v\n%s", err, out)
	}
}
