package topology

import (
	"strconv"
	"time"

	"github.com/cordage-sandbox/cordage/tui/screen"
)

// nodes is a table of all nodes with their usage, in at most h lines.
func (v *View) nodes(f screen.Frame, w, h int) (lines []string) {
	t := f.Theme
	const name, state, id, cpu, mem, age = 18, 11, 10, 7, 8, 8
	head := " " + screen.Pad("  node", name) + screen.Pad("state", state) + screen.PadLeft("instance", id) + screen.PadLeft("up", age) + screen.PadLeft("restarts", 10) +
		screen.PadLeft("memory", mem+1) + screen.PadLeft("CPU", cpu)
	spark := max(0, min(40, w-screen.Width(head)-3))
	lines = append(lines, t.Dim.Render(screen.Pad(head, w)))
	for _, n := range v.state.Nodes {
		if len(lines) == h {
			break
		}
		u := f.State.Usage[n.Name]
		share, rss := u.Last()
		sign, style := screen.StateSign(t, n.State)
		mark, text := " ", t.Text
		if v.selected == nodeID(n.Name) {
			mark, text = t.Signs.Cursor, t.Strong
		}
		up, memory, processor := "", "", ""
		if !n.Started.IsZero() && n.Instance != "" {
			up = screen.Ago(f.Now.Sub(n.Started))
		}
		if rss > 0 && n.Instance != "" {
			memory, processor = screen.Bytes(int64(rss)), percent(share)
		}
		line := t.Accent.Render(mark) + style.Render(sign) + " " + text.Render(screen.Pad(n.Name, name-2)) + style.Render(screen.Pad(string(n.State), state)) +
			t.Dim.Render(screen.PadLeft(screen.Cut(n.Instance, id-1), id)+screen.PadLeft(up, age)+screen.PadLeft(restarts(n.Restarts), 10)) +
			t.Text.Render(screen.PadLeft(memory, mem+1)+screen.PadLeft(processor, cpu))
		if u != nil && spark > 4 {
			line += "  " + t.Accent.Render(screen.Sparkline(t, u.CPU, spark, v.busiest()))
		}
		lines = append(lines, line)
	}
	return lines
}

func restarts(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// busiest is the greatest share of a core that any node used lately, so that all sparklines have one scale.
func (v *View) busiest() float64 {
	const least = 0.05
	top := least
	for _, u := range v.state.Usage {
		for _, s := range u.CPU {
			top = max(top, s)
		}
	}
	return top
}

// happened are the latest changes of all nodes, latest first.
func (v *View) happened(f screen.Frame, w, h int) (lines []string) {
	t := f.Theme
	for _, c := range f.State.Recent("", h) {
		style := t.Text
		if c.To != "" {
			_, style = screen.StateSign(t, c.To)
		}
		who := c.Node
		if who == "" {
			who = "sandbox"
		}
		const at, name = 9, 18
		lines = append(lines, " "+t.Dim.Render(c.Time.Local().Format(time.TimeOnly))+" "+t.Text.Render(screen.Pad(who, name-1))+" "+
			style.Render(screen.Cut(screen.Line(c.Text), w-at-name-1)))
	}
	return lines
}
