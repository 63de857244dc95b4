// Package topology is the view that shows how the sandbox's parts are seen to talk, as a graph, and acts on them. Only
// package tui imports it.
package topology

import (
	"context"
	"iter"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// Name of the view.
const Name = "topology"

// Source is what the view needs of a supervisor.
type Source interface {
	FollowTopology(ctx context.Context) iter.Seq2[sandbox.Topology, error]
	LogLines(ctx context.Context, f sandbox.LogFilter) iter.Seq2[sandbox.LogLine, error]
	NodeConfig(ctx context.Context, node string) (sandbox.NodeConfig, error)
	Restart(ctx context.Context, name string) ([]sandbox.Node, error)
	Kill(ctx context.Context, name string) ([]sandbox.Node, error)
	Pause(ctx context.Context, name string) ([]sandbox.Node, error)
	Unpause(ctx context.Context, name string) ([]sandbox.Node, error)
	Scale(ctx context.Context, role string, n int) ([]sandbox.Node, error)
}

// View is the view's model.
type View struct {
	source Source
	keys   keyMap

	state    *screen.State
	observed sandbox.Topology
	fault    error                     // why nothing is observed at present
	old      map[string][]sandbox.Edge // what each node was seen to do last
	graph    graph
	all      bool   // also topics that nobody uses
	filter   string // lower case

	selected id
	edge     int // of the selected item's links, from 1; 0: none
	focused  bool
	scroll   int
	acting   map[string]string // by node or worker type: what is being done

	topology *screen.Feed[sandbox.Topology]
	logs     *screen.Feed[sandbox.LogLine]
	turn     int // counts selections, so that what comes late for an earlier one is ignored
	lines    []sandbox.LogLine
	config   sandbox.NodeConfig
	noConfig error

	// What was drawn last, kept while it holds.
	kept struct {
		layout *layout
		w, h   int
		wide   bool
		graph  int
		at     id
	}
	built int // counts graphs
}

// New makes the view.
func New(s Source) *View {
	return &View{source: s, keys: newKeyMap(), old: map[string][]sandbox.Edge{}, acting: map[string]string{}}
}

// Name is the view's.
func (v *View) Name() string { return Name }

// Init does nothing: what is shown is followed only while it is seen.
func (v *View) Init() tea.Cmd { return nil }

// Filter is what titles of topics and databases must contain.
func (v *View) Filter() string { return v.filter }

// Moving tells that records are on their way, or nodes.
func (v *View) Moving() bool {
	if len(v.acting) > 0 {
		return true
	}
	for _, l := range v.graph.links {
		if l.flows() {
			return true
		}
	}
	return false
}

// Close closes the inspector, or takes back the choice of an edge.
func (v *View) Close() (screen.View, bool) {
	switch {
	case v.focused:
		v.focused, v.scroll = false, 0
	case v.edge > 0:
		v.edge = 0
	default:
		return v, false
	}
	return v, true
}

// Update takes a message.
func (v *View) Update(msg tea.Msg) (screen.View, tea.Cmd) {
	switch msg := msg.(type) {
	case screen.ShownMsg:
		v.topology = screen.Follow(screen.FeedOptions{Most: 4}, changes(v.source.FollowTopology))
		return v, tea.Batch(v.topology.Next(), v.inspect())
	case screen.HiddenMsg:
		v.topology.Close()
		v.logs.Close()
		v.topology, v.logs = nil, nil
	case screen.FeedMsg[sandbox.Topology]:
		if msg.Feed == v.topology {
			v.observe(msg)
			return v, v.topology.Next()
		}
	case screen.FeedMsg[sandbox.LogLine]:
		if msg.Feed == v.logs && v.logs != nil {
			v.takeLines(msg)
			return v, v.logs.Next()
		}
	case screen.StateMsg:
		v.state = msg.State
		if changed(msg.Changes) || len(v.graph.columns[store])+len(v.graph.columns[bus]) == 0 {
			v.rebuild()
		} else {
			v.refresh()
		}
	case screen.FilterMsg:
		v.filter = strings.ToLower(strings.TrimSpace(msg.Text))
		v.rebuild()
	case settledMsg:
		if msg.turn == v.turn {
			return v, v.load()
		}
	case configMsg:
		if msg.turn == v.turn {
			v.config, v.noConfig = msg.config, msg.err
		}
	case beginMsg:
		return v, msg.do()
	case doneMsg:
		delete(v.acting, msg.target)
		return v, screen.Fail(msg.attempt, msg.err)
	case tea.KeyPressMsg:
		return v.key(msg)
	case tea.MouseMsg:
		return v, v.mouse(msg)
	}
	return v, nil
}

func changed(changes []screen.Change) bool {
	for _, c := range changes {
		if !c.Usage {
			return true
		}
	}
	return len(changes) == 0
}

// observe takes the latest observation of a batch.
func (v *View) observe(batch screen.FeedMsg[sandbox.Topology]) {
	v.fault = batch.Err
	if n := len(batch.Items); n > 0 {
		v.Observe(batch.Items[n-1])
	}
}

// Observe shows an observation.
func (v *View) Observe(t sandbox.Topology) {
	v.observed = t
	seen := map[string][]sandbox.Edge{}
	for _, e := range t.Edges {
		e.Rate, e.Lag = 0, 0
		seen[e.From] = append(seen[e.From], e)
	}
	for node, edges := range seen {
		v.old[node] = edges
	}
	v.rebuild()
}

// rebuild makes the graph anew.
func (v *View) rebuild() {
	if v.state == nil {
		return
	}
	v.graph = build(v.state.Nodes, v.observed, v.old, v.all, v.filter)
	v.built++
	if _, _, ok := v.graph.find(v.selected); !ok {
		v.edge = 0
		v.selected = v.first()
	}
	v.edge = min(v.edge, len(v.graph.of(v.selected)))
}

// refresh puts the latest samples of usage into the graph, which changes no place.
func (v *View) refresh() {
	for c := range v.graph.columns {
		for i := range v.graph.columns[c] {
			it := &v.graph.columns[c][i]
			if it.node != nil {
				if n, ok := v.state.Node(it.node.Name); ok {
					it.node = &n
				}
			}
		}
	}
}

func (v *View) first() id {
	for _, items := range v.graph.columns {
		if len(items) > 0 {
			return items[0].id
		}
	}
	return ""
}

// settledMsg comes when the selection has stayed for a moment, so that what is passed over is not asked about.
type settledMsg struct{ turn int }

type configMsg struct {
	turn   int
	config sandbox.NodeConfig
	err    error
}

// inspect prepares the inspector for the selected item.
func (v *View) inspect() tea.Cmd {
	v.turn++
	v.logs.Close()
	v.logs, v.lines, v.config, v.noConfig, v.scroll = nil, nil, sandbox.NodeConfig{}, nil, 0
	turn := v.turn
	const moment = 150 * time.Millisecond
	return tea.Tick(moment, func(time.Time) tea.Msg { return settledMsg{turn} })
}

// load asks for the selected node's configuration and log.
func (v *View) load() tea.Cmd {
	name, ok := v.selected.node()
	if !ok || v.topology == nil {
		return nil
	}
	source, turn := v.source, v.turn
	v.logs = screen.Follow(screen.FeedOptions{Most: keptLines, Every: 200 * time.Millisecond}, func(ctx context.Context) iter.Seq2[sandbox.LogLine, error] {
		return source.LogLines(ctx, sandbox.LogFilter{Nodes: []string{name}, Tail: keptLines, Follow: true})
	})
	return tea.Batch(v.logs.Next(), func() tea.Msg {
		const limit = 5 * time.Second
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		c, err := source.NodeConfig(ctx, name)
		return configMsg{turn, c, err}
	})
}

const keptLines = 30

func (v *View) takeLines(batch screen.FeedMsg[sandbox.LogLine]) {
	if batch.Opened {
		v.lines = nil
	}
	v.lines = append(v.lines, batch.Items...)
	v.lines = v.lines[max(0, len(v.lines)-keptLines):]
}

// selectItem moves the cursor.
func (v *View) selectItem(to id) tea.Cmd {
	if to == v.selected || to == "" {
		return nil
	}
	v.selected, v.edge = to, 0
	return v.inspect()
}

// Keys are what can be done with what is selected.
func (v *View) Keys() []key.Binding { return v.keys.list(v) }
