package bootstrap

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cordage-sandbox/cordage/workers/store"
)

// rightsIn lists every right that anybody but the owner has on the database, its schemas, tables and sequences, besides
// the catalogue's.
func rightsIn(t testing.TB, conn *pgx.Conn) []string {
	t.Helper()
	return query(t, conn, `
	WITH acls AS (
		SELECT 'DATABASE' AS kind, '' AS name, coalesce(datacl, acldefault('d', datdba)) AS acl, datdba AS owner FROM pg_database WHERE datname = current_database()
		UNION ALL SELECT 'SCHEMA', nspname, coalesce(nspacl, acldefault('n', nspowner)), nspowner FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)'
		UNION ALL SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, nspname || '.' || relname,
			coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)), relowner
			FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname !~ '^(pg_|information_schema)' AND relkind IN ('r', 'S', 'v', 'm', 'f', 'p')
		UNION ALL SELECT 'DEFAULT', defaclobjtype::text, defaclacl, defaclrole FROM pg_default_acl
	)
	SELECT format('%s on %s %s to %s', privilege_type, kind, name, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END)
	FROM acls, aclexplode(acl) WHERE grantee <> owner ORDER BY 1`)
}

// The rights in the database are those in the table, and no others.
func checkGrants(t *testing.T, c Config) {
	t.Helper()
	l := c.layout()
	for _, database := range l.databases() {
		conn := super(t, c, database)
		want := []string{"USAGE on SCHEMA public to PUBLIC"}
		if database == l.nodes {
			want = append(want, "CONNECT on DATABASE  to PUBLIC")
		}
		for _, g := range grants() {
			if l.database(g.schema) != database {
				continue
			}
			for _, object := range objectsOf(t, conn, g) {
				for _, p := range g.privileges {
					want = append(want, fmt.Sprintf("%s on %s to %s", p, object, c.Prefix+g.role))
				}
			}
		}
		slices.Sort(want)
		got := rightsIn(t, conn)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("rights in %s (- the table, + the database):\n%s", database, diff)
		}
	}
	if members := query(t, super(t, c, l.nodes), `SELECT format('%s of %s', member::regrole, roleid::regrole) FROM pg_auth_members
		WHERE member::regrole::text LIKE $1 || '%' OR roleid::regrole::text LIKE $1 || '%'`, c.Prefix); len(members) > 0 {
		t.Errorf("there are memberships: %v", members)
	}
}

func objectsOf(t *testing.T, conn *pgx.Conn, g grant) []string {
	t.Helper()
	switch g.on {
	case onDatabase:
		return []string{"DATABASE "}
	case onSchema:
		return []string{"SCHEMA " + g.schema}
	case onTable:
		return []string{"TABLE " + g.schema + "." + g.table}
	case onTables:
		return query(t, conn, "SELECT 'TABLE ' || schemaname || '.' || tablename FROM pg_tables WHERE schemaname = $1", g.schema)
	default:
		return query(t, conn, "SELECT 'SEQUENCE ' || schemaname || '.' || sequencename FROM pg_sequences WHERE schemaname = $1", g.schema)
	}
}

