package topology

import (
	"strconv"
	"strings"

	"charm.land/lipgloss/v2"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/screen"
	"github.com/cordage-sandbox/cordage/tui/theme"
)

// painter draws lines of a layout.
type painter struct {
	f     screen.Frame
	v     *View
	l     *layout
	marks []int
	flow  map[point]bool
	inks  map[int]theme.Ink // by weight
}

// head names the columns, and tells what is out of sight above.
func (p painter) head() string {
	var b strings.Builder
	at := 0
	for c, s := range p.l.cols {
		b.WriteString(strings.Repeat(" ", max(0, s.x-at)))
		title := heading(c)
		if c == bus && p.v.graph.hidden > 0 && s.w > 24 {
			title += p.f.Theme.Dim.Render("  " + strconv.Itoa(p.v.graph.hidden) + " unused")
		}
		if n := p.l.above[c]; n > 0 {
			title += " " + p.f.Theme.Signs.Up + strconv.Itoa(n)
		}
		if n := p.l.below[c]; n > 0 {
			title += " " + p.f.Theme.Signs.Down + strconv.Itoa(n)
		}
		b.WriteString(screen.Pad(p.f.Theme.Dim.Render(title), s.w))
		at = s.x + s.w
	}
	return b.String()
}

func (p painter) line(y int) string {
	var b strings.Builder
	at := 0
	for c, s := range p.l.cols {
		p.gap(&b, at, s.x, y)
		p.item(&b, c, y)
		at = s.x + s.w
	}
	return b.String()
}

// item draws the item of a column on a line, or a blank.
func (p painter) item(b *strings.Builder, c, y int) {
	s, text := p.l.cols[c], p.l.rows[c][y]
	if text == "" {
		b.WriteString(strings.Repeat(" ", s.w))
		return
	}
	it := p.itemAt(c, y)
	t := p.f.Theme
	sign, style := t.Signs.Dot, t.Dim
	body := t.Data
	if it.node != nil {
		sign, style = screen.StateSign(t, it.node.State)
		body = t.Text
		if it.node.State != sandbox.Ready {
			body = style
		}
		if p.l.wideText(s.w, text) {
			text += p.usage(*it.node)
		}
		if p.v.doing(*it.node) != "" {
			sign, style = screen.Spinner(p.f), t.Busy
		}
	} else if it.lag > 0 {
		sign, style, body = t.Signs.Warning, t.Warn, t.Warn
	}
	if it.id == p.v.selected {
		b.WriteString(style.Background(t.Select.GetBackground()).Render(sign) + t.Select.Render(t.Signs.Cursor+screen.Pad(text, s.w-2)))
		return
	}
	b.WriteString(style.Render(sign) + " " + body.Render(screen.Pad(text, s.w-2)))
}

// wideText tells that a node's text leaves room for its usage.
func (l *layout) wideText(w int, text string) bool { return w-2-screen.Width(text) >= usageWidth }

func (p painter) usage(n sandbox.Node) string {
	cpu, rss := p.f.State.Usage[n.Name].Last()
	if n.State != sandbox.Ready || rss == 0 {
		return screen.PadLeft("", usageWidth)
	}
	return screen.PadLeft(percent(cpu), 5) + screen.PadLeft(screen.Bytes(int64(rss)), 7)
}

func percent(share float64) string {
	if share < 0.0995 {
		return strconv.FormatFloat(share*100, 'f', 1, 64) + "%"
	}
	return strconv.FormatFloat(share*100, 'f', 0, 64) + "%"
}

func (p painter) itemAt(c, y int) item {
	for _, it := range p.v.graph.columns[c] {
		if at, ok := p.l.places[it.id]; ok && at.y == y {
			return it
		}
	}
	return item{}
}

// gap draws the lines between two columns, in runs of one style.
func (p painter) gap(b *strings.Builder, from, to, y int) {
	labels := p.labels(from, to, y)
	var run strings.Builder
	style := blank
	flush := func() {
		if run.Len() > 0 {
			p.inks[style].Write(b, run.String())
			run.Reset()
		}
	}
	for x := from; x < to; x++ {
		if l, ok := labels[x]; ok {
			flush()
			style = blank
			b.WriteString(l.text)
			x += l.w - 1
			continue
		}
		c := p.l.at(x, y)
		sign, weight := p.sign(c)
		if p.flow[point{x, y}] {
			sign, weight = p.f.Theme.Signs.Packet, packet
		}
		if weight != style {
			flush()
			style = weight
		}
		run.WriteString(sign)
	}
	flush()
}

