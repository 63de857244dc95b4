package store_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/cordage-sandbox/cordage/workers/store"
)

var update = flag.Bool("update", false, "write testdata/tables anew") //nolint:gochecknoglobals // a flag

// describe lists columns, constraints, indexes and sequences of a schema, one a line.
const describe = `
SELECT format('%s.%s %s%s%s%s', table_name, column_name,
	CASE data_type WHEN 'character varying' THEN 'varchar' || character_maximum_length WHEN 'character' THEN 'char' || character_maximum_length
		WHEN 'timestamp without time zone' THEN 'timestamp' ELSE data_type END,
	CASE is_identity WHEN 'YES' THEN ' identity' ELSE '' END,
	CASE is_nullable WHEN 'YES' THEN ' null' ELSE '' END, ' default ' || lower(column_default))
FROM (SELECT * FROM information_schema.columns WHERE table_schema = $1 ORDER BY table_name, ordinal_position) c
UNION ALL
SELECT * FROM (SELECT format('%s %s %s', rel.relname, quote_ident(conname), replace(pg_get_constraintdef(con.oid), quote_ident($1::text) || '.', ''))
	FROM pg_constraint con JOIN pg_class rel ON rel.oid = conrelid WHERE connamespace = quote_ident($1::text)::regnamespace ORDER BY relname, contype DESC, conname) k
UNION ALL
SELECT * FROM (SELECT replace(indexdef, quote_ident($1::text) || '.', '') FROM pg_indexes WHERE schemaname = $1
	AND NOT EXISTS (SELECT FROM pg_constraint WHERE conname = indexname AND connamespace = quote_ident($1::text)::regnamespace) ORDER BY tablename, indexname) i
UNION ALL
SELECT * FROM (SELECT 'sequence ' || sequencename FROM pg_sequences WHERE schemaname = $1 ORDER BY sequencename) s`

// The files in testdata/tables were compared, column by column, with a description of Corda 5.0's tables as they are in
// PostgreSQL 14.4. The one difference: where Corda has a large object (oid), they have bytea.
func TestTables(t *testing.T) {
	t.Parallel()
	pool := open(t, superuser(t))
	for _, f := range store.Families() {
		schema := "of_" + string(f)
		exec(t, pool, "CREATE SCHEMA "+schema)
		migrate(t, pool.Config().ConnConfig, f, schema)
		got := strings.Join(run(t, pool, describe, schema), "\n") + "\n"
		file := filepath.Join("testdata", "tables", string(f)+".txt")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
			t.Errorf("%s tables differ from %s (- want, + got):\n%s", f, file, diff)
		}
	}
}

func migrate(t testing.TB, c *pgx.ConnConfig, f store.Family, schema string) {
	t.Helper()
	if err := tryMigrate(t, c, f, schema); err != nil {
		t.Fatal(err)
	}
}

func tryMigrate(t testing.TB, c *pgx.ConnConfig, f store.Family, schema string) error {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), c.Copy())
	if err != nil {
		return err
	}
	defer conn.Close(t.Context())
	if err := store.Migrate(t.Context(), conn, f, schema); err != nil {
		if status := conn.PgConn().TxStatus(); status != 'I' {
			return fmt.Errorf("%w, and the transaction is left open: %c", err, status)
		}
		return err
	}
	return nil
}

func TestMigrateTogetherAndAgain(t *testing.T) {
	t.Parallel()
	pool := open(t, superuser(t))
	const schema = `odd "schema'; DROP SCHEMA public --`
	exec(t, pool, "CREATE SCHEMA "+store.QuoteIdent(schema))
	var g errgroup.Group
	for range 8 {
		g.Go(func() error { return tryMigrate(t, pool.Config().ConnConfig, store.FamilyConfig, schema) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	table := store.QuoteIdent(schema) + ".databasechangelog"
	if got := run(t, pool, "SELECT id || ' ' || orderexecuted FROM "+table+" ORDER BY orderexecuted"); len(got) != 5 || got[0] != "001_config-creation-v1.0 1" {
		t.Errorf("applied are %v, want each of the five files once", got)
	}
	if got := run(t, pool, "SELECT section FROM "+store.QuoteIdent(schema)+".config WHERE version = 0 AND config = '' AND NOT is_deleted"); len(got) != 10 {
		t.Errorf("the first sections are %v, want ten", got)
	}
	if got := run(t, pool, "SELECT nspname::text FROM pg_namespace WHERE nspname = 'public'"); len(got) != 1 {
		t.Error("schema public is gone")
	}
}

func TestMigrateRefusesForeignTables(t *testing.T) {
	t.Parallel()
	pool := open(t, superuser(t))
	config := pool.Config().ConnConfig
	for name, tc := range map[string]struct{ change, want string }{
		"later":   {"INSERT INTO later.databasechangelog SELECT '999_x', author, filename, dateexecuted, 999, exectype, md5sum FROM later.databasechangelog LIMIT 1", "later version"},
		"changed": {"UPDATE changed.databasechangelog SET md5sum = '1:0'", "different content"},
	} {
		exec(t, pool, "CREATE SCHEMA "+name)
		migrate(t, config, store.FamilyUniqueness, name)
		exec(t, pool, tc.change)
		var refused *store.MigrationError
		err := tryMigrate(t, config, store.FamilyUniqueness, name)
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), tc.want) || refused.Hint() == "" {
			t.Errorf("%s: error = %v, want a MigrationError saying %q", name, err, tc.want)
		}
	}
	// Rows of others, such as a CorDapp's change logs, are theirs.
	exec(t, pool, "CREATE SCHEMA shared")
	migrate(t, config, store.FamilyUniqueness, "shared")
	exec(t, pool, "INSERT INTO shared.databasechangelog SELECT 'x', 'a developer', filename, dateexecuted, 999, exectype, md5sum FROM shared.databasechangelog LIMIT 1")
	migrate(t, config, store.FamilyUniqueness, "shared")
}

func TestMigrateRollsBack(t *testing.T) {
	t.Parallel()
	pool := open(t, superuser(t))
	config := pool.Config().ConnConfig
	exec(t, pool, "CREATE SCHEMA s", "CREATE TABLE s.uniqueness_rejected_txs (x int)")
	if err := tryMigrate(t, config, store.FamilyUniqueness, "s"); err == nil || !strings.Contains(err.Error(), "uniqueness_rejected_txs") {
		t.Errorf("error = %v, want it to name the table that is in the way", err)
	}
	if got := run(t, pool, "SELECT tablename::text FROM pg_tables WHERE schemaname = 's'"); len(got) != 1 {
		t.Errorf("tables are %v, want only what was there before", got)
	}
	exec(t, pool, "DROP TABLE s.uniqueness_rejected_txs")
	migrate(t, config, store.FamilyUniqueness, "s")

	if err := tryMigrate(t, config, store.FamilyVault, "missing"); err == nil {
		t.Error("a schema that does not exist is migrated")
	}
	if err := tryMigrate(t, config, "other", "s"); err == nil {
		t.Error("a family that does not exist is migrated")
	}
	if err := tryMigrate(t, config, store.FamilyVault, ""); err == nil {
		t.Error("a schema without a name is migrated")
	}
}
