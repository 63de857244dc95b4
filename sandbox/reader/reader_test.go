package reader_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/cordage-sandbox/cordage/fixtures/cluster"
	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/reader"
	"github.com/cordage-sandbox/cordage/workers/store"
)

func TestMain(m *testing.M) { cluster.Main(m) }

// place is a cluster, and the role that reads it.
type place struct {
	*cluster.Cluster
	server   reader.Server
	database string
	role     string
}

func newPlace(t *testing.T) place {
	t.Helper()
	c := cluster.New(t)
	at, err := store.ParseJDBC(c.Result.Config.JDBCURL)
	if err != nil {
		t.Fatal(err)
	}
	return place{c, reader.Server{
		PostgreSQL: sandbox.PostgresCredentials{
			Host: at.Host, Port: at.Port, User: c.Bootstrap.Admin.User, Password: c.Bootstrap.Admin.Password,
		},
		Databases: []string{at.Database},
	}, at.Database, c.Prefix + "reader"}
}

func (p place) connect(ctx context.Context, r *reader.Reader) (*pgx.Conn, error) {
	return r.Connect(ctx, p.server, p.database, map[string]string{"search_path": "config"})
}

// TestReadsAndNothingElse has the role try what a superuser may do in a read-only transaction, and what it may do after it
// has set that mode back.
func TestReadsAndNothingElse(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	conn, err := p.connect(t.Context(), reader.New(p.role))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	var n int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM db_connection").Scan(&n); err != nil || n == 0 {
		t.Errorf("it reads %d connections: %v", n, err)
	}
	if _, err := conn.Exec(t.Context(), "DELETE FROM db_connection"); err == nil {
		t.Error("a session may change rows from its beginning")
	}
	if _, err := conn.Exec(t.Context(), "SET default_transaction_read_only = off"); err != nil {
		t.Fatal(err)
	}
	for name, statement := range map[string]string{
		"run a program":        "COPY (SELECT 1) TO PROGRAM 'true'",
		"read a file":          "SELECT pg_read_file('PG_VERSION')",
		"write a file":         "COPY (SELECT 1) TO '/tmp/cordage-reader-test'",
		"delete":               "DELETE FROM db_connection",
		"make a table":         "CREATE TABLE t (n int)",
		"make a passing table": "CREATE TEMPORARY TABLE t (n int)",
		"be somebody else":     "SET SESSION AUTHORIZATION " + p.server.PostgreSQL.User,
		"take a role":          "GRANT pg_execute_server_program TO " + store.QuoteIdent(p.role),
	} {
		if _, err := conn.Exec(t.Context(), statement); err == nil {
			t.Errorf("it may %s: %s", name, statement)
		}
	}
}

// TestSeveralReaders is the supervisor and scenarios on one sandbox: each makes the role if it is the first, and none shuts
// out another.
func TestSeveralReaders(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	readers := make([]*reader.Reader, 4)
	for i := range readers {
		readers[i] = reader.New(p.role)
	}
	super := p.Superuser(t)
	for range 2 { // the second time after somebody else has changed the password
		g, ctx := errgroup.WithContext(t.Context())
		for _, r := range readers {
			g.Go(func() error {
				conn, err := p.connect(ctx, r)
				if err != nil {
					return err
				}
				return conn.Close(ctx)
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		if _, err := super.Exec(t.Context(), "ALTER ROLE "+store.QuoteIdent(p.role)+" PASSWORD 'another'"); err != nil {
			t.Fatal(err)
		}
	}
}
