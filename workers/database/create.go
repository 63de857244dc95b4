package database

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/clock"
	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/keys"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/store"
)

// creator makes one virtual node: three databases, its rows, its publication, its wrapping key.
//
// The rows are the truth: a node exists when they are committed. What an attempt made before that is removed by the next
// attempt; what was not done after that is done by the next attempt, or by the reconcilers.
type creator struct {
	config    *pgxpool.Pool // of its own: one connection is held for each node that is being made
	databases *store.Connections
	secrets   *keys.Secrets
	publisher *bus.Publisher
	hsm       *bus.Caller[record.HSMRegistrationRequest, record.HSMRegistrationResponse]
	sections  *bus.Compacted[record.Configuration]
	clock     *clock.Clock
	log       *slog.Logger
	stopping  <-chan struct{} // closed when the worker is told to stop
}

// busError is a failure to publish, or to wait for another worker; whoever takes the request next must do it.
type busError struct{ err error }

func (e *busError) Error() string { return e.err.Error() }
func (e *busError) Unwrap() error { return e.err }

// create makes the node, or what is missing of it. It calls progress when it begins to make something, and returns when
// that has returned too.
func (c *creator) create(ctx context.Context, key string, q record.VirtualNodeRequest, progress func() error) error {
	p, err := c.plan(key, q)
	if err != nil {
		return err
	}
	var said errgroup.Group // Kafka commits while PostgreSQL works
	err = c.locked(ctx, p.hash, func(conn *pgx.Conn) error {
		exists, err := c.find(ctx, conn, p)
		if err != nil || exists {
			return err
		}
		said.Go(progress)
		return c.make(ctx, conn, p)
	})
	if saidErr := said.Wait(); saidErr != nil && err == nil {
		err = &busError{saidErr}
	}
	if err != nil {
		return err
	}
	return c.announce(ctx, p.hash)
}

// plan is a request that is well formed, with what the database adds.
type plan struct {
	hash     ident.ShortHash
	identity ident.HoldingIdentity
	actor    string
	checksum string // the first 12 hex digits of the CPI's, upper case
	cpi      record.CPIIdentifier
	channels []externalChannel
	given    []store.ConnectionRow // connections that came with the request; they are used as they are
	made     []store.NodeKind      // databases to be made
}

// plan checks the request by itself.
func (c *creator) plan(key string, q record.VirtualNodeRequest) (*plan, error) {
	name, err := ident.ParseName(q.Create.HoldingIdentity.X500Name)
	if err != nil {
		return nil, &creationError{record.OperationValidationFailed, err}
	}
	p := &plan{identity: ident.NewHoldingIdentity(name, q.Create.HoldingIdentity.GroupID), actor: q.Create.UpdateActor}
	p.hash = p.identity.ShortHash()
	p.checksum = strings.ToUpper(q.Create.CPIFileChecksum)
	switch {
	case p.identity != q.Create.HoldingIdentity:
		return nil, invalid("the member name %q is not in its canonical form %q", q.Create.HoldingIdentity.X500Name, p.identity.X500Name)
	case strings.TrimSpace(p.identity.GroupID) == "" || !storableText(p.identity.GroupID, 255):
		return nil, invalid("the group id must be text of 1 to 255 characters")
	case !storableText(p.identity.X500Name, 512):
		return nil, invalid("the member name must be text of at most 512 characters")
	case !storableText(p.actor, 255):
		return nil, invalid("the actor must be text of at most 255 characters")
	case string(p.hash) != key || string(p.hash) != q.RequestID:
		return nil, invalid("the request %q under the key %q is for the holding identity %s", q.RequestID, key, p.hash)
	case !isHex(p.checksum, 12):
		return nil, invalid("the CPI file checksum must be 12 hex digits, not %q", q.Create.CPIFileChecksum)
	}
	texts := map[store.NodeKind][2]string{
		store.Vault:      {q.Create.VaultDDL, q.Create.VaultDML},
		store.Crypto:     {q.Create.CryptoDDL, q.Create.CryptoDML},
		store.Uniqueness: {q.Create.UniquenessDDL, q.Create.UniquenessDML},
	}
	for _, kind := range store.NodeKinds() {
		rows, err := c.given(kind, p.hash, texts[kind])
		if err != nil {
			return nil, err
		}
		if rows == nil {
			p.made = append(p.made, kind)
		}
		p.given = append(p.given, rows...)
	}
	return p, nil
}

