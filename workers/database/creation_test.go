package database_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cordage-sandbox/cordage/fixtures/cluster"
	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/role"
	"github.com/cordage-sandbox/cordage/workers/store"
)

// whole tells what is missing or too much of a virtual node: schemas, roles, connections, rows, and its wrapping key.
func whole(ctx context.Context, db *pgxpool.Pool, identity ident.HoldingIdentity) error {
	hash := identity.ShortHash()
	like := `%\_` + hash.Lower() + `%`
	var schemas, roles, connections, audits, holders, nodes, associations, keys int
	err := db.QueryRow(ctx, `SELECT
		(SELECT count(*) FROM pg_namespace WHERE nspname LIKE $1),
		(SELECT count(*) FROM pg_roles WHERE rolname LIKE $1),
		(SELECT count(*) FROM config.db_connection WHERE connection_name LIKE $1),
		(SELECT count(*) FROM config.db_connection_audit WHERE connection_name LIKE $1),
		(SELECT count(*) FROM config.holding_identity WHERE holding_identity_id = $2 AND holding_identity_full_hash = $3),
		(SELECT count(*) FROM config.virtual_node WHERE holding_identity_id = $2),
		(SELECT count(*) FROM crypto.crypto_hsm_association WHERE tenant_id = $2)`,
		like, string(hash), identity.FullHash()).Scan(&schemas, &roles, &connections, &audits, &holders, &nodes, &associations)
	if err != nil {
		return err
	}
	key := "SELECT count(*) FROM " + store.QuoteIdent(store.Crypto.SchemaName(hash)) + ".crypto_wrapping_key WHERE octet_length(key_material) = 60"
	if err := db.QueryRow(ctx, key).Scan(&keys); err != nil {
		return err
	}
	got := [...]int{schemas, roles, connections, audits, holders, nodes, associations, keys}
	if want := [...]int{3, 6, 6, 6, 1, 1, 1, 1}; got != want {
		return fmt.Errorf("virtual node %s has %v schemas, roles, connections, audit rows, identities, nodes, associations and wrapping keys, want %v", hash, got, want)
	}
	return nil
}

