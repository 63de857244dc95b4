package browse

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cordage-sandbox/cordage/fixtures/cluster"
	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/mask"
	"github.com/cordage-sandbox/cordage/sandbox/reader"
	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/store"
)

func TestMain(m *testing.M) { cluster.Main(m) }

const alice = "CN=Alice, O=Alice Corp, L=London, C=GB"

// sandboxOf is a cluster with one virtual node, and who browses it.
type sandboxOf struct {
	*Browser
	super *pgxpool.Pool // in the cluster's database
	hash  ident.ShortHash
	role  string // that reads
}

func newSandbox(t *testing.T) sandboxOf {
	t.Helper()
	c := cluster.New(t)
	config, err := store.ParseJDBC(c.Result.Config.JDBCURL)
	if err != nil {
		t.Fatal(err)
	}
	at := func(schema string) sandbox.Database {
		return sandbox.Database{Database: config.Database, Schema: schema}
	}
	b := New(func() (Source, error) {
		return Source{
			PostgreSQL: sandbox.PostgresCredentials{
				Host: config.Host, Port: config.Port, User: c.Bootstrap.Admin.User, Password: c.Bootstrap.Admin.Password,
			},
			Databases: map[string]sandbox.Database{"config": at("config"), "rbac": at("rbac"), "crypto": at("crypto"), nodes: at("public")},
		}, nil
	})
	role := c.Prefix + "reader"
	b.reader = reader.New(role)
	hash := ident.HoldingIdentity{X500Name: alice, GroupID: "g"}.ShortHash()
	admin := c.Pool(t, c.Result.VirtualNodes)
	made, err := store.ProvisionNode(t.Context(), admin, c.Result.VirtualNodes, c.Secrets, hash, store.NodeKinds()...)
	if err != nil {
		t.Fatal(err)
	}
	super := c.Superuser(t)
	s := sandboxOf{b, super, hash, role}
	s.exec(t, "INSERT INTO config.holding_identity VALUES ($1, $1, $2, 'g')", string(hash), alice)
	for _, d := range made {
		for _, r := range d.Rows() {
			text, err := r.Connection.Encode(c.Secrets)
			if err != nil {
				t.Fatal(err)
			}
			s.exec(t, `INSERT INTO config.db_connection VALUES (gen_random_uuid(), $1, $2, 0, now(), 'test', '', $3)`, r.Name, string(r.Privilege), text)
		}
	}
	return s
}

