// Package container is the runtime that runs nodes in containers, on testcontainers-go and the Docker Engine's API. Its
// files are called as those of package process, which does the same with processes. Workers and front ends must not
// import it.
//
// Everything that it makes at the engine carries labels (label.go), and nothing else is remembered: a next supervisor
// finds all by them. A container is made anew for each start of a node; the one before is kept, for its log, until then.
package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/image"
)

// Options of a container runtime.
type Options struct {
	Dir     string    // directory of the sandbox, absolute; it names the sandbox too
	Sandbox string    // name of the sandbox
	Images  image.Set // its Engine is set by New
	Version string    // of Cordage, for the labels
}

// Runtime runs nodes in containers. What it keeps in the sandbox's directory:
//
//	logs/NAME.TIME-ID.log   the log of an earlier container of a node
//	engine.json             at which engine the sandbox is
type Runtime struct {
	o      Options
	owner  string
	engine *Engine

	mu sync.Mutex
	// known are the instances that were started or found, by container, so that one container is watched by one goroutine.
	known map[string]*instance
	// starts keeps two starts of one node apart.
	starts map[string]*sync.Mutex

	network sync.Mutex // held while the network is looked for and made
	images  sync.Map   // by kind, of those that are there
	maker   func() (*testcontainers.DockerProvider, error)

	life    context.Context // of the watches, which outlive the calls that begin them
	end     context.CancelFunc
	watches sync.WaitGroup
}

var _ sandbox.Runtime = (*Runtime)(nil)

// New returns the runtime of the sandbox in o.Dir. It starts nothing.
//
// Errors: *EngineError, *OtherEngineError.
func New(ctx context.Context, o Options) (*Runtime, error) {
	if !filepath.IsAbs(o.Dir) || o.Sandbox == "" {
		return nil, errors.New("make a container runtime: it needs an absolute directory and a name")
	}
	engine, err := Connect(ctx)
	if err != nil {
		return nil, err
	}
	o.Dir = filepath.Clean(o.Dir)
	o.Images.Engine = engine
	r := &Runtime{o: o, owner: ownerOf(o.Dir), engine: engine, known: map[string]*instance{}, starts: map[string]*sync.Mutex{}}
	if err := r.checkHome(); err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	r.maker = sync.OnceValues(func() (*testcontainers.DockerProvider, error) { return engine.maker(r.name("")) })
	r.life, r.end = context.WithCancel(context.Background())
	return r, nil
}

// Close ends the watching of containers, which go on, and the connections to the engine. Instances that have not ended by
// then tell of no end any more.
func (r *Runtime) Close() error {
	r.end()
	r.watches.Wait()
	return r.engine.Close()
}

// Name is "container".
func (r *Runtime) Name() string { return "container" }

// Engine is what the runtime talks to.
func (r *Runtime) Engine() *Engine { return r.engine }

