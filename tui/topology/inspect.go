package topology

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/screen"
	"github.com/cordage-sandbox/cordage/tui/theme"
)

// details is all that is known of the selected item, in lines of w cells.
func (v *View) details(f screen.Frame, w int, short bool) (lines []string) {
	lines = v.facts(f, w)
	lines = append(lines, v.section(f, "edges, as observed", v.edges(f, w), w)...)
	n, isNode := v.node()
	if !isNode || short {
		return lines
	}
	lines = append(lines, v.section(f, "events", v.events(f, n.Name, w, 6), w)...)
	lines = append(lines, v.section(f, "log", v.log(f, w, 8), w)...)
	return append(lines, v.section(f, "configuration, secrets masked", v.settings(f, w), w)...)
}

// summary is the most of the selected item that fits below the graph: facts on the left, edges or the log on the right.
func (v *View) summary(f screen.Frame, w, h int) string {
	left := min(38, w/2)
	right := w - left - 3
	one, other := v.facts(f, left), v.edges(f, right)
	if n, isNode := v.node(); isNode && len(other) < h {
		if happened := v.events(f, n.Name, right, h-len(other)-1); len(happened) > 0 {
			other = append(append(other, ""), happened...)
		}
	}
	if more := len(other) - h; more > 0 && v.edge == 0 {
		other = append(other[:h-1], f.Theme.Dim.Render(fmt.Sprintf("and %d more: enter", more+1)))
	} else if v.edge > h {
		other = other[v.edge-h:]
	}
	return screen.Beside(screen.Fill(indent(one), left+1, h), screen.Fill(other, right, h), f.Theme.Faint.Render(f.Theme.Signs.V)+" ")
}

func indent(lines []string) []string {
	for i := range lines {
		lines[i] = " " + lines[i]
	}
	return lines
}

func (v *View) section(f screen.Frame, title string, lines []string, w int) []string {
	if len(lines) == 0 {
		return nil
	}
	return append([]string{"", screen.Rule(f.Theme, title, w)}, lines...)
}

// facts are what the item is and how it is.
func (v *View) facts(f screen.Frame, w int) []string {
	if n, ok := v.node(); ok {
		return v.nodeFacts(f, n, w)
	}
	if name, ok := v.selected.topic(); ok {
		return v.topicFacts(f.Theme, name, w)
	}
	if name, ok := v.selected.database(); ok {
		return v.databaseFacts(f.Theme, name, w)
	}
	return nil
}

// fact is a line of a name and a value.
func fact(t *theme.Theme, name, value string, w int) string {
	const names = 9
	return t.Dim.Render(screen.Pad(name, names)) + " " + t.Text.Render(screen.Cut(value, w-names-1))
}

func (v *View) nodeFacts(f screen.Frame, n sandbox.Node, w int) []string {
	t := f.Theme
	sign, style := screen.StateSign(t, n.State)
	state := style.Render(sign + " " + string(n.State))
	if n.State == sandbox.Ready && !n.Started.IsZero() {
		state += t.Dim.Render(" for " + screen.Ago(f.Now.Sub(n.Started)))
	}
	if n.Restarts > 0 {
		state += t.Warn.Render("  " + screen.Plural(n.Restarts, "restart"))
	}
	lines := []string{screen.Cut(state, w)}
	if n.Reason != "" && n.State != sandbox.Ready {
		for _, l := range screen.Lines(n.Reason) {
			for _, part := range screen.Wrap(l, w) {
				lines = append(lines, style.Render(part))
			}
		}
	}
	what := "process"
	if f.State.Info.Runtime != "" {
		what = f.State.Info.Runtime
	}
	id := n.Instance
	if id == "" {
		id = "none"
	} else if _, err := strconv.Atoi(id); err == nil {
		id = "pid " + id
	}
	lines = append(lines, fact(t, what, id+startOf(n), w))
	var ports []string
	for _, purpose := range slices.Sorted(maps.Keys(n.Ports)) {
		ports = append(ports, purpose+" "+strconv.Itoa(n.Ports[purpose]))
	}
	if len(ports) > 0 {
		lines = append(lines, fact(t, "ports", strings.Join(ports, ", "), w))
	}
	return append(lines, v.usage(f, n, w)...)
}

