package topology

import (
	"strings"

	"github.com/cordage-sandbox/cordage/tui/screen"
)

// layout is where everything of a graph stands in a window. It depends on the graph, the size and what is scrolled to
// only, so that it is kept while nothing of these changes; colours and packets come on top of it.
type layout struct {
	w, h   int
	cols   [columns]span
	places map[id]place
	rows   [columns][]string // titles as they fit, by line of the window; empty: none
	above  [columns]int      // items out of sight
	below  [columns]int
	paths  []path // by link of the graph
	cells  []cell // w times h
}

// span is a range of cells in a line.
type span struct{ x, w int }

// place is where an item is.
type place struct{ col, index, y int }

// point is a cell.
type point struct{ x, y int }

// path is a link's cells, in the direction of its flow; empty if an end is out of sight.
type path struct {
	points []point
	label  span // where the text of the link has room; none if w is 0
	y      int  // line of the label
}

// cell is a piece of line. Two lines cross without a joint where a link passes under another one.
type cell struct {
	mask   uint8 // sides that a line leads to, where it joins
	across bool  // a horizontal line passes
	down   bool  // a vertical line passes
	links  []int // of the horizontal and joined lines
	vlinks []int // of the vertical line
	head   int8  // arrowhead: +1 to the right, -1 to the left
}

const (
	toUp uint8 = 1 << iota
	toDown
	toLeft
	toRight
)

const (
	headRow   = 2 // lines above the items: titles of the columns and a blank
	leastGap  = 3 // cells between columns, besides the tracks
	mostGap   = 20
	leastText = 7
	labelRoom = 7
)

// arrange lays the graph out. scroll is the first item that is seen of each column.
func arrange(g *graph, w, h int, selected id, wide bool) *layout {
	l := &layout{w: w, h: h, places: map[id]place{}, cells: make([]cell, w*h)}
	l.choose(g, selected)
	tracks := l.tracks(g)
	l.widths(g, tracks, wide)
	l.titles(g, wide)
	l.route(g, tracks)
	return l
}

// choose finds the lines of the items: few ones are spread around the middle, of many a part is seen with the selected one
// in it.
func (l *layout) choose(g *graph, selected id) {
	room := max(1, l.h-headRow)
	tallest := 1
	for c := range g.columns {
		tallest = max(tallest, min(len(g.columns[c]), room))
	}
	for c, items := range g.columns {
		first, n := 0, len(items)
		if n > room {
			n = room
			if col, row, ok := g.find(selected); ok && col == c {
				first = max(0, min(row-room/2, len(items)-room))
			}
		}
		l.above[c], l.below[c] = first, len(items)-first-n
		step := 1
		if n > 1 && c != bus {
			step = max(1, min(3, tallest/n))
		}
		top := headRow + max(0, (tallest-(n-1)*step-1)/2)
		l.rows[c] = make([]string, l.h)
		for i := range n {
			if y := top + i*step; y < l.h {
				l.places[items[first+i].id] = place{c, first + i, y}
			}
		}
	}
}

// tracks are the nodes whose links share a vertical line in each gap, in order.
func (l *layout) tracks(g *graph) (tracks [columns - 1]map[id]int) {
	for gap := range tracks {
		tracks[gap] = map[id]int{}
		owners := g.columns[gap]
		if gap == bus {
			owners = g.columns[inner]
		}
		for _, o := range owners {
			if _, seen := l.places[o.id]; seen && o.node != nil {
				tracks[gap][o.id] = len(tracks[gap])
			}
		}
	}
	return tracks
}

// widths shares the line out among columns and gaps.
func (l *layout) widths(g *graph, tracks [columns - 1]map[id]int, wide bool) {
	var text [columns]int
	total := 0
	for c, items := range g.columns {
		text[c] = screen.Width(heading(c))
		for _, it := range items {
			if _, seen := l.places[it.id]; seen {
				text[c] = max(text[c], itemWidth(it, wide, l.w >= usageFrom))
			}
		}
		total += text[c]
	}
	var gaps [columns - 1]int
	for i := range gaps {
		gaps[i] = leastGap + min(len(tracks[i]), 8)
		if wide && (i == bus || i == inner) {
			gaps[i] += labelRoom // for what passes between workers and servers
		}
		total += gaps[i]
	}
	for total > l.w && shrink(&text, &gaps) {
		total--
	}
	for i := 0; total < l.w && gaps[len(gaps)-1] < mostGap; i++ { // what is left makes room for labels
		gaps[i%len(gaps)]++
		total++
	}
	x := 0
	for c := range text {
		l.cols[c] = span{x, text[c]}
		x += text[c]
		if c < len(gaps) {
			x += gaps[c]
		}
	}
}

// shrink takes a cell from where it hurts least.
func shrink(text *[columns]int, gaps *[columns - 1]int) bool {
	for _, c := range []struct{ col, comfortable int }{{bus, 30}, {store, 18}, {inner, 16}, {api, 12}, {bus, 24}, {store, 14}, {bus, 20}, {store, 12}} {
		if text[c.col] > c.comfortable {
			text[c.col]--
			return true
		}
	}
	widest := bus
	for _, c := range []int{store, inner, api} {
		if text[c] > text[widest] {
			widest = c
		}
	}
	for i := range gaps {
		if gaps[i] > leastGap+1 {
			gaps[i]--
			return true
		}
	}
	if text[widest] > leastText {
		text[widest]--
		return true
	}
	return false
}

// titles writes what the items say, as it fits.
func (l *layout) titles(g *graph, wide bool) {
	for c, items := range g.columns {
		for _, it := range items {
			if p, seen := l.places[it.id]; seen {
				l.rows[c][p.y] = itemText(it, l.cols[c].w, wide, l.w >= usageFrom)
			}
		}
	}
}

