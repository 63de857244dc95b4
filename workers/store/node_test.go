package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/cordage-sandbox/cordage/fixtures/servers"
	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/keys"
	"github.com/cordage-sandbox/cordage/workers/store"
)

// nodes is a database with a user that has the rights of vnode_admin: CREATE on the database, and CREATEROLE.
type nodes struct {
	super   *pgxpool.Pool
	admin   store.Connection
	pool    *pgxpool.Pool // of admin
	secrets *keys.Secrets
}

func newNodes(t testing.TB) nodes {
	t.Helper()
	c := superuser(t)
	n := nodes{super: open(t, c), admin: c, secrets: newSecrets(t)}
	n.admin.User, n.admin.Password = servers.Unique(t), "password"
	url, err := store.ParseJDBC(c.JDBCURL)
	if err != nil {
		t.Fatal(err)
	}
	database := store.QuoteIdent(url.Database)
	exec(t, n.super, "CREATE ROLE "+store.QuoteIdent(n.admin.User)+" LOGIN CREATEROLE PASSWORD 'password'",
		"GRANT CREATE ON DATABASE "+database+" TO "+store.QuoteIdent(n.admin.User),
		"REVOKE CREATE ON SCHEMA public FROM PUBLIC", "REVOKE TEMPORARY ON DATABASE "+database+" FROM PUBLIC")
	n.pool = open(t, n.admin)
	return n
}

