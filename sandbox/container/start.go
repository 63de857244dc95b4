package container

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// plan is what a node's container is to be.
type plan struct {
	entry   []string
	command []string
	env     map[string]string
	user    string            // "": the image's own
	stdin   []byte            // handed over to it, secrets included
	ports   map[int]int       // number on 127.0.0.1 by number inside
	tmpfs   map[string]string // memory disks
	volume  string            // where its data are; "" for none
	shm     int64             // bytes of shared memory; 0: the engine's default
	health  *container.HealthConfig
}

// exposed are the ports that the container listens on.
func (p plan) exposed() (all []string) {
	for inside := range p.ports {
		all = append(all, tcp(inside).String())
	}
	return all
}

// filesDir is the memory disk in every container that has what was handed over.
const filesDir = "/run/cordage"

// Start starts a node and returns once its container runs.
//
// Errors: *RunningError if the node runs already, *StartError, *DiskFullError, *EngineError, and those of the images.
func (r *Runtime) Start(ctx context.Context, spec sandbox.NodeSpec) (sandbox.Instance, error) {
	if err := checkName(spec.Name); err != nil {
		return nil, err
	}
	makers := map[sandbox.Kind]func(sandbox.NodeSpec) (plan, error){
		sandbox.PostgreSQL: r.planPostgreSQL, sandbox.Kafka: r.planKafka, sandbox.Worker: planWorker,
	}
	make, ok := makers[spec.Kind]
	if !ok {
		return nil, fmt.Errorf("start %s: %q is no kind of node", spec.Name, spec.Kind)
	}
	p, err := make(spec)
	if err != nil {
		return nil, err
	}
	if err := r.awaitEngine(ctx); err != nil {
		return nil, err
	}
	defer r.lockStart(spec.Name)()
	if i, err := r.find(ctx, spec.Name); err != nil {
		return nil, err
	} else if i != nil {
		return nil, &RunningError{Attempt: "start " + spec.Name, Node: spec.Name, ID: i.ID()}
	}
	if err := r.putAside(ctx, spec.Name); err != nil {
		return nil, err
	}
	ref, err := r.image(ctx, spec.Kind, func(sandbox.Progress) {})
	if err != nil {
		return nil, err
	}
	if _, err := r.ensureNetwork(ctx); err != nil {
		return nil, err
	}
	if err := r.ensureVolume(ctx, spec, p); err != nil {
		return nil, err
	}
	return r.run(ctx, spec, ref, p)
}

// engineLimit is how long a start waits for an engine that is being restarted.
const engineLimit = 30 * time.Second

// awaitEngine waits until the engine answers.
func (r *Runtime) awaitEngine(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, engineLimit)
	defer cancel()
	for {
		_, err := r.engine.Ping(ctx, client.PingOptions{})
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return &EngineError{Attempt: fmt.Sprintf("reach the container engine (for up to %v)", engineLimit), Err: err}
		case <-time.After(watchAgain):
		}
	}
}

// run makes and starts the container. If it cannot be started nothing of it is left.
func (r *Runtime) run(ctx context.Context, spec sandbox.NodeSpec, ref string, p plan) (*instance, error) {
	var stdin client.ContainerAttachResult
	attach := func(ctx context.Context, c testcontainers.Container) (err error) {
		stdin, err = r.engine.ContainerAttach(ctx, c.GetContainerID(), client.ContainerAttachOptions{Stream: true, Stdin: true})
		return err
	}
	maker, err := r.maker()
	if err != nil {
		return nil, err
	}
	made, err := maker.CreateContainer(ctx, testcontainers.ContainerRequest{
		Image: ref, Name: r.name(spec.Name), Entrypoint: p.entry, Cmd: p.command, Env: p.env, ExposedPorts: p.exposed(),
		Networks: []string{r.name("")}, NetworkAliases: map[string][]string{r.name(""): {spec.Name}},
		ConfigModifier:     func(c *container.Config) { r.configure(c, spec, p) },
		HostConfigModifier: func(h *container.HostConfig) { r.harden(h, spec, p) },
		LifecycleHooks:     []testcontainers.ContainerLifecycleHooks{{PreStarts: []testcontainers.ContainerHook{attach}}},
	})
	id := ""
	if made != nil {
		id = made.GetContainerID()
	}
	if err == nil {
		err = made.Start(ctx)
	}
	if err == nil {
		err = handOver(stdin.HijackedResponse, p.stdin)
	}
	var found client.ContainerInspectResult
	if err == nil {
		found, err = r.engine.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	}
	if err == nil {
		return r.own(found.Container), nil
	}
	if id != "" {
		err = errors.Join(err, removeContainer(context.WithoutCancel(ctx), r.engine, id))
	}
	if noSpace(err) {
		return nil, &DiskFullError{Attempt: "start " + spec.Name, Err: err}
	}
	return nil, &StartError{Node: spec.Name, Image: ref, Err: err}
}

// handOverLimit bounds the time until the engine has taken what is handed over.
const handOverLimit = 20 * time.Second

// handOver writes to the container's standard input and closes it.
func handOver(to client.HijackedResponse, text []byte) error {
	if to.Conn == nil {
		return errors.New("hand over its files: it is not attached")
	}
	defer to.Close()
	if err := to.Conn.SetDeadline(time.Now().Add(handOverLimit)); err != nil {
		return fmt.Errorf("hand over its files: %w", err)
	}
	if _, err := to.Conn.Write(text); err != nil {
		return fmt.Errorf("hand over its files: %w", err)
	}
	if err := to.CloseWrite(); err != nil {
		return fmt.Errorf("hand over its files: %w", err)
	}
	return nil
}

