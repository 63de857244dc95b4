package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/keys"
)

// ProvisionNode makes the databases of a virtual node: for each kind a schema, a DDL user that owns the tables, a DML
// user that may only change rows, and the tables. pool and admin are the connection [ConnectionVirtualNodes], whose user
// has CREATE on the database and CREATEROLE. All is made in two transactions (users; schemas and tables), one round trip
// for each. What is there already is kept and completed, so the call can be made again after a crash at any point; the
// same call gives the same connections, also from another worker at the same time.
func ProvisionNode(ctx context.Context, pool *pgxpool.Pool, admin Connection, s *keys.Secrets, h ident.ShortHash, kinds ...NodeKind) ([]NodeDatabase, error) {
	h, err := ident.ParseShortHash(string(h))
	if err != nil {
		return nil, fmt.Errorf("make databases of a virtual node: %w", err)
	}
	dbs := make([]NodeDatabase, len(kinds))
	for i, k := range kinds {
		if dbs[i], err = nodeDatabase(admin, s, h, k); err != nil {
			return nil, fmt.Errorf("make databases of virtual node %s: %w", h, err)
		}
	}
	verifiers, err := nodeVerifiers(dbs)
	if err != nil {
		return nil, fmt.Errorf("make databases of virtual node %s: %w", h, err)
	}
	err = pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		ctx := tracer{database: c.Conn().Config().Database}.begin(ctx, "PROVISION virtual node "+string(h))
		err := provision(ctx, c.Conn(), dbs, verifiers)
		finish(ctx, err)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("make databases of virtual node %s: %w", h, err)
	}
	return dbs, nil
}

// nodeVerifiers computes what PostgreSQL stores for the roles' passwords, by role name.
func nodeVerifiers(dbs []NodeDatabase) (map[string]string, error) {
	verifiers := map[string]string{}
	for _, d := range dbs {
		for _, c := range []Connection{d.DDL, d.DML} {
			v, err := keys.SCRAMVerifierOfRandom(c.Password)
			if err != nil {
				return nil, fmt.Errorf("role %s: %w", c.User, err)
			}
			verifiers[c.User] = v
		}
	}
	return verifiers, nil
}

// provision works under a lock of the node, so that two workers do not make the same one at the same time.
func provision(ctx context.Context, conn *pgx.Conn, dbs []NodeDatabase, verifiers map[string]string) (err error) {
	if len(dbs) == 0 {
		return nil
	}
	present, err := lockAndLook(ctx, conn, dbs)
	if err != nil {
		return errors.Join(err, unlock(ctx, conn))
	}
	tables, err := tablesScript(ctx, conn, dbs, present)
	if err != nil {
		return errors.Join(err, unlock(ctx, conn))
	}
	if _, err := exec(ctx, conn, rolesScript(dbs, verifiers, present)+tables+unlockSQL); err != nil {
		return errors.Join(err, unlock(ctx, conn))
	}
	return nil
}

// unlockSQL gives back the session's lock.
const unlockSQL = "SELECT pg_advisory_unlock_all();"

// unlock ends what failed: the transaction, and the lock. A connection on which that fails is closed by pgx, which ends
// both too.
func unlock(ctx context.Context, conn *pgx.Conn) error {
	if err := rollback(ctx, conn); err != nil || conn.IsClosed() {
		return err
	}
	_, err := exec(context.WithoutCancel(ctx), conn, unlockSQL)
	return err
}

// parts are the names of roles and schemas.
type parts []string

func (p parts) has(name string) bool { return slices.Contains(p, name) }

// lockAndLook waits for the lock of the node and finds what an earlier attempt left behind.
func lockAndLook(ctx context.Context, conn *pgx.Conn, dbs []NodeDatabase) (parts, error) {
	var names []string
	for _, d := range dbs {
		names = append(names, quoteLiteral(d.Schema), quoteLiteral(d.DDL.User), quoteLiteral(d.DML.User))
	}
	list := strings.Join(names, ", ")
	results, err := exec(ctx, conn, fmt.Sprintf(`SELECT pg_advisory_lock(%d, hashtext(%s));
SELECT rolname FROM pg_roles WHERE rolname IN (%s) UNION ALL SELECT nspname FROM pg_namespace WHERE nspname IN (%[3]s);`,
		lockClass, quoteLiteral("virtual node "+string(dbs[0].Hash)), list))
	if err != nil {
		return nil, fmt.Errorf("look for roles and schemas: %w", err)
	}
	var found parts
	for _, row := range results[1].Rows {
		found = append(found, string(row[0]))
	}
	return found, nil
}