func (n nodes) make(t testing.TB, h ident.ShortHash, kinds ...store.NodeKind) []store.NodeDatabase {
	t.Helper()
	made, err := store.ProvisionNode(t.Context(), n.pool, n.admin, n.secrets, h, kinds...)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// roles lists those of a node; schemas its schemas.
func (n nodes) roles(t testing.TB, h ident.ShortHash) []string {
	t.Helper()
	return run(t, n.super, "SELECT rolname::text FROM pg_roles WHERE rolname LIKE '%' || $1 || '%' ORDER BY 1", h.Lower())
}

func (n nodes) schemas(t testing.TB, h ident.ShortHash) []string {
	t.Helper()
	return run(t, n.super, "SELECT nspname::text FROM pg_namespace WHERE nspname LIKE '%' || $1 ORDER BY 1", h.Lower())
}

func TestProvisionNode(t *testing.T) {
	t.Parallel()
	n, h := newNodes(t), newHash()
	made := n.make(t, h, store.NodeKinds()...)
	low := h.Lower()
	if diff := cmp.Diff([]string{"vnode_crypto_" + low, "vnode_uniq_" + low, "vnode_vault_" + low}, n.schemas(t, h)); diff != "" {
		t.Errorf("schemas (- want, + got):\n%s", diff)
	}
	var wanted []string
	for _, kind := range []string{"crypto", "uniq", "vault"} {
		wanted = append(wanted, "vnode_"+kind+"_"+low+"_ddl", "vnode_"+kind+"_"+low+"_dml")
	}
	if diff := cmp.Diff(wanted, n.roles(t, h)); diff != "" {
		t.Errorf("roles (- want, + got):\n%s", diff)
	}
	for i, kind := range store.NodeKinds() {
		d := made[i]
		want := n.admin.JDBCURL + "?currentSchema=vnode_" + string(kind) + "_" + low
		if kind == store.Uniqueness {
			want += "&reWriteBatchedInserts=true"
		}
		if d.Kind != kind || d.DDL.JDBCURL != want || d.DML.JDBCURL != want || len(d.DDL.Password) != 64 || len(d.DML.Password) != 64 || d.DDL.Password == d.DML.Password {
			t.Errorf("%s: made %+v, want URL %s and passwords of 64 characters", kind, d, want)
		}
		rows := d.Rows()
		if rows[0].Name != d.Schema || rows[0].Privilege != store.DDL || rows[1].Privilege != store.DML ||
			rows[1].Description != fmt.Sprintf("%s DML connection for %s", kind, h) {
			t.Errorf("%s: rows are %+v", kind, rows)
		}
		got := run(t, n.super, "SELECT tableowner::text FROM pg_tables WHERE schemaname = $1 GROUP BY 1", d.Schema)
		if len(got) != 1 || got[0] != d.DDL.User {
			t.Errorf("%s: tables are owned by %v, want %s", kind, got, d.DDL.User)
		}
		if got := run(t, n.super, "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = $1", d.Schema); got[0] != n.admin.User {
			t.Errorf("%s: the schema is owned by %v, want %s", kind, got, n.admin.User)
		}
	}
}

// denied tells whether PostgreSQL refused for want of a right.
func denied(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "42501"
}

func TestNodeUsersCanDoNoMore(t *testing.T) {
	t.Parallel()
	n := newNodes(t)
	d := n.make(t, newHash(), store.Uniqueness)[0]
	stranger := n.make(t, newHash(), store.Uniqueness)[0]
	ddl, dml := connect(t, d.DDL), connect(t, d.DML)

	for _, allowed := range []string{
		"INSERT INTO uniqueness_rejected_txs VALUES ('SHA-256', '\\x01', '')", "UPDATE uniqueness_rejected_txs SET error_details = 'x'",
		"SELECT * FROM uniqueness_rejected_txs", "DELETE FROM uniqueness_rejected_txs",
	} {
		if _, err := dml.Exec(t.Context(), allowed); err != nil {
			t.Errorf("the DML user cannot %s: %v", allowed, err)
		}
	}
	for _, forbidden := range []string{
		"CREATE TABLE x (n int)", "CREATE TABLE public.x (n int)", "CREATE TEMPORARY TABLE x (n int)", "TRUNCATE uniqueness_rejected_txs",
		"DROP TABLE uniqueness_rejected_txs", "ALTER TABLE uniqueness_rejected_txs ADD x int", "CREATE INDEX ON uniqueness_rejected_txs (error_details)",
		"CREATE SCHEMA x", "CREATE ROLE x", "SET ROLE " + d.DDL.User, "SET ROLE " + n.admin.User, "DROP SCHEMA " + d.Schema,
		"SELECT * FROM " + stranger.Schema + ".uniqueness_rejected_txs", "SELECT rolpassword FROM pg_authid", "COPY uniqueness_rejected_txs TO '/tmp/x'",
	} {
		if _, err := dml.Exec(t.Context(), forbidden); !denied(err) && !strings.Contains(fmt.Sprint(err), "must be owner") {
			t.Errorf("the DML user can %s: %v", forbidden, err)
		}
	}
	if _, err := ddl.Exec(t.Context(), "CREATE TABLE of_a_cordapp (n int)"); err != nil {
		t.Errorf("the DDL user cannot make a table: %v", err)
	}
	if _, err := dml.Exec(t.Context(), "INSERT INTO of_a_cordapp VALUES (1)"); err != nil {
		t.Errorf("the DML user cannot use a table that was made later: %v", err)
	}
	for _, forbidden := range []string{
		"CREATE SCHEMA x", "CREATE ROLE x", "CREATE TABLE public.x (n int)", "CREATE TABLE " + stranger.Schema + ".x (n int)",
		"SELECT * FROM " + stranger.Schema + ".uniqueness_rejected_txs",
	} {
		if _, err := ddl.Exec(t.Context(), forbidden); !denied(err) {
			t.Errorf("the DDL user can %s: %v", forbidden, err)
		}
	}
}

// What a crashed attempt left behind is completed, and what is complete is left as it is.
func TestProvisionNodeCompletes(t *testing.T) {
	t.Parallel()
	n := newNodes(t)
	for name, leave := range map[string]func(t *testing.T, h ident.ShortHash){
		"nothing": func(*testing.T, ident.ShortHash) {},
		"one role, with another password": func(t *testing.T, h ident.ShortHash) {
			t.Helper()
			exec(t, n.pool, "CREATE ROLE "+store.Vault.RoleName(h, store.DDL)+" LOGIN PASSWORD 'other'")
		},
		"all roles": func(t *testing.T, h ident.ShortHash) {
			t.Helper()
			for _, k := range store.NodeKinds() {
				for _, p := range []store.Privilege{store.DDL, store.DML} {
					exec(t, n.pool, "CREATE ROLE "+k.RoleName(h, p)+" NOLOGIN", "GRANT "+k.RoleName(h, p)+" TO CURRENT_USER")
				}
			}
		},
		"an empty schema": func(t *testing.T, h ident.ShortHash) {
			t.Helper()
			exec(t, n.pool, "CREATE SCHEMA "+store.Crypto.SchemaName(h))
		},
		"one of three databases": func(t *testing.T, h ident.ShortHash) { t.Helper(); n.make(t, h, store.Crypto) },
		"everything":             func(t *testing.T, h ident.ShortHash) { t.Helper(); n.make(t, h, store.NodeKinds()...) },
		"a schema without its user": func(t *testing.T, h ident.ShortHash) {
			t.Helper()
			exec(t, n.pool, "CREATE SCHEMA "+store.Vault.SchemaName(h))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHash()
			leave(t, h)
			made := n.make(t, h, store.NodeKinds()...)
			marked := connect(t, made[0].DML)
			if _, err := marked.Exec(t.Context(), "INSERT INTO vnode_vault VALUES ('kept')"); err != nil {
				t.Fatalf("the DML user cannot write: %v", err)
			}
			again := n.make(t, h, store.NodeKinds()...)
			if diff := cmp.Diff(made, again, cmp.Transformer("json", func(d store.NodeDatabase) string { return fmt.Sprintf("%v %s", d, d.DML.Password) })); diff != "" {
				t.Errorf("made again, it is different:\n%s", diff)
			}
			if got := run(t, connect(t, again[0].DML), "SELECT holding_identity_id FROM vnode_vault"); len(got) != 1 {
				t.Errorf("rows are %v after making it again, want the one kept", got)
			}
			for i, k := range store.NodeKinds() {
				want := run(t, connect(t, again[i].DML), "SELECT id FROM databasechangelog")
				tables := run(t, n.super, "SELECT count(*)::text FROM pg_tables WHERE schemaname = $1", k.SchemaName(h))
				if len(want) == 0 || tables[0] == "0" {
					t.Errorf("%s: applied %v, %s tables", k, want, tables)
				}
			}
			if err := store.DropNode(t.Context(), n.pool, h, store.NodeKinds()...); err != nil {
				t.Fatal(err)
			}
			if roles, schemas := n.roles(t, h), n.schemas(t, h); len(roles)+len(schemas) > 0 {
				t.Errorf("after the drop there are roles %v and schemas %v", roles, schemas)
			}
			if err := store.DropNode(t.Context(), n.pool, h, store.NodeKinds()...); err != nil {
				t.Errorf("dropping it again: %v", err)
			}
		})
	}
}