// Prepare makes sure that the images are at the engine: pulled, or built.
func (r *Runtime) Prepare(ctx context.Context, progress func(sandbox.Progress)) error {
	if _, err := r.ensureNetwork(ctx); err != nil {
		return err
	}
	var telling sync.Mutex
	told := func(p sandbox.Progress) {
		telling.Lock()
		defer telling.Unlock()
		progress(p)
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, kind := range image.Kinds() {
		g.Go(func() error {
			_, err := r.image(ctx, kind, told)
			return err
		})
	}
	return g.Wait()
}

// image gives the image of a kind. Which one that is, is settled once; that it is still there is looked at each time.
func (r *Runtime) image(ctx context.Context, kind sandbox.Kind, progress func(sandbox.Progress)) (string, error) {
	if known, ok := r.images.Load(kind); ok {
		name := known.(string) //nolint:forcetypeassert // nothing else is stored
		_, err := r.engine.ImageInspect(ctx, name)
		if err == nil || !cerrdefs.IsNotFound(err) {
			return name, explain("look for image "+name, err)
		}
	}
	name, err := r.o.Images.Ensure(ctx, kind, progress)
	if err != nil {
		return "", err
	}
	r.images.Store(kind, name)
	return name, nil
}

// nodeName is what a node may be called: it becomes a name in the network.
var nodeName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

func checkName(name string) error {
	if !nodeName.MatchString(name) {
		return fmt.Errorf("%.80q is no name for a node: it must be lower-case letters, digits and hyphens", name)
	}
	return nil
}

// instance is one container.
type instance struct {
	r       *Runtime
	id      string // full
	node    string
	kind    sandbox.Kind
	hash    string
	started time.Time

	done chan struct{}
	exit sandbox.Exit // valid after done
}

// idLength is how many digits of an id people are shown.
const idLength = 12

func (i *instance) Node() string          { return i.node }
func (i *instance) ID() string            { return i.id[:idLength] }
func (i *instance) SpecHash() string      { return i.hash }
func (i *instance) Started() time.Time    { return i.started }
func (i *instance) Done() <-chan struct{} { return i.done }

func (i *instance) Exit() sandbox.Exit {
	select {
	case <-i.done:
		return i.exit
	default:
		return sandbox.Exit{}
	}
}

func (i *instance) over() bool {
	select {
	case <-i.done:
		return true
	default:
		return false
	}
}

// Signal sends a signal by its name without SIG.
func (i *instance) Signal(ctx context.Context, name string) error {
	if unix.SignalNum("SIG"+name) == 0 {
		return fmt.Errorf("signal %s: %q is no signal", i.node, name)
	}
	return i.signal(ctx, name)
}

// signal is Signal for a name that is one. A container that has ended is no error.
func (i *instance) signal(ctx context.Context, name string) error {
	if i.over() {
		return nil
	}
	_, err := i.r.engine.ContainerKill(ctx, i.id, client.ContainerKillOptions{Signal: "SIG" + name})
	if err == nil || ended(err) {
		return nil
	}
	return explain("send "+name+" to "+i.node, err)
}

// ended tells whether an error means that a container does not run any more.
func ended(err error) bool { return cerrdefs.IsNotFound(err) || cerrdefs.IsConflict(err) }

// Usage is the memory and CPU of all processes in the container.
func (i *instance) Usage(ctx context.Context) (sandbox.Usage, error) {
	got, err := i.r.engine.ContainerStats(ctx, i.id, client.ContainerStatsOptions{})
	if err != nil {
		return sandbox.Usage{}, explain("measure "+i.node, err)
	}
	defer got.Body.Close()
	var s container.StatsResponse
	if err := json.NewDecoder(got.Body).Decode(&s); err != nil {
		return sandbox.Usage{}, explain("measure "+i.node, err)
	}
	used := s.MemoryStats.Usage
	for _, cache := range []string{"total_inactive_file", "inactive_file"} { // cgroup 1 and 2
		if n, ok := s.MemoryStats.Stats[cache]; ok && n < used {
			used -= n
			break
		}
	}
	return sandbox.Usage{RSS: int64(used), CPU: time.Duration(s.CPUStats.CPUUsage.TotalUsage)}, nil //nolint:gosec // bytes and nanoseconds
}

// ReplaceFiles hands a running worker its files again; it is told by a signal, which is the caller's. PostgreSQL and Kafka
// read no files of ours while they run: for them it does nothing.
func (r *Runtime) ReplaceFiles(ctx context.Context, spec sandbox.NodeSpec) error {
	if spec.Kind != sandbox.Worker {
		return nil
	}
	i, err := r.find(ctx, spec.Name)
	if err != nil {
		return err
	}
	if i == nil {
		return fmt.Errorf("hand files to %s: it does not run", spec.Name)
	}
	files, err := handed(spec)
	if err != nil {
		return err
	}
	return i.exec(ctx, files, []string{program, "receive", filesDir})
}

// Purge removes all that the sandbox has at the engine but images, and its logs.
//
// Errors: *RunningError if a node runs.
func (r *Runtime) Purge(ctx context.Context) error {
	running, err := r.Find(ctx)
	if err != nil {
		return err
	}
	if len(running) > 0 {
		return &RunningError{Attempt: "remove the sandbox's data", Node: running[0].Node(), ID: running[0].ID()}
	}
	err = errors.Join(remove(ctx, r.engine, r.ours()), r.removeLogs())
	if err == nil {
		if err = os.Remove(r.homeFile()); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	return err
}

// Leftover is what a sandbox has at the engine.
type Leftover struct {
	Sandbox    string // its name
	Dir        string // its directory
	Owner      string // identifies it
	Here       bool   // it was made on this machine
	Containers int
	Running    int // of the containers
	Networks   int
	Volumes    int
}

// Leftovers lists all that Cordage has made at the engine but images, sandbox by sandbox, whoever made it.
func (e *Engine) Leftovers(ctx context.Context) ([]Leftover, error) {
	byOwner := map[string]*Leftover{}
	of := func(labels map[string]string) *Leftover {
		owner := labels[labelOwner]
		if byOwner[owner] == nil {
			dir := labels[labelDir]
			byOwner[owner] = &Leftover{Sandbox: labels[labelSandbox], Dir: dir, Owner: owner, Here: owner == ownerOf(dir)}
		}
		return byOwner[owner]
	}
	any := make(client.Filters).Add("label", labelOwner)
	containers, err := e.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: any})
	if err != nil {
		return nil, explain("list containers", err)
	}
	for _, c := range containers.Items {
		l := of(c.Labels)
		l.Containers++
		if isRunning(c) {
			l.Running++
		}
	}
	networks, err := e.NetworkList(ctx, client.NetworkListOptions{Filters: any})
	if err != nil {
		return nil, explain("list networks", err)
	}
	for _, n := range networks.Items {
		of(n.Labels).Networks++
	}
	volumes, err := e.VolumeList(ctx, client.VolumeListOptions{Filters: any})
	if err != nil {
		return nil, explain("list volumes", err)
	}
	for _, v := range volumes.Items {
		of(v.Labels).Volumes++
	}
	var all []Leftover
	for _, owner := range slices.Sorted(maps.Keys(byOwner)) {
		all = append(all, *byOwner[owner])
	}
	return all, nil
}

