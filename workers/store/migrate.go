package store

import (
	"context"
	"crypto/md5" //nolint:gosec // to notice a changed file, not for security
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Family is a set of tables that live in one schema and are migrated together.
type Family string

const (
	FamilyConfig     Family = "config"
	FamilyRBAC       Family = "rbac"
	FamilyCrypto     Family = "crypto" // of the cluster, and of each virtual node
	FamilyVault      Family = "vault"
	FamilyUniqueness Family = "uniqueness"
)

// Families lists all families.
func Families() []Family {
	return []Family{FamilyConfig, FamilyRBAC, FamilyCrypto, FamilyVault, FamilyUniqueness}
}

//go:embed migrations
var migrationFiles embed.FS

// migration is one file migrations/FAMILY/NNN_NAME.sql. A published file is never changed; what follows gets the next
// number.
type migration struct {
	id, file, sum, sql string
	order              int
}

// migrations lists those of a family, in order.
func (f Family) migrations() ([]migration, error) {
	dir := "migrations/" + string(f)
	entries, err := fs.ReadDir(migrationFiles, dir)
	if err != nil {
		return nil, fmt.Errorf("no schema family %q: %w", f, err)
	}
	var out []migration
	for i, e := range entries { // sorted by name
		text, err := migrationFiles.ReadFile(dir + "/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("migration %s: %w", e.Name(), err)
		}
		sum := md5.Sum(text) //nolint:gosec // see above
		id := strings.TrimSuffix(e.Name(), ".sql")
		out = append(out, migration{id: id, file: dir + "/" + e.Name(), sum: "1:" + hex.EncodeToString(sum[:]), sql: string(text), order: i + 1})
	}
	return out, nil
}

// changeLog is the table that records what was applied to a schema. It has the name and shape of Liquibase's, which
// Corda 5.0 uses, so that people and tools find it where they look, and change logs of CorDapps can share it.
const changeLog = `CREATE TABLE IF NOT EXISTS databasechangelog (
	id varchar(255) NOT NULL, author varchar(255) NOT NULL, filename varchar(255) NOT NULL, dateexecuted timestamp NOT NULL,
	orderexecuted integer NOT NULL, exectype varchar(10) NOT NULL, md5sum varchar(35), description varchar(255),
	comments varchar(255), tag varchar(255), liquibase varchar(20), contexts varchar(255), labels varchar(255),
	deployment_id varchar(10));
`

// changeLogAuthor marks Cordage's own rows of the change log.
const changeLogAuthor = "cordage"

// selectApplied lists what was applied to the schema of the search path.
const selectApplied = `SELECT id, coalesce(md5sum, '') FROM databasechangelog WHERE author = '` + changeLogAuthor + `' ORDER BY orderexecuted;
`

// applied is what a schema's change log holds: sums by id.
type applied map[string]string

// MigrationError tells that a schema's tables are not those that this program can bring up to date.
type MigrationError struct {
	Family Family
	Schema string
	ID     string // of the migration
	Why    string
}

func (e *MigrationError) Error() string {
	return fmt.Sprintf("migration %s of schema %s (%s tables) %s", e.ID, e.Schema, e.Family, e.Why)
}

// Hint tells the way out.
func (e *MigrationError) Hint() string {
	return "use the version of Cordage that made this database, or begin anew with: cordage down --purge"
}

// pending lists what is still to be applied.
func (f Family) pending(schema string, done applied) ([]migration, error) {
	all, err := f.migrations()
	if err != nil {
		return nil, err
	}
	for id := range done {
		if !slices.ContainsFunc(all, func(m migration) bool { return m.id == id }) {
			return nil, &MigrationError{f, schema, id, "was applied by a later version of Cordage"}
		}
	}
	var out []migration
	for _, m := range all {
		sum, ok := done[m.id]
		switch {
		case !ok:
			out = append(out, m)
		case sum != m.sum:
			return nil, &MigrationError{f, schema, m.id, "was applied with a different content"}
		}
	}
	return out, nil
}

// script is the SQL that applies migrations to the schema of the search path and records them.
func script(todo []migration) string {
	var b strings.Builder
	for _, m := range todo {
		fmt.Fprintf(&b, "%s;\nINSERT INTO databasechangelog (id, author, filename, dateexecuted, orderexecuted, exectype, md5sum)\n"+
			"VALUES (%s, '%s', %s, CURRENT_TIMESTAMP AT TIME ZONE 'UTC', %d, 'EXECUTED', '%s');\n",
			m.sql, quoteLiteral(m.id), changeLogAuthor, quoteLiteral(m.file), m.order, m.sum)
	}
	return b.String()
}

// lockClass separates Cordage's advisory locks from those of others in the same database.
const lockClass = 0x0c07da6e

// lockSQL waits for the advisory lock of a name; it is held until the transaction ends.
func lockSQL(name string) string {
	return fmt.Sprintf("SELECT pg_advisory_xact_lock(%d, hashtext(%s));\n", lockClass, quoteLiteral(name))
}

// Migrate brings the tables of a schema up to date: two round trips and one transaction, whatever the number of files.
// The schema must exist, and the user of conn owns what is made. Several callers at once wait for each other. A second
// call changes nothing.
//
// The error is a *[MigrationError] if the schema was made by another version of Cordage.
func Migrate(ctx context.Context, conn *pgx.Conn, f Family, schema string) error {
	if err := CheckIdent(schema); err != nil {
		return err
	}
	fail := func(err error) error {
		return fmt.Errorf("migrate schema %s (%s tables): %w", schema, f, errors.Join(err, rollback(ctx, conn)))
	}
	results, err := exec(ctx, conn, "BEGIN;\n"+lockSQL("migrate "+schema)+
		"SET LOCAL client_min_messages = warning;\nSET LOCAL search_path = "+QuoteIdent(schema)+";\n"+changeLog+selectApplied)
	if err != nil {
		return fail(err)
	}
	done := appliedOf(results[len(results)-1])
	todo, err := f.pending(schema, done)
	if err != nil {
		return fail(err)
	}
	if _, err := exec(ctx, conn, script(todo)+"COMMIT;"); err != nil {
		return fail(err)
	}
	return nil
}

func appliedOf(r *pgconn.Result) applied {
	done := applied{}
	for _, row := range r.Rows {
		done[string(row[0])] = string(row[1])
	}
	return done
}

// exec runs several statements in one round trip. Values in results are text.
func exec(ctx context.Context, conn *pgx.Conn, sql string) ([]*pgconn.Result, error) {
	results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, locate(err, sql)
	}
	return results, nil
}

// locate adds the line at which the server found the error.
func locate(err error, sql string) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Position <= 0 {
		return err
	}
	before := []rune(sql)
	before = before[:min(int(pg.Position)-1, len(before))]
	start := strings.LastIndex(string(before), "\n") + 1
	line, _, _ := strings.Cut(sql[start:], "\n")
	if strings.Contains(line, "PASSWORD") {
		return err
	}
	return fmt.Errorf("%w, at: %s", err, strings.TrimSpace(line))
}

// rollback ends a failed transaction, so that the connection can be used again.
func rollback(ctx context.Context, conn *pgx.Conn) error {
	if conn.IsClosed() || conn.PgConn().TxStatus() == 'I' {
		return nil
	}
	if _, err := exec(context.WithoutCancel(ctx), conn, "ROLLBACK"); err != nil {
		return fmt.Errorf("roll back: %w", err)
	}
	return nil
}