func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789ABCDEF") == ""
}

// given reads the connections to one database that came with a request, DDL first; nil if none did. Error texts must not
// quote them: they may hold a password.
func (c *creator) given(kind store.NodeKind, hash ident.ShortHash, texts [2]string) ([]store.ConnectionRow, error) {
	ddl, dml := texts[0], texts[1]
	switch {
	case ddl == "" && dml == "":
		return nil, nil
	case dml == "":
		return nil, invalid("a DDL connection for the %s database is given without its DML connection", kind)
	}
	var rows []store.ConnectionRow
	for i, privilege := range []store.Privilege{store.DDL, store.DML} {
		if texts[i] == "" {
			continue
		}
		connection, err := store.ParseConnection(texts[i], c.secrets)
		if err != nil {
			return nil, invalid("the %s connection given for the %s database: %w", privilege, kind, err)
		}
		rows = append(rows, store.ConnectionRow{Name: kind.SchemaName(hash), Privilege: privilege, Connection: connection,
			Description: fmt.Sprintf("%s %s connection for %s", kind, privilege, hash)})
	}
	return rows, nil
}

// lockSpace is the first key of the advisory locks by which one worker at a time makes a node.
const lockSpace = 0x76_6E_6F_64 // "vnod"

// locked runs fn with a connection that holds the node's lock. The lock goes with the connection, so that of a worker that
// was killed goes when PostgreSQL has ended its statement.
func (c *creator) locked(ctx context.Context, hash ident.ShortHash, fn func(*pgx.Conn) error) error {
	pooled, err := c.config.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect to the config database: %w", err)
	}
	defer pooled.Release()
	conn := pooled.Conn()
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1, hashtext($2))`, lockSpace, string(hash)); err != nil {
		return fmt.Errorf("lock virtual node %s: %w", hash, err)
	}
	defer func() {
		// A connection whose lock cannot be released is closed, which releases it.
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if _, err := conn.Exec(limited, `SELECT pg_advisory_unlock($1, hashtext($2))`, lockSpace, string(hash)); err != nil {
			_ = conn.Close(limited)
		}
	}()
	return fn(conn)
}

// find tells whether the node is there already, and completes the plan from the database. A node that is there and is
// what the request asks for is a success. One that is there with another CPI is an error.
func (c *creator) find(ctx context.Context, conn *pgx.Conn, p *plan) (exists bool, err error) {
	if err := c.findCPI(ctx, conn, p); err != nil {
		return false, err
	}
	var full, x500, group string
	var cpi record.CPIIdentifier
	var made bool
	err = conn.QueryRow(ctx, `
		SELECT h.holding_identity_full_hash, h.x500_name, h.mgm_group_id, v.holding_identity_id IS NOT NULL,
			coalesce(v.cpi_name, ''), coalesce(v.cpi_version, ''), coalesce(v.cpi_signer_summary_hash, '')
		FROM holding_identity h LEFT JOIN virtual_node v USING (holding_identity_id)
		WHERE h.holding_identity_id = $1`, string(p.hash)).
		Scan(&full, &x500, &group, &made, &cpi.Name, &cpi.Version, &cpi.SignerSummaryHash)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look for virtual node %s: %w", p.hash, err)
	case full != p.identity.FullHash():
		return false, invalid("the short hash %s of %s in group %s is taken by %s in group %s: choose another name",
			p.hash, p.identity.X500Name, p.identity.GroupID, x500, group)
	case !made:
		return false, nil
	case cpi != p.cpi:
		return true, invalid("it has CPI %s %s, and CPI %s %s is asked for", cpi.Name, cpi.Version, p.cpi.Name, p.cpi.Version)
	}
	return true, nil
}

// settle gives the state that a refused request leaves, and why. The request's id is the node's short hash, so that all
// requests for one identity share one status, and what it says of the node must be true: of a node that exists it is a
// success, whatever is wrong with a later request for it.
func (c *creator) settle(ctx context.Context, q record.VirtualNodeRequest, refused *creationError) error {
	identity := q.Create.HoldingIdentity
	if string(identity.ShortHash()) != q.RequestID {
		return refused
	}
	var exists bool
	err := c.config.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM virtual_node JOIN holding_identity USING (holding_identity_id)
			WHERE holding_identity_id = $1 AND holding_identity_full_hash = $2)`, q.RequestID, identity.FullHash()).Scan(&exists)
	switch {
	case err != nil:
		return fmt.Errorf("look for virtual node %s: %w", q.RequestID, err)
	case exists:
		return &creationError{record.OperationCompleted, fmt.Errorf(
			"virtual node %s (%s) already exists: another request for it is refused: %w", q.RequestID, identity.X500Name, refused.err)}
	}
	return refused
}

