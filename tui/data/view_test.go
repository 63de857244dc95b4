package data

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/screen"
	"github.com/cordage-sandbox/cordage/tui/tuitest"
)

func TestMain(m *testing.M) {
	tuitest.UTC()
	os.Exit(m.Run())
}

const (
	hash  = "226D5D9460A4"
	alice = "CN=Alice, O=Alice Corp, L=London, C=GB"
)

// source answers from a few tables; rows are asked for a page at a time.
type source struct {
	mu    sync.Mutex
	err   error
	rows  int // of table holding_identity
	asked []string
}

func (s *source) note(format string, args ...any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, fmt.Sprintf(format, args...))
	return s.err
}

func (s *source) last() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[len(s.asked)-1]
}

func (s *source) Databases(context.Context) ([]sandbox.DatabaseInfo, error) {
	node := func(kind string, bytes int64) sandbox.DatabaseInfo {
		return sandbox.DatabaseInfo{Name: hash + "/" + kind, VNode: hash, Owner: alice, Database: "cordacluster", Schema: "vnode_" + kind, Bytes: bytes, Tables: 3}
	}
	return []sandbox.DatabaseInfo{
		{Name: "config", Database: "cordacluster", Schema: "config", Bytes: 393_216, Tables: 18}, {Name: "crypto", Database: "cordacluster", Schema: "crypto", Bytes: 221_184, Tables: 6},
		{Name: "rbac", Database: "cordacluster", Schema: "rbac", Bytes: 368_640, Tables: 11}, node("crypto", 160_000), node("uniqueness", 2<<20), node("vault", 900_000),
	}, s.note("databases")
}

func identity() []sandbox.Column {
	return []sandbox.Column{
		{Name: "holding_identity_id", Type: "character varying(12)", Key: true}, {Name: "holding_identity_full_hash", Type: "character varying(64)"},
		{Name: "x500_name", Type: "character varying(512)"}, {Name: "mgm_group_id", Type: "character varying(255)"},
		{Name: "hsm_connection_id", Type: "uuid", Nullable: true, Refers: "db_connection"},
	}
}

func connection() []sandbox.Column {
	return []sandbox.Column{
		{Name: "connection_id", Type: "uuid", Key: true}, {Name: "connection_name", Type: "character varying(64)", Unique: true}, {Name: "privilege", Type: "character varying(3)", Unique: true},
		{Name: "password", Type: "text", Masked: true}, {Name: "config", Type: "text"}, {Name: "data", Type: "bytea", Nullable: true},
	}
}

func (s *source) Tables(_ context.Context, database string) ([]sandbox.Table, error) {
	err := s.note("tables of %s", database)
	if strings.HasSuffix(database, "/uniqueness") {
		return []sandbox.Table{{Name: "uniqueness_state_details", Kind: "table", Rows: 9000, Bytes: 1 << 20, Columns: identity()}}, err
	}
	return []sandbox.Table{
		{Name: "db_connection", Kind: "table", Rows: 12, Bytes: 65_536, Columns: connection()}, {Name: "holding_identity", Kind: "table", Rows: int64(s.rows), Bytes: 32_768, Columns: identity()},
		{Name: "static_network_info", Kind: "table", Rows: 0, Bytes: 16_384, Columns: identity()}, {Name: "virtual_node_operation", Kind: "table", Rows: -1, Bytes: 8192, Columns: identity()},
	}, err
}

func (s *source) Rows(_ context.Context, database, table string, p sandbox.Page) (sandbox.Rows, error) {
	if err := s.note("rows of %s %s after %q, %d", database, table, p.After, p.Limit); err != nil {
		return sandbox.Rows{}, err
	}
	switch table {
	case "db_connection":
		return sandbox.Rows{Columns: connection(), Rows: [][]sandbox.Cell{{
			{Text: "448e9f8a-1120-4f14-aaba-394dea8bcd33"}, {Text: "corda-virtual-nodes"}, {Text: "DDL"}, {Text: "*****"},
			{Text: `{"database":{"jdbc":{"url":"jdbc:postgresql://127.0.0.1:5432/cordacluster"},"pass":{"configSecret":"*****"},"user":"vnode_admin"}}`},
			{Text: strings.Repeat("deadbeef", 64), Bytes: 90_000},
		}}}, nil
	case "holding_identity":
		page := sandbox.Rows{Columns: identity(), Rows: [][]sandbox.Cell{}}
		first := 0
		fmt.Sscan(p.After, &first)
		for i := first; i < min(s.rows, first+p.Limit); i++ {
			page.Rows = append(page.Rows, []sandbox.Cell{
				{Text: fmt.Sprintf("%012X", i+1)}, {Text: strings.Repeat(fmt.Sprintf("%04X", i), 16)}, {Text: fmt.Sprintf("CN=Node %d, O=Alice Corp, L=London, C=GB", i)}, {Text: "8f1b2c"}, {Null: true},
			})
		}
		if first+p.Limit < s.rows {
			page.Next = fmt.Sprint(first + p.Limit)
		}
		return page, nil
	}
	return sandbox.Rows{Columns: identity()}, nil
}

