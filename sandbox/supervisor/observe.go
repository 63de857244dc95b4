package supervisor

import (
	"context"
	"maps"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/port"
	"github.com/cordage-sandbox/cordage/sandbox/topology"
)

// Topology is what is observed of the sandbox.
func (s *Supervisor) Topology(ctx context.Context) (sandbox.Topology, error) {
	return topology.Observe(ctx, s.source()), nil
}

// Topics lists the topics as the broker has them.
func (s *Supervisor) Topics(ctx context.Context) ([]sandbox.TopicInfo, error) {
	return topology.Topics(ctx, s.source())
}

func (s *Supervisor) source() topology.Source {
	cr := s.Credentials()
	return topology.Source{
		Nodes: s.Snapshot().Nodes, Brokers: cr.Kafka, PostgreSQL: cr.PostgreSQL,
		Names: topology.Names{PostgreSQL: nodePostgres, Kafka: nodeKafka},
	}
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