// A lost connection in the middle leaves nothing that stops the next attempt. The server ends the session at a random
// moment of the work.
func TestProvisionNodeSurvivesLostConnections(t *testing.T) {
	t.Parallel()
	n, h := newNodes(t), newHash()
	ctx, cancel := context.WithCancel(t.Context())
	var killer errgroup.Group
	killer.Go(func() error {
		for ctx.Err() == nil {
			if _, err := n.super.Exec(ctx, "SELECT pg_terminate_backend(pid), pg_sleep(random() * 0.05) FROM pg_stat_activity WHERE usename = $1", n.admin.User); err != nil && ctx.Err() == nil {
				return err
			}
		}
		return nil
	})
	failures := 0
	for range 12 {
		if _, err := store.ProvisionNode(ctx, n.pool, n.admin, n.secrets, h, store.NodeKinds()...); err != nil {
			failures++
			if !store.IsTransient(err) {
				t.Errorf("a lost connection gives %v, which is not transient", err)
			}
		}
	}
	cancel()
	if err := killer.Wait(); err != nil {
		t.Fatal(err)
	}
	if failures == 0 {
		t.Error("no attempt failed, so that nothing was tested")
	}
	made := n.make(t, h, store.NodeKinds()...)
	for _, d := range made {
		connect(t, d.DDL)
		if got := run(t, connect(t, d.DML), "SELECT id FROM databasechangelog"); len(got) == 0 {
			t.Errorf("%s has no tables", d.Schema)
		}
	}
}