func (s sandboxOf) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := s.super.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func TestDatabases(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	got, err := s.Databases(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range got {
		names = append(names, d.Name)
		if d.Bytes == 0 || d.Tables == 0 || (d.VNode != "") != (d.Owner == alice) {
			t.Errorf("%s is %+v", d.Name, d)
		}
	}
	h := string(s.hash)
	want := []string{"config", "crypto", "rbac", h + "/crypto", h + "/uniqueness", h + "/vault"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("databases (-want +got):\n%s", diff)
	}
}

// TestEveryTable reads each table of each database row by row, and compares with what it gets at once.
func TestEveryTable(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	databases, err := s.Databases(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, d := range databases {
		tables, err := s.Tables(t.Context(), d.Name)
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range tables {
			seen++
			whole, err := s.Rows(t.Context(), d.Name, table.Name, sandbox.Page{Limit: sandbox.MaxPage})
			if err != nil {
				t.Fatalf("%s %s: %v", d.Name, table.Name, err)
			}
			if len(whole.Columns) != len(table.Columns) || len(table.Columns) == 0 {
				t.Errorf("%s %s has columns %v", d.Name, table.Name, table.Columns)
			}
			if len(whole.Rows) > 20 {
				continue // one by one only where it is quick
			}
			var rows [][]sandbox.Cell
			for p := (sandbox.Page{Limit: 1}); ; {
				one, err := s.Rows(t.Context(), d.Name, table.Name, p)
				if err != nil {
					t.Fatalf("%s %s: %v", d.Name, table.Name, err)
				}
				rows = append(rows, one.Rows...)
				if p.After = one.Next; p.After == "" {
					break
				}
			}
			if diff := cmp.Diff(whole.Rows, rows, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s %s (-at once +one by one):\n%s", d.Name, table.Name, diff)
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d tables are seen", seen)
	}
}

func TestColumns(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	tables, err := s.Tables(t.Context(), "config")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(tables, func(t sandbox.Table) bool { return t.Name == "db_connection" })
	if i < 0 {
		t.Fatalf("tables are %v", tables)
	}
	want := []sandbox.Column{
		{Name: "connection_id", Type: "uuid", Key: true},
		{Name: "connection_name", Type: "character varying(64)", Unique: true},
		{Name: "privilege", Type: "character varying(3)", Unique: true},
	}
	if diff := cmp.Diff(want, tables[i].Columns[:3]); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	i = slices.IndexFunc(tables, func(t sandbox.Table) bool { return t.Name == "cpk_file" })
	if got := tables[i].Columns[0]; got.Refers != "cpk_metadata" || !got.Key {
		t.Errorf("the column is %+v", got)
	}
}

// TestSecretsAreMasked looks for every secret that the databases have after a bootstrap, and for its digest.
func TestSecretsAreMasked(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	s.exec(t, `UPDATE config.config SET config = '{"a": {"b": {"configSecret": {"encryptedSecret": "hunter2"}}}}' WHERE section = 'corda.rest'`)
	secrets := map[string]string{}
	for what, sql := range map[string]string{
		"password hash": "SELECT hashed_password FROM rbac.rbac_user LIMIT 1", "salt": "SELECT salt_value FROM rbac.rbac_user LIMIT 1",
		"encrypted password": `SELECT substring(config FROM '"encryptedSecret"\s*:\s*"([^"]+)"') FROM config.db_connection LIMIT 1`,
		"wrapping key":       "SELECT encode(key_material, 'hex') FROM crypto.crypto_wrapping_key LIMIT 1",
		"section":            "SELECT 'hunter2'",
	} {
		var secret *string
		if err := s.super.QueryRow(t.Context(), sql).Scan(&secret); err != nil {
			if what == "wrapping key" && strings.Contains(err.Error(), "no rows") {
				continue // the workers make it
			}
			t.Fatalf("%s: %v", what, err)
		}
		if secret == nil || *secret == "" {
			t.Fatalf("%s: there is none", what)
		}
		secrets[what] = *secret
	}
	for _, at := range [][2]string{{"rbac", "rbac_user"}, {"config", "db_connection"}, {"config", "db_connection_audit"}, {"config", "config"}, {"crypto", "crypto_wrapping_key"}} {
		page, err := s.Rows(t.Context(), at[0], at[1], sandbox.Page{Limit: sandbox.MaxPage})
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprint(page)
		for what, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows the %s", at[1], what)
			}
		}
		if at[1] == "db_connection" && (!strings.Contains(text, mask.Shown) || !strings.Contains(text, "jdbc:postgresql:")) {
			t.Errorf("a connection is shown as %s", text)
		}
	}
}

// TestNothingCanBeChanged, not even by a view that somebody else has made, nor by a name that is no name.
func TestNothingCanBeChanged(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	schema := store.Vault.SchemaName(s.hash)
	s.exec(t, "CREATE TABLE "+schema+".victim (id int PRIMARY KEY)")
	s.exec(t, "CREATE FUNCTION "+schema+`.attack() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
		PERFORM set_config('transaction_read_only', 'off', false);
		INSERT INTO `+schema+`.victim VALUES (1); RETURN current_user; END $$`)
	s.exec(t, "CREATE VIEW "+schema+".trap AS SELECT "+schema+".attack() AS a")
	s.exec(t, "CREATE VIEW "+schema+".who AS SELECT current_user::text AS who, (SELECT rolsuper FROM pg_roles WHERE rolname = session_user) AS super, "+
		"current_setting('transaction_read_only') AS ro")
	vault := string(s.hash) + "/vault"
	if _, err := s.Rows(t.Context(), vault, "trap", sandbox.Page{}); err == nil {
		t.Error("the attack is not refused")
	}
	page, err := s.Rows(t.Context(), vault, "who", sandbox.Page{})
	if err != nil {
		t.Fatal(err)
	}
	want := [][]sandbox.Cell{{{Text: s.role}, {Text: "false"}, {Text: "on"}}}
	if diff := cmp.Diff(want, page.Rows); diff != "" {
		t.Errorf("who reads (-want +got):\n%s", diff)
	}
	for _, name := range []string{`victim"; DROP TABLE victim; --`, "victim; SELECT 1", "", strings.Repeat("x", 64), "pg_authid", "../rbac/rbac_user", "a\x00b"} {
		if _, err := s.Rows(t.Context(), vault, name, sandbox.Page{}); err == nil {
			t.Errorf("table %q is read", name)
		}
	}
	for _, name := range []string{"nodes", "postgres", "pg_catalog", "", "ABCDEF012345/vault", string(s.hash) + "/public", string(s.hash)} {
		_, err := s.Tables(t.Context(), name)
		if _, ok := errors.AsType[*NotFoundError](err); !ok {
			t.Errorf("database %q gives %v", name, err)
		}
	}
	var n int
	if err := s.super.QueryRow(t.Context(), "SELECT count(*) FROM "+schema+".victim").Scan(&n); err != nil || n != 0 {
		t.Errorf("the victim has %d rows, %v", n, err)
	}
}

func TestLongQueriesEnd(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	schema := store.Vault.SchemaName(s.hash)
	s.exec(t, "CREATE VIEW "+schema+".slow AS SELECT pg_sleep(60)::text AS s")
	began := time.Now()
	_, err := s.Rows(t.Context(), string(s.hash)+"/vault", "slow", sandbox.Page{})
	if err == nil || !strings.Contains(err.Error(), "longer than 5s") || time.Since(began) > 2*questionLimit {
		t.Errorf("after %v it gives %v", time.Since(began), err)
	}
}

// TestKinds of values are shown as text, large ones only in part.
func TestKinds(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	schema := store.Vault.SchemaName(s.hash)
	s.exec(t, "CREATE TABLE "+schema+`.kinds (id int PRIMARY KEY, t timestamp, z timestamptz, b bytea, big bytea, long text, "odd ""name" text, j jsonb, e text[])`)
	s.exec(t, "INSERT INTO "+schema+`.kinds VALUES (1, '2026-01-02 03:04:05.678', '2026-01-02 03:04:05+02', '\xDEADBEEF', decode(repeat('ab', 5000), 'hex'),
		repeat('é', 10000), NULL, '{"password": "hunter2", "n": 1}', '{a,b}'), (2, 'infinity', NULL, '', NULL, '', 'x', 'null', '{}')`)
	page, err := s.Rows(t.Context(), string(s.hash)+"/vault", "kinds", sandbox.Page{})
	if err != nil {
		t.Fatal(err)
	}
	want := [][]sandbox.Cell{
		{
			{Text: "1"}, {Text: "2026-01-02T03:04:05.678Z"}, {Text: "2026-01-02T01:04:05Z"}, {Text: "deadbeef"},
			{Text: strings.Repeat("ab", maxBytea), Bytes: 5000}, {Text: strings.Repeat("é", maxText), Bytes: 20000}, {Null: true},
			{Text: `{"n":1,"password":"*****"}`}, {Text: "{a,b}"},
		},
		{{Text: "2"}, {Text: "infinity"}, {Null: true}, {}, {Null: true}, {}, {Text: "x"}, {Text: "null"}, {Text: "{}"}},
	}
	if diff := cmp.Diff(want, page.Rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestUniqueness(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	schema := store.Uniqueness.SchemaName(s.hash)
	id := func(n int) string { return fmt.Sprintf("%064X", n) }
	for n := range 5 {
		s.exec(t, "INSERT INTO "+schema+".uniqueness_tx_details VALUES ('SHA-256', decode($1, 'hex'), $2, now(), $3, $4)", id(n), alice,
			time.Date(2026, 1, 1, 0, 0, n/2, 123_000_000, time.UTC), map[bool]string{true: "R", false: "A"}[n == 3])
		s.exec(t, "INSERT INTO "+schema+".uniqueness_state_details VALUES ('SHA-256', decode($1, 'hex'), 0), ('SHA-256', decode($1, 'hex'), 1)", id(n))
	}
	s.exec(t, "INSERT INTO "+schema+`.uniqueness_rejected_txs VALUES ('SHA-256', decode($1, 'hex'), '{"why":1}')`, id(3))
	s.exec(t, "UPDATE "+schema+".uniqueness_state_details SET consuming_tx_id_algo = 'SHA-256', consuming_tx_id = decode($2, 'hex') WHERE issue_tx_id = decode($1, 'hex') AND issue_tx_output_idx = 1",
		id(0), id(4))
	ask := func(f sandbox.UniquenessFilter) (u sandbox.Uniqueness, refs string) {
		t.Helper()
		f.Limit = 2
		var found []string
		for {
			page, err := s.Uniqueness(t.Context(), strings.ToLower(string(s.hash)), f)
			if err != nil {
				t.Fatal(err)
			}
			for _, st := range page.States {
				found = append(found, strings.TrimLeft(strings.TrimPrefix(st.Ref, "SHA-256:"), "0"))
			}
			for _, tx := range page.Transactions {
				found = append(found, strings.TrimLeft(strings.TrimPrefix(tx.ID, "SHA-256:"), "0"))
			}
			u = page
			if f.After = page.Next; f.After == "" {
				return u, strings.Join(found, " ")
			}
		}
	}
	for name, tc := range map[string]struct {
		filter sandbox.UniquenessFilter
		want   string
	}{
		"states":       {sandbox.UniquenessFilter{}, ":0 :1 1:0 1:1 2:0 2:1 3:0 3:1 4:0 4:1"},
		"spent":        {sandbox.UniquenessFilter{Show: "spent"}, ":1"},
		"unspent":      {sandbox.UniquenessFilter{Show: "unspent"}, "4:1 4:0 3:1 3:0 2:1 2:0 1:1 1:0 :0"},
		"transactions": {sandbox.UniquenessFilter{Show: "transactions"}, "4 3 2 1 "},
		"rejected":     {sandbox.UniquenessFilter{Show: "rejected"}, "3"},
		"accepted":     {sandbox.UniquenessFilter{Show: "accepted"}, "4 2 1 "},
		"made or used": {sandbox.UniquenessFilter{Find: "SHA-256:" + id(4)}, "4:0 4:1 :1"},
		"used":         {sandbox.UniquenessFilter{Show: "spent", Find: id(4)}, ":1"},
		"made":         {sandbox.UniquenessFilter{Show: "unspent", Find: id(4)}, "4:0 4:1"},
		"beginning":    {sandbox.UniquenessFilter{Show: "transactions", Find: id(2)[:63]}, " 1 2 3 4"},
		"rejected few": {sandbox.UniquenessFilter{Show: "rejected", Find: id(2)[:63]}, "3"},
		"whole":        {sandbox.UniquenessFilter{Show: "transactions", Find: strings.ToLower(id(2))}, "2"},
		"state":        {sandbox.UniquenessFilter{Show: "transactions", Find: "SHA-256:" + id(2) + ":1"}, "2"},
		"other algo":   {sandbox.UniquenessFilter{Find: "SHA-512:" + id(2)}, ""},
	} {
		u, got := ask(tc.filter)
		if got != tc.want {
			t.Errorf("%s gives %q, want %q", name, got, tc.want)
		}
		if want := (sandbox.UniquenessTotals{Unspent: 9, Spent: 1, Accepted: 4, Rejected: 1}); u.Totals != want || u.Owner != alice {
			t.Errorf("%s: totals are %+v of %s", name, u.Totals, u.Owner)
		}
	}
	u, _ := ask(sandbox.UniquenessFilter{Show: "rejected"})
	if tx := u.Transactions[0]; tx.Result != "rejected" || tx.Error != `{"why":1}` || tx.Originator != alice || tx.Committed.Nanosecond() != 123_000_000 {
		t.Errorf("the rejected transaction is %+v", tx)
	}
	u, _ = ask(sandbox.UniquenessFilter{Show: "spent"})
	if st := u.States[0]; st.SpentBy != "SHA-256:"+id(4) {
		t.Errorf("the spent state is %+v", st)
	}
	for _, f := range []sandbox.UniquenessFilter{{Show: "all"}, {Find: "xyz"}, {Page: sandbox.Page{Limit: -1}}, {Page: sandbox.Page{After: "?"}}, {Page: sandbox.Page{After: "e30x"}}} {
		if _, err := s.Uniqueness(t.Context(), string(s.hash), f); err == nil {
			t.Errorf("%+v is not refused", f)
		}
	}
	_, err := s.Uniqueness(t.Context(), "ABCDEF012345", sandbox.UniquenessFilter{})
	if _, ok := errors.AsType[*NotFoundError](err); !ok {
		t.Errorf("an unknown virtual node gives %v", err)
	}
}

// TestForeignPositions: what no page has told is refused as a wrong question, and is no failure of the database's.
func TestForeignPositions(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	keyed := func(keys ...string) string { return position{Key: keys}.encode() }
	refused := func(what string, err error) {
		t.Helper()
		if _, ok := errors.AsType[*BadRequestError](err); !ok {
			t.Errorf("%s gives %v", what, err)
		}
	}
	for name, after := range map[string]string{
		"no base64": "?", "no JSON": "e30x", "too many parts": keyed("a", "b", "c", "d"), "one part": keyed("a"), "no place": keyed("x", "1"),
		"a place outside": keyed("4294967296", "1"), "a negative place": keyed("-1", "1"), "no hexadecimal": keyed("SHA-256", "xyz", "1"),
		"an index beyond its type": keyed("SHA-256", "00", "2147483648"), "NUL": keyed("SHA\x00", "00", "1"), "skips backwards": position{Skip: -1}.encode(),
	} {
		_, err := s.Uniqueness(t.Context(), string(s.hash), sandbox.UniquenessFilter{Page: sandbox.Page{After: after}})
		refused("uniqueness: "+name, err)
	}
	_, err := s.Uniqueness(t.Context(), string(s.hash), sandbox.UniquenessFilter{Find: "SHA\x00:00"})
	refused("an algorithm with NUL", err)
	for name, after := range map[string]string{
		"no number": keyed("x"), "a number beyond its type": keyed("99999999999999999999"), "NUL": keyed("1\x00"), "two parts": keyed("1", "2"),
	} {
		_, err := s.Rows(t.Context(), "config", "config_audit", sandbox.Page{After: after})
		refused("rows: "+name, err)
	}
}

// TestManyStates are listed and searched without reading all of them for each page, and estimated; what takes long to find
// is found over several pages.
func TestManyStates(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	schema := store.Uniqueness.SchemaName(s.hash)
	const many = 200_000
	s.exec(t, "INSERT INTO "+schema+".uniqueness_state_details SELECT 'SHA-256', int8send(n), 0 FROM generate_series(1::bigint, $1) n", many)
	s.exec(t, "UPDATE "+schema+".uniqueness_state_details SET consuming_tx_id_algo = 'SHA-256', consuming_tx_id = '\\xAB' WHERE issue_tx_id = int8send(1)")
	ref := func(n int) string { return fmt.Sprintf("SHA-256:%016X:0", n) }

	f := sandbox.UniquenessFilter{Show: "unspent", Page: sandbox.Page{Limit: sandbox.MaxPage}}
	for next := many; next > many-3*sandbox.MaxPage; {
		u, err := s.Uniqueness(t.Context(), string(s.hash), f)
		if err != nil {
			t.Fatal(err)
		}
		if len(u.States) != sandbox.MaxPage {
			t.Fatalf("a page has %d states, want %d", len(u.States), sandbox.MaxPage)
		}
		for _, st := range u.States {
			if st.Ref != ref(next) {
				t.Fatalf("state %s is where %s should be", st.Ref, ref(next))
			}
			next--
		}
		if got := u.Totals; !got.Estimated || got.Unspent < many*8/10 || got.Unspent > many*12/10 {
			t.Errorf("totals are %+v of %d states", got, many)
		}
		f.After = u.Next
	}

	for _, f := range []sandbox.UniquenessFilter{{Show: "spent"}, {Find: "ab"}} {
		s.walk = 0 // no time at all: a page for each piece of the table
		pages, found := 0, []sandbox.UniqueState{}
		for {
			u, err := s.Uniqueness(t.Context(), string(s.hash), f)
			if err != nil {
				t.Fatal(err)
			}
			pages, found = pages+1, append(found, u.States...)
			if f.After = u.Next; f.After == "" {
				break
			}
		}
		if diff := cmp.Diff([]sandbox.UniqueState{{Ref: ref(1), SpentBy: "SHA-256:AB"}}, found); diff != "" || pages < 3 {
			t.Errorf("%+v finds on %d pages (-want +got):\n%s", f, pages, diff)
		}
	}
}