// leftovers counts what PostgreSQL holds for an identity.
func leftovers(t testing.TB, db *pgxpool.Pool, identity ident.HoldingIdentity) (n int) {
	t.Helper()
	err := db.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM pg_namespace WHERE nspname LIKE $1) + (SELECT count(*) FROM pg_roles WHERE rolname LIKE $1)`,
		`%\_`+identity.ShortHash().Lower()+`%`).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestCreation(t *testing.T) {
	t.Parallel()
	c := cluster.New(t)
	c.Start(t, role.Database)
	c.Start(t, role.Crypto)
	k := newClient(t, c)
	db := c.Superuser(t)
	p := k.stored(t)

	var all []record.VirtualNodeRequest
	for n := range 10 {
		all = append(all, creation(node(t, p.GroupID, n), p.Checksum))
	}
	k.created(t, all...)
	for _, q := range all {
		if err := whole(t.Context(), db, q.Create.HoldingIdentity); err != nil {
			t.Error(err)
		}
		info, ok := k.nodes.Get(record.Key(q.Create.HoldingIdentity))
		if !ok || info.VaultDML == "" || info.CryptoDML == "" || info.UniquenessDML == "" || info.FlowOperational != record.Active {
			t.Errorf("published is %+v", info)
		}
	}

	t.Run("a repeat is a success", func(t *testing.T) {
		again := creation(all[0].Create.HoldingIdentity, p.Checksum)
		again.Timestamp = again.Timestamp.Add(time.Second)
		k.created(t, again, all[1])
		if err := whole(t.Context(), db, again.Create.HoldingIdentity); err != nil {
			t.Error(err)
		}
	})
	other := k.stored(t)
	for name, tc := range map[string]struct {
		change func(*record.VirtualNodeRequest)
		want   string
	}{
		"another CPI":         {func(q *record.VirtualNodeRequest) { q.Create.CPIFileChecksum = short(other.Checksum) }, "is asked for"},
		"an unknown CPI":      {func(q *record.VirtualNodeRequest) { q.Create.CPIFileChecksum = "0123456789AB" }, "no CPI with the file checksum"},
		"a broken connection": {func(q *record.VirtualNodeRequest) { q.Create.VaultDML = "{" }, "vault"},
	} {
		t.Run("a request with "+name+" for a node that exists is refused, and leaves the status a success", func(t *testing.T) {
			again := creation(all[2].Create.HoldingIdentity, p.Checksum)
			tc.change(&again)
			k.publish(t, request(again))
			s := k.ended(t, again)[again.RequestID]
			if s.State != record.OperationCompleted || s.ResourceID == nil || *s.ResourceID != again.RequestID {
				t.Errorf("ended as %s of %v, want a success: the node exists", s.State, s.ResourceID)
			}
			contains(t, "the reason", reason(s), "already exists", "is refused", tc.want)
			if err := whole(t.Context(), db, again.Create.HoldingIdentity); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("a collision of short hashes is refused", func(t *testing.T) {
		identity := node(t, p.GroupID, 100)
		_, err := db.Exec(t.Context(), `INSERT INTO config.holding_identity (holding_identity_id, holding_identity_full_hash, x500_name, mgm_group_id)
			VALUES ($1, $2, 'O=Other, L=Leeds, C=GB', 'other')`, string(identity.ShortHash()), strings.Repeat("0", 64))
		if err != nil {
			t.Fatal(err)
		}
		q := creation(identity, p.Checksum)
		k.publish(t, request(q))
		s := k.ended(t, q)[q.RequestID]
		if s.State != record.OperationValidationFailed || leftovers(t, db, identity) != 0 {
			t.Errorf("ended as %s with %d leftovers, want it refused and none", s.State, leftovers(t, db, identity))
		}
		contains(t, "the reason", reason(s), "O=Other", "choose another name")
	})
}

func TestCreationRefused(t *testing.T) {
	t.Parallel()
	c := cluster.New(t)
	c.Start(t, role.Database)
	k := newClient(t, c)
	db := c.Superuser(t)
	p := k.stored(t)
	for name, tc := range map[string]struct {
		change func(*record.VirtualNodeRequest)
		want   string
	}{
		"unknown CPI":         {func(q *record.VirtualNodeRequest) { q.Create.CPIFileChecksum = "0123456789AB" }, "no CPI with the file checksum 0123456789AB"},
		"checksum too short":  {func(q *record.VirtualNodeRequest) { q.Create.CPIFileChecksum = "01" }, "12 hex digits"},
		"pattern as checksum": {func(q *record.VirtualNodeRequest) { q.Create.CPIFileChecksum = "%%%%%%%%%%%%" }, "12 hex digits"},
		"no member name":      {func(q *record.VirtualNodeRequest) { q.Create.HoldingIdentity.X500Name = "O=Acme" }, "L is missing"},
		"not canonical":       {func(q *record.VirtualNodeRequest) { q.Create.HoldingIdentity.X500Name = "L=Leeds, O=Test, C=GB" }, "canonical"},
		"DDL without DML":     {func(q *record.VirtualNodeRequest) { q.Create.CryptoDDL = "{}" }, "without its DML"},
		"broken connection":   {func(q *record.VirtualNodeRequest) { q.Create.CryptoDML = `{"database":{"pass":"hunter2"` }, "crypto"},
	} {
		t.Run(name, func(t *testing.T) {
			q := creation(node(t, p.GroupID, rand.IntN(1_000_000)), p.Checksum)
			tc.change(&q)
			q.RequestID = string(q.Create.HoldingIdentity.ShortHash())
			k.publish(t, request(q))
			s := k.ended(t, q)[q.RequestID]
			if s.State != record.OperationValidationFailed || s.ResourceID != nil {
				t.Errorf("ended as %s, want it refused", s.State)
			}
			contains(t, "the reason", reason(s), tc.want)
			if strings.Contains(reason(s), "hunter2") {
				t.Error("the reason shows a password")
			}
			if n := leftovers(t, db, q.Create.HoldingIdentity); n > 0 {
				t.Errorf("%d schemas and roles are left over", n)
			}
		})
	}
}

// Connections that come with a request are used as they are; their passwords are stored as secrets only.
func TestCreationWithGivenConnection(t *testing.T) {
	t.Parallel()
	c := cluster.New(t)
	c.Start(t, role.Database)
	c.Start(t, role.Crypto)
	k := newClient(t, c)
	db := c.Superuser(t)
	p := k.stored(t)
	q := creation(node(t, p.GroupID, 1), p.Checksum)
	url, err := store.ParseJDBC(c.Result.Config.JDBCURL)
	if err != nil {
		t.Fatal(err)
	}
	url.Schema = "elsewhere"
	q.Create.VaultDML = fmt.Sprintf(`{"database":{"jdbc":{"url":%q},"user":"someone","pass":"correct horse battery","pool":{"max_size":2}}}`, url.String())
	k.created(t, q)
	var schemas int
	var ddl *string
	var text string
	err = db.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM pg_namespace WHERE nspname LIKE $1), v.vault_ddl_connection_id::text, c.config
		FROM config.virtual_node v JOIN config.db_connection c ON c.connection_id = v.vault_dml_connection_id
		WHERE v.holding_identity_id = $2`, `%\_`+q.Create.HoldingIdentity.ShortHash().Lower(), q.RequestID).Scan(&schemas, &ddl, &text)
	if err != nil {
		t.Fatal(err)
	}
	if schemas != 2 || ddl != nil {
		t.Errorf("%d schemas and vault DDL connection %v, want 2 and none", schemas, ddl)
	}
	contains(t, "the connection", text, "someone", "configSecret", "elsewhere")
	if strings.Contains(text, "correct horse") {
		t.Error("the password is stored in clear")
	}
	connection, err := store.ParseConnection(text, c.Secrets)
	if err != nil || connection.Password != "correct horse battery" {
		t.Errorf("the password cannot be decrypted: %v", err)
	}
}

