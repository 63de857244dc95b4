package bootstrap

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/cordage-sandbox/cordage/workers/keys"
	"github.com/cordage-sandbox/cordage/workers/store"
)

// run is one run of the bootstrap.
type run struct {
	c       Config
	at      layout
	conns   map[string]*pgx.Conn // of the superuser, by database
	admin   *pgx.Conn            // to the given database; holds the lock
	derived *derivation
	after   func(step string) error // of tests: called after each step, an error ends the run as a crash would
}

// derivation is what takes long to compute: some 20 ms for each key. It is done while the server works.
type derivation struct {
	g         sync.WaitGroup
	verifiers func() (map[string]string, error) // what PostgreSQL stores for passwords, by role
	secrets   func() (*keys.Secrets, error)
	password  func() hashed // of the first user
}

type hashed struct{ salt, hash string }

func derive(c Config) *derivation {
	return &derivation{
		verifiers: sync.OnceValues(func() (map[string]string, error) {
			all := map[string]string{}
			for _, r := range roles() {
				if r.password == nil {
					continue
				}
				var err error
				if all[r.name], err = keys.SCRAMVerifier(r.password(c.Passwords)); err != nil {
					return nil, fmt.Errorf("password of %s: %w", r.name, err)
				}
			}
			return all, nil
		}),
		secrets: sync.OnceValues(func() (*keys.Secrets, error) { return keys.NewSecrets(c.Secrets.Passphrase, c.Secrets.Salt) }),
		password: sync.OnceValue(func() hashed {
			salt := keys.NewPasswordSalt()
			return hashed{salt, keys.HashPassword(c.AdminPassword, salt)}
		}),
	}
}

// begin computes in the background; who needs a value waits for it. The first user's password is needed only once.
func (d *derivation) begin(first bool) {
	d.g.Go(func() {
		_, _ = d.verifiers() // whoever needs it gets the error too
		_, _ = d.secrets()
	})
	if first {
		d.g.Go(func() { _ = d.password() })
	}
}

type step struct {
	name string
	run  func(context.Context) error
}

func newRun(c Config) *run {
	return &run{c: c, at: c.layout(), conns: map[string]*pgx.Conn{}, derived: derive(c)}
}

// all runs the steps.
func (r *run) all(ctx context.Context, progress func(step string)) error {
	for _, s := range r.steps() {
		progress(s.name)
		if err := s.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if r.after == nil {
			continue
		}
		if err := r.after(s.name); err != nil {
			return err
		}
	}
	return nil
}

// steps in order. Each is one transaction, or does what cannot be in one.
func (r *run) steps() []step {
	return []step{
		{"databases", r.databases},
		{"users", r.users},
		{"config tables", func(ctx context.Context) error { return r.tables(ctx, store.FamilyConfig, r.at.config, configDDL) }},
		{"rbac tables", func(ctx context.Context) error { return r.tables(ctx, store.FamilyRBAC, r.at.rbac, rbacDDL) }},
		{"crypto tables", func(ctx context.Context) error { return r.tables(ctx, store.FamilyCrypto, r.at.crypto, cryptoDDL) }},
		{"rights", r.rights},
		{"connections and configuration", r.configuration},
		{"first user and roles", r.firstUser},
	}
}

func (r *run) result() Result {
	c, p := r.c, r.c.Passwords
	return Result{
		Config:       c.connection(r.at.config, schemaConfig, configUser, p.ConfigUser),
		ConfigReader: c.connection(r.at.config, schemaConfig, configReader, p.ConfigReader),
		RBAC:         c.connection(r.at.rbac, schemaRBAC, rbacUser, p.RBACUser),
		Crypto:       c.connection(r.at.crypto, schemaCrypto, cryptoUser, p.CryptoUser),
		VirtualNodes: c.connection(r.at.nodes, "", vnodeAdmin, p.VNodeAdmin),
	}
}

// lock is held by the session that bootstraps a server.
const lock = "SELECT pg_advisory_lock(hashtext('cordage bootstrap'))"

