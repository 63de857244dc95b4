package supervisor

import (
	"context"
	"fmt"
	"io"
	"maps"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/browse"
	"github.com/cordage-sandbox/cordage/sandbox/logs"
	"github.com/cordage-sandbox/cordage/sandbox/mask"
	"github.com/cordage-sandbox/cordage/sandbox/port"
	"github.com/cordage-sandbox/cordage/sandbox/tap"
	"github.com/cordage-sandbox/cordage/sandbox/topology"
	"github.com/cordage-sandbox/cordage/workers/telemetry"
)

// observers are those who look at the sandbox for people. None of them does anything while nobody looks.
type observers struct {
	topology *topology.Watcher
	tap      *tap.Tap
	browser  *browse.Browser
}

func (s *Supervisor) newObservers() observers {
	var tel *telemetry.Telemetry
	if r, ok := s.config.cluster.(realCluster); ok {
		tel = r.telemetry
	}
	return observers{
		topology: topology.NewWatcher(s.source),
		tap: tap.New(tap.Config{
			Brokers: func() []string { return s.layout().brokers() }, Telemetry: tel,
			Topics: func(context.Context) ([]string, error) { return topology.TopicNames(s.source()) },
		}),
		browser: browse.New(s.databases),
	}
}

// Topology is what is observed of the sandbox.
func (s *Supervisor) Topology(ctx context.Context) (sandbox.Topology, error) {
	return s.observers.topology.Once(ctx), nil
}

// FollowTopology gives what is observed about once a second, until ctx ends or each fails.
func (s *Supervisor) FollowTopology(ctx context.Context, each func(sandbox.Topology) error) error {
	return s.observers.topology.Follow(ctx, each)
}

// Topics lists the topics as the broker has them.
func (s *Supervisor) Topics(context.Context) ([]sandbox.TopicInfo, error) {
	return topology.Topics(s.source())
}

// Tap shows the records of topics.
func (s *Supervisor) Tap() *tap.Tap { return s.observers.tap }

// Browser reads the databases.
func (s *Supervisor) Browser() *browse.Browser { return s.observers.browser }

func (s *Supervisor) source() topology.Source {
	cr := s.Credentials()
	source := topology.Source{
		Nodes: s.Snapshot().Nodes, Brokers: cr.Kafka, PostgreSQL: cr.PostgreSQL,
		Names: topology.Names{PostgreSQL: nodePostgres, Kafka: nodeKafka},
	}
	if len(cr.Databases) > 0 {
		source.Databases = s.observers.browser.Databases
	}
	return source
}

// databases is where the logical databases are, once they have been made.
func (s *Supervisor) databases() (browse.Source, error) {
	cr := s.Credentials()
	if len(cr.Databases) == 0 {
		return browse.Source{}, &sandbox.BusyError{Attempt: "read the databases", Phase: s.Snapshot().Sandbox.Phase}
	}
	return browse.Source{PostgreSQL: cr.PostgreSQL, Databases: cr.Databases}, nil
}

// Credentials are what a user needs to reach into the sandbox.
func (s *Supervisor) Credentials() sandbox.Credentials {
	l := s.layout()
	return sandbox.Credentials{
		REST: sandbox.RESTCredentials{
			URL: l.endpoints().REST, Login: s.secrets.AdminLogin, Password: s.secrets.AdminPassword,
			Authority: s.secrets.Authority.Certificate,
		},
		PostgreSQL: sandbox.PostgresCredentials{
			Host: port.Host, Port: l.ports[nodePostgres+"/"+portSQL], User: superuser, Password: s.secrets.Postgres,
		},
		Databases: maps.Clone(l.access.databases), Kafka: l.endpoints().Kafka,
	}
}

func (s *Supervisor) layout() (l layout) {
	if !s.loop.ask(func() { l = s.loop.state.layout }) {
		return s.loop.state.layout
	}
	return l
}

// NodeConfig is the configuration of a node, with secrets masked: what a worker is started with, or what a server says of
// itself.
func (s *Supervisor) NodeConfig(ctx context.Context, name string) (sandbox.NodeConfig, error) {
	found := sandbox.NodeConfig{Node: name, Settings: []sandbox.Setting{}}
	var spec *sandbox.NodeSpec
	var names []string
	s.loop.ask(func() {
		names = s.loop.state.order()
		if u, ok := s.loop.state.unit(name); ok {
			spec = u.spec
		}
	})
	if spec == nil {
		return found, &sandbox.UnknownNodeError{Node: name, Known: names}
	}
	var err error
	switch spec.Kind {
	case sandbox.PostgreSQL:
		found.Settings, err = s.observers.browser.Settings(ctx)
	case sandbox.Kafka:
		found.Settings, err = topology.BrokerSettings(s.source(), name)
	default:
		found.Settings, err = mask.Settings(spec.Files[fileBoot], "boot")
	}
	if err != nil {
		return found, fmt.Errorf("read the configuration of %s: %w", name, err)
	}
	return found, nil
}

// supervisorNode is the name under which the supervisor's own log is read.
const supervisorNode = "supervisor"

// OwnLog is the log of the sandbox's supervisor.
func OwnLog(d sandbox.Dir) logs.File { return logs.File{Path: d.SupervisorLog(), Kept: 1} }

// Logs says where the logs are: of all nodes, and of the supervisor itself.
func (s *Supervisor) Logs() logs.Config {
	return logs.Config{
		Nodes: func() []sandbox.Node { return append(s.Snapshot().Nodes, sandbox.Node{Name: supervisorNode}) },
		Open: func(ctx context.Context, node string, tail int, follow bool) (io.ReadCloser, error) {
			if node == supervisorNode {
				return OwnLog(s.config.Dir).Open(ctx, tail, follow)
			}
			return s.config.Runtime.Logs(ctx, node, tail, follow)
		},
	}
}
