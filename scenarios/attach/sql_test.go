package attach

import (
	"testing"

	"github.com/cordage-sandbox/cordage/fixtures/cluster"
	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/reader"
	"github.com/cordage-sandbox/cordage/workers/store"
)

func TestMain(m *testing.M) { cluster.Main(m) }

// TestSQLCannotReachTheMachine has a scenario's query try what a superuser may do in a read-only transaction.
func TestSQLCannotReachTheMachine(t *testing.T) {
	t.Parallel()
	k := cluster.New(t)
	at, err := store.ParseJDBC(k.Result.Config.JDBCURL)
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{
		reader: reader.New(k.Prefix + "reader"),
		credentials: sandbox.Credentials{
			PostgreSQL: sandbox.PostgresCredentials{
				Host: at.Host, Port: at.Port, User: k.Bootstrap.Admin.User, Password: k.Bootstrap.Admin.Password,
			},
			Databases: map[string]sandbox.Database{"rbac": {Database: at.Database, Schema: "rbac"}},
		},
	}
	rows, err := c.SQL(t.Context(), "rbac", "SELECT login_name FROM rbac_user WHERE enabled = $1", []any{true})
	if err != nil || len(rows) != 1 {
		t.Fatalf("rows %v: %v", rows, err)
	}
	for name, query := range map[string]string{
		"runs a program":  "COPY (SELECT 1) TO PROGRAM 'true'",
		"reads a file":    "SELECT pg_read_file('PG_VERSION')",
		"becomes another": "DO $$BEGIN RESET ROLE; COPY (SELECT 1) TO PROGRAM 'true'; END$$",
	} {
		if got, err := c.SQL(t.Context(), "rbac", query, nil); err == nil {
			t.Errorf("a scenario %s: %s gives %v", name, query, got)
		}
	}
}