func (p painter) style(weight int) lipgloss.Style {
	t := p.f.Theme
	switch weight {
	case packet:
		return t.Flow
	case marked:
		return t.Accent
	case broken:
		return t.Bad
	case behind:
		return t.Warn
	case busy:
		return t.Dim
	}
	return t.Faint
}

// sign is what a cell shows, and its weight.
func (p painter) sign(c *cell) (string, int) {
	if c.mask == 0 && !c.across && !c.down {
		return " ", blank
	}
	h, v := p.heaviest(c.links), p.heaviest(c.vlinks)
	s := p.f.Theme.Signs
	switch {
	case c.head != 0:
		return map[int8]string{1: s.Right, -1: s.Left}[c.head], h
	case c.mask != 0:
		mask := c.mask
		if c.down {
			mask |= toUp | toDown
		}
		if c.across {
			mask |= toLeft | toRight
		}
		return joint(p.f.Theme, mask), max(h, v)
	case c.down && (!c.across || v >= h):
		if p.faint(c.vlinks) {
			return s.DashV, v
		}
		return s.V, v
	}
	if p.faint(c.links) {
		return s.DashH, h
	}
	return s.H, h
}

// faint tells that none of the links is one on which work passes now.
func (p painter) faint(links []int) bool {
	for _, i := range links {
		if l := p.v.graph.links[i]; !l.down && l.edge.Kind != sandbox.EdgeReads {
			return false
		}
	}
	return true
}

func (p painter) heaviest(links []int) int {
	w := blank
	for _, i := range links {
		w = max(w, p.marks[i])
	}
	return w
}

func joint(t *theme.Theme, mask uint8) string {
	if !t.Signs.Unicode {
		switch mask {
		case toLeft | toRight:
			return "-"
		case toUp | toDown:
			return "|"
		}
		return "+"
	}
	const joints = " ╵╷│╴╯╮┤╶╰╭├─┴┬┼"
	return string([]rune(joints)[mask])
}

// label is a text on a line: what passes there.
type label struct {
	text string // drawn
	w    int
}

// labels are the texts on the lines of a gap, by where they begin. Links that share the line are added up.
func (p painter) labels(from, to, y int) map[int]label {
	type sum struct {
		at    span
		rate  float64
		lag   int64
		count int
		kind  sandbox.EdgeKind
		mark  int
	}
	var found *sum
	for i, path := range p.l.paths {
		if path.y != y || len(path.points) == 0 || path.label.x < from || path.label.x >= to {
			continue
		}
		k := p.v.graph.links[i]
		if k.edge.Kind == sandbox.EdgeReads && k.edge.Rate <= 0 || k.down {
			continue
		}
		if found == nil {
			found = &sum{at: path.label, kind: k.edge.Kind, mark: p.marks[i]}
		}
		if path.label.w < found.at.w {
			found.at = path.label
		}
		found.rate += k.edge.Rate
		found.lag += k.edge.Lag
		found.count += k.edge.Count
		found.mark = max(found.mark, p.marks[i])
	}
	if found == nil {
		return nil
	}
	text := screen.Rate(found.rate)
	if found.lag > 0 {
		text = strings.TrimSpace(text + " +" + screen.Count(found.lag))
	}
	if text == "" && found.kind == sandbox.EdgeQueries && found.count > 0 {
		text = screen.Plural(found.count, "session")
		if screen.Width(text)+2 > found.at.w {
			text = strconv.Itoa(found.count)
		}
	}
	w := screen.Width(text) + 2
	if text == "" || w > found.at.w {
		return nil
	}
	style := p.f.Theme.Dim
	if found.lag > 0 {
		style = p.f.Theme.Warn
	} else if found.mark == marked {
		style = p.f.Theme.Accent
	}
	at := found.at.x + (found.at.w-w)/2
	return map[int]label{at: {style.Render(" " + text + " "), w}}
}
