package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/client"
	"github.com/cordage-sandbox/cordage/sandbox/probe"
)

// cluster is how the containers of a sandbox were made, so that the same can be made by hand.
type cluster struct {
	nodes    []container
	password string // of PostgreSQL
	rest     string // URL of the REST API
}

// container is one of them.
type container struct {
	node  sandbox.Node
	args  []string // of docker create
	stdin []byte
}

// inspected is what is read of docker inspect.
type inspected struct {
	State  struct{ Pid int }
	Config struct {
		Image, User, Hostname string
		Entrypoint, Cmd, Env  []string
	}
	HostConfig struct {
		NetworkMode  string
		Tmpfs        map[string]string
		PortBindings map[string][]struct{ HostIP, HostPort string }
		Mounts       []struct{ Source, Target string }
		PidsLimit    int64
		ShmSize      int64
	}
}

// record reads how the running containers were made, and what they were handed.
func (b *bench) record(ctx context.Context) (cluster, error) {
	d, err := sandbox.Locate(b.name)
	if err != nil {
		return cluster{}, err
	}
	c := client.Open(d)
	defer c.Close()
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return cluster{}, err
	}
	cr, err := c.Credentials(ctx)
	if err != nil {
		return cluster{}, err
	}
	all := cluster{password: cr.PostgreSQL.Password, rest: cr.REST.URL + "/hello/getprotocolversion"}
	for _, n := range nodes {
		text, err := output(exec.CommandContext(ctx, "docker", "inspect", n.Instance))
		if err != nil {
			return cluster{}, err
		}
		var found []inspected
		if err := json.Unmarshal([]byte(text), &found); err != nil || len(found) != 1 {
			return cluster{}, fmt.Errorf("read docker inspect of %s: %d containers, %w", n.Name, len(found), err)
		}
		one := container{node: n, args: found[0].createArgs(n.Name)}
		if one.stdin, err = handed(n, found[0].State.Pid); err != nil {
			return cluster{}, err
		}
		all.nodes = append(all.nodes, one)
	}
	return all, nil
}

// createArgs are the arguments of docker create for the same container.
func (i inspected) createArgs(node string) []string {
	h := i.HostConfig
	args := []string{
		"create", "--interactive", "--name", "cordage-by-hand-" + node, "--hostname", i.Config.Hostname, "--network", h.NetworkMode,
		"--network-alias", node, "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
		"--pids-limit", strconv.FormatInt(h.PidsLimit, 10), "--shm-size", strconv.FormatInt(h.ShmSize, 10),
	}
	if i.Config.User != "" {
		args = append(args, "--user", i.Config.User)
	}
	for at, options := range h.Tmpfs {
		args = append(args, "--tmpfs", at+":"+options)
	}
	for inside, bindings := range h.PortBindings {
		for _, p := range bindings {
			args = append(args, "--publish", net.JoinHostPort(p.HostIP, p.HostPort)+":"+inside)
		}
	}
	for _, m := range h.Mounts {
		args = append(args, "--volume", m.Source+":"+m.Target)
	}
	for _, e := range i.Config.Env {
		args = append(args, "--env", e)
	}
	args = append(args, "--entrypoint", i.Config.Entrypoint[0], i.Config.Image)
	return append(append(args, i.Config.Entrypoint[1:]...), i.Config.Cmd...)
}

// handed reads what a node was handed, in the form in which it is handed over, from its memory disk.
func handed(n sandbox.Node, pid int) ([]byte, error) {
	read := func(name string) ([]byte, error) {
		return os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "root/run/cordage", name))
	}
	switch n.Kind {
	case sandbox.PostgreSQL:
		password, err := read("password")
		if err != nil {
			return nil, err
		}
		verifier, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "root/var/lib/postgresql/data/cordage.verifier"))
		return bytes.Join([][]byte{password, verifier}, []byte("\n")), err
	case sandbox.Kafka:
		return read("server.properties")
	default:
		boot, err := read("boot.json")
		if err != nil {
			return nil, err
		}
		return json.Marshal(map[string][]byte{"boot.json": boot})
	}
}

