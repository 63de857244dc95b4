// Package data is the view of the databases, read-only: which there are, their tables, rows, and what the uniqueness checker
// remembers of each virtual node. Only package tui imports it.
package data

import (
	"context"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// Name of the view.
const Name = "data"

// Source is what the view needs of a supervisor.
type Source interface {
	Databases(ctx context.Context) ([]sandbox.DatabaseInfo, error)
	Tables(ctx context.Context, database string) ([]sandbox.Table, error)
	Rows(ctx context.Context, database, table string, p sandbox.Page) (sandbox.Rows, error)
	Uniqueness(ctx context.Context, vnode string, f sandbox.UniquenessFilter) (sandbox.Uniqueness, error)
}

// View is the view's model.
type View struct {
	source Source
	keys   keyMap

	databases []sandbox.DatabaseInfo
	asked     bool // there is an answer
	asking    bool // there is none yet to the latest question
	fault     error
	tables    map[string][]sandbox.Table // by database
	faults    map[string]error           // of tables
	opened    map[string]bool            // databases whose tables are seen
	ticks     int

	tree    []item // that are seen
	table   screen.Table
	filter  string // of the tree, in lower case
	wanted  string // database to go to as soon as it is known
	content content
	inside  bool // the content has the keys

	width, height int // of the view's area, as it was drawn last
}

// item is a line of the tree: a database or one of its tables.
type item struct {
	database sandbox.DatabaseInfo
	table    *sandbox.Table // nil for the database itself, and for what the checker remembers
	checker  bool           // what the uniqueness checker remembers, as a table of its own
	fault    error          // why there are no tables
}

func (i item) isDatabase() bool { return i.table == nil && !i.checker && i.fault == nil }

// checkerName is the line under a database of uniqueness that is no table.
const checkerName = "states and transactions"

// content is what is seen beside the tree: a table's rows, or what the checker remembers.
type content interface {
	// is tells whether it is of that line of the tree.
	is(i item) bool
	// load asks for what is to be seen, from the beginning.
	load(s Source) tea.Cmd
	// update takes keys, the mouse, and answers to load.
	update(msg tea.Msg, v *View) tea.Cmd
	// search looks for a text.
	search(text string, v *View) tea.Cmd
	// render draws it in w times h cells.
	render(f screen.Frame, w, h int, focused bool) string
	// close closes what is open in it.
	close() bool
	// text is what is looked for.
	text() string
}

// New makes the view.
func New(s Source) *View {
	return &View{
		source: s, keys: newKeyMap(), tables: map[string][]sandbox.Table{}, faults: map[string]error{}, opened: map[string]bool{},
		width: 80, height: 21,
	}
}

// Name is the view's.
func (v *View) Name() string { return Name }

// Init does nothing: nothing is read while it is not seen.
func (v *View) Init() tea.Cmd { return nil }

// Filter is what is looked for where the keys are.
func (v *View) Filter() string {
	if v.inside {
		return v.content.text()
	}
	return v.filter
}

// Close closes the innermost thing that is open.
func (v *View) Close() (screen.View, bool) {
	switch {
	case v.inside && v.content.close():
	case v.inside:
		v.inside = false
	default:
		return v, false
	}
	return v, true
}

// askLimit bounds how long an answer may take; the supervisor's own limit is shorter.
const askLimit = 12 * time.Second

type (
	databasesMsg struct {
		list []sandbox.DatabaseInfo
		err  error
	}
	tablesMsg struct {
		database string
		list     []sandbox.Table
		err      error
	}
)

func (v *View) askDatabases() tea.Cmd {
	v.asking = true
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), askLimit)
		defer cancel()
		list, err := v.source.Databases(ctx)
		return databasesMsg{list, err}
	}
}

func (v *View) askTables(database string) tea.Cmd {
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), askLimit)
		defer cancel()
		list, err := v.source.Tables(ctx, database)
		return tablesMsg{database, list, err}
	}
}

// How often, in seconds, what is seen is read anew.
const (
	databasesEvery = 5
	checkerEvery   = 3
)

// Update takes a message.
func (v *View) Update(msg tea.Msg) (screen.View, tea.Cmd) {
	switch msg := msg.(type) {
	case screen.ShownMsg:
		return v, v.askDatabases()
	case screen.TickMsg:
		return v, v.tick()
	case databasesMsg:
		return v, v.takeDatabases(msg)
	case tablesMsg:
		v.faults[msg.database] = msg.err
		if msg.err == nil {
			v.tables[msg.database] = msg.list
		}
		v.lay()
		v.reveal(msg.database)
	case screen.FilterMsg:
		if v.inside {
			return v, v.content.search(msg.Text, v)
		}
		v.filter = strings.ToLower(msg.Text)
		v.lay()
	case screen.OpenMsg:
		if o, ok := msg.What.(screen.OpenDatabase); ok {
			v.wanted, v.inside, v.filter = o.Name, false, ""
			return v, tea.Batch(v.goWanted(), v.askDatabases())
		}
	case tea.KeyPressMsg:
		return v, v.key(msg)
	case tea.MouseMsg:
		return v, v.mouse(msg)
	case rowsMsg, checkerMsg:
		if v.content != nil {
			return v, v.content.update(msg, v)
		}
	}
	return v, nil
}

