// Package vnodes is the view of virtual nodes and of the CPIs that they are made of: lists, details, a form that makes
// virtual nodes, uploads. Only package tui imports it.
package vnodes

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/client"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// Name of the view.
const Name = "vnodes"

// View is the view's model.
type View struct {
	source Source
	dial   func(ctx context.Context) (Cluster, error)
	demo   func(ctx context.Context, dir, name string) (file, certificate string, err error)
	keys   keyMap

	state   *screen.State
	shown   bool
	loading bool      // the lists are on their way
	loaded  time.Time // when they were asked for last
	fresh   time.Time // when they came last
	missed  int       // how often the lists were read for databases whose node was not in them
	peeked  time.Time // when the databases were looked at last
	fault   error     // why they could not be read last

	nodes     []client.VNode
	cpis      []client.CPI
	databases []sandbox.DatabaseInfo
	creations []creation
	wrapping  map[string]keyring // by short hash
	asking    bool               // keys are on their way

	onCPIs    bool // the cursor is in the list of CPIs
	nodeTable screen.Table
	cpiTable  screen.Table
	filter    string // lower case
	open      bool   // details fill the window, where it is narrow
	scroll    int    // of the details
	beyond    int    // how many of their lines did not fit when they were drawn last

	dialog   dialog
	building bool    // a demo CPI
	upload   *upload // the latest; it goes on while its dialog is closed

	width, height int // of the view's area, as the window was last
}

// dialog is what lies over the lists and is typed into.
type dialog interface {
	update(v *View, msg tea.Msg) tea.Cmd
	render(v *View, f screen.Frame) string
}

// creation is a virtual node that was asked for here.
type creation struct {
	id     string // of the request: the node's short hash
	name   string
	cpi    client.CPI
	since  time.Time
	status string // ACCEPTED, IN_PROGRESS, FAILED …
	reason string
	told   bool // that it is there
}

// over tells whether nothing more is expected of it.
func (c creation) over() bool { return c.status == "FAILED" || c.status == "ABORTED" }

// keyring is what a virtual node's crypto database holds.
type keyring struct {
	wrapping []string // alias, generation and algorithm of each
	signing  int
	err      error
}

// New makes the view.
func New(s Source) *View {
	return &View{source: s, dial: dial(s), demo: buildDemo, keys: newKeyMap(), wrapping: map[string]keyring{}, width: 80, height: 21}
}

// Name is the view's.
func (v *View) Name() string { return Name }

// Init does nothing: the lists are read while they are seen.
func (v *View) Init() tea.Cmd { return nil }

// Keys are those of what is shown.
func (v *View) Keys() []key.Binding { return v.keys.list(v) }

// Typing tells whether keys are text.
func (v *View) Typing() bool { return v.dialog != nil }

// Filter is what both lists are filtered by.
func (v *View) Filter() string { return v.filter }

// Moving tells whether something is on its way.
func (v *View) Moving() bool {
	if v.building || v.upload != nil && !v.upload.over() {
		return true
	}
	return slices.ContainsFunc(v.creations, func(c creation) bool { return !c.over() })
}

// Close closes the dialog, or the details.
func (v *View) Close() (screen.View, bool) {
	switch {
	case v.dialog != nil:
		v.dialog = nil
	case v.open:
		v.open = false
	default:
		return v, false
	}
	return v, true
}

// Update changes the model.
func (v *View) Update(msg tea.Msg) (screen.View, tea.Cmd) {
	switch msg := msg.(type) {
	case screen.ShownMsg:
		v.shown = true
		return v, v.load()
	case screen.HiddenMsg:
		v.shown = false
	case screen.TickMsg:
		return v, v.tick(msg.Now)
	case screen.StateMsg:
		v.state = msg.State
		if v.shown && v.fault != nil && msg.State.Link == screen.Connected {
			return v, v.load() // what could not be read may be there now
		}
	case tea.WindowSizeMsg:
		v.width, v.height = msg.Width, msg.Height-chrome
	case screen.FilterMsg:
		v.filter = strings.ToLower(msg.Text)
		v.fit()
	case screen.OpenMsg:
		return v, v.show(msg.What)
	case tea.PasteMsg:
		if v.shown && v.dialog != nil {
			return v, v.dialog.update(v, msg)
		}
	case tea.KeyPressMsg:
		return v, v.key(msg)
	case tea.MouseMsg:
		return v, v.mouse(msg)
	default:
		return v, v.came(msg)
	}
	return v, nil
}

