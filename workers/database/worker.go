// Package database is the database worker: it keeps CPIs and virtual nodes, checks uniqueness, answers for configuration
// and certificates, and brings the bus in line with the database. It is the only worker that writes to the config and
// RBAC databases and that makes databases. Only the table of workers may import it.
package database

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/keys"
	"github.com/cordage-sandbox/cordage/workers/role"
	"github.com/cordage-sandbox/cordage/workers/store"
)

type worker struct {
	env     role.Env
	secrets *keys.Secrets
}

// New makes a database worker.
func New(env role.Env) (role.Worker, error) {
	secrets, err := keys.NewSecrets(env.Boot.Secrets.Passphrase, env.Boot.Secrets.Salt)
	if err != nil {
		return nil, fmt.Errorf("database worker %s: %w", env.Boot.Node, err)
	}
	return &worker{env, secrets}, nil
}

// resources are what the operations of the worker share.
type resources struct {
	env       role.Env
	secrets   *keys.Secrets
	bus       *bus.Bus
	publisher *bus.Publisher
	config    *pgxpool.Pool // the boot connection
	creation  *pgxpool.Pool // the same connection, for those that are held while a virtual node is made
	databases *store.Connections
	rbac      *pgxpool.Pool
	wakes     []chan struct{} // of the reconcilers
}

// Run works until ctx ends. It waits for Kafka and PostgreSQL as long as it takes.
func (w *worker) Run(ctx context.Context, ready func()) error {
	r, err := w.open(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer r.close()
	return role.RunAll(ctx, w.env.Telemetry.Status, ready, r.components()...)
}

// open connects to Kafka and PostgreSQL at the same time.
func (w *worker) open(ctx context.Context) (_ *resources, err error) {
	r := &resources{env: w.env, secrets: w.secrets}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	boot := w.env.Boot
	connection := store.Connection{JDBCURL: boot.Database.URL, User: boot.Database.User, Password: boot.Database.Password, PoolSize: boot.Database.PoolSize}
	counted := store.CountStatements(w.env.Telemetry.Metrics)
	if r.config, err = store.Open(ctx, connection, boot.Node, counted); err != nil {
		return nil, fmt.Errorf("config database: %w", err)
	}
	connection.PoolSize = concurrentCreations
	if r.creation, err = store.Open(ctx, connection, boot.Node, counted); err != nil {
		return nil, fmt.Errorf("config database: %w", err)
	}
	r.databases = store.NewConnections(r.config, w.secrets, boot.Node)

	work, workCtx := errgroup.WithContext(ctx)
	work.Go(func() error {
		b, err := bus.Open(workCtx, bus.ConfigFrom(w.env))
		if err != nil {
			return fmt.Errorf("connect to Kafka: %w", err)
		}
		r.bus = b
		if r.publisher, err = b.NewPublisher(workCtx, "database"); err != nil {
			return fmt.Errorf("make the publisher: %w", err)
		}
		return nil
	})
	work.Go(func() error { return r.connect(workCtx) })
	return r, work.Wait()
}

// connect waits until the config database answers and has its rows, whatever keeps it: it may be down, or not be
// bootstrapped yet.
func (r *resources) connect(ctx context.Context) (err error) {
	mark, log := r.env.Telemetry.Status.Component(databaseComponent), r.env.Telemetry.Log
	mark.Down("connecting")
	for wait := connectFirst; ; wait = min(2*wait, connectLast) {
		if r.rbac, err = r.databases.Named(ctx, store.ConnectionRBAC, store.DML); err == nil {
			return nil
		}
		mark.Down(err.Error())
		log.WarnContext(ctx, "waiting for the config database", "error", err, "again", wait.String())
		if !pause(ctx, wait) {
			return context.Cause(ctx)
		}
	}
}

// Rests between attempts to connect.
const (
	connectFirst = 50 * time.Millisecond
	connectLast  = time.Second
)

// pause waits, and tells whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool { return pauseUntil(ctx, d, nil) }

// pauseUntil waits until d is over or something comes on wake, and tells whether ctx goes on.
func pauseUntil(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-wake:
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *resources) close() {
	if r.publisher != nil {
		if err := r.publisher.Close(); err != nil {
			r.env.Telemetry.Log.Warn("close the publisher", "error", err)
		}
	}
	if r.bus != nil {
		if err := r.bus.Close(); err != nil {
			r.env.Telemetry.Log.Warn("close the connection to Kafka", "error", err)
		}
	}
	if r.databases != nil {
		r.databases.Close()
	}
	for _, pool := range []*pgxpool.Pool{r.creation, r.config} {
		if pool != nil {
			pool.Close()
		}
	}
}

// databaseComponent is the component that shows whether the config database answers.
const databaseComponent = "database"
