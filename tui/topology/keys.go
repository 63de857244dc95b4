package topology

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

type keyMap struct {
	Inspect, Restart, Kill, Pause, More, Less, Logs, SQL, Messages, Edge, EdgeBack, All key.Binding
	Up, Down, Left, Right                                                               key.Binding
	Scroll                                                                              screen.ListKeys
}

func newKeyMap() keyMap {
	bind := func(help, about string, keys ...string) key.Binding {
		return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, about))
	}
	return keyMap{
		Inspect:  bind("enter", "inspect", "enter"),
		Restart:  bind("r", "restart", "r"),
		Kill:     bind("K", "kill", "K"),
		Pause:    bind("p", "pause", "p"),
		More:     bind("+", "scale up", "+", "="),
		Less:     bind("-", "scale down", "-"),
		Logs:     bind("l", "logs", "l"),
		SQL:      bind("s", "SQL", "s"),
		Messages: bind("m", "messages", "m"),
		Edge:     bind("e", "next edge", "e"),
		EdgeBack: bind("E", "edge before", "E"),
		All:      bind("a", "all topics", "a"),
		Up:       bind("↑/k", "up", "up", "k"),
		Down:     bind("↓/j", "down", "down", "j"),
		Left:     bind("←/h", "left", "left", "h"),
		Right:    bind("→", "right", "right"),
		Scroll:   screen.NewListKeys(),
	}
}

// list are the keys that do something for what is selected.
func (k keyMap) list(v *View) []key.Binding {
	enabled := func(b key.Binding, on bool) key.Binding {
		b.SetEnabled(on)
		return b
	}
	n, isNode := v.node()
	_, isTopic := v.selected.topic()
	worker := isNode && n.Kind == sandbox.Worker
	if isNode && n.State == sandbox.Paused {
		k.Pause.SetHelp("p", "unpause")
	}
	if v.edge > 0 {
		k.Inspect.SetHelp("enter", "other end")
	}
	if v.all {
		k.All.SetHelp("a", "used topics")
	}
	_, sql := v.sql()
	return []key.Binding{
		k.Inspect, enabled(k.Restart, isNode), enabled(k.Kill, isNode), enabled(k.Pause, isNode), enabled(k.Logs, isNode), enabled(k.SQL, sql),
		enabled(k.Messages, isTopic), enabled(k.More, worker), enabled(k.Less, worker), k.Edge, k.EdgeBack, k.All, k.Up, k.Down, k.Left, k.Right,
		k.Scroll.PageUp, k.Scroll.PageDown,
	}
}

// node is the selected node.
func (v *View) node() (sandbox.Node, bool) {
	name, ok := v.selected.node()
	if !ok || v.state == nil {
		return sandbox.Node{}, false
	}
	return v.state.Node(name)
}

func (v *View) key(msg tea.KeyPressMsg) (screen.View, tea.Cmd) {
	k := v.keys
	switch {
	case key.Matches(msg, k.Inspect):
		return v, v.enter()
	case key.Matches(msg, k.Edge):
		v.nextEdge(1)
		return v, nil
	case key.Matches(msg, k.EdgeBack):
		v.nextEdge(-1)
		return v, nil
	case key.Matches(msg, k.All):
		v.all = !v.all
		v.rebuild()
		return v, nil
	case key.Matches(msg, k.Scroll.PageUp):
		v.scroll = max(0, v.scroll-10)
		return v, nil
	case key.Matches(msg, k.Scroll.PageDown):
		v.scroll += 10
		return v, nil
	case key.Matches(msg, k.Up):
		return v, v.move(0, -1)
	case key.Matches(msg, k.Down):
		return v, v.move(0, 1)
	case key.Matches(msg, k.Left):
		return v, v.move(-1, 0)
	case key.Matches(msg, k.Right):
		return v, v.move(1, 0)
	}
	return v, v.act(msg)
}

