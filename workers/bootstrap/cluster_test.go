package bootstrap

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cordage-sandbox/cordage/fixtures/servers"
	"github.com/cordage-sandbox/cordage/workers/keys"
	"github.com/cordage-sandbox/cordage/workers/role"
	"github.com/cordage-sandbox/cordage/workers/store"
)

func TestMain(m *testing.M) { servers.Main(m, servers.PostgreSQL) }

// newConfig is that of a cluster of the test's own on the shared server.
func newConfig(t testing.TB, separate bool) Config {
	t.Helper()
	server := servers.Postgres(t)
	name := servers.Unique(t)
	c := Config{
		Admin: store.Connection{JDBCURL: store.JDBC{Host: server.Host, Port: server.Port, Database: server.Database}.String(), User: server.User, Password: server.Password},
		Host:  server.Host, Port: server.Port, Separate: separate,
		Secrets: role.SecretsBoot{Passphrase: "passphrase", Salt: "salt"}, MasterPassphrase: "master-passphrase-in-clear", MasterSalt: "master-salt-in-clear",
		AdminLogin: "admin", AdminPassword: "password-in-clear", Passwords: NewPasswords(), Now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Prefix: "b" + name[len(name)-10:] + "_",
	}
	t.Cleanup(func() {
		conn := admin(t, c)
		for _, database := range c.layout().databases() {
			if _, err := conn.Exec(context.Background(), "DROP DATABASE IF EXISTS "+store.QuoteIdent(database)+" WITH (FORCE)"); err != nil {
				t.Errorf("drop %s: %v", database, err)
			}
		}
		_ = conn.Close(context.Background())
	})
	return c
}

func bootstrap(t testing.TB, c Config) Result {
	t.Helper()
	r, err := Databases(t.Context(), c, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// admin connects as superuser, also after the test.
func admin(t testing.TB, c Config) *pgx.Conn {
	t.Helper()
	conn, err := store.Connect(context.Background(), c.Admin, "test")
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// super connects as superuser to one of the cluster's databases.
func super(t testing.TB, c Config, database string) *pgx.Conn {
	t.Helper()
	url, err := store.ParseJDBC(c.Admin.JDBCURL)
	if err != nil {
		t.Fatal(err)
	}
	url.Database = database
	return connect(t, store.Connection{JDBCURL: url.String(), User: c.Admin.User, Password: c.Admin.Password})
}

func connect(t testing.TB, c store.Connection) *pgx.Conn {
	t.Helper()
	conn, err := store.Connect(t.Context(), c, "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func query(t testing.TB, conn *pgx.Conn, sql string, args ...any) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return out
}

func exec(t testing.TB, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// snapshot is all that a bootstrap makes, without what is random: ids, salts, and the encrypted form of secrets.
func snapshot(t testing.TB, c Config) map[string][]string {
	t.Helper()
	l := c.layout()
	s := map[string][]string{"roles": query(t, super(t, c, l.nodes),
		`SELECT format('%s login %s, createrole %s, superuser %s, createdb %s, password %s', rolname, rolcanlogin, rolcreaterole, rolsuper, rolcreatedb, rolpassword IS NOT NULL)
		FROM pg_authid WHERE rolname LIKE $1 || '%' ORDER BY 1`, c.Prefix)}
	for _, database := range l.databases() {
		conn := super(t, c, database)
		s["tables of "+database] = query(t, conn, `SELECT format('%s.%s of %s', schemaname, tablename, tableowner) FROM pg_tables
			WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1`)
		s["rights in "+database] = rightsIn(t, conn)
	}
	conn := super(t, c, l.config)
	s["sections"] = query(t, conn, `SELECT format('%s version %s of %s: %s', section, version, update_actor, config <> '') FROM config.config ORDER BY 1`)
	s["connections"] = connectionsOf(t, c, conn)
	conn = super(t, c, l.rbac)
	s["users"] = query(t, conn, `SELECT format('%s %s %s %s', login_name, full_name, enabled, r.name) FROM rbac.rbac_user u
		JOIN rbac.rbac_role_user_rel l ON l.user_id = u.id JOIN rbac.rbac_role r ON r.id = l.role_id ORDER BY 1`)
	s["permissions"] = query(t, conn, `SELECT format('%s: %s %s', r.name, perm_type, perm_string) FROM rbac.rbac_role r
		JOIN rbac.rbac_role_perm_rel l ON l.role_id = r.id JOIN rbac.rbac_perm p ON p.id = l.perm_id ORDER BY 1`)
	s["audits"] = query(t, conn, `SELECT format('%s × %s by %s: %s', count(*), change_type, actor_user, details) FROM rbac.rbac_change_audit
		GROUP BY change_type, actor_user, details ORDER BY 1`)
	return s
}

func connectionsOf(t testing.TB, c Config, conn *pgx.Conn) []string {
	t.Helper()
	secrets, err := keys.NewSecrets(c.Secrets.Passphrase, c.Secrets.Salt)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := conn.Query(t.Context(), "SELECT connection_name, privilege, version, config FROM config.db_connection ORDER BY 1")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	var name, privilege, text string
	var version int
	_, err = pgx.ForEachRow(rows, []any{&name, &privilege, &version, &text}, func() error {
		found, err := store.ParseConnection(text, secrets)
		out = append(out, fmt.Sprintf("%s %s version %d: %v with %s, pool %d", name, privilege, version, found, found.Password, found.PoolSize))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// renamed puts another prefix into a snapshot.
func renamed(s map[string][]string, from, to string) map[string][]string {
	out := map[string][]string{}
	for key, lines := range s {
		for i := range lines {
			lines[i] = strings.ReplaceAll(lines[i], from, to)
		}
		out[strings.ReplaceAll(key, from, to)] = lines
	}
	return out
}