// byHand starts the containers with the engine's command line, as a script would: the servers, then, when they answer, the
// workers. It returns the time until the REST API answers through the load balancer, and removes the containers.
func (c cluster) byHand(ctx context.Context, dir string) (seconds float64, err error) {
	defer func() {
		docker := func(args ...string) {
			_, fault := output(exec.CommandContext(context.WithoutCancel(ctx), "docker", args...))
			err = errors.Join(err, fault)
		}
		for _, n := range slices.Backward(c.nodes) { // cleanly: whoever starts on the data next would have to recover it
			docker("stop", "--time", "30", "cordage-by-hand-"+n.node.Name)
		}
		for _, n := range c.nodes {
			docker("rm", "--force", "cordage-by-hand-"+n.node.Name)
		}
	}()
	return timed(func() error {
		if err := c.start(ctx, dir, func(k sandbox.Kind) bool { return k != sandbox.Worker }); err != nil {
			return err
		}
		if err := c.start(ctx, dir, func(k sandbox.Kind) bool { return k == sandbox.Worker }); err != nil {
			return err
		}
		return probe.Wait(ctx, probe.HTTP{URL: c.rest, TLS: &tls.Config{InsecureSkipVerify: true}}, time.Minute, probe.Watched{}) //nolint:gosec // it is measured, not trusted
	})
}

// start starts the containers of the kinds that are meant, side by side, and waits until they answer.
func (c cluster) start(ctx context.Context, dir string, meant func(sandbox.Kind) bool) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, n := range c.nodes {
		if !meant(n.node.Kind) {
			continue
		}
		g.Go(func() error {
			if err := n.run(ctx, dir); err != nil {
				return err
			}
			var ready probe.Probe
			switch n.node.Kind {
			case sandbox.PostgreSQL:
				ready = probe.PostgreSQL{Port: n.node.Ports["sql"], User: "postgres", Password: c.password, Database: "postgres"}
			case sandbox.Kafka:
				ready = probe.Kafka{Port: n.node.Ports["broker"]}
			default:
				ready = statusProbe{n.node.Ports["monitor"]}
			}
			return probe.Wait(ctx, ready, time.Minute, probe.Watched{})
		})
	}
	return g.Wait()
}

// run creates and starts the container, and hands it what it needs on its standard input.
func (n container) run(ctx context.Context, dir string) error {
	id, err := output(exec.CommandContext(ctx, "docker", n.args...))
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "stdin-"+n.node.Name)
	if err := os.WriteFile(file, n.stdin, 0o600); err != nil {
		return err
	}
	defer os.Remove(file)
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	attached := exec.CommandContext(context.WithoutCancel(ctx), "docker", "start", "--attach", "--interactive", strings.TrimSpace(id))
	attached.Stdin = in
	if err := attached.Start(); err != nil {
		return err
	}
	go func() { _ = attached.Wait() }() // it ends with the container
	return nil
}

// statusProbe asks a worker whether it is ready.
type statusProbe struct{ port int }

func (p statusProbe) String() string { return fmt.Sprintf("the worker on port %d to be ready", p.port) }

func (p statusProbe) Ask(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/status", p.port), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", resp.Status)
	}
	return nil
}

// workerImage tells the size and name of the image that a program makes of itself.
func workerImage(ctx context.Context, program string) (size int64, name string, err error) {
	text, err := output(exec.CommandContext(ctx, program, "images", "list", "--json"))
	if err != nil {
		return 0, "", err
	}
	var all []struct {
		Kind, Name string
		Bytes      int64
		Used       bool
	}
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return 0, "", err
	}
	for _, i := range all {
		if i.Kind == string(sandbox.Worker) && i.Used {
			return i.Bytes, i.Name, nil
		}
	}
	return 0, "", errors.New("the program made no image of itself")
}