func (c *creator) findCPI(ctx context.Context, conn *pgx.Conn, p *plan) error {
	rows, err := conn.Query(ctx, `
		SELECT name, version, signer_summary_hash FROM cpi
		WHERE starts_with(file_checksum, 'SHA-256:' || $1) AND NOT is_deleted ORDER BY file_checksum LIMIT 2`, p.checksum)
	if err != nil {
		return fmt.Errorf("look for CPI %s: %w", p.checksum, err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[record.CPIIdentifier])
	switch {
	case err != nil:
		return fmt.Errorf("look for CPI %s: %w", p.checksum, err)
	case len(found) == 0:
		return invalid("there is no CPI with the file checksum %s", p.checksum)
	case len(found) > 1:
		return invalid("more than one CPI has a file checksum that begins with %s", p.checksum)
	}
	p.cpi = found[0]
	if err := c.refuseChangeLogs(ctx, conn, p); err != nil {
		return err
	}
	return c.findChannels(ctx, conn, p)
}

// changeLogMaster is the Liquibase file that a CPK's own tables begin with. Of a CPK without it nothing is run.
//
// Source: Corda 5.0, vault migrations.
const changeLogMaster = "migration/db.changelog-master.xml"

// refuseChangeLogs refuses a CPI whose CorDapps have tables of their own: a node without them would fail much later.
func (c *creator) refuseChangeLogs(ctx context.Context, conn *pgx.Conn, p *plan) error {
	var masters int
	err := conn.QueryRow(ctx, `
		SELECT count(*) FROM cpi_cpk c JOIN cpk_db_change_log l USING (cpk_file_checksum)
		WHERE c.cpi_name = $1 AND c.cpi_version = $2 AND c.cpi_signer_summary_hash = $3 AND NOT c.is_deleted AND NOT l.is_deleted
			AND l.file_path = $4`, p.cpi.Name, p.cpi.Version, p.cpi.SignerSummaryHash, changeLogMaster).Scan(&masters)
	if err != nil {
		return fmt.Errorf("look for change logs of CPI %s: %w", p.cpi.Name, err)
	}
	if masters > 0 {
		return &creationError{record.OperationMigrationsFailed, fmt.Errorf(
			"CPI %s %s has %d CPKs with tables of their own (%s), which are not supported yet", p.cpi.Name, p.cpi.Version, masters, changeLogMaster)}
	}
	return nil
}

// make provisions the databases and commits the rows.
func (c *creator) make(ctx context.Context, conn *pgx.Conn, p *plan) error {
	rows := p.given
	if len(p.made) > 0 {
		pool, admin, err := c.admin(ctx)
		if err != nil {
			return err
		}
		databases, err := store.ProvisionNode(ctx, pool, admin, c.secrets, p.hash, p.made...)
		if err != nil {
			return err
		}
		for _, d := range databases {
			rows = append(rows, d.Rows()...)
		}
	}
	if err := c.insert(ctx, conn, p, rows); err != nil {
		return fmt.Errorf("store virtual node %s: %w", p.hash, err)
	}
	return nil
}

// admin is the connection by which databases of nodes are made.
func (c *creator) admin(ctx context.Context) (*pgxpool.Pool, store.Connection, error) {
	connection, err := c.databases.ConnectionNamed(ctx, store.ConnectionVirtualNodes, store.DDL)
	if err != nil {
		return nil, store.Connection{}, err
	}
	pool, err := c.databases.Named(ctx, store.ConnectionVirtualNodes, store.DDL)
	return pool, connection, err
}

// cleanUp removes what attempts that failed made, unless the node exists.
func (c *creator) cleanUp(ctx context.Context, q record.VirtualNodeRequest) error {
	p, err := c.plan(q.RequestID, q)
	if err != nil {
		return nil //nolint:nilerr // nothing was made for a request that is not well formed
	}
	pool, _, err := c.admin(ctx)
	if err != nil {
		return err
	}
	return c.locked(ctx, p.hash, func(conn *pgx.Conn) error {
		if exists, err := c.find(ctx, conn, p); err != nil || exists {
			return err
		}
		return store.DropNode(ctx, pool, p.hash, p.made...)
	})
}

// announce publishes the node and sees to its wrapping key, both at once: a crypto worker that is asked waits until it
// sees the node.
func (c *creator) announce(ctx context.Context, hash ident.ShortHash) error {
	info, err := nodeInfo(ctx, c.config, hash)
	if err != nil {
		return err
	}
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error {
		err := c.publisher.Publish(ctx, bus.Message{Topic: record.TopicVirtualNodeInfo, Key: record.Key(info.HoldingIdentity), Value: info})
		if err != nil {
			return &busError{fmt.Errorf("publish virtual node %s: %w", hash, err)}
		}
		return nil
	})
	both.Go(func() error { return c.ensureWrappingKey(ctx, hash) })
	return both.Wait()
}

