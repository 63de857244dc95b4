package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cordage-sandbox/cordage/workers/keys"
)

// Names of connections that bootstrap makes. Source: Corda 5.0.
const (
	ConnectionRBAC         = "corda-rbac"          // DML
	ConnectionCrypto       = "corda-crypto"        // DML
	ConnectionVirtualNodes = "corda-virtual-nodes" // DDL
)

// Privilege is what a connection's user may do: change tables, or only their rows.
type Privilege string

const (
	DDL Privilege = "DDL"
	DML Privilege = "DML"
)

// NoConnectionError tells that the config database has no such connection.
type NoConnectionError struct{ Wanted string }

func (e *NoConnectionError) Error() string {
	return fmt.Sprintf("there is no row for the %s in the config database's table db_connection", e.Wanted)
}

const (
	// nodeConnections bounds the open connections of one worker to the databases of all virtual nodes, so that several
	// workers with hundreds of nodes stay below PostgreSQL's max_connections.
	nodeConnections = 24
	// nodePoolUnused is how long the pool of a node that nobody asks for is kept.
	nodePoolUnused = 5 * time.Minute
)

// Connections finds connections in the config database and keeps a pool for each. Safe for concurrent use.
//
// A pool of a virtual node is closed after it has not been asked for, and has had no open connection, for some minutes:
// ask for it each time, and do not keep it.
type Connections struct {
	config  *pgxpool.Pool
	secrets *keys.Secrets
	app     string
	limit   *limiter
	unused  time.Duration

	mu     sync.Mutex
	pools  map[poolKey]*openedPool
	closed bool
}

type poolKey struct {
	id        string // of a node's connection; or
	name      string // of one of the cluster's
	privilege Privilege
}

func (k poolKey) String() string {
	if k.id != "" {
		return "connection with id " + k.id
	}
	return fmt.Sprintf("connection %s with privilege %s", k.name, k.privilege)
}

type openedPool struct {
	once sync.Mutex // held while the pool is opened
	pool *pgxpool.Pool
	used time.Time
}

// NewConnections uses config, whose search path is the config schema, to find connections. Sessions are named app.
func NewConnections(config *pgxpool.Pool, s *keys.Secrets, app string) *Connections {
	return newConnections(config, s, app, nodeConnections, nodePoolUnused)
}

func newConnections(config *pgxpool.Pool, s *keys.Secrets, app string, limit int, unused time.Duration) *Connections {
	return &Connections{config: config, secrets: s, app: app, limit: newLimiter(limit), unused: unused, pools: map[poolKey]*openedPool{}}
}

// Named is the pool of a connection of the cluster, such as [ConnectionRBAC].
// The error is a *[NoConnectionError] if there is none.
func (c *Connections) Named(ctx context.Context, name string, p Privilege) (*pgxpool.Pool, error) {
	return c.pool(ctx, poolKey{name: name, privilege: p})
}

// ByID is the pool of a virtual node's connection.
// The error is a *[NoConnectionError] if there is none.
func (c *Connections) ByID(ctx context.Context, id string) (*pgxpool.Pool, error) {
	return c.pool(ctx, poolKey{id: id})
}

// ConnectionNamed reads a connection of the cluster.
// The error is a *[NoConnectionError] if there is none.
func (c *Connections) ConnectionNamed(ctx context.Context, name string, p Privilege) (Connection, error) {
	return c.read(ctx, poolKey{name: name, privilege: p})
}

// ConnectionByID reads a virtual node's connection.
// The error is a *[NoConnectionError] if there is none.
func (c *Connections) ConnectionByID(ctx context.Context, id string) (Connection, error) {
	return c.read(ctx, poolKey{id: id})
}

func (c *Connections) read(ctx context.Context, key poolKey) (Connection, error) {
	var text string
	err := c.config.QueryRow(ctx, `SELECT config FROM db_connection
		WHERE connection_id::text = $1 OR connection_name = $2 AND privilege = $3`,
		key.id, key.name, string(key.privilege)).Scan(&text)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Connection{}, &NoConnectionError{Wanted: key.String()}
	case err != nil:
		return Connection{}, fmt.Errorf("read the %v: %w", key, err)
	}
	found, err := ParseConnection(text, c.secrets)
	if err != nil {
		return Connection{}, fmt.Errorf("%v: %w", key, err)
	}
	return found, nil
}

// errClosed tells that [Connections.Close] was called.
var errClosed = errors.New("the connections are closed")

func (c *Connections) pool(ctx context.Context, key poolKey) (*pgxpool.Pool, error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, errClosed
	}
	now := time.Now()
	unused := c.takeUnused(now)
	entry := c.pools[key]
	if entry == nil {
		entry = &openedPool{}
		c.pools[key] = entry
	}
	entry.used = now
	c.mu.Unlock()
	for _, p := range unused {
		p.Close() // has no connections, so does not wait
	}

	entry.once.Lock() // one caller opens the pool, the others wait for it
	defer entry.once.Unlock()
	if entry.pool != nil {
		return entry.pool, nil
	}
	pool, err := c.open(ctx, key)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		pool.Close()
		return nil, errClosed
	}
	entry.pool = pool
	return pool, nil
}

// takeUnused takes the pools out that are to be closed. The caller holds c.mu.
func (c *Connections) takeUnused(now time.Time) []*pgxpool.Pool {
	var out []*pgxpool.Pool
	for key, entry := range c.pools {
		if key.id == "" || now.Sub(entry.used) < c.unused || !entry.once.TryLock() {
			continue
		}
		switch {
		case entry.pool == nil:
			delete(c.pools, key)
		case entry.pool.Stat().TotalConns() == 0:
			out = append(out, entry.pool)
			delete(c.pools, key)
		}
		entry.once.Unlock()
	}
	return out
}

func (c *Connections) open(ctx context.Context, key poolKey) (*pgxpool.Pool, error) {
	connection, err := c.read(ctx, key)
	if err != nil {
		return nil, err
	}
	config, err := poolConfig(connection, c.app)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", key, err)
	}
	counted(config, counter(c.config))
	if key.id != "" {
		config.MaxConnIdleTime, config.HealthCheckPeriod = nodeIdleTimeout, nodeIdleTimeout/4
		config.MaxConns = min(config.MaxConns, int32(c.limit.size())) //nolint:gosec // small
		config.ConnConfig.DialFunc = c.limit.dialer(config.ConnConfig.DialFunc, c.closeIdle)
	}
	return openPool(context.WithoutCancel(ctx), config)
}

// closeIdle closes one idle connection of a virtual node, of the pool that was asked for least recently, and tells
// whether there was one.
func (c *Connections) closeIdle(ctx context.Context) bool {
	c.mu.Lock()
	var oldest *openedPool
	for key, entry := range c.pools {
		if key.id != "" && entry.pool != nil && entry.pool.Stat().IdleConns() > 0 && (oldest == nil || entry.used.Before(oldest.used)) {
			oldest = entry
		}
	}
	c.mu.Unlock()
	if oldest == nil {
		return false
	}
	found := false
	for _, conn := range oldest.pool.AcquireAllIdle(ctx) {
		if !found {
			found = true
			_ = conn.Conn().Close(ctx) // Release takes it out of the pool
		}
		conn.Release()
	}
	return found
}

// Close closes all pools; it waits until their connections are given back.
func (c *Connections) Close() {
	c.mu.Lock()
	c.closed = true
	pools := c.pools
	c.pools = nil
	c.mu.Unlock()
	for _, entry := range pools {
		entry.once.Lock()
		if entry.pool != nil {
			entry.pool.Close()
		}
		entry.once.Unlock()
	}
}
