package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tclog "github.com/testcontainers/testcontainers-go/log"
)

// Engine is a connection to a container engine.
type Engine struct {
	*client.Client
	place place
	facts Facts
}

// Facts are what an engine tells of itself.
type Facts struct {
	ID      string // of the engine, with its data's directory; Podman gives another each time
	Version string // of the engine
	API     string // version of its API that is spoken
	System  string // operating system it runs on
	Host    string // where it is: unix:///var/run/docker.sock
	Desktop bool   // it runs in a virtual machine, so that its networks are not this machine's
}

// answerLimit is how long an engine may take to tell of itself.
const answerLimit = 10 * time.Second

// Connect finds the engine that the user's other tools talk to: that of DOCKER_HOST, or of the current context of Docker's
// command line. Where nobody names one, the usual sockets are tried, those of rootless engines and Podman included.
//
// Errors: *EngineError.
func Connect(ctx context.Context) (*Engine, error) {
	settle()
	return ownSurroundings().connect(ctx)
}

func (s surroundings) connect(ctx context.Context) (*Engine, error) {
	all, err := s.places()
	if err != nil {
		return nil, err
	}
	var faults []error
	for _, p := range all {
		e, err := p.connect(ctx)
		if err == nil {
			return e, nil
		}
		if p.named != "" {
			return nil, &EngineError{Attempt: fmt.Sprintf("connect to the container engine at %s, which %s names", p.host, p.named), Err: err}
		}
		faults = append(faults, fmt.Errorf("%s: %s", p.host, short(err)))
	}
	if len(all) == 0 {
		faults = []error{fmt.Errorf("none of its usual sockets is there: %s", strings.Join(s.sockets(), ", "))}
	}
	return nil, &EngineError{Attempt: "connect to a container engine", Err: errors.Join(faults...)}
}

// connect asks the engine of a place about itself.
func (p place) connect(ctx context.Context) (*Engine, error) {
	c, err := p.open()
	if err != nil {
		return nil, err
	}
	slow := fmt.Errorf("it does not answer within %v", answerLimit)
	ctx, cancel := context.WithTimeoutCause(ctx, answerLimit, slow)
	defer cancel()
	info, err := c.Info(ctx, client.InfoOptions{})
	if err != nil {
		c.Close()
		if errors.Is(err, context.DeadlineExceeded) && context.Cause(ctx) == slow { //nolint:errorlint // this very one
			err = slow
		}
		return nil, err
	}
	return &Engine{Client: c, place: p, facts: Facts{
		// Two engines of one machine may share an ID: before Docker 23 it came from a file in /etc.
		ID:      info.Info.ID + " " + info.Info.DockerRootDir,
		Version: info.Info.ServerVersion, API: c.ClientVersion(), System: info.Info.OperatingSystem, Host: p.host,
		Desktop: strings.Contains(info.Info.OperatingSystem, "Docker Desktop"),
	}}, nil
}

// Facts are what the engine told of itself.
func (e *Engine) Facts() Facts { return e.facts }

type silence struct{}

func (silence) Printf(string, ...any) {}

// The settings of the library that makes containers are its globals.
//
//nolint:gochecknoglobals // as said above
var (
	settled sync.Once
	placed  sync.Once
)

// settle settles how the library behaves. It reads that once, at whatever is its first use.
func settle() {
	settled.Do(func() {
		tclog.SetDefault(silence{})
		// A sandbox outlives the command that started it: nothing may be removed when that command ends. What is left is found
		// by its labels.
		_ = os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true") // it cannot fail for a constant
		// Images are named by Cordage, or by the user to Cordage, whatever the user's tests do.
		for _, name := range []string{"TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX", "TESTCONTAINERS_SESSION_ID", "TESTCONTAINERS_PROVIDER"} {
			_ = os.Unsetenv(name) // nor this
		}
	})
}

// maker gives what makes containers in a network. The library behind it finds an engine by rules of its own; here it gets the
// one that was found.
func (e *Engine) maker(network string) (*testcontainers.DockerProvider, error) {
	settle()
	var err error
	placed.Do(func() {
		verify := ""
		if e.place.verify && e.place.certs != "" {
			verify = "1"
		}
		err = errors.Join(os.Setenv("DOCKER_HOST", e.place.host), os.Setenv("DOCKER_CERT_PATH", e.place.certs), os.Setenv("DOCKER_TLS_VERIFY", verify))
	})
	if err != nil {
		return nil, fmt.Errorf("prepare to make containers: %w", err)
	}
	// Without a network that is there the library makes one of its own, and connects every container to it.
	made, err := testcontainers.NewDockerProvider(testcontainers.WithLogger(silence{}), testcontainers.WithDefaultBridgeNetwork(network))
	if err != nil {
		return nil, explain("prepare to make containers", err)
	}
	if !made.Config().Config.RyukDisabled {
		return nil, errors.New("prepare to make containers: testcontainers would remove them with its reaper; its settings were read too early")
	}
	made.SetClient(e.Client)
	return made, nil
}

// home is the engine at which a sandbox is.
type home struct {
	ID   string `json:"id"`
	Host string `json:"host"`
}

func (r *Runtime) homeFile() string { return filepath.Join(r.o.Dir, "engine.json") }

// remember notes at which engine the sandbox is, for the next command that would use another.
func (r *Runtime) remember() error {
	text, err := json.Marshal(home{r.engine.facts.ID, r.engine.facts.Host})
	if err == nil {
		err = os.MkdirAll(r.o.Dir, 0o700)
	}
	if err == nil {
		err = os.WriteFile(r.homeFile(), text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("note the container engine of sandbox %s: %w", r.o.Sandbox, err)
	}
	return nil
}

// checkHome refuses an engine that is not the sandbox's: its data would seem to be lost. An engine is the same if it is at
// the same place, or says that it is the same: Podman gives itself another name each time.
func (r *Runtime) checkHome() error {
	var h home
	err := readJSON(r.homeFile(), &h)
	now := r.engine.facts
	if errors.Is(err, fs.ErrNotExist) || err == nil && (h.Host == now.Host || h.ID == now.ID) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at which container engine sandbox %s is: %w", r.o.Sandbox, err)
	}
	return &OtherEngineError{Sandbox: r.o.Sandbox, Host: h.Host, Now: now.Host, File: r.homeFile()}
}

// local tells whether an address is one of this machine's.
func local(address string) bool {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.String() == address {
			return true
		}
	}
	return false
}
