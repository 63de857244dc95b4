package container

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tclog "github.com/testcontainers/testcontainers-go/log"
)

// Engine is a connection to a container engine.
type Engine struct {
	*testcontainers.DockerClient
	provider *testcontainers.DockerProvider
	facts    Facts
}

// Facts are what an engine tells of itself.
type Facts struct {
	Version string // of the engine
	API     string // version of its API that is spoken
	System  string // operating system it runs on
	Host    string // where it is: unix:///var/run/docker.sock
	Desktop bool   // it runs in a virtual machine, so that its networks are not this machine's
}

var quiet sync.Once //nolint:gochecknoglobals // guards the settings of a library, which are its globals

type silence struct{}

func (silence) Printf(string, ...any) {}

// Connect finds the engine that the user's other tools talk to: DOCKER_HOST, the current context of Docker's command line,
// the usual sockets, those of rootless engines and Podman included.
//
// Errors: *EngineError.
func Connect(ctx context.Context) (*Engine, error) {
	quiet.Do(func() {
		// A sandbox outlives the command that started it: nothing may be removed when that command ends. What is left is
		// found by its labels.
		_ = os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true") // it cannot fail for a constant
		tclog.SetDefault(silence{})
	})
	provider, err := testcontainers.NewDockerProvider(testcontainers.WithLogger(silence{}))
	if err != nil {
		return nil, &EngineError{Attempt: "connect to a container engine", Err: err}
	}
	c, ok := provider.Client().(*testcontainers.DockerClient)
	if !ok {
		return nil, &EngineError{Attempt: "connect to a container engine", Err: fmt.Errorf("its client is a %T", provider.Client())}
	}
	info, err := c.Client.Info(ctx, client.InfoOptions{})
	if err != nil {
		return nil, &EngineError{Attempt: "ask the container engine about itself", Err: err}
	}
	e := &Engine{DockerClient: c, provider: provider}
	e.facts = Facts{
		Version: info.Info.ServerVersion, API: c.ClientVersion(), System: info.Info.OperatingSystem, Host: c.DaemonHost(),
		Desktop: strings.Contains(info.Info.OperatingSystem, "Docker Desktop"),
	}
	return e, nil
}

// Facts are what the engine told of itself.
func (e *Engine) Facts() Facts { return e.facts }

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