func (v *View) tick() tea.Cmd {
	v.ticks++
	var cmds []tea.Cmd
	if !v.asking && (v.fault != nil || v.ticks%databasesEvery == 0) {
		cmds = append(cmds, v.askDatabases())
	}
	if v.fault == nil && !v.asking { // what is there at all answers
		for name, fault := range v.faults {
			if fault != nil && v.opened[name] {
				delete(v.faults, name)
				cmds = append(cmds, v.askTables(name))
			}
		}
	}
	if c, ok := v.content.(*checker); ok && !c.loading && v.ticks%checkerEvery == 0 && c.isFirstPage() {
		cmds = append(cmds, c.load(v.source))
	}
	return tea.Batch(cmds...)
}

func (v *View) takeDatabases(msg databasesMsg) tea.Cmd {
	v.asked, v.asking, v.fault = true, false, msg.err
	if msg.err != nil {
		return nil // what was known stays
	}
	v.databases = msg.list
	v.lay()
	return v.goWanted()
}

// goWanted goes to the database that another view asked for, once it is known.
func (v *View) goWanted() tea.Cmd {
	i := slices.IndexFunc(v.databases, func(d sandbox.DatabaseInfo) bool { return d.Name == v.wanted })
	if v.wanted == "" || i < 0 {
		return nil
	}
	d := v.databases[i]
	v.wanted = ""
	v.opened[d.Name] = true
	v.lay()
	for at, line := range v.tree {
		if line.database.Name == d.Name && line.isDatabase() {
			v.table.Cursor = at
		}
	}
	v.table = v.table.Fit(len(v.tree), v.page())
	cmd := v.askTables(d.Name)
	if hasChecker(d) {
		return tea.Batch(cmd, v.show(item{database: d, checker: true}))
	}
	return cmd
}

func hasChecker(d sandbox.DatabaseInfo) bool {
	return d.VNode != "" && strings.HasSuffix(d.Name, "/uniqueness")
}

// lay puts databases and tables into lines, and keeps the cursor on its line.
func (v *View) lay() {
	at, had := v.current()
	v.tree = v.tree[:0]
	for _, d := range v.databases {
		ofName := v.finds(d.Name) || v.finds(d.Owner)
		var below []item
		if v.opened[d.Name] || v.filter != "" {
			below = v.below(d, ofName)
		}
		if !ofName && len(below) == 0 {
			continue
		}
		v.tree = append(v.tree, item{database: d})
		v.tree = append(v.tree, below...)
	}
	if had {
		for i, line := range v.tree {
			if same(line, at) {
				v.table = v.table.Shift(i - v.table.Cursor)
			}
		}
	}
	v.table = v.table.Fit(len(v.tree), v.page())
}

// reveal scrolls so that what is below the database under the cursor is seen, as far as there is room.
func (v *View) reveal(database string) {
	i, on := v.current()
	if !on || !i.isDatabase() || i.database.Name != database {
		return
	}
	at := v.table.Cursor
	last := at
	for last+1 < len(v.tree) && v.tree[last+1].database.Name == database {
		last++
	}
	v.table.Cursor = min(last, at+v.page()-1)
	v.table = v.table.Fit(len(v.tree), v.page())
	v.table.Cursor = at
	v.table = v.table.Fit(len(v.tree), v.page())
}

// below are the lines under a database that are seen.
func (v *View) below(d sandbox.DatabaseInfo, all bool) (lines []item) {
	all = all && v.opened[d.Name]
	if hasChecker(d) && (all || (v.filter != "" && v.finds(checkerName))) {
		lines = append(lines, item{database: d, checker: true})
	}
	if err := v.faults[d.Name]; err != nil && all {
		return append(lines, item{database: d, fault: err})
	}
	for i := range v.tables[d.Name] {
		t := &v.tables[d.Name][i]
		if all || (v.filter != "" && v.finds(t.Name)) {
			lines = append(lines, item{database: d, table: t})
		}
	}
	return lines
}

func (v *View) finds(s string) bool { return strings.Contains(strings.ToLower(s), v.filter) }

func same(a, b item) bool {
	if a.database.Name != b.database.Name || a.checker != b.checker || (a.table == nil) != (b.table == nil) {
		return false
	}
	return a.table == nil || a.table.Name == b.table.Name
}

// current is the line under the cursor.
func (v *View) current() (item, bool) {
	if v.table.Cursor < 0 || v.table.Cursor >= len(v.tree) {
		return item{}, false
	}
	return v.tree[v.table.Cursor], true
}

// show shows a table, or what the checker remembers, and gives it the keys.
func (v *View) show(i item) tea.Cmd {
	v.inside = true
	if v.content != nil && v.content.is(i) {
		return nil
	}
	if i.checker {
		v.content = newChecker(i.database)
	} else {
		v.content = newGrid(i.database.Name, *i.table)
	}
	return v.content.load(v.source)
}
