package store_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cordage-sandbox/cordage/fixtures/servers"
	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/keys"
	"github.com/cordage-sandbox/cordage/workers/store"
)

func TestMain(m *testing.M) { servers.Main(m, servers.PostgreSQL) }

// superuser is the connection to a database of the test's own.
func superuser(t testing.TB) store.Connection {
	t.Helper()
	c := servers.Database(t)
	return store.Connection{
		JDBCURL: store.JDBC{Host: c.Host, Port: c.Port, Database: c.Database}.String(), User: c.User, Password: c.Password, PoolSize: 10,
	}
}

// to is the same connection with another schema.
func to(t testing.TB, c store.Connection, schema string) store.Connection {
	t.Helper()
	url, err := store.ParseJDBC(c.JDBCURL)
	if err != nil {
		t.Fatal(err)
	}
	url.Schema = schema
	c.JDBCURL = url.String()
	return c
}

func open(t testing.TB, c store.Connection) *pgxpool.Pool {
	t.Helper()
	pool, err := store.Open(t.Context(), c, "test-1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func connect(t testing.TB, c store.Connection) *pgx.Conn {
	t.Helper()
	conn, err := store.Connect(t.Context(), c, "test-1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func run(t testing.TB, db interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}, sql string, args ...any) []string {
	t.Helper()
	rows, err := db.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		text, ok := values[0].(string)
		if !ok {
			t.Fatalf("%s gives %T, want text", sql, values[0])
		}
		out = append(out, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return out
}

func exec(t testing.TB, pool *pgxpool.Pool, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := pool.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func newSecrets(t testing.TB) *keys.Secrets {
	t.Helper()
	s, err := keys.NewSecrets("passphrase", "salt of "+t.Name())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// newHash is that of a node which no other test has.
func newHash() ident.ShortHash {
	var b [6]byte
	_, _ = rand.Read(b[:])
	return ident.ShortHash(strings.ToUpper(hex.EncodeToString(b[:])))
}

func TestSessions(t *testing.T) {
	t.Parallel()
	admin := superuser(t)
	exec(t, open(t, admin), "CREATE SCHEMA config", "CREATE TABLE config.x (at timestamp)")
	pool := open(t, to(t, admin, "CONFIG")) // upper case, as Corda spells it
	at := time.Date(2026, 3, 4, 5, 6, 7, 8000, time.UTC)
	if _, err := pool.Exec(t.Context(), "INSERT INTO x VALUES ($1)", at); err != nil {
		t.Fatalf("the search path does not reach the schema: %v", err)
	}
	var back time.Time
	var app, zone, local string
	if err := pool.QueryRow(t.Context(), "SELECT at, current_setting('application_name'), current_setting('timezone'), at::text FROM x").
		Scan(&back, &app, &zone, &local); err != nil {
		t.Fatal(err)
	}
	if !back.Equal(at) || app != "test-1" || zone != "UTC" || local != "2026-03-04 05:06:07.000008" {
		t.Errorf("time %v (%s), application %q, time zone %q", back, local, app, zone)
	}
}

func TestTx(t *testing.T) {
	t.Parallel()
	pool := open(t, superuser(t))
	exec(t, pool, "CREATE TABLE x (n int)")
	boom := errors.New("boom")
	insert := func(n int, result error) func(pgx.Tx) error {
		return func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), "INSERT INTO x VALUES ($1)", n)
			return errors.Join(err, result)
		}
	}
	if err := store.Tx(t.Context(), pool, insert(1, nil)); err != nil {
		t.Fatal(err)
	}
	if err := store.Tx(t.Context(), pool, insert(2, boom)); !errors.Is(err, boom) {
		t.Fatalf("error = %v, want boom", err)
	}
	if got := run(t, pool, "SELECT n::text FROM x"); len(got) != 1 || got[0] != "1" {
		t.Errorf("rows are %v, want only what was committed", got)
	}
}

// Each error is a real one.
func TestErrors(t *testing.T) {
	t.Parallel()
	admin := superuser(t)
	pool := open(t, admin)
	exec(t, pool, "CREATE TABLE x (n int CONSTRAINT x_pk PRIMARY KEY)", "INSERT INTO x VALUES (1)")
	_, duplicate := pool.Exec(t.Context(), "INSERT INTO x VALUES (1)")
	if !store.IsUniqueViolation(duplicate) || !store.IsUniqueViolation(duplicate, "y", "x_pk") || store.IsUniqueViolation(duplicate, "y") {
		t.Errorf("unique violation is not told by its constraint: %v", duplicate)
	}
	if store.IsUniqueViolation(nil) || store.IsUniqueViolation(errors.New("x")) {
		t.Error("what is no unique violation counts as one")
	}

	conn := connect(t, admin)
	exec(t, pool, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
	_, terminated := conn.Exec(t.Context(), "SELECT 1")
	_, afterwards := conn.Exec(t.Context(), "SELECT 1")

	nobody := admin
	nobody.JDBCURL = store.JDBC{Host: "127.0.0.1", Port: 1, Database: "x"}.String()
	_, refused := store.Connect(t.Context(), nobody, "test")
	stranger := admin
	stranger.Password = "wrong-password"
	_, wrongPassword := store.Connect(t.Context(), stranger, "test")
	_, syntax := pool.Exec(t.Context(), "SELEC")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, cancelled := pool.Exec(ended, "SELECT 1")
	_, tooSlow := connect(t, admin).Exec(t.Context(), "SET statement_timeout = 10; SELECT pg_sleep(10)", pgx.QueryExecModeSimpleProtocol)

	holder := connect(t, admin)
	if _, err := holder.Exec(t.Context(), "BEGIN; LOCK TABLE x", pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	_, locked := connect(t, admin).Exec(t.Context(), "BEGIN; LOCK TABLE x NOWAIT", pgx.QueryExecModeSimpleProtocol)

	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"nothing": {nil, false}, "duplicate": {duplicate, false}, "wrong password": {wrongPassword, false}, "syntax": {syntax, false},
		"cancelled": {cancelled, false}, "statement timeout": {tooSlow, false},
		"terminated": {terminated, true}, "used after it": {afterwards, true}, "refused": {refused, true}, "locked": {locked, true},
	} {
		if (tc.err == nil) != (name == "nothing") || store.IsTransient(tc.err) != tc.want {
			t.Errorf("%s: IsTransient(%v) = %v, want %v", name, tc.err, !tc.want, tc.want)
		}
	}
	if strings.Contains(wrongPassword.Error(), stranger.Password) {
		t.Errorf("the error shows the password: %v", wrongPassword)
	}
}

func TestAwait(t *testing.T) {
	t.Parallel()
	admin := superuser(t)
	if err := store.Await(t.Context(), open(t, admin)); err != nil {
		t.Errorf("a running server: %v", err)
	}

	wrong := admin
	wrong.Password = "wrong"
	if err := store.Await(t.Context(), open(t, wrong)); err == nil || t.Context().Err() != nil {
		t.Errorf("a wrong password: error = %v, want it at once", err)
	}

	nobody := admin
	nobody.JDBCURL = store.JDBC{Host: "127.0.0.1", Port: 1, Database: "x"}.String()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := store.Await(ctx, open(t, nobody))
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("no server: error = %v, want the deadline and the address", err)
	}
}

func TestIdentifiers(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "a\x00b", strings.Repeat("x", 64)} {
		if store.CheckIdent(bad) == nil {
			t.Errorf("CheckIdent(%q) accepts it", bad)
		}
	}
	pool := open(t, superuser(t))
	for _, name := range []string{"plain", "Mixed Case", `a"b`, `"; DROP TABLE x; --`, "ünïcode", strings.Repeat("x", 63), `back\slash`, "$1"} {
		if err := store.CheckIdent(name); err != nil {
			t.Errorf("CheckIdent(%q) = %v", name, err)
		}
		exec(t, pool, "CREATE SCHEMA "+store.QuoteIdent(name))
		if got := run(t, pool, "SELECT nspname::text FROM pg_namespace WHERE nspname = $1", name); len(got) != 1 {
			t.Errorf("schema %q was not made under this name", name)
		}
	}
}