// route draws the links: from the item to the track of the node, along it, and to the other end.
func (l *layout) route(g *graph, tracks [columns - 1]map[id]int) {
	l.paths = make([]path, len(g.links))
	for i, k := range g.links {
		left, ok := l.places[k.left]
		right, seen := l.places[k.right]
		if !ok || !seen || right.col != left.col+1 {
			continue
		}
		gap := left.col
		from := l.cols[gap].x + l.cols[gap].w
		to := l.cols[gap+1].x - 1
		owner, ownedLeft := k.left, gap != bus
		if !ownedLeft {
			owner = k.right
		}
		track := l.track(tracks[gap], owner, from, to, ownedLeft)
		l.draw(i, left.y, right.y, from, to, track, k.toLeft)
		p := &l.paths[i]
		if ownedLeft {
			p.label, p.y = span{track + 2, to - track - 2}, right.y
		} else {
			p.label, p.y = span{from + 1, track - from - 2}, left.y
		}
	}
}

// track is the column of cells of an owner's vertical line. Tracks lie at the owner's side, so that the other side has
// room for labels.
func (l *layout) track(tracks map[id]int, owner id, from, to int, ownedLeft bool) int {
	room := max(1, to-from-1)
	n := tracks[owner] % room
	if ownedLeft {
		return from + 1 + n
	}
	return to - 1 - n
}

// draw draws link i and notes its path.
func (l *layout) draw(i, leftY, rightY, from, to, track int, reverse bool) {
	var points []point
	across := func(x, y int) {
		c := l.at(x, y)
		c.across = true
		c.links = append(c.links, i)
		points = append(points, point{x, y})
	}
	for x := from; x < track; x++ {
		across(x, leftY)
	}
	step, lead, tail := 0, uint8(0), uint8(0)
	switch {
	case rightY > leftY:
		step, lead, tail = 1, toDown, toUp
	case rightY < leftY:
		step, lead, tail = -1, toUp, toDown
	}
	l.join(i, track, leftY, toLeft|lead)
	points = append(points, point{track, leftY})
	if step == 0 {
		l.join(i, track, leftY, toRight)
	} else {
		for y := leftY + step; y != rightY; y += step {
			c := l.at(track, y)
			c.down = true
			c.vlinks = append(c.vlinks, i)
			points = append(points, point{track, y})
		}
		l.join(i, track, rightY, tail|toRight)
		points = append(points, point{track, rightY})
	}
	for x := track + 1; x <= to; x++ {
		across(x, rightY)
	}
	if reverse {
		l.at(from, leftY).head = -1
		for a, b := 0, len(points)-1; a < b; a, b = a+1, b-1 {
			points[a], points[b] = points[b], points[a]
		}
	} else {
		l.at(to, rightY).head = 1
	}
	l.paths[i].points = points
}

func (l *layout) join(i, x, y int, mask uint8) {
	c := l.at(x, y)
	c.mask |= mask
	c.links = append(c.links, i)
}

// nowhere takes what would be drawn outside of the window.
func (l *layout) at(x, y int) *cell {
	if x < 0 || x >= l.w || y < 0 || y >= l.h {
		return &cell{}
	}
	return &l.cells[y*l.w+x]
}

// shorten cuts the middle out of a name: both ends of a topic's name tell something.
func shorten(name string, w int) string {
	n := screen.Width(name)
	if n <= w || w < 4 {
		return screen.Cut(name, w)
	}
	head := (w - 1) / 2
	r := []rune(name)
	return string(r[:head]) + "…" + string(r[len(r)-(w-1-head):])
}

// heading is the title of a column.
func heading(c int) string {
	switch c {
	case entry:
		return "entry"
	case api:
		return "API"
	case bus:
		return "Kafka"
	case inner:
		return "workers"
	}
	return "PostgreSQL"
}

// itemWidth is how many cells an item would take.
func itemWidth(it item, wide, usage bool) int {
	const sign = 2
	w := sign + screen.Width(it.title)
	if it.node != nil && usage {
		w += usageWidth
	}
	if it.node == nil {
		w += screen.Width(figures(it, wide))
	}
	return w
}

const (
	usageWidth = 12
	usageFrom  = 130 // width of the graph from which nodes tell their usage
)

// figures are the numbers of a topic, where the lines have no room for them.
func figures(it item, wide bool) string {
	if _, isTopic := it.id.topic(); !isTopic || wide {
		return ""
	}
	var parts []string
	if r := screen.Rate(it.rate); r != "" {
		parts = append(parts, r)
	}
	if it.lag > 0 {
		parts = append(parts, "+"+screen.Count(it.lag))
	}
	if len(parts) == 0 {
		return ""
	}
	return " " + strings.Join(parts, " ")
}

// itemText is what an item says in w cells, without its sign.
func itemText(it item, w int, wide, usage bool) string {
	f := figures(it, wide)
	room := w - 2 - screen.Width(f)
	if it.node != nil && usage && screen.Width(it.title) <= room-usageWidth { // a whole name tells more than figures
		room -= usageWidth
	}
	title := it.title
	if _, is := it.id.database(); is {
		title = shortenDatabase(title, room)
	}
	return screen.Pad(shorten(title, room), room) + f
}

// shortenDatabase cuts the short hash of a virtual node and keeps the kind of the database.
func shortenDatabase(name string, w int) string {
	hash, kind, ok := strings.Cut(name, "/")
	keep := w - screen.Width(kind) - 2
	if !ok || screen.Width(name) <= w || keep < 3 || keep > len(hash) {
		return name
	}
	return hash[:keep] + "…/" + kind
}