func checkUsers(t *testing.T, r Result) {
	t.Helper()
	ddl := []string{
		"CREATE SCHEMA x", "CREATE TABLE public.x (n int)", "CREATE TEMPORARY TABLE x (n int)", "CREATE ROLE x", "CREATE DATABASE x",
		"COPY (SELECT 1) TO PROGRAM 'true'", "SELECT pg_read_file('/etc/passwd')", "SELECT rolpassword FROM pg_authid", "BEGIN; LOCK pg_class",
	}
	for name, tc := range map[string]struct {
		as                 store.Connection
		allowed, forbidden []string
	}{
		"config_reader": {r.ConfigReader,
			[]string{"SELECT * FROM db_connection", "SELECT config FROM config.db_connection WHERE connection_name = 'corda-crypto'"},
			append([]string{
				"INSERT INTO db_connection SELECT * FROM db_connection", "UPDATE db_connection SET version = 1", "DELETE FROM db_connection",
				"TRUNCATE db_connection", "SELECT * FROM db_connection FOR UPDATE", "BEGIN; LOCK db_connection", "DROP TABLE db_connection",
				"SELECT * FROM config", "SELECT * FROM db_connection_audit", "SELECT * FROM virtual_node", "SELECT * FROM databasechangelog",
				"SELECT nextval('config_audit_id_seq')", "SELECT * FROM rbac.rbac_user", "SELECT * FROM crypto.crypto_wrapping_key",
			}, ddl...)},
		"config_user": {r.Config,
			[]string{"SELECT * FROM config", "UPDATE config SET version = version", "SELECT nextval('db_connection_audit_id_seq')", "DELETE FROM file_upload"},
			append([]string{"TRUNCATE config", "ALTER TABLE config ADD x int", "CREATE TABLE config.x (n int)", "DROP TABLE config", "SELECT * FROM rbac.rbac_user",
				"SELECT * FROM crypto.crypto_wrapping_key"}, ddl...)},
		"rbac_user": {r.RBAC,
			[]string{"SELECT * FROM rbac_user", "UPDATE rbac_user SET version = version"},
			append([]string{"SELECT * FROM config.db_connection", "SELECT * FROM config.config", "CREATE TABLE rbac.x (n int)", "SELECT * FROM crypto.crypto_signing_key"}, ddl...)},
		"crypto_user": {r.Crypto,
			[]string{"SELECT * FROM crypto_wrapping_key", "DELETE FROM crypto_wrapping_key"},
			append([]string{"SELECT * FROM config.db_connection", "SELECT * FROM rbac.rbac_user", "CREATE TABLE crypto.x (n int)"}, ddl...)},
		"vnode_admin": {r.VirtualNodes, nil,
			[]string{"SELECT * FROM config.db_connection", "SELECT * FROM rbac.rbac_user", "CREATE TABLE config.x (n int)", "CREATE TABLE public.x (n int)", "CREATE DATABASE x",
				"SELECT rolpassword FROM pg_authid", "ALTER ROLE postgres PASSWORD 'x'", "CREATE ROLE x SUPERUSER"}},
	} {
		t.Run(name, func(t *testing.T) {
			conn := connect(t, tc.as)
			for _, sql := range tc.allowed {
				if _, err := conn.Exec(t.Context(), sql); err != nil {
					t.Errorf("%s cannot %s: %v", name, sql, err)
				}
			}
			for _, sql := range tc.forbidden {
				_, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
				var pg *pgconn.PgError
				if !errors.As(err, &pg) || pg.Code != "42501" || strings.Contains(pg.Message, "syntax") {
					t.Errorf("%s: %s gives %v, want that it is denied", name, sql, err)
				}
				exec(t, conn, "ROLLBACK")
			}
		})
	}
}

// With separate databases, each user reaches its own and no other.
func checkClosed(t *testing.T, c Config, r Result) {
	t.Helper()
	for _, user := range []store.Connection{r.Config, r.ConfigReader, r.RBAC, r.Crypto, r.VirtualNodes} {
		own, err := store.ParseJDBC(user.JDBCURL)
		if err != nil {
			t.Fatal(err)
		}
		for _, database := range c.layout().databases() {
			if database == own.Database || database == c.layout().nodes {
				continue
			}
			other := own
			other.Database = database
			_, err := store.Connect(t.Context(), store.Connection{JDBCURL: other.String(), User: user.User, Password: user.Password}, "test")
			var pg *pgconn.PgError
			if !errors.As(err, &pg) || pg.Code != "42501" {
				t.Errorf("%s connecting to %s gives %v, want that it is denied", user.User, database, err)
			}
		}
	}
}

// The table in docs/databases.md is this package's.
func TestDocumentedGrants(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/databases.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, begins := strings.Cut(string(text), "<!-- grants:")
	part, _, ends := strings.Cut(after, "<!-- end of grants -->")
	if !begins || !ends {
		t.Fatal("docs/databases.md has no table between the marks of grants")
	}
	var documented, want []string
	for line := range strings.Lines(part) {
		if strings.HasPrefix(line, "| `") {
			documented = append(documented, strings.TrimSpace(line))
		}
	}
	for _, g := range grants() {
		on := map[objects]string{
			onDatabase: "its database", onSchema: "schema " + g.schema, onTable: "table " + g.schema + "." + g.table,
			onTables: "all tables in schema " + g.schema, onSequences: "all sequences in schema " + g.schema,
		}[g.on]
		want = append(want, fmt.Sprintf("| `%s` | %s on %s |", g.role, strings.Join(g.privileges, ", "), on))
	}
	if diff := cmp.Diff(want, documented); diff != "" {
		t.Errorf("docs/databases.md differs (- want, + got):\n%s", diff)
	}
}
