package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/artefact"
)

// The marks that every node carries in its environment.
const (
	sandboxMark = "CORDAGE_SANDBOX" // directory of the sandbox
	nodeMark    = "CORDAGE_NODE"    // name of the node
	kindMark    = "CORDAGE_KIND"    // its kind
	specMark    = "CORDAGE_SPEC"    // hash of its specification
)

// What nodes are handed, by base name (NodeSpec.Files).
const (
	bootFile     = "boot.json" // of a worker: role.Boot
	passwordFile = "password"  // of PostgreSQL: its superuser's
)

// Purposes of ports (NodeSpec.Ports).
const (
	sqlPort        = "sql"
	brokerPort     = "broker"
	controllerPort = "controller"
)

func (r *Runtime) marks(spec sandbox.NodeSpec) []string {
	return []string{
		sandboxMark + "=" + r.o.Dir, nodeMark + "=" + spec.Name, kindMark + "=" + string(spec.Kind), specMark + "=" + spec.Hash(),
	}
}

// Prepare fetches PostgreSQL and Kafka into the cache, finds Java, and makes what makes every later start quick: an
// empty data directory and the class archive for Kafka's JVM.
func (r *Runtime) Prepare(ctx context.Context, progress func(sandbox.Progress)) error {
	events := make(chan artefact.Event) // two things are made at once; progress is told from one goroutine
	told := make(chan struct{})
	go func() {
		defer close(told)
		for e := range events {
			progress(asProgress(e))
		}
	}()
	defer func() { close(events); <-told }()
	cache := r.o.Cache.With(func(e artefact.Event) { events <- e })

	if _, err := artefact.FindJava(ctx); err != nil {
		return err
	}
	account, err := serverAccount()
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		bin, err := cache.PostgreSQL(ctx)
		if err != nil {
			return err
		}
		if err := account.reach(bin.Bin("postgres")); err != nil {
			return err
		}
		_, err = dataDir{account: account, bin: bin}.template(ctx, cache)
		return err
	})
	g.Go(func() error {
		_, err := KafkaArchive(ctx, cache)
		return err
	})
	return g.Wait()
}

func asProgress(e artefact.Event) sandbox.Progress {
	verbs := map[artefact.Step]string{
		artefact.Waiting: "wait for another cordage that fetches", artefact.Repairing: "repair", artefact.Resolving: "fetch",
		artefact.Downloading: "fetch", artefact.Verifying: "verify", artefact.Unpacking: "unpack", artefact.Preparing: "make",
		artefact.Ready: "ready:",
	}
	p := sandbox.Progress{Step: verbs[e.Step] + " " + e.Set, Done: e.Fraction(), Notes: e.What}
	if e.Step == artefact.Preparing {
		p.Step, p.Notes = "make "+e.What, ""
	}
	return p
}

// Start starts a node and returns once its process runs.
//
// Errors: *RunningError if the node runs already, *DataDirError, *DiskFullError, *UnreachableError, *StartError, and
// those of the cache.
func (r *Runtime) Start(ctx context.Context, spec sandbox.NodeSpec) (sandbox.Instance, error) {
	if err := checkName(spec.Name); err != nil {
		return nil, err
	}
	if i := r.find(spec.Name); i != nil {
		return nil, &RunningError{Attempt: "start " + spec.Name, Node: spec.Name, PID: i.ID()}
	}
	if err := r.makeNode(spec.Name); err != nil {
		return nil, err
	}
	starters := map[sandbox.Kind]func(context.Context, sandbox.NodeSpec) (*Child, error){
		sandbox.PostgreSQL: r.startPostgreSQL, sandbox.Kafka: r.startKafka, sandbox.Worker: r.startWorker,
	}
	start, ok := starters[spec.Kind]
	if !ok {
		return nil, fmt.Errorf("start %s: %q is no kind of node", spec.Name, spec.Kind)
	}
	child, err := start(ctx, spec)
	if err != nil {
		return nil, err
	}
	i := &instance{Child: child, hash: spec.Hash()}
	r.mu.Lock()
	r.known[spec.Name] = i
	r.mu.Unlock()
	go r.tendLog(i)
	return i, nil
}

func (r *Runtime) startPostgreSQL(ctx context.Context, spec sandbox.NodeSpec) (*Child, error) {
	p := PostgreSQL{
		Node: spec.Name, Data: r.dataDir(spec.Name), Owner: r.o.Dir, Port: spec.Ports[sqlPort],
		Password: string(spec.Files[passwordFile]), Log: r.logFile(spec.Name), Env: r.marks(spec),
		Settings: spec.Settings, Volatile: r.o.Mortal, DeathSignal: r.deathSignal(spec.Kind),
	}
	if p.Port == 0 || p.Password == "" {
		return nil, fmt.Errorf("start %s: it needs a port %q and a file %q", spec.Name, sqlPort, passwordFile)
	}
	return p.Start(ctx, r.o.Cache)
}

