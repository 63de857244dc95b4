package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/artefact"
)

// Options of a process runtime.
type Options struct {
	Dir     string          // directory of the sandbox, absolute; it names the sandbox too
	Cache   *artefact.Cache // where PostgreSQL and Kafka come from
	Program string          // executable of Cordage that workers run; it must stay while they do

	LogSize  int64         // bytes at which a node's log is put aside; 0: 10 MiB
	LogCount int           // logs of a node put aside and kept; 0: 3
	LogCheck time.Duration // how often sizes are looked at; 0: 5 s

	Env []string // added to the environment of workers, for tests; never a secret

	// Mortal nodes end when this process ends, and do not sync to the disk: for tests only.
	Mortal bool
}

// Runtime runs nodes as processes. What it keeps in the sandbox's directory:
//
//	nodes/NAME/         what the node keeps: data of PostgreSQL and Kafka, files handed to a worker
//	logs/NAME.log       its log, and NAME.log.1 and so on, the logs before
//
// It has no memory that matters: all it knows it can find again in the list of processes.
type Runtime struct {
	o  Options
	mu sync.Mutex
	// known are the instances that were started or found, by node, so that one process has one instance and is
	// watched by one goroutine.
	known map[string]*instance
}

var _ sandbox.Runtime = (*Runtime)(nil)

const (
	defaultLogSize  = 10 << 20
	defaultLogCount = 3
	defaultLogCheck = 5 * time.Second
)

// New returns the runtime of the sandbox in o.Dir. It starts nothing.
func New(o Options) (*Runtime, error) {
	if !filepath.IsAbs(o.Dir) || o.Cache == nil {
		return nil, errors.New("make a process runtime: it needs an absolute directory and a cache")
	}
	if o.LogSize == 0 {
		o.LogSize = defaultLogSize
	}
	if o.LogCount == 0 {
		o.LogCount = defaultLogCount
	}
	if o.LogCheck == 0 {
		o.LogCheck = defaultLogCheck
	}
	o.Dir = filepath.Clean(o.Dir)
	return &Runtime{o: o, known: map[string]*instance{}}, nil
}

// Name is "process".
func (r *Runtime) Name() string { return "process" }

// instance is a Child in the words of the contract.
type instance struct {
	*Child
	hash string
}

func (i *instance) Node() string                                 { return i.command.Node }
func (i *instance) ID() string                                   { return fmt.Sprint(i.pid) }
func (i *instance) SpecHash() string                             { return i.hash }
func (i *instance) Kill(context.Context) error                   { return i.Child.Kill() }
func (i *instance) Pause(context.Context) error                  { return i.Child.Pause() }
func (i *instance) Unpause(context.Context) error                { return i.Child.Unpause() }
func (i *instance) Usage(context.Context) (sandbox.Usage, error) { return i.Child.Usage() }

func (i *instance) Signal(_ context.Context, name string) error {
	s, err := signalNumber(name)
	if err != nil {
		return fmt.Errorf("signal %s: %w", i.command.Node, err)
	}
	return i.Child.Signal(s)
}

// Usage is the memory and CPU of the process and its family. Memory that PostgreSQL's processes share counts once.
func (c *Child) Usage() (sandbox.Usage, error) {
	pids := []int{c.pid}
	if c.command.Family != "" {
		pids = processesIn(c.command.Family)
	}
	var u sandbox.Usage
	for _, pid := range pids {
		s, err := statOf(pid)
		if err != nil {
			if pid == c.pid || errors.Is(err, errors.ErrUnsupported) {
				return sandbox.Usage{}, fmt.Errorf("measure %s: %w", c.command.Node, err)
			}
			continue // a backend that has just ended
		}
		u.CPU += s.cpu
		if pid == c.pid {
			u.CPU += s.reaped
		}
		u.RSS += memoryOf(pid, c.command.Family != "")
	}
	return u, nil
}

// The folders of what is kept.
func (r *Runtime) nodes() string              { return filepath.Join(r.o.Dir, "nodes") }
func (r *Runtime) nodeDir(name string) string { return filepath.Join(r.nodes(), name) }
func (r *Runtime) logs() string               { return filepath.Join(r.o.Dir, "logs") }
func (r *Runtime) logFile(name string) string { return filepath.Join(r.logs(), name+".log") }

// nodeName is what a node may be called: it becomes a file name.
var nodeName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

func checkName(name string) error {
	if !nodeName.MatchString(name) {
		return fmt.Errorf("%.80q is no name for a node: it must be lower-case letters, digits and hyphens", name)
	}
	return nil
}

// makeNode makes the folders of a node. Those above PostgreSQL's data let its account pass through, but not look.
func (r *Runtime) makeNode(name string) error {
	mode := fs.FileMode(0o700)
	if os.Geteuid() == 0 {
		mode = 0o711
	}
	for _, dir := range []string{r.nodes(), r.nodeDir(name)} {
		if err := os.MkdirAll(dir, mode); err != nil {
			return explainDisk(fmt.Errorf("make a directory for %s: %w", name, err), dir)
		}
		if err := os.Chmod(dir, mode); err != nil { // whatever the umask
			return fmt.Errorf("make a directory for %s: %w", name, err)
		}
	}
	const closed = 0o700
	return explainDisk(os.MkdirAll(r.logs(), closed), r.logs())
}

// Purge removes data and logs of all nodes.
//
// Errors: *RunningError if a node runs.
func (r *Runtime) Purge(ctx context.Context) error {
	running, err := r.Find(ctx)
	if err != nil {
		return err
	}
	if len(running) > 0 {
		return &RunningError{Attempt: "remove the sandbox's data", Node: running[0].Node(), PID: running[0].ID()}
	}
	entries, err := os.ReadDir(r.nodes())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the sandbox's data: %w", err)
	}
	for _, e := range entries {
		removeShared(filepath.Join(r.nodeDir(e.Name()), "data"))
		if err := r.log(e.Name()).Remove(); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(r.nodes()); err != nil {
		return fmt.Errorf("remove the sandbox's data: %w", err)
	}
	return nil
}

// RunningError says that a node runs which must not.
type RunningError struct {
	Attempt string
	Node    string
	PID     string
}

func (e *RunningError) Error() string {
	return fmt.Sprintf("%s: node %s is running (process %s)", e.Attempt, e.Node, e.PID)
}

// Hint tells how to stop it.
func (e *RunningError) Hint() string { return "stop the sandbox first: cordage down" }

// stopSignalOf tells how a kind of node is asked to stop.
func stopSignalOf(kind sandbox.Kind) syscall.Signal {
	if kind == sandbox.PostgreSQL {
		return postgresStop
	}
	return kafkaStop // SIGTERM, for workers too
}
