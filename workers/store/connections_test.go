package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/cordage-sandbox/cordage/fixtures/servers"
	"github.com/cordage-sandbox/cordage/workers/keys"
)

// configDatabase is a config schema, and the superuser's connection to it.
func configDatabase(t *testing.T) (*pgxpool.Pool, Connection, *keys.Secrets) {
	t.Helper()
	server := servers.Database(t)
	c := Connection{
		JDBCURL: JDBC{Host: server.Host, Port: server.Port, Database: server.Database, Schema: "CONFIG"}.String(),
		User:    server.User, Password: server.Password, PoolSize: 4,
	}
	pool, err := Open(t.Context(), c, "config")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if _, err := pool.Exec(t.Context(), "CREATE SCHEMA config"); err != nil {
		t.Fatal(err)
	}
	err = pool.AcquireFunc(t.Context(), func(conn *pgxpool.Conn) error { return Migrate(t.Context(), conn.Conn(), FamilyConfig, "config") })
	if err != nil {
		t.Fatal(err)
	}
	s, err := keys.NewSecrets("passphrase", "salt")
	if err != nil {
		t.Fatal(err)
	}
	return pool, c, s
}

func put(t *testing.T, config *pgxpool.Pool, s *keys.Secrets, rows ...ConnectionRow) []string {
	t.Helper()
	var ids []string
	err := Tx(t.Context(), config, func(tx pgx.Tx) (err error) {
		ids, err = PutConnections(t.Context(), tx, s, rows, "tester", time.Now())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func nodeRows(c Connection, n int) []ConnectionRow {
	rows := make([]ConnectionRow, n)
	for i := range rows {
		rows[i] = ConnectionRow{Name: "vnode_" + strconv.Itoa(i), Privilege: DML, Description: "of a test", Connection: c}
	}
	return rows
}

func TestPutConnections(t *testing.T) {
	t.Parallel()
	config, c, s := configDatabase(t)
	rows := nodeRows(c, 3)
	ids := put(t, config, s, rows...)
	rows[1].Connection.Password = "it's \"another\""
	rows = append(rows[1:2], ConnectionRow{Name: "vnode_1", Privilege: DDL, Connection: c})
	again := put(t, config, s, rows...)
	if again[0] != ids[1] || again[1] == ids[1] {
		t.Errorf("ids are %v, then %v; a row that is replaced keeps its id", ids, again)
	}
	var version, audits int
	var text string
	if err := config.QueryRow(t.Context(), `SELECT version, config, (SELECT count(*) FROM db_connection_audit WHERE connection_id = c.connection_id)
		FROM db_connection c WHERE connection_id = $1`, ids[1]).Scan(&version, &text, &audits); err != nil {
		t.Fatal(err)
	}
	found, err := ParseConnection(text, s)
	if err != nil || version != 1 || audits != 2 || found.Password != `it's "another"` {
		t.Errorf("version %d, %d audits, %+v, %v; want version 1 and 2 audits", version, audits, found, err)
	}
}

func TestConnections(t *testing.T) {
	t.Parallel()
	config, c, s := configDatabase(t)
	rbac := ConnectionRow{Name: ConnectionRBAC, Privilege: DML, Connection: c}
	ids := put(t, config, s, append(nodeRows(c, 1), rbac)...)
	connections := NewConnections(config, s, "test-1")
	defer connections.Close()

	named, err := connections.Named(t.Context(), ConnectionRBAC, DML)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := connections.Named(t.Context(), ConnectionRBAC, DML); err != nil || again != named {
		t.Errorf("asked again, there is another pool: %v", err)
	}
	node, err := connections.ByID(t.Context(), ids[0])
	if err != nil || node == named {
		t.Fatalf("pool of a node: %v", err)
	}
	var app string
	if err := node.QueryRow(t.Context(), "SELECT current_setting('application_name')").Scan(&app); err != nil || app != "test-1" {
		t.Errorf("application_name is %q, %v", app, err)
	}
	if found, err := connections.ConnectionByID(t.Context(), ids[0]); err != nil || found != c {
		t.Errorf("ConnectionByID = %+v, %v", found, err)
	}
	if found, err := connections.ConnectionNamed(t.Context(), ConnectionRBAC, DML); err != nil || found != c {
		t.Errorf("ConnectionNamed = %+v, %v", found, err)
	}
	for _, missing := range []func() error{
		func() error { _, err := connections.Named(t.Context(), ConnectionRBAC, DDL); return err },
		func() error { _, err := connections.ByID(t.Context(), uuid.NewString()); return err },
		func() error { _, err := connections.ByID(t.Context(), "' OR true --"); return err },
	} {
		if none := (*NoConnectionError)(nil); !errors.As(missing(), &none) {
			t.Errorf("error = %v, want a NoConnectionError", missing())
		}
	}
	connections.Close()
	if _, err := connections.ByID(t.Context(), ids[0]); !errors.Is(err, errClosed) {
		t.Errorf("after Close: error = %v", err)
	}
}

// Many callers of many nodes share few connections, and all of them get their turn.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	const nodes, limit = 15, 3
	config, c, s := configDatabase(t)
	ids := put(t, config, s, nodeRows(c, nodes)...)
	connections := newConnections(config, s, "bounded", limit, time.Hour)
	defer connections.Close()

	watch, stop := context.WithCancel(t.Context())
	var most int
	var watcher errgroup.Group
	watcher.Go(func() error {
		for watch.Err() == nil {
			var n int
			if err := config.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
				WHERE datname = current_database() AND application_name = 'bounded' AND backend_type = 'client backend'`).Scan(&n); err != nil {
				return err
			}
			most = max(most, n)
		}
		return nil
	})
	var g errgroup.Group
	for worker := range 4 {
		g.Go(func() error {
			for i := range nodes {
				pool, err := connections.ByID(t.Context(), ids[(worker*5+i)%nodes])
				if err != nil {
					return err
				}
				var one int
				if err := pool.QueryRow(t.Context(), "SELECT 1").Scan(&one); err != nil {
					return fmt.Errorf("worker %d, turn %d: %w", worker, i, err)
				}
			}
			return nil
		})
	}
	err := g.Wait()
	stop()
	if err := errors.Join(err, watcher.Wait()); err != nil {
		t.Fatal(err)
	}
	// A server process may outlive its connection for a moment.
	if most == 0 || most > limit+2 {
		t.Errorf("there were %d connections at a time, want at most %d", most, limit)
	}
	if open := len(connections.limit.free); open > limit {
		t.Errorf("%d connections are counted, want at most %d", open, limit)
	}
}

func TestAllConnectionsInUse(t *testing.T) {
	t.Parallel()
	config, c, s := configDatabase(t)
	ids := put(t, config, s, nodeRows(c, 2)...)
	connections := newConnections(config, s, "test", 1, time.Hour)
	defer connections.Close()
	first, err := connections.ByID(t.Context(), ids[0])
	if err != nil {
		t.Fatal(err)
	}
	held, err := first.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := connections.ByID(t.Context(), ids[1])
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := second.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v, want the deadline", err)
	}
	held.Release()
	if err := second.Ping(t.Context()); err != nil {
		t.Errorf("after the other is given back: %v", err)
	}
}

func TestUnusedPoolsAreClosed(t *testing.T) {
	t.Parallel()
	config, c, s := configDatabase(t)
	ids := put(t, config, s, nodeRows(c, 3)...)
	connections := newConnections(config, s, "test", 5, 0) // nothing is kept
	defer connections.Close()
	unused, err := connections.ByID(t.Context(), ids[0])
	if err != nil {
		t.Fatal(err)
	}
	used, err := connections.ByID(t.Context(), ids[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := used.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := connections.ByID(t.Context(), ids[2]); err != nil {
		t.Fatal(err)
	}
	if err := unused.Ping(t.Context()); err == nil {
		t.Error("a pool that nobody used is still open")
	}
	if err := used.Ping(t.Context()); err != nil {
		t.Errorf("a pool with a connection is closed: %v", err)
	}
	if len(connections.pools) != 2 {
		t.Errorf("%d pools are kept, want 2", len(connections.pools))
	}
}