func TestManyNodesAtOnce(t *testing.T) {
	t.Parallel()
	n := newNodes(t)
	twice := newHash()
	var g errgroup.Group
	passwords := make(chan string, 3)
	for range 3 { // three workers with the same request
		g.Go(func() error {
			made, err := store.ProvisionNode(t.Context(), n.pool, n.admin, n.secrets, twice, store.NodeKinds()...)
			if err == nil {
				passwords <- made[0].DML.Password
			}
			return err
		})
	}
	hashes := make([]ident.ShortHash, 10)
	for i := range hashes {
		hashes[i] = newHash()
		g.Go(func() error {
			_, err := store.ProvisionNode(t.Context(), n.pool, n.admin, n.secrets, hashes[i], store.NodeKinds()...)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	one, two, three := <-passwords, <-passwords, <-passwords
	if one != two || two != three {
		t.Error("workers that made the same node at once got different passwords")
	}
	for _, h := range append(hashes, twice) {
		if roles, schemas := n.roles(t, h), n.schemas(t, h); len(roles) != 6 || len(schemas) != 3 {
			t.Errorf("%s has roles %v and schemas %v", h, roles, schemas)
		}
	}
}

func TestProvisionNodeRefuses(t *testing.T) {
	t.Parallel()
	n := newNodes(t)
	for _, bad := range []ident.ShortHash{"", `X"; DROP SCHEMA public; --`, "0123"} {
		if _, err := store.ProvisionNode(t.Context(), n.pool, n.admin, n.secrets, bad, store.Vault); !errors.Is(err, ident.ErrShortHash) {
			t.Errorf("ProvisionNode(%q) error = %v, want ErrShortHash", bad, err)
		}
		if err := store.DropNode(t.Context(), n.pool, bad, store.Vault); !errors.Is(err, ident.ErrShortHash) {
			t.Errorf("DropNode(%q) error = %v, want ErrShortHash", bad, err)
		}
	}
	// A schema that holds tables of somebody else is not taken over, and not harmed.
	h := newHash()
	exec(t, n.pool, "CREATE SCHEMA "+store.Uniqueness.SchemaName(h), "CREATE TABLE "+store.Uniqueness.SchemaName(h)+".uniqueness_tx_details (x int)")
	if _, err := store.ProvisionNode(t.Context(), n.pool, n.admin, n.secrets, h, store.Uniqueness); err == nil {
		t.Error("foreign tables are taken over")
	}
	if got := run(t, n.super, "SELECT tablename::text FROM pg_tables WHERE schemaname = $1", store.Uniqueness.SchemaName(h)); len(got) != 1 {
		t.Errorf("tables are %v", got)
	}
	if status := run(t, n.pool, "SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"); status[0] != "0" {
		t.Errorf("%s locks are left", status[0])
	}
}

// Even where the server logs every statement, it never sees a password.
func TestPasswordsAreNotLogged(t *testing.T) {
	t.Parallel()
	n, h := newNodes(t), newHash()
	exec(t, n.super, "ALTER ROLE "+n.admin.User+" SET log_statement = 'all'")
	n.pool = open(t, n.admin) // a session of its own, with the new setting
	made := n.make(t, h, store.NodeKinds()...)
	n.make(t, h, store.NodeKinds()...) // alters the roles
	directory := run(t, n.super, "SELECT current_setting('data_directory')")[0]
	text, err := os.ReadFile(filepath.Join(filepath.Dir(directory), "postgres.log"))
	if err != nil {
		t.Fatal(err)
	}
	log := string(text)
	for _, verb := range []string{"CREATE", "ALTER"} {
		if !strings.Contains(log, verb+" ROLE \""+made[0].DDL.User+"\"") {
			t.Fatalf("the log does not have the statement %s ROLE, so that nothing was tested", verb)
		}
	}
	for _, d := range made {
		if strings.Contains(log, d.DDL.Password) || strings.Contains(log, d.DML.Password) {
			t.Errorf("the log holds a password of %s", d.Schema)
		}
	}
}