// chrome is how many lines of the window are the root's.
const chrome = 3

// show moves the cursor to the virtual node of a short hash.
func (v *View) show(what any) tea.Cmd {
	hash, ok := what.(string)
	if !ok {
		return nil
	}
	v.filter, v.onCPIs, v.open = "", false, true
	for i, r := range v.rows() {
		if r.hash() == hash {
			v.nodeTable.Cursor = i
		}
	}
	return v.detail()
}

// row of the list of virtual nodes: one that is there, or one that is being made.
type row struct {
	node     *client.VNode
	creation *creation
}

func (r row) hash() string {
	if r.node != nil {
		return r.node.HoldingIdentity.ShortHash
	}
	return r.creation.id
}

func (r row) name() string {
	if r.node != nil {
		return r.node.HoldingIdentity.X500Name
	}
	return r.creation.name
}

func (r row) cpi() string {
	if r.node != nil {
		return r.node.CPI.Name + " " + r.node.CPI.Version
	}
	return r.creation.cpi.ID.Name + " " + r.creation.cpi.ID.Version
}

// rows are the virtual nodes that pass the filter, those in the making first.
func (v *View) rows() []row {
	var rows []row
	for i := range v.creations {
		rows = append(rows, row{creation: &v.creations[i]})
	}
	for i := range v.nodes {
		rows = append(rows, row{node: &v.nodes[i]})
	}
	return slices.DeleteFunc(rows, func(r row) bool { return !v.passes(r.name() + " " + r.hash() + " " + r.cpi()) })
}

// packages are the CPIs that pass the filter.
func (v *View) packages() []client.CPI {
	return slices.DeleteFunc(slices.Clone(v.cpis), func(c client.CPI) bool {
		return !v.passes(c.ID.Name + " " + c.ID.Version + " " + c.Checksum)
	})
}

func (v *View) passes(text string) bool { return strings.Contains(strings.ToLower(text), v.filter) }

// selected is the row under the cursor.
func (v *View) selected() (row, bool) {
	rows := v.rows()
	if i := v.nodeTable.Cursor; !v.onCPIs && i < len(rows) {
		return rows[i], true
	}
	return row{}, false
}

// selectedCPI is the CPI under the cursor.
func (v *View) selectedCPI() (client.CPI, bool) {
	cpis := v.packages()
	if i := v.cpiTable.Cursor; v.onCPIs && i < len(cpis) {
		return cpis[i], true
	}
	return client.CPI{}, false
}

// fit keeps the cursors inside the lists.
func (v *View) fit() {
	v.nodeTable = v.nodeTable.Fit(len(v.rows()), v.nodePage())
	v.cpiTable = v.cpiTable.Fit(len(v.packages()), v.cpiPage())
}

// Commands are for the palette.
func (v *View) Commands() []screen.Command {
	list := []screen.Command{
		{Name: "create virtual node", About: "a form that checks as you type", Do: begin(func(v *View) tea.Cmd { return v.create() })},
		{Name: "upload CPI", About: "from a file, with progress", Do: begin(func(v *View) tea.Cmd { return v.chooseFile() })},
		{Name: "import certificate", About: "trust who signs CPIs", Do: begin(func(v *View) tea.Cmd { return v.chooseCertificate() })},
		{Name: "make a demo CPI", About: "build, sign, trust and upload a small one", Do: begin(func(v *View) tea.Cmd { return v.makeDemo() })},
	}
	for _, n := range v.nodes {
		hash := n.HoldingIdentity.ShortHash
		list = append(list, screen.Command{Name: "vnode " + hash, About: n.HoldingIdentity.X500Name, Do: screen.Go(Name, hash)})
		for _, kind := range kinds() {
			list = append(list, screen.Command{Name: "browse " + hash + "/" + kind, About: "rows of " + n.HoldingIdentity.X500Name,
				Do: screen.Go("data", screen.OpenDatabase{Name: hash + "/" + kind})})
		}
	}
	return list
}

func kinds() []string { return []string{"vault", "crypto", "uniqueness"} }

// beginMsg begins something that was chosen in the palette, when the view is seen.
type beginMsg struct{ do func(v *View) tea.Cmd }

func begin(do func(v *View) tea.Cmd) tea.Cmd {
	return tea.Sequence(screen.Go(Name, nil), func() tea.Msg { return beginMsg{do} })
}

// tempDir makes a directory for files that are uploaded and then removed.
func tempDir() (string, error) { return os.MkdirTemp("", "cordage-tui-") }
