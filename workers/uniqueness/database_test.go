package uniqueness_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cordage-sandbox/cordage/fixtures/servers"
)

// The tests' own server does not sync to the disk. Benchmarks that shall show durable commits need another one.
var server = flag.String("postgres", "", "`URL` of a PostgreSQL database to use in place of the tests' own server")

func TestMain(m *testing.M) {
	flag.Parse()
	if *server != "" {
		os.Exit(m.Run())
	}
	servers.Main(m, servers.PostgreSQL)
}

var schemas atomic.Int64

// newNode makes a node's uniqueness schema with the tables of its migrations, and a pool of connections that see it.
func newNode(tb testing.TB) *pgxpool.Pool {
	tb.Helper()
	ctx := context.Background()
	schema := fmt.Sprintf("vnode_uniq_%d_%d", os.Getpid(), schemas.Add(1))
	pool := newPool(tb, schema)
	if _, err := pool.Exec(ctx, "CREATE SCHEMA "+pgx.Identifier{schema}.Sanitize()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if _, err := pool.Exec(ctx, "DROP SCHEMA "+pgx.Identifier{schema}.Sanitize()+" CASCADE"); err != nil {
			tb.Error(err)
		}
	})
	files, err := filepath.Glob("../store/migrations/uniqueness/*.sql")
	if err != nil || len(files) == 0 {
		tb.Fatalf("migrations of the uniqueness schema: %v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := pool.Exec(ctx, string(text)); err != nil {
			tb.Fatalf("%s: %v", file, err)
		}
	}
	return pool
}

// newPool connects as superuser, with a search path.
func newPool(tb testing.TB, path string) *pgxpool.Pool {
	tb.Helper()
	url := *server
	if url == "" {
		url = servers.Postgres(tb).URL()
	}
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		tb.Fatal(err)
	}
	config.MaxConns = 4
	config.ConnConfig.RuntimeParams["search_path"] = path
	config.ConnConfig.RuntimeParams["application_name"] = "test " + path
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(pool.Close)
	return pool
}

func applicationOf(pool *pgxpool.Pool) string {
	return pool.Config().ConnConfig.RuntimeParams["application_name"]
}
