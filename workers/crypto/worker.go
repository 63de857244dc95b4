// Package crypto is the crypto worker: it keeps a wrapping key for every tenant, wrapped by the master key, in the soft
// HSM. It reads connections from the config database, writes to crypto databases only, and is the only worker that
// unwraps keys. Only the table of workers may import it.
//
// Signing keys, and with them the topics crypto.ops.rpc and crypto.ops.flow, are not covered yet.
package crypto

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/keys"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/role"
	"github.com/cordage-sandbox/cordage/workers/store"
)

type worker struct {
	env     role.Env
	secrets *keys.Secrets
}

// New makes a crypto worker.
func New(env role.Env) (role.Worker, error) {
	secrets, err := keys.NewSecrets(env.Boot.Secrets.Passphrase, env.Boot.Secrets.Salt)
	if err != nil {
		return nil, fmt.Errorf("crypto worker %s: %w", env.Boot.Node, err)
	}
	return &worker{env, secrets}, nil
}

// Run works until ctx ends. It waits for Kafka and PostgreSQL as long as it takes. It is ready when the cluster's own
// tenants have their wrapping keys; those of virtual nodes that lack one are made while it works.
func (w *worker) Run(ctx context.Context, ready func()) error {
	boot, tel := w.env.Boot, w.env.Telemetry
	config, err := store.Open(ctx, store.Connection{JDBCURL: boot.Database.URL, User: boot.Database.User,
		Password: boot.Database.Password, PoolSize: boot.Database.PoolSize}, boot.Node, store.CountStatements(tel.Metrics))
	if err != nil {
		return fmt.Errorf("config database: %w", err)
	}
	defer config.Close()
	databases := store.NewConnections(config, w.secrets, boot.Node)
	defer databases.Close()

	b, err := bus.Open(ctx, bus.ConfigFrom(w.env))
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("connect to Kafka: %w", err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			tel.Log.Warn("close the connection to Kafka", "error", err)
		}
	}()
	return role.RunAll(ctx, tel.Status, ready, w.components(b, config, databases)...)
}

// components are all that runs in the worker.
func (w *worker) components(b *bus.Bus, config *pgxpool.Pool, databases *store.Connections) []role.Component {
	tel := w.env.Telemetry
	sections := bus.NewCompacted[record.Configuration](b, record.TopicConfig)
	nodes := bus.NewCompacted[record.VirtualNodeInfo](b, record.TopicVirtualNodeInfo)

	masters := newMasterKeys(w.secrets, sections, tel.Status.Component("master key"), tel.Log)
	hsm := &softHSM{databases: databases, masters: masters, nodes: nodes, clock: w.env.Clock, log: tel.Log, metrics: newMetrics(tel.Metrics)}
	tenants := newTenants(hsm, nodes, tel.Log)

	answer := bus.NewResponder(b, record.TopicHSMRegistration, "crypto.hsm.rpc.registration-responder", hsm.register)
	return []role.Component{
		{Name: "config database", Run: store.Watch(config, "config database", tel.Status.Component("config database"))},
		{Name: "config.topic", Run: sections.Run},
		{Name: "virtual.node.info", Run: nodes.Run},
		{Name: "master key", Run: masters.Run},
		{Name: "cluster tenants", Run: tenants.runCluster},
		{Name: "virtual node tenants", Run: tenants.Run},
		{Name: "hsm registration", Run: masters.behind(answer.Run)},
	}
}

// pause waits, and tells whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