// Workers are killed at random while 50 nodes are made: every request is completed, and every node is whole.
func TestCreationWhileWorkersDie(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel()
	c := cluster.New(t)
	k := newClient(t, c)
	db := c.Superuser(t)
	first := c.Spawn(t, role.Database)
	p := k.stored(t)
	killers := []*killer{
		newKiller(c, role.Database, first), newKiller(c, role.Database, c.Spawn(t, role.Database)), newKiller(c, role.Crypto, c.Spawn(t, role.Crypto))}

	var all []record.VirtualNodeRequest
	var messages []bus.Message
	for n := range 50 {
		q := creation(node(t, p.GroupID, n), p.Checksum)
		all, messages = append(all, q), append(messages, request(q))
	}
	seed := uint64(time.Now().UnixNano()) //nolint:gosec // a seed
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // chance
	k.publish(t, messages...)
	completed := func() (n int) {
		for _, s := range k.operations.All() {
			if s.State == record.OperationCompleted {
				n++
			}
		}
		return n
	}
	deadline := time.Now().Add(4 * limit)
	for kills := 0; completed() < len(all); {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d nodes are completed", completed(), len(all))
		}
		pauseFor(t, time.Duration(100+chance.IntN(900))*time.Millisecond)
		if kills < 12 {
			killers[chance.IntN(len(killers))].kill(t)
			kills++
		}
	}
	for id, s := range k.ended(t, all...) {
		if s.State != record.OperationCompleted {
			t.Errorf("virtual node %s ended as %s: %s", id, s.State, reason(s))
		}
	}
	for _, q := range all {
		cluster.Eventually(t, limit, func() error { return whole(t.Context(), db, q.Create.HoldingIdentity) })
		if _, ok := k.nodes.Get(record.Key(q.Create.HoldingIdentity)); !ok {
			t.Errorf("virtual node %s is not published", q.RequestID)
		}
	}
}

// pauseFor is the pace at which workers are killed; nothing is awaited by it.
func pauseFor(t testing.TB, d time.Duration) {
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

// killer kills a worker and starts it again under the same name, as a supervisor would.
type killer struct {
	c *cluster.Cluster
	r role.Role
	p *cluster.Process
}

func newKiller(c *cluster.Cluster, r role.Role, p *cluster.Process) *killer { return &killer{c, r, p} }

func (k *killer) kill(t testing.TB) {
	t.Helper()
	k.p.Kill()
	k.p = k.c.SpawnWith(t, k.p.Boot)
}

// A request that PostgreSQL refuses for good ends as a failure, and leaves nothing behind.
func TestCreationFails(t *testing.T) {
	t.Parallel()
	c := cluster.New(t)
	c.Start(t, role.Database)
	k := newClient(t, c)
	db := c.Superuser(t)
	p := k.stored(t)
	// The trigger stands for whatever refuses the last of all rows.
	_, err := db.Exec(t.Context(), `CREATE FUNCTION config.refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'refused by the test'; END$$;
		CREATE TRIGGER refuse BEFORE INSERT ON config.virtual_node FOR EACH ROW EXECUTE FUNCTION config.refuse()`)
	if err != nil {
		t.Fatal(err)
	}
	q := creation(node(t, p.GroupID, 1), p.Checksum)
	k.publish(t, request(q))
	s := k.ended(t, q)[q.RequestID]
	if s.State != record.OperationUnexpectedFailure {
		t.Errorf("ended as %s, want an unexpected failure", s.State)
	}
	contains(t, "the reason", reason(s), "refused by the test")
	if n := leftovers(t, db, q.Create.HoldingIdentity); n > 0 {
		t.Errorf("%d schemas and roles are left over", n)
	}
	if _, err := db.Exec(t.Context(), `DROP TRIGGER refuse ON config.virtual_node`); err != nil {
		t.Fatal(err)
	}
	q.Timestamp = q.Timestamp.Add(time.Second)
	k.created(t, q) // another try may succeed
}