// enter goes to the other end of the chosen edge, or opens the inspector.
func (v *View) enter() tea.Cmd {
	if v.edge > 0 {
		return v.selectItem(v.graph.of(v.selected)[v.edge-1].other(v.selected))
	}
	v.focused = !v.focused
	v.scroll = 0
	return nil
}

func (v *View) nextEdge(by int) {
	if n := len(v.graph.of(v.selected)); n > 0 {
		v.edge = (v.edge + by + n + 1) % (n + 1)
	}
}

// move moves the cursor by columns or lines; to another column it follows a link where there is one.
func (v *View) move(columns, lines int) tea.Cmd {
	if v.focused {
		v.scroll = max(0, v.scroll+lines)
		return nil
	}
	col, row, ok := v.graph.find(v.selected)
	if !ok {
		return v.selectItem(v.first())
	}
	if lines != 0 {
		if to := row + lines; to >= 0 && to < len(v.graph.columns[col]) {
			return v.selectItem(v.graph.columns[col][to].id)
		}
		return nil
	}
	for to := col + columns; to >= 0 && to < len(v.graph.columns); to += columns {
		if len(v.graph.columns[to]) > 0 {
			return v.selectItem(v.beside(to, row))
		}
	}
	return nil
}

// beside is the item of a column to go to: of those that are linked with the selected one the one on which most passes,
// and of these the nearest; without any, the one at the same height.
func (v *View) beside(col, row int) id {
	rate := map[id]float64{}
	for _, l := range v.graph.of(v.selected) {
		rate[l.other(v.selected)] += l.edge.Rate
	}
	height := func(what id, otherwise int) int {
		if v.kept.layout != nil {
			if p, ok := v.kept.layout.places[what]; ok {
				return p.y
			}
		}
		return otherwise
	}
	here := height(v.selected, row)
	type rank struct {
		linked bool
		rate   float64
		near   int
	}
	better := func(a, b rank) bool {
		if a.linked != b.linked {
			return a.linked
		}
		if a.linked && a.rate != b.rate {
			return a.rate > b.rate
		}
		return a.near > b.near
	}
	best, most := id(""), rank{near: -1 << 30}
	for i, it := range v.graph.columns[col] {
		r, linked := rate[it.id]
		if now := (rank{linked, r, -abs(height(it.id, i) - here)}); better(now, most) {
			best, most = it.id, now
		}
	}
	return best
}

func abs(n int) int { return max(n, -n) }

// mouse selects what is clicked: an item, or an edge.
func (v *View) mouse(msg tea.MouseMsg) tea.Cmd {
	at := msg.Mouse()
	switch msg.(type) {
	case tea.MouseWheelMsg:
		by := 1
		if at.Button == tea.MouseWheelUp {
			by = -1
		}
		if v.focused || v.kept.layout == nil || at.X >= v.kept.layout.w || at.Y >= v.kept.layout.h {
			v.scroll = max(0, v.scroll+3*by)
			return nil
		}
		return v.move(0, by)
	case tea.MouseClickMsg:
		l := v.kept.layout
		if l == nil || v.focused || at.X >= l.w || at.Y >= l.h {
			return nil
		}
		for what, p := range l.places {
			if span := l.cols[p.col]; p.y == at.Y && at.X >= span.x && at.X < span.x+span.w {
				return v.selectItem(what)
			}
		}
		return v.clickEdge(l.at(at.X, at.Y))
	}
	return nil
}

func (v *View) clickEdge(c *cell) tea.Cmd {
	on := append(append([]int{}, c.links...), c.vlinks...)
	if len(on) == 0 {
		return nil
	}
	clicked := v.graph.links[on[0]]
	owner := clicked.left
	if _, isNode := clicked.right.node(); isNode {
		owner = clicked.right
	}
	cmd := v.selectItem(owner)
	for i, l := range v.graph.of(owner) {
		if l == clicked {
			v.edge = i + 1
		}
	}
	return cmd
}