// Bounds of the wait for a crypto worker.
const (
	wrappingKeyAttempt = 4 * time.Second
	wrappingKeyLimit   = 30 * time.Second
)

// ensureWrappingKey asks a crypto worker for the node's wrapping key, so that a node that is reported as complete has it.
// If no crypto worker answers in time the node is complete without: crypto workers make the missing keys of all published
// nodes when they start. Corda 5.0 makes it when a member is registered.
//
// A worker that stops does not wait: the request goes to another one, as the error says.
func (c *creator) ensureWrappingKey(ctx context.Context, hash ident.ShortHash) error {
	limited, cancel := context.WithTimeout(ctx, wrappingKeyLimit)
	defer cancel()
	go func() {
		select {
		case <-c.stopping:
			cancel()
		case <-limited.Done():
		}
	}()
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		answer, err := c.hsm.Call(limited, record.HSMRegistrationRequest{TenantID: string(hash)})
		if err == nil && answer.Failure != nil {
			err = answer.Failure
		}
		switch {
		case err == nil:
			return nil
		case errors.Is(limited.Err(), context.Canceled):
			return &busError{fmt.Errorf("wait for the wrapping key of virtual node %s: the worker stops", hash)}
		case !pause(limited, wait):
			if ctx.Err() == nil && errors.Is(limited.Err(), context.DeadlineExceeded) {
				c.log.WarnContext(ctx, "no crypto worker made the virtual node's wrapping key in time; it will be made later",
					"virtualNode", hash, "limit", wrappingKeyLimit.String(), "error", err)
				return nil
			}
			return &busError{fmt.Errorf("wait for the wrapping key of virtual node %s: the worker stops", hash)}
		}
		c.log.DebugContext(ctx, "asking again for a wrapping key", "virtualNode", hash, "error", err)
	}
}
