package crypto_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cordage-sandbox/cordage/fixtures/cluster"
	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/keys"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/role"
	"github.com/cordage-sandbox/cordage/workers/store"
)

func TestMain(m *testing.M) { cluster.Main(m) }

const limit = 90 * time.Second

// client speaks to crypto workers over the bus.
type client struct {
	*cluster.Cluster
	publisher *bus.Publisher
	hsm       *bus.Caller[record.HSMRegistrationRequest, record.HSMRegistrationResponse]
	db        *pgxpool.Pool
}

func newClient(t testing.TB, c *cluster.Cluster) *client {
	t.Helper()
	b := c.Bus(t)
	publisher, err := b.NewPublisher(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = publisher.Close() })
	k := &client{c, publisher, bus.NewCaller[record.HSMRegistrationRequest, record.HSMRegistrationResponse](
		b, record.TopicHSMRegistration, "test", bus.CallerOptions{Timeout: 20 * time.Second}), c.Superuser(t)}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- k.hsm.Run(ctx, func() { close(ready) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-ready:
	case <-time.After(limit):
		t.Fatal("the caller is not ready")
	}
	return k
}

// node makes the crypto database of a virtual node and publishes the node, as a database worker does.
func (k *client) node(t testing.TB) ident.HoldingIdentity {
	t.Helper()
	name, err := ident.ParseName("O=Tenant, L=Leeds, C=GB")
	if err != nil {
		t.Fatal(err)
	}
	identity := ident.NewHoldingIdentity(name, uuid.NewString())
	made, err := store.ProvisionNode(t.Context(), k.Pool(t, k.Result.VirtualNodes), k.Result.VirtualNodes, k.Secrets, identity.ShortHash(), store.Crypto)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	err = store.Tx(t.Context(), k.Pool(t, k.Result.Config), func(tx pgx.Tx) (err error) {
		ids, err = store.PutConnections(t.Context(), tx, k.Secrets, made[0].Rows(), "test", time.Now())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = k.publisher.Publish(t.Context(), bus.Message{Topic: record.TopicVirtualNodeInfo, Key: record.Key(identity),
		Value: record.VirtualNodeInfo{HoldingIdentity: identity, CryptoDDL: &ids[0], CryptoDML: ids[1]}})
	if err != nil {
		t.Fatal(err)
	}
	return identity
}

type stored struct {
	Alias, Parent, Algorithm string
	Generation               int
	Material                 []byte
}

func wrappingKeys(ctx context.Context, db *pgxpool.Pool, schema string) ([]stored, error) {
	rows, err := db.Query(ctx, `SELECT alias, parent_key_reference, algorithm_name, generation, key_material FROM `+store.QuoteIdent(schema)+`.crypto_wrapping_key`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[stored])
}

func (k *client) awaitKeys(t testing.TB, schema string, want int) (found []stored) {
	t.Helper()
	cluster.Eventually(t, limit, func() (err error) {
		if found, err = wrappingKeys(t.Context(), k.db, schema); err == nil && len(found) != want {
			err = fmt.Errorf("schema %s has %d wrapping keys, want %d", schema, len(found), want)
		}
		return err
	})
	return found
}

func TestClusterTenants(t *testing.T) {
	t.Parallel()
	c := cluster.New(t)
	c.Start(t, role.Database) // publishes the configuration
	c.Start(t, role.Crypto)
	k := newClient(t, c)
	master, err := keys.DeriveMaster("root1", c.Bootstrap.MasterPassphrase, c.Bootstrap.MasterSalt)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range k.awaitKeys(t, "crypto", 2) {
		if w.Parent != "root1" || w.Algorithm != "AES" || w.Generation != 1 || len(w.Material) != keys.WrappedKeySize || len(w.Alias) != 12 {
			t.Errorf("wrapping key is %+v", w)
		}
		if _, err := master.Unwrap(w.Material); err != nil {
			t.Errorf("the key cannot be unwrapped with the master key: %v", err)
		}
	}
	var pairs, tenants int
	err = k.db.QueryRow(t.Context(), `SELECT count(*), count(DISTINCT a.tenant_id) FROM crypto.crypto_hsm_category_association JOIN crypto.crypto_hsm_association a
		ON a.id = hsm_association_id AND a.hsm_id = 'SOFT' WHERE deprecated_at = 0 AND a.tenant_id IN ('p2p', 'rest')`).Scan(&pairs, &tenants)
	if err == nil && (pairs != 16 || tenants != 2) {
		err = fmt.Errorf("%d categories of %d tenants are associated, want 16 of 2", pairs, tenants)
	}
	if err != nil {
		t.Error(err)
	}
}

// The consumer groups are Corda 5.0's: they are what one sees in Kafka's tools.
func TestGroups(t *testing.T) {
	t.Parallel()
	c := cluster.New(t)
	c.Start(t, role.Database)
	c.Start(t, role.Crypto)
	want := []string{
		"config.management-responder", "cpi.chunk.writer", "crypto.hsm.rpc.registration-responder",
		"membership.certificates.service-responder", "uniqueness.checker", "virtual.node.async.operation.group",
	}
	cluster.Eventually(t, limit, func() error {
		if diff := cmp.Diff(want, c.Groups(t)); diff != "" {
			return fmt.Errorf("groups: -want +got\n%s", diff)
		}
		return nil
	})
}

// Several crypto workers see a new node at the same time, and are asked for its key too: there is one key.
func TestReplicas(t *testing.T) {
	t.Parallel()
	c := cluster.New(t)
	c.Start(t, role.Database)
	for range 3 {
		c.Start(t, role.Crypto)
	}
	k := newClient(t, c)
	const nodes = 8
	for range nodes {
		identity := k.node(t)
		hash := string(identity.ShortHash())
		answer, err := k.hsm.Call(t.Context(), record.HSMRegistrationRequest{TenantID: hash})
		if err != nil || answer.Failure != nil {
			t.Fatalf("registration: %v, %v", err, answer.Failure)
		}
		found := k.awaitKeys(t, store.Crypto.SchemaName(identity.ShortHash()), 1)
		if answer.HSMID != "SOFT" || answer.MasterKeyAlias != found[0].Alias {
			t.Errorf("answer is %+v, want alias %s", answer, found[0].Alias)
		}
		for _, category := range []string{"LEDGER", "notary", "LEDGER"} {
			if answer, err := k.hsm.Call(t.Context(), record.HSMRegistrationRequest{TenantID: strings.ToLower(hash), Category: category}); err != nil || answer.Failure != nil {
				t.Errorf("category %s: %v, %v", category, err, answer.Failure)
			}
		}
		var associations, categories int
		err = k.db.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM crypto.crypto_hsm_association WHERE tenant_id = $1),
			(SELECT count(*) FROM crypto.crypto_hsm_category_association WHERE tenant_id = $1)`, hash).Scan(&associations, &categories)
		if err != nil || associations != 1 || categories != 2 {
			t.Errorf("%d associations and %d categories, %v; want 1 and 2", associations, categories, err)
		}
		k.awaitKeys(t, store.Crypto.SchemaName(identity.ShortHash()), 1)
	}
}

// A node that was published while no crypto worker ran gets its key when one starts.
func TestLateWorker(t *testing.T) {
	t.Parallel()
	c := cluster.New(t)
	k := newClient(t, c)
	identity := k.node(t)
	c.Start(t, role.Database)
	c.Start(t, role.Crypto)
	k.awaitKeys(t, store.Crypto.SchemaName(identity.ShortHash()), 1)
}

func TestRegistrationRefused(t *testing.T) {
	t.Parallel()
	c := cluster.New(t)
	c.Start(t, role.Database)
	c.Start(t, role.Crypto)
	k := newClient(t, c)
	for name, q := range map[string]record.HSMRegistrationRequest{
		"no tenant":        {},
		"unknown node":     {TenantID: "0123456789AB"},
		"no short hash":    {TenantID: "crypto"},
		"unknown category": {TenantID: "p2p", Category: "COFFEE"},
	} {
		t.Run(name, func(t *testing.T) {
			answer, err := k.hsm.Call(t.Context(), q)
			if err != nil || answer.Failure == nil || answer.Failure.Type != record.FailureInvalidTenant {
				t.Errorf("answer is %+v, %v; want it refused", answer, err)
			}
		})
	}
}

// What a crypto worker is given lets it read connections, and nothing else.
func TestReadOnlyConfig(t *testing.T) {
	t.Parallel()
	c := cluster.New(t)
	boot := c.Boot(t, role.Crypto)
	if boot.Database.User != c.Result.ConfigReader.User {
		t.Fatalf("a crypto worker is given the user %s", boot.Database.User)
	}
	pool := c.Pool(t, c.Result.ConfigReader)
	var rows int
	if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM db_connection`).Scan(&rows); err != nil || rows == 0 {
		t.Fatalf("read connections: %d rows, %v", rows, err)
	}
	for _, sql := range []string{
		`INSERT INTO db_connection (connection_id, connection_name, privilege, version, update_ts, update_actor, config) VALUES ('00000000-0000-0000-0000-000000000000', 'x', 'DML', 0, now(), 'x', 'x')`,
		`UPDATE db_connection SET config = ''`, `DELETE FROM db_connection`, `TRUNCATE db_connection`,
		`SELECT * FROM config`, `UPDATE config SET config = ''`, `SELECT * FROM cpi`, `SELECT * FROM db_connection_audit`,
		`CREATE TABLE config.mine (a int)`, `CREATE TABLE public.mine (a int)`, `CREATE TEMPORARY TABLE mine (a int)`, `CREATE SCHEMA mine`, `CREATE ROLE mine`,
		`SELECT * FROM rbac.rbac_user`, `SELECT * FROM crypto.crypto_wrapping_key`,
	} {
		_, err := pool.Exec(t.Context(), sql)
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "42501" { // insufficient privilege
			t.Errorf("%s: %v, want it refused for lack of rights", sql, err)
		}
	}
}

// Neither passwords, passphrases and salts, nor keys are in a table, in a record or in a log in clear.
func TestNoSecretInClear(t *testing.T) {
	t.Parallel()
	c := cluster.New(t)
	c.Start(t, role.Database)
	c.Start(t, role.Crypto)
	k := newClient(t, c)
	identity := k.node(t)
	found := k.awaitKeys(t, store.Crypto.SchemaName(identity.ShortHash()), 1)
	master, err := keys.DeriveMaster("root1", c.Bootstrap.MasterPassphrase, c.Bootstrap.MasterSalt)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := master.Unwrap(found[0].Material); err != nil {
		t.Fatal(err)
	}
	secrets := map[string][]byte{
		"master passphrase": []byte(c.Bootstrap.MasterPassphrase), "master salt": []byte(c.Bootstrap.MasterSalt),
		"secrets passphrase": []byte(c.Bootstrap.Secrets.Passphrase), "secrets salt": []byte(c.Bootstrap.Secrets.Salt),
		"admin password": []byte(c.Bootstrap.AdminPassword), "config_user": []byte(c.Bootstrap.Passwords.ConfigUser),
		"config_reader": []byte(c.Bootstrap.Passwords.ConfigReader), "rbac_user": []byte(c.Bootstrap.Passwords.RBACUser),
		"crypto_user": []byte(c.Bootstrap.Passwords.CryptoUser), "vnode_admin": []byte(c.Bootstrap.Passwords.VNodeAdmin),
	}
	databases := store.NewConnections(c.Pool(t, c.Result.Config), c.Secrets, "test")
	defer databases.Close()
	node, err := databases.ConnectionNamed(t.Context(), store.Crypto.SchemaName(identity.ShortHash()), store.DML)
	if err != nil {
		t.Fatal(err)
	}
	secrets["node's DML user"] = []byte(node.Password)

	places := map[string][]byte{"logs": []byte(c.Logs())}
	for name, text := range dump(t, k.db) {
		places["table "+name] = text
	}
	for _, topic := range record.Topics() {
		places["topic "+topic.Name] = c.Records(t, topic.Name)
	}
	if len(places["topic "+record.TopicConfig]) == 0 || len(places["table config.config"]) == 0 || len(places["logs"]) == 0 {
		t.Fatal("there is nothing to search")
	}
	for place, text := range places {
		for name, secret := range secrets {
			if bytes.Contains(text, secret) || bytes.Contains(text, []byte(hex.EncodeToString(secret))) {
				t.Errorf("%s holds the %s in clear", place, name)
			}
		}
	}
}

// dump is the text of every table of the cluster's database.
func dump(t testing.TB, db *pgxpool.Pool) map[string][]byte {
	t.Helper()
	rows, err := db.Query(t.Context(), `SELECT table_schema || '.' || table_name, quote_ident(table_schema) || '.' || quote_ident(table_name)
		FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Name, Quoted string }])
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, table := range tables {
		var text string
		if err := db.QueryRow(t.Context(), `SELECT coalesce(string_agg(x::text, E'\n'), '') FROM `+table.Quoted+` x`).Scan(&text); err != nil {
			t.Fatalf("%s: %v", table.Name, err)
		}
		all[table.Name] = []byte(text)
	}
	return all
}