func (s *source) Uniqueness(_ context.Context, vnode string, f sandbox.UniquenessFilter) (sandbox.Uniqueness, error) {
	if err := s.note("%s of %s, find %q, after %q", f.Show, vnode, f.Find, f.After); err != nil {
		return sandbox.Uniqueness{}, err
	}
	id := func(n int) string { return "SHA-256D:" + strings.Repeat(fmt.Sprintf("%02X", n), 32) }
	u := sandbox.Uniqueness{VNode: vnode, Owner: alice, Totals: sandbox.UniquenessTotals{Unspent: 12_345, Spent: 2, Accepted: 6100, Rejected: 1}}
	switch {
	case f.Find == "FF":
		return u, nil
	case f.Find == "EE" && f.After != "further": // a large table, of which a page is told before anything is found
		u.Totals.Estimated = true
		u.Next = map[string]string{"": "far", "far": "further"}[f.After]
		return u, nil
	}
	switch f.Show {
	case "states", "spent", "unspent":
		u.States = []sandbox.UniqueState{{Ref: id(1) + ":0", SpentBy: id(9)}, {Ref: id(1) + ":1"}, {Ref: id(2) + ":0"}}
		if f.After == "" {
			u.Next = "more"
		}
	default:
		at := tuitest.Now()
		u.Transactions = []sandbox.UniqueTx{
			{ID: id(9), Originator: alice, Result: "accepted", Committed: at, Expires: at.Add(time.Hour)},
			{ID: id(8), Originator: alice, Result: "rejected", Committed: at.Add(-time.Second), Expires: at.Add(time.Hour), Error: `{"type":"inputStateConflictImpl","conflictingStates":[]}`},
		}
	}
	return u, nil
}

func shown(t *testing.T, s *source) (*tuitest.View, *View) {
	t.Helper()
	v := New(s)
	d := tuitest.NewView(v).Events(tuitest.Snapshot(t))
	d.Run(v.askDatabases())
	return d, v
}

// goTo presses the keys that open a table of the database config.
func goTo(d *tuitest.View, table int) {
	d.Press("g", "enter")
	for range table + 1 {
		d.Press("down")
	}
	d.Press("enter")
}

func TestLooks(t *testing.T) {
	t.Parallel()
	checker := func(d *tuitest.View, v *View) {
		_, cmd := v.Update(screen.OpenMsg{What: screen.OpenDatabase{Name: hash + "/uniqueness"}})
		d.Run(cmd)
	}
	for name, prepare := range map[string]func(d *tuitest.View, v *View, s *source){
		"databases":    func(*tuitest.View, *View, *source) {},
		"tables":       func(d *tuitest.View, _ *View, _ *source) { d.Press("enter", "down") },
		"rows":         func(d *tuitest.View, _ *View, _ *source) { goTo(d, 1) },
		"more columns": func(d *tuitest.View, _ *View, _ *source) { goTo(d, 0); d.Press("right", "right") },
		"whole row":    func(d *tuitest.View, _ *View, _ *source) { goTo(d, 0); d.Press("enter") },
		"no rows":      func(d *tuitest.View, _ *View, _ *source) { goTo(d, 2) },
		"find":         func(d *tuitest.View, _ *View, _ *source) { goTo(d, 1); d.Update(screen.FilterMsg{Text: "node 17,"}) },
		"filter":       func(d *tuitest.View, _ *View, _ *source) { d.Press("enter").Update(screen.FilterMsg{Text: "ident"}) },
		"states":       func(d *tuitest.View, v *View, _ *source) { checker(d, v) },
		"transactions": func(d *tuitest.View, v *View, _ *source) { checker(d, v); d.Press("v", "v", "v") },
		"transaction":  func(d *tuitest.View, v *View, _ *source) { checker(d, v); d.Press("v", "v", "v", "down", "enter") },
		"fault": func(d *tuitest.View, v *View, s *source) {
			s.err = errors.New("connect to database cordacluster: connection refused")
			goTo(d, 0)
			d.Run(v.askDatabases())
		},
		"nothing": func(d *tuitest.View, v *View, s *source) {
			s.err = errors.New("read the databases: the sandbox is starting")
			v.databases = nil
			v.lay()
			d.Run(v.askDatabases())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &source{rows: 250}
			d, v := shown(t, s)
			prepare(d, v, s)
			d.Golden(t)
		})
	}
}