// startOf tells how long the node took to be ready.
func startOf(n sandbox.Node) string {
	if n.Took > 0 {
		return ", ready after " + screen.Duration(n.Took)
	}
	return ""
}

// usage are sparklines of processor time and memory.
func (v *View) usage(f screen.Frame, n sandbox.Node, w int) []string {
	u := f.State.Usage[n.Name]
	cpu, rss := u.Last()
	if rss == 0 {
		return nil
	}
	t := f.Theme
	room := max(8, min(40, w-10-9))
	const least = 0.05 // of a core fill the line, so that an idle node's noise stays low
	top := least
	for _, s := range u.CPU[max(0, len(u.CPU)-room):] {
		top = max(top, s)
	}
	draw := func(name, value string, samples []float64, most float64) string {
		return t.Dim.Render(screen.Pad(name, 9)) + " " + t.Text.Render(screen.Pad(value, 8)) + " " + t.Accent.Render(screen.Sparkline(t, samples, room-1, most))
	}
	return []string{
		screen.Cut(draw("CPU", percent(cpu), u.CPU, top), w),
		screen.Cut(draw("memory", screen.Bytes(int64(rss)), raised(u.RSS[max(0, len(u.RSS)-room):]), 1), w),
	}
}

// raised makes the changes of samples that are never near zero visible: shares of 1, half of it where nothing changes.
func raised(samples []float64) []float64 {
	least, most := math.Inf(1), 0.0
	for _, s := range samples {
		least, most = min(least, s), max(most, s)
	}
	base := 0.9 * least
	span := max(most-base, 0.2*most)
	out := make([]float64, len(samples))
	for i, s := range samples {
		out[i] = (s - base) / span
	}
	return out
}

func (v *View) topicFacts(t *theme.Theme, name string, w int) (lines []string) {
	i := slices.IndexFunc(v.observed.Topics, func(o sandbox.TopicInfo) bool { return o.Name == name })
	if i < 0 {
		return []string{t.Text.Render(screen.Cut(name, w))}
	}
	info := v.observed.Topics[i]
	lines = append(lines, fact(t, "topic", name, w), fact(t, "keeps", map[string]string{"compact": "the latest of each key", "delete": "records for a time"}[info.Cleanup], w),
		fact(t, "has", screen.Plural(info.Partitions, "partition")+", "+screen.Count(info.Records)+" records", w))
	if r := screen.Rate(info.Rate); r != "" {
		lines = append(lines, fact(t, "rate", r, w))
	}
	for _, g := range info.Groups {
		text := g.Group + " "
		if g.Records > 0 {
			text += t.Warn.Render(screen.Count(g.Records) + " behind")
		} else {
			text += t.Dim.Render("up to date")
		}
		lines = append(lines, fact(t, "group", text, w))
	}
	return lines
}

func (v *View) databaseFacts(t *theme.Theme, name string, w int) (lines []string) {
	lines = append(lines, fact(t, "database", name, w))
	i := slices.IndexFunc(v.observed.Databases, func(o sandbox.DatabaseInfo) bool { return o.Name == name })
	if i < 0 {
		return lines
	}
	d := v.observed.Databases[i]
	if d.Owner != "" {
		lines = append(lines, fact(t, "of", d.Owner, w))
	}
	return append(lines, fact(t, "lies in", d.Database+", schema "+d.Schema, w), fact(t, "has", screen.Plural(d.Tables, "table")+", "+screen.Bytes(d.Bytes), w),
		fact(t, "sessions", strconv.Itoa(d.Sessions), w))
}

