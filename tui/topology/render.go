package topology

import (
	"slices"
	"strings"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/screen"
	"github.com/cordage-sandbox/cordage/tui/theme"
)

// Sizes from which the inspector stands beside the graph and not below, and from which items and lines carry figures.
const (
	besideFrom = 120
	wideFrom   = 96
	belowLines = 8 // of the inspector below the graph, with its rule
)

// Render draws the graph and the inspector.
func (v *View) Render(f screen.Frame) string {
	if v.state == nil || len(v.state.Nodes) == 0 {
		return v.empty(f)
	}
	if f.Width >= besideFrom {
		side := min(64, max(44, f.Width*3/8))
		graph := v.drawLeft(f, f.Width-side-1, f.Height)
		inspector := screen.Box(f.Theme, v.title(), v.scrolled(v.details(f, side-4, false), f.Height-2), side, f.Height, v.focused)
		return screen.Beside(graph, inspector, " ")
	}
	if v.focused {
		return screen.Box(f.Theme, v.title(), v.scrolled(v.details(f, f.Width-4, false), f.Height-2), f.Width, f.Height, true)
	}
	below := belowLines
	if f.Height < 18 {
		below = 3
	}
	graph := v.drawGraph(f, f.Width, f.Height-below)
	return graph + "\n" + screen.Rule(f.Theme, v.title(), f.Width) + "\n" + v.summary(f, f.Width, below-1)
}

func (v *View) empty(f screen.Frame) string {
	if f.State.Link != screen.Absent {
		return screen.Looking(f)
	}
	t := f.Theme
	return screen.Middle([]string{t.Strong.Render("sandbox " + f.State.Name + " is not running"), "", t.Dim.Render("start it in view ") + t.Key.Render("launch")}, f.Width, f.Height)
}

func (v *View) title() string {
	title := string(v.selected)
	if _, name, ok := strings.Cut(title, ":"); ok {
		title = name
	}
	if n, ok := v.node(); ok {
		if doing := v.doing(n); doing != "" {
			title += ", " + doing
		}
	}
	return title
}

func (v *View) doing(n sandbox.Node) string {
	if doing := v.acting[n.Name]; doing != "" {
		return doing
	}
	if n.Role == "" {
		return ""
	}
	return v.acting[n.Role]
}

// scrolled is the part of lines that is seen, indented by a cell.
func (v *View) scrolled(lines []string, h int) []string {
	v.scroll = max(0, min(v.scroll, len(lines)-h))
	seen := slices.Clone(lines[v.scroll:min(len(lines), v.scroll+h)])
	for i := range seen {
		seen[i] = " " + seen[i]
	}
	return seen
}

// layout is that of the present graph, anew if anything changed.
func (v *View) layout(w, h int, wide bool) *layout {
	k := &v.kept
	if k.layout == nil || k.w != w || k.h != h || k.wide != wide || k.graph != v.built || k.at != v.selected {
		k.layout, k.w, k.h, k.wide, k.graph, k.at = arrange(&v.graph, w, h, v.selected, wide), w, h, wide, v.built, v.selected
	}
	return k.layout
}

// drawLeft draws the graph and, where it leaves room, the nodes and what happened.
func (v *View) drawLeft(f screen.Frame, w, h int) string {
	tallest := 0
	for _, items := range v.graph.columns {
		tallest = max(tallest, len(items))
	}
	const air, least = 3, 6
	need := tallest + headRow + air
	rest := h - need
	if table := len(v.state.Nodes) + 2; rest < min(table, least) {
		return v.drawGraph(f, w, h)
	}
	rest = min(rest, h*3/5)
	nodes := min(len(v.state.Nodes)+1, rest-1)
	lines := []string{screen.Rule(f.Theme, "nodes", w)}
	lines = append(lines, v.nodes(f, w, nodes)...)
	if left := rest - len(lines) - 2; left >= 2 {
		lines = append(lines, "", screen.Rule(f.Theme, "events", w))
		lines = append(lines, v.happened(f, w, left)...)
	}
	return v.drawGraph(f, w, h-rest) + "\n" + screen.Fill(lines, w, rest)
}

func (v *View) drawGraph(f screen.Frame, w, h int) string {
	foot := v.footnote(f, w)
	l := v.layout(w, h-len(foot), w >= wideFrom)
	p := painter{f: f, v: v, l: l, marks: v.marks(), flow: v.packets(l, f), inks: map[int]theme.Ink{}}
	for weight := blank; weight <= packet; weight++ {
		p.inks[weight] = theme.NewInk(p.style(weight))
	}
	lines := make([]string, 0, h)
	lines = append(lines, p.head())
	for y := 1; y < l.h; y++ {
		lines = append(lines, p.line(y))
	}
	return screen.Fill(append(lines, foot...), w, h)
}

// footnote tells what could not be observed.
func (v *View) footnote(f screen.Frame, w int) (lines []string) {
	var faults []string
	if v.fault != nil && f.State.Link == screen.Connected {
		faults = append(faults, v.fault.Error())
	}
	faults = append(faults, v.graph.faults...)
	const most = 2
	for _, text := range faults[:min(len(faults), most)] {
		lines = append(lines, screen.Cut(f.Theme.Warn.Render(f.Theme.Signs.Warning+" not observed: "+screen.Line(text)), w))
	}
	return lines
}

// Weights of links where several share a cell: the greatest decides how it looks.
const (
	blank   = iota - 1 // no link
	aside              // another one is marked
	reading            // of compacted topics
	plain
	busy
	behind // lag
	broken // of a node that is not ready
	marked // of what is selected
	packet // a message in flight
)

// marks is the weight of each link.
func (v *View) marks() []int {
	marks := make([]int, len(v.graph.links))
	chosen := map[link]bool{}
	list := v.graph.of(v.selected)
	for i, l := range list {
		chosen[l] = v.edge == 0 && !l.touches(v.selected) || v.edge == i+1
	}
	for i, l := range v.graph.links {
		switch {
		case chosen[l]:
			marks[i] = marked
		case l.down:
			marks[i] = broken
		case l.edge.Lag > 0:
			marks[i] = behind
		case l.edge.Rate > 0:
			marks[i] = busy
		case l.edge.Kind == sandbox.EdgeReads:
			marks[i] = reading
		default:
			marks[i] = plain
		}
	}
	return marks
}

// packets are the cells where a message in flight is drawn: on each link on which records pass, at a pace that follows
// nothing but the eye.
func (v *View) packets(l *layout, f screen.Frame) map[point]bool {
	flow := map[point]bool{}
	for i, k := range v.graph.links {
		n := len(l.paths[i].points)
		if n == 0 || !k.flows() {
			continue
		}
		const pace, apart = 2, 18
		for at := (f.Beat*pace + i*5) % apart; at < n; at += apart {
			flow[l.paths[i].points[at]] = true
		}
	}
	return flow
}