// lines are the names in the tree.
func lines(v *View) string {
	var all []string
	for _, i := range v.tree {
		switch {
		case i.fault != nil:
			all = append(all, "!")
		case i.checker:
			all = append(all, "+")
		case i.table != nil:
			all = append(all, i.table.Name)
		default:
			all = append(all, title(i.database))
		}
	}
	return strings.Join(all, " | ")
}

func TestTree(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		keys []string
		find string
		want string
	}{
		"at first":       {want: "config | crypto | rbac | Alice crypto | Alice uniqueness | Alice vault"},
		"opened":         {keys: []string{"enter"}, want: "config | db_connection | holding_identity | static_network_info | virtual_node_operation | crypto | rbac | Alice crypto | Alice uniqueness | Alice vault"},
		"folded":         {keys: []string{"enter", "enter"}, want: "config | crypto | rbac | Alice crypto | Alice uniqueness | Alice vault"},
		"folded below":   {keys: []string{"enter", "down", "down", "left"}, want: "config | crypto | rbac | Alice crypto | Alice uniqueness | Alice vault"},
		"checker":        {keys: []string{"G", "up", "enter"}, want: "config | crypto | rbac | Alice crypto | Alice uniqueness | + | uniqueness_state_details | Alice vault"},
		"filter":         {find: "RB", want: "rbac"},
		"filter, owner":  {find: "alice", want: "Alice crypto | Alice uniqueness | Alice vault"},
		"filter, table":  {keys: []string{"enter"}, find: "identity", want: "config | holding_identity"},
		"filter, nobody": {find: "zzz", want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, v := shown(t, &source{rows: 3})
			d.Press(tc.keys...)
			if tc.find != "" {
				d.Update(screen.FilterMsg{Text: tc.find})
			}
			if got := lines(v); got != tc.want {
				t.Errorf("the tree is %q, want %q", got, tc.want)
			}
		})
	}
}

// TestCursorStaysInTheTree when databases are added before it.
func TestCursorStaysInTheTree(t *testing.T) {
	t.Parallel()
	d, v := shown(t, &source{})
	d.Press("down", "down")
	more := append([]sandbox.DatabaseInfo{{Name: "a"}, {Name: "b"}}, v.databases...)
	d.Update(databasesMsg{list: more})
	if i, _ := v.current(); i.database.Name != "rbac" {
		t.Errorf("the cursor is on %s", i.database.Name)
	}
}

// TestPages are read as one goes down, and only once each.
func TestPages(t *testing.T) {
	t.Parallel()
	s := &source{rows: 250}
	d, v := shown(t, s)
	goTo(d, 1)
	d.Text(80, 24)
	g, ok := v.content.(*grid)
	if !ok || len(g.rows) != 100 {
		t.Fatalf("the content is %+v", v.content)
	}
	d.Press("G")
	if len(g.rows) != 200 || s.last() != `rows of config holding_identity after "100", 100` {
		t.Errorf("%d rows are read, the last question is %s", len(g.rows), s.last())
	}
	d.Press("G", "G", "G")
	if len(g.rows) != 250 || g.next != "" {
		t.Errorf("%d rows are read", len(g.rows))
	}
	asked := len(s.asked)
	d.Press("G", "pgup", "pgdown")
	if len(s.asked) != asked {
		t.Errorf("asked is %s", s.last())
	}
	d.Press("r")
	if len(g.rows) != 100 {
		t.Errorf("read again there are %d rows", len(g.rows))
	}
}

func TestLateAnswerDoesNotCount(t *testing.T) {
	t.Parallel()
	d, v := shown(t, &source{rows: 10})
	goTo(d, 1)
	g, _ := v.content.(*grid)
	d.Update(rowsMsg{of: g, asked: g.asked - 1, rows: sandbox.Rows{Columns: identity()}}, rowsMsg{of: newGrid("config", sandbox.Table{}), asked: 1})
	if len(g.rows) != 10 {
		t.Errorf("a late answer leaves %d rows", len(g.rows))
	}
}