// edges are the links of the item, with what passes on them.
func (v *View) edges(f screen.Frame, w int) (lines []string) {
	t := f.Theme
	list := v.graph.of(v.selected)
	for i, l := range list {
		sign, text, value := v.edgeText(t, l)
		style := t.Text
		switch {
		case l.down:
			style = t.Bad
			value = "down"
		case l.edge.Lag > 0:
			style = t.Warn
		case l.edge.Kind == sandbox.EdgeReads:
			style = t.Dim
		}
		mark := "  "
		if i+1 == v.edge {
			mark, style = t.Signs.Cursor+" ", t.Select
		}
		room := w - screen.Width(value) - 5
		lines = append(lines, screen.Cut(style.Render(mark+sign+" "+screen.Pad(shorten(text, room), room)+" "+value), w))
	}
	if len(list) == 0 {
		lines = append(lines, t.Dim.Render("nothing has been seen"))
	}
	return lines
}

// edgeText tells a link from the item's end: its direction, what and with whom, and what passes.
func (v *View) edgeText(t *theme.Theme, l link) (sign, text, value string) {
	e := l.edge
	if e.Rate > 0 {
		value = screen.Rate(e.Rate)
	}
	if e.Lag > 0 {
		value = strings.TrimSpace(value + " +" + screen.Count(e.Lag))
	}
	own, _ := v.selected.node()
	who := ""
	if e.From != own {
		who = e.From + " "
	}
	sign = t.Signs.Right
	switch e.Kind {
	case sandbox.EdgeRoutes:
		if own == e.To {
			return t.Signs.Left, "requests from " + e.From, value
		}
		return sign, "routes to " + e.To, value
	case sandbox.EdgeConsumes:
		if value == "" {
			value = "up to date"
		}
		return t.Signs.Left, who + "consumes " + v.unless(topicID(e.What), e.What), value
	case sandbox.EdgeReads:
		return t.Signs.Left, who + "reads " + v.unless(topicID(e.What), e.What), value
	case sandbox.EdgeProduces:
		return sign, who + "produces " + v.unless(topicID(e.What), e.What), value
	case sandbox.EdgeQueries:
		sessions := screen.Plural(e.Count, "session")
		if value != "" {
			sessions = value + ", " + sessions
		}
		return sign, who + "queries " + v.unless(databaseID(database(e.What)), e.What), sessions
	}
	return sign, string(e.Kind) + " " + e.What, value
}

// unless leaves out what is selected anyway.
func (v *View) unless(what id, name string) string {
	if v.selected == what {
		return ""
	}
	return name
}

func (v *View) events(f screen.Frame, node string, w, most int) (lines []string) {
	t := f.Theme
	for _, c := range f.State.Recent(node, most) {
		style := t.Text
		if c.To != "" {
			_, style = screen.StateSign(t, c.To)
		}
		lines = append(lines, t.Dim.Render(c.Time.Local().Format(time.TimeOnly))+" "+style.Render(screen.Cut(screen.Line(c.Text), w-9)))
	}
	return lines
}

func (v *View) log(f screen.Frame, w, most int) (lines []string) {
	t := f.Theme
	for _, l := range v.lines[max(0, len(v.lines)-most):] {
		style := t.Text
		switch l.Level {
		case "error":
			style = t.Bad
		case "warn":
			style = t.Warn
		case "debug":
			style = t.Dim
		}
		text := style.Render(screen.Line(l.Text))
		if fields := screen.Fields(l.Fields); fields != "" {
			text += t.Dim.Render("  " + fields)
		}
		lines = append(lines, t.Dim.Render(l.Time.Local().Format(time.TimeOnly))+" "+screen.Cut(text, w-9))
	}
	return lines
}

func (v *View) settings(f screen.Frame, w int) (lines []string) {
	t := f.Theme
	if v.noConfig != nil {
		return []string{t.Warn.Render(screen.Cut(screen.Line(v.noConfig.Error()), w))}
	}
	for _, s := range v.config.Settings {
		name := screen.Cut(s.Name, w*3/5)
		lines = append(lines, t.Dim.Render(name)+" "+t.Text.Render(screen.Cut(screen.Line(s.Value), w-screen.Width(name)-1)))
	}
	return lines
}