// RemoveAll removes all that the sandbox of a directory has at the engine but images, running or not.
func (e *Engine) RemoveAll(ctx context.Context, dir string) error {
	return remove(ctx, e, make(client.Filters).Add("label", labelOwner+"="+ownerOf(filepath.Clean(dir))))
}

// remove removes containers, networks and volumes.
func remove(ctx context.Context, e *Engine, which client.Filters) error {
	containers, err := e.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: which})
	if err != nil {
		return explain("list the sandbox's containers", err)
	}
	var faults []error
	for _, c := range containers.Items {
		if err := removeContainer(ctx, e, c.ID); err != nil {
			faults = append(faults, err)
		}
	}
	networks, err := e.NetworkList(ctx, client.NetworkListOptions{Filters: which})
	if err != nil {
		return explain("list the sandbox's networks", err)
	}
	for _, n := range networks.Items {
		if _, err := e.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{}); err != nil && !cerrdefs.IsNotFound(err) {
			faults = append(faults, explain("remove network "+n.Name, err))
		}
	}
	volumes, err := e.VolumeList(ctx, client.VolumeListOptions{Filters: which})
	if err != nil {
		return explain("list the sandbox's volumes", err)
	}
	for _, v := range volumes.Items {
		if _, err := e.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{}); err != nil && !cerrdefs.IsNotFound(err) {
			faults = append(faults, explain("remove volume "+v.Name, err))
		}
	}
	return errors.Join(faults...)
}

func removeContainer(ctx context.Context, e *Engine, id string) error {
	_, err := e.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if err == nil || cerrdefs.IsNotFound(err) || cerrdefs.IsConflict(err) { // conflict: it is being removed already
		return nil
	}
	return explain("remove container "+id[:idLength], err)
}

// stopSignalOf tells how a kind of node is asked to stop, in the way that loses nothing.
func stopSignalOf(kind sandbox.Kind) string {
	if kind == sandbox.PostgreSQL {
		return "INT" // its fast shutdown: it ends sessions and writes a checkpoint
	}
	return "TERM"
}

// lockStart keeps two starts of a node apart.
func (r *Runtime) lockStart(node string) (unlock func()) {
	r.mu.Lock()
	m := r.starts[node]
	if m == nil {
		m = &sync.Mutex{}
		r.starts[node] = m
	}
	r.mu.Unlock()
	m.Lock()
	return m.Unlock
}

// running are the states of a container that runs.
func running() []string {
	return []string{string(container.StateRunning), string(container.StatePaused)}
}

func isRunning(c container.Summary) bool { return slices.Contains(running(), string(c.State)) }