// databases connects, waits for the lock, and makes the databases that do not exist.
func (r *run) databases(ctx context.Context) (err error) {
	if r.admin, err = r.connect(ctx, ""); err != nil {
		return err
	}
	if _, err := r.admin.Exec(ctx, lock); err != nil {
		return fmt.Errorf("wait for the lock: %w", err)
	}
	present, err := r.names(ctx, "SELECT datname::text FROM pg_database WHERE datname = ANY($1)", r.at.databases())
	if err != nil {
		return err
	}
	r.derived.begin(len(present) == 0)
	for _, name := range r.at.databases() {
		if !slices.Contains(present, name) {
			// Text is sorted bytewise and in UTF-8, whatever the server's defaults are.
			if _, err := r.admin.Exec(ctx, "CREATE DATABASE "+store.QuoteIdent(name)+
				" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"); err != nil {
				return fmt.Errorf("create database %s: %w", name, err)
			}
		}
		if r.conns[name], err = r.connect(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// names asks the server which of the names it has.
func (r *run) names(ctx context.Context, sql string, wanted []string) ([]string, error) {
	rows, err := r.admin.Query(ctx, sql, wanted)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// connect opens a session of the superuser, to a database or, for an empty name, to the one given. Its commits need
// not reach the disk at once, as that of the last step, which does, takes them along.
func (r *run) connect(ctx context.Context, database string) (*pgx.Conn, error) {
	admin := r.c.Admin
	if database != "" {
		url, err := store.ParseJDBC(admin.JDBCURL)
		if err != nil {
			return nil, fmt.Errorf("the superuser's connection: %w", err)
		}
		url.Database, url.Schema = database, ""
		admin.JDBCURL = url.String()
	}
	conn, err := store.Connect(ctx, admin, "cordage-bootstrap")
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "SET synchronous_commit = off; SET client_min_messages = warning", pgx.QueryExecModeSimpleProtocol); err != nil {
		_ = conn.Close(ctx)
		return nil, fmt.Errorf("prepare a session: %w", err)
	}
	return conn, nil
}

func (r *run) close() {
	r.derived.g.Wait()
	for _, conn := range r.conns {
		_ = conn.Close(context.Background())
	}
	if r.admin != nil {
		_ = r.admin.Close(context.Background()) // gives the lock back
	}
}

// do runs statements as one transaction, in one round trip.
func do(ctx context.Context, conn *pgx.Conn, statements ...string) error {
	_, err := conn.Exec(ctx, "BEGIN;\n"+strings.Join(statements, ";\n")+";\nCOMMIT;", pgx.QueryExecModeSimpleProtocol)
	if err != nil && !conn.IsClosed() {
		_, _ = conn.Exec(ctx, "ROLLBACK", pgx.QueryExecModeSimpleProtocol)
	}
	return err
}

// users makes the roles, with the rights to log in and to create roles that they shall have and no others.
func (r *run) users(ctx context.Context) error {
	var names []string
	for _, role := range roles() {
		names = append(names, r.c.Prefix+role.name)
	}
	present, err := r.names(ctx, "SELECT rolname::text FROM pg_roles WHERE rolname = ANY($1)", names)
	if err != nil {
		return err
	}
	verifiers, err := r.derived.verifiers()
	if err != nil {
		return err
	}
	var statements []string
	for _, role := range roles() {
		name := r.c.Prefix + role.name
		verb, rights := "CREATE", "NOLOGIN NOCREATEROLE PASSWORD NULL"
		if slices.Contains(present, name) {
			verb = "ALTER"
		}
		if role.password != nil {
			rights = "LOGIN NOCREATEROLE PASSWORD '" + verifiers[role.name] + "'" // base64, $ and :
		}
		if role.createRole {
			rights = strings.Replace(rights, "NOCREATEROLE", "CREATEROLE", 1)
		}
		statements = append(statements, fmt.Sprintf("%s ROLE %s NOSUPERUSER NOCREATEDB NOREPLICATION NOBYPASSRLS %s", verb, store.QuoteIdent(name), rights))
	}
	return do(ctx, r.admin, statements...)
}

// tables makes a schema of the cluster and brings its tables up to date; owner owns both.
func (r *run) tables(ctx context.Context, f store.Family, database, owner string) error {
	conn := r.conns[database]
	quoted := store.QuoteIdent(r.c.Prefix + owner)
	if err := do(ctx, conn, fmt.Sprintf("CREATE SCHEMA IF NOT EXISTS %s AUTHORIZATION %s", store.QuoteIdent(string(f)), quoted),
		"SET ROLE "+quoted); err != nil {
		return err
	}
	if err := store.Migrate(ctx, conn, f, string(f)); err != nil {
		return err
	}
	_, err := conn.Exec(ctx, "RESET ROLE")
	return err
}

// rights grants what [grants] lists, and takes from everybody what PostgreSQL gives to everybody: in version 14, to
// create tables in schema public, and temporary ones; with separate databases, also to connect. Nobody but the superuser
// connects to the server's own databases: what others leave in schema public there, such as a function named as one of
// PostgreSQL's, would run with all rights when the superuser comes by.
func (r *run) rights(ctx context.Context) error {
	admin, err := store.ParseJDBC(r.c.Admin.JDBCURL)
	if err != nil {
		return fmt.Errorf("the superuser's connection: %w", err)
	}
	statements := []string{"REVOKE CREATE ON SCHEMA public FROM PUBLIC"}
	for _, database := range []string{admin.Database, "template1"} {
		statements = append(statements, "REVOKE CONNECT, TEMPORARY ON DATABASE "+store.QuoteIdent(database)+" FROM PUBLIC")
	}
	if err := do(ctx, r.admin, statements...); err != nil {
		return fmt.Errorf("in database %s: %w", admin.Database, err)
	}
	for _, database := range r.at.databases() {
		name := store.QuoteIdent(database)
		statements := []string{"REVOKE CREATE ON SCHEMA public FROM PUBLIC", "REVOKE TEMPORARY ON DATABASE " + name + " FROM PUBLIC"}
		if database != r.at.nodes { // virtual nodes' users are many; they connect as part of PUBLIC
			statements = append(statements, "REVOKE CONNECT ON DATABASE "+name+" FROM PUBLIC")
		}
		for _, g := range grants() {
			if r.at.database(g.schema) == database {
				statements = append(statements, g.statement(r.c.Prefix, name))
			}
		}
		if err := do(ctx, r.conns[database], statements...); err != nil {
			return fmt.Errorf("in database %s: %w", database, err)
		}
	}
	return nil
}

func (g grant) statement(prefix, database string) string {
	on := string(g.on) + " "
	switch g.on {
	case onDatabase:
		on += database
	case onTable:
		on += store.QuoteIdent(g.schema) + "." + store.QuoteIdent(g.table)
	case onSchema, onTables, onSequences:
		on += store.QuoteIdent(g.schema)
	}
	return fmt.Sprintf("GRANT %s ON %s TO %s", strings.Join(g.privileges, ", "), on, store.QuoteIdent(prefix+g.role))
}