// rolesScript is the first transaction. It is apart from the second because granting a role locks PostgreSQL's catalogue
// of memberships until the transaction ends: in one transaction, nodes could only be made one after the other. Its commit
// need not reach the disk before that of the second does.
func rolesScript(dbs []NodeDatabase, verifiers map[string]string, present parts) string {
	var b strings.Builder
	b.WriteString("BEGIN;\nSET LOCAL synchronous_commit = off;\n")
	for _, d := range dbs {
		for _, role := range []string{d.DDL.User, d.DML.User} {
			verb := "CREATE"
			if present.has(role) {
				verb = "ALTER"
			}
			fmt.Fprintf(&b, "%s ROLE %s LOGIN PASSWORD %s;\nGRANT %s TO CURRENT_USER;\n", verb, QuoteIdent(role), quoteLiteral(verifiers[role]), QuoteIdent(role))
		}
	}
	b.WriteString("COMMIT;\n")
	return b.String()
}

// tablesScript is the second transaction.
func tablesScript(ctx context.Context, conn *pgx.Conn, dbs []NodeDatabase, present parts) (string, error) {
	var b strings.Builder
	b.WriteString("BEGIN;\nSET LOCAL client_min_messages = warning;\n")
	for _, d := range dbs {
		done := applied{}
		if present.has(d.Schema) && present.has(d.DDL.User) {
			var err error
			if done, err = nodeApplied(ctx, conn, d); err != nil {
				return "", err
			}
		}
		todo, err := d.Kind.Family().pending(d.Schema, done)
		if err != nil {
			return "", err
		}
		schema, ddl, dml := QuoteIdent(d.Schema), QuoteIdent(d.DDL.User), QuoteIdent(d.DML.User)
		fmt.Fprintf(&b, `CREATE SCHEMA IF NOT EXISTS %[1]s;
GRANT ALL ON SCHEMA %[1]s TO %[2]s;
GRANT USAGE ON SCHEMA %[1]s TO %[3]s;
ALTER DEFAULT PRIVILEGES FOR ROLE %[2]s IN SCHEMA %[1]s GRANT SELECT, UPDATE, INSERT, DELETE ON TABLES TO %[3]s;
SET LOCAL ROLE %[2]s;
SET LOCAL search_path = %[1]s;
%[4]s%[5]sRESET ROLE;
`, schema, ddl, dml, changeLog, script(todo))
	}
	b.WriteString("COMMIT;\n")
	return b.String(), nil
}

// nodeApplied reads the change log of a schema that an earlier attempt made. Schemas and tables are made in one
// transaction, so that a schema without a change log is not one of ours, or one with nothing in it.
func nodeApplied(ctx context.Context, conn *pgx.Conn, d NodeDatabase) (applied, error) {
	results, err := exec(ctx, conn, fmt.Sprintf("BEGIN;\nSET LOCAL ROLE %s;\nSET LOCAL search_path = %s;\n%sCOMMIT;",
		QuoteIdent(d.DDL.User), QuoteIdent(d.Schema), selectApplied))
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42P01" { // there is no such table
		return applied{}, rollback(ctx, conn)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the change log of schema %s: %w", d.Schema, err), rollback(ctx, conn))
	}
	return appliedOf(results[len(results)-2]), nil
}

// DropNode removes the databases of a virtual node and everything in them. What is not there is passed over.
func DropNode(ctx context.Context, pool *pgxpool.Pool, h ident.ShortHash, kinds ...NodeKind) error {
	h, err := ident.ParseShortHash(string(h))
	if err != nil {
		return fmt.Errorf("drop databases of a virtual node: %w", err)
	}
	err = pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		conn := c.Conn()
		var roles []string
		var b strings.Builder
		b.WriteString("BEGIN;\nSET LOCAL client_min_messages = warning;\n")
		for _, k := range kinds {
			fmt.Fprintf(&b, "DROP SCHEMA IF EXISTS %s CASCADE;\n", QuoteIdent(k.SchemaName(h)))
			roles = append(roles, k.RoleName(h, DDL), k.RoleName(h, DML))
		}
		rows, err := conn.Query(ctx, `SELECT rolname::text FROM pg_roles WHERE rolname = ANY($1)`, roles)
		if err != nil {
			return fmt.Errorf("look for roles: %w", err)
		}
		present, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return fmt.Errorf("look for roles: %w", err)
		}
		for _, role := range present {
			fmt.Fprintf(&b, "GRANT %[1]s TO CURRENT_USER;\nDROP OWNED BY %[1]s;\nDROP ROLE %[1]s;\n", QuoteIdent(role))
		}
		b.WriteString("COMMIT;")
		if _, err := exec(ctx, conn, b.String()); err != nil {
			return errors.Join(err, rollback(ctx, conn))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("drop databases of virtual node %s: %w", h, err)
	}
	return nil
}