func (r *Runtime) startKafka(ctx context.Context, spec sandbox.NodeSpec) (*Child, error) {
	archive, err := KafkaArchive(ctx, r.o.Cache)
	if err != nil {
		return nil, err
	}
	k := Kafka{
		Node: spec.Name, Dir: r.nodeDir(spec.Name), Owner: r.o.Dir, Port: spec.Ports[brokerPort],
		Log: r.logFile(spec.Name), Env: r.marks(spec), Settings: spec.Settings, Archive: archive, DeathSignal: r.deathSignal(spec.Kind),
	}
	if k.ID, k.Voters, err = quorum(spec); err != nil {
		return nil, err
	}
	k.Brokers = max(1, len(spec.Peers))
	if k.Port == 0 {
		return nil, fmt.Errorf("start %s: it needs a port %q", spec.Name, brokerPort)
	}
	return k.Start(ctx, r.o.Cache)
}

// quorum numbers a Kafka node and its peers in the order of their names, from 1, and lists the controllers.
func quorum(spec sandbox.NodeSpec) (id int, voters []Voter, err error) {
	peers := spec.Peers
	if len(peers) == 0 {
		peers = map[string]int{spec.Name: spec.Ports[controllerPort]}
	}
	for i, name := range slices.Sorted(maps.Keys(peers)) {
		if peers[name] != 0 {
			voters = append(voters, Voter{ID: i + 1, Port: peers[name]})
		}
		if name == spec.Name {
			id = i + 1
		}
	}
	switch names := slices.Sorted(maps.Keys(peers)); {
	case id == 0:
		return 0, nil, fmt.Errorf("start %s: it is none of its peers, %v", spec.Name, names)
	case len(voters) == 0:
		return 0, nil, fmt.Errorf("start %s: none of %v has a port %q", spec.Name, names, controllerPort)
	}
	return id, voters, nil
}

func (r *Runtime) startWorker(ctx context.Context, spec sandbox.NodeSpec) (*Child, error) {
	if len(spec.Files[bootFile]) == 0 {
		return nil, fmt.Errorf("start %s: it needs a file %q", spec.Name, bootFile)
	}
	if err := r.ReplaceFiles(ctx, spec); err != nil {
		return nil, err
	}
	return Launch(Command{
		Node: spec.Name, Path: r.o.Program, Args: []string{"worker", spec.Role, "--boot", filepath.Join(r.files(spec.Name), bootFile)},
		Dir: r.nodeDir(spec.Name), Env: append(append(serverEnv(), r.o.Env...), r.marks(spec)...), Log: r.logFile(spec.Name),
		StopSignal: stopSignalOf(spec.Kind), DeathSignal: r.deathSignal(spec.Kind),
	})
}

func (r *Runtime) dataDir(name string) string { return filepath.Join(r.nodeDir(name), "data") }
func (r *Runtime) files(name string) string   { return filepath.Join(r.nodeDir(name), "files") }

// ReplaceFiles hands a node its files: each is replaced in one step, readable by the node's account only. A running
// node is told by a signal, which is the caller's. PostgreSQL and Kafka read no files of ours: for them it does nothing.
func (r *Runtime) ReplaceFiles(_ context.Context, spec sandbox.NodeSpec) error {
	if spec.Kind != sandbox.Worker {
		return nil
	}
	dir := r.files(spec.Name)
	const closed = 0o700
	if err := os.Mkdir(dir, closed); err != nil && !errors.Is(err, fs.ErrExist) {
		return explainDisk(fmt.Errorf("hand files to %s: %w", spec.Name, err), dir)
	}
	for name, content := range spec.Files {
		if name != filepath.Base(name) || name == "." || name == ".." {
			return fmt.Errorf("hand files to %s: %q is no base name", spec.Name, name)
		}
		if err := writeFile(filepath.Join(dir, name), content); err != nil {
			return explainDisk(fmt.Errorf("hand files to %s: %w", spec.Name, err), dir)
		}
	}
	return nil
}

func (r *Runtime) deathSignal(kind sandbox.Kind) syscall.Signal {
	switch {
	case !r.o.Mortal:
		return 0
	case kind == sandbox.PostgreSQL:
		return syscall.SIGQUIT // ends it at once, without leaving shared memory
	default:
		return syscall.SIGKILL
	}
}