// configure sets what the container runs.
func (r *Runtime) configure(c *container.Config, spec sandbox.NodeSpec, p plan) {
	c.Hostname = spec.Name
	c.OpenStdin, c.StdinOnce, c.AttachStdin = true, true, true
	c.User = p.user
	c.StopSignal = "SIG" + stopSignalOf(spec.Kind)
	patience := stopPatience
	c.StopTimeout = &patience
	// Only our labels: by those of the library, a program that uses it too may remove what it takes for its own.
	c.Labels = r.labels(map[string]string{labelNode: spec.Name, labelKind: string(spec.Kind), labelSpec: spec.Hash()})
	if p.health != nil {
		c.Healthcheck = p.health
	}
}

// stopPatience is how many seconds an engine that is stopped, or is told to stop a container, waits before it kills. Its own
// 10 s are few for a server that writes its data to a busy disk. The supervisor has a patience of its own.
const stopPatience = 30

// Limits of what a container may do to the machine.
const (
	maxProcesses = 4096
	logSize      = "10m"
	logCount     = "3"
)

// harden sets what the container may do.
func (r *Runtime) harden(h *container.HostConfig, spec sandbox.NodeSpec, p plan) {
	h.NetworkMode = container.NetworkMode(r.name("")) // and no other
	h.CapDrop = []string{"ALL"}
	h.SecurityOpt = []string{"no-new-privileges"}
	h.ReadonlyRootfs = true
	h.Tmpfs = map[string]string{filesDir: "rw,nosuid,nodev,noexec,size=8m,mode=1777"}
	for at, options := range p.tmpfs {
		h.Tmpfs[at] = options
	}
	h.PortBindings = network.PortMap{}
	for inside, outside := range p.ports {
		h.PortBindings[tcp(inside)] = []network.PortBinding{{HostIP: loopback(), HostPort: strconv.Itoa(outside)}}
	}
	if p.volume != "" {
		h.Mounts = []mount.Mount{{Type: mount.TypeVolume, Source: r.name(spec.Name), Target: p.volume}}
	}
	processes := int64(maxProcesses)
	h.PidsLimit = &processes
	h.Memory, h.MemorySwap = spec.MemoryLimit, spec.MemoryLimit
	h.NanoCPUs = int64(spec.CPULimit * 1e9) //nolint:mnd // nano
	h.ShmSize = p.shm
	h.RestartPolicy = container.RestartPolicy{Name: container.RestartPolicyDisabled} // the supervisor starts nodes again
	h.LogConfig = container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": logSize, "max-file": logCount}}
	if r.hostByName() {
		h.ExtraHosts = []string{"host.docker.internal:host-gateway"}
	}
}

// hostByName tells whether nodes reach this machine by a name that the engine must be told of.
func (r *Runtime) hostByName() bool { return !r.engine.facts.Desktop }

func loopback() netip.Addr { return netip.AddrFrom4([4]byte{127, 0, 0, 1}) }

func tcp(number int) network.Port {
	p, _ := network.PortFrom(uint16(number), network.TCP) //nolint:gosec // a port
	return p
}

// ensureVolume makes the volume for a node's data, if it keeps any.
func (r *Runtime) ensureVolume(ctx context.Context, spec sandbox.NodeSpec, p plan) error {
	if p.volume == "" {
		return nil
	}
	_, err := r.engine.VolumeCreate(ctx, client.VolumeCreateOptions{ // one that is there is left as it is
		Name: r.name(spec.Name), Labels: r.labels(map[string]string{labelNode: spec.Name, labelKind: string(spec.Kind)}),
	})
	return explain("make the volume of "+spec.Name, err)
}

// execLimit bounds a command in a container.
const execLimit = 20 * time.Second

// exec runs a command in the container and gives it an input.
func (i *instance) exec(ctx context.Context, stdin []byte, command []string) error {
	ctx, cancel := context.WithTimeout(ctx, execLimit)
	defer cancel()
	attempt := fmt.Sprintf("run %q in %s", command, i.node)
	made, err := i.r.engine.ExecCreate(ctx, i.id, client.ExecCreateOptions{
		AttachStdin: true, AttachStdout: true, AttachStderr: true, Cmd: command,
	})
	if err != nil {
		return explain(attempt, err)
	}
	attached, err := i.r.engine.ExecAttach(ctx, made.ID, client.ExecAttachOptions{})
	if err != nil {
		return explain(attempt, err)
	}
	defer attached.Close()
	deadline, _ := ctx.Deadline()
	_ = attached.Conn.SetDeadline(deadline) // a connection that cannot have one fails by itself
	if _, err := attached.Conn.Write(stdin); err != nil {
		return explain(attempt, err)
	}
	if err := attached.CloseWrite(); err != nil {
		return explain(attempt, err)
	}
	var said bytes.Buffer
	if _, err := stdcopy.StdCopy(&said, &said, io.LimitReader(attached.Reader, 1<<20)); err != nil {
		return explain(attempt, err)
	}
	done, err := i.r.engine.ExecInspect(ctx, made.ID, client.ExecInspectOptions{})
	if err != nil {
		return explain(attempt, err)
	}
	if done.ExitCode != 0 {
		return fmt.Errorf("%s: exit code %d: %s", attempt, done.ExitCode, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}