func TestChecker(t *testing.T) {
	t.Parallel()
	s := &source{}
	d, v := shown(t, s)
	_, cmd := v.Update(screen.OpenMsg{What: screen.OpenDatabase{Name: hash + "/uniqueness"}})
	d.Run(cmd)
	c, ok := v.content.(*checker)
	if !ok || !v.inside || len(c.got.States) != 3 {
		t.Fatalf("the content is %+v", v.content)
	}
	d.Press("G")
	if len(c.got.States) != 6 || s.last() != `states of `+hash+`, find "", after "more"` {
		t.Errorf("%d states are read, the last question is %s", len(c.got.States), s.last())
	}
	d.Press("v")
	if c.show != "unspent" || len(c.got.States) != 3 {
		t.Errorf("v shows %s", c.show)
	}
	_, cmd = v.Update(screen.FilterMsg{Text: "FF"})
	d.Run(cmd)
	if s.last() != `unspent of `+hash+`, find "FF", after ""` || c.len() != 0 {
		t.Errorf("the last question is %s", s.last())
	}
	before := len(s.asked)
	for range checkerEvery * databasesEvery {
		_, cmd = v.Update(screen.TickMsg{})
		d.Run(cmd)
	}
	if got := len(s.asked) - before; got != databasesEvery+checkerEvery {
		t.Errorf("in %d seconds %d questions are asked", checkerEvery*databasesEvery, got)
	}
	_, cmd = v.Update(screen.FilterMsg{Text: "EE"})
	d.Run(cmd)
	if s.last() != `unspent of `+hash+`, find "EE", after "further"` || c.len() != 3 {
		t.Errorf("empty pages of a large table end the search: the last question is %s, %d states are shown", s.last(), c.len())
	}
}

// TestOpenBeforeKnown: a database that another view asks for is opened as soon as it is there.
func TestOpenBeforeKnown(t *testing.T) {
	t.Parallel()
	s := &source{}
	v := New(s)
	d := tuitest.NewView(v).Events(tuitest.Snapshot(t))
	v.Update(screen.OpenMsg{What: screen.OpenDatabase{Name: hash + "/vault"}})
	d.Run(v.askDatabases())
	if i, ok := v.current(); !ok || i.database.Name != hash+"/vault" || !v.opened[hash+"/vault"] || len(v.tables[hash+"/vault"]) == 0 {
		t.Errorf("the cursor is on %+v", i)
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	d, v := shown(t, &source{rows: 3})
	goTo(d, 0)
	d.Press("enter")
	for i, want := range []bool{true, true, false} {
		if _, got := v.Close(); got != want {
			t.Errorf("esc %d closes something: %v", i+1, got)
		}
	}
	if v.inside {
		t.Error("the keys are not the tree's")
	}
}

func TestSQL(t *testing.T) {
	t.Parallel()
	d, _ := shown(t, &source{})
	d.Press("G", "s")
	if e, ok := d.Sent[len(d.Sent)-1].(screen.ExecMsg); !ok || strings.Join(e.Args, " ") != "psql "+hash+"/vault" {
		t.Errorf("asked is %+v", d.Sent)
	}
}

func TestShort(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{40: "SHA-256:ABCDEFGHIJKLMNOPQRSTUVWXYZ:0", 20: "SHA-256:A…TUVWXYZ:0", 5: "S…STUVWXYZ:0"} {
		if got := short("SHA-256:ABCDEFGHIJKLMNOPQRSTUVWXYZ:0", n); !strings.HasSuffix(got, ":0") || (n == 40 && got != want) {
			t.Errorf("in %d cells it is %s", n, got)
		}
	}
}

// TestHostileText disturbs no line.
func TestHostileText(t *testing.T) {
	t.Parallel()
	d, v := shown(t, &source{})
	bad := "a\x1b[2J\nb\tc\u202e\x07\u2028d"
	d.Update(databasesMsg{list: []sandbox.DatabaseInfo{{Name: bad}, {Name: hash + "/vault", VNode: hash, Owner: bad}}})
	v.opened[bad] = true
	d.Update(tablesMsg{database: bad, list: []sandbox.Table{{Name: bad, Columns: []sandbox.Column{{Name: bad, Type: bad, Key: true, Refers: bad}}}}})
	fits := func() {
		t.Helper()
		for _, size := range tuitest.Sizes() {
			tuitest.Fits(t, d.Text(size[0], size[1]), size[0], size[1]-3)
		}
	}
	fits()
	d.Update(tuitest.Key("down"), tuitest.Key("enter"))
	g, ok := v.content.(*grid)
	if !ok {
		t.Fatalf("the content is %+v", v.content)
	}
	d.Update(rowsMsg{of: g, asked: g.asked, rows: sandbox.Rows{Columns: []sandbox.Column{{Name: bad, Type: bad, Key: true}}, Rows: [][]sandbox.Cell{{{Text: bad}}}}})
	fits()
	d.Press("enter")
	fits()
}
