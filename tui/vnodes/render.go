package vnodes

import (
	"fmt"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/cordage-sandbox/cordage/sandbox/client"
	"github.com/cordage-sandbox/cordage/tui/screen"
	"github.com/cordage-sandbox/cordage/tui/theme"
)

// wideFrom is the width from which the details have a place of their own.
const wideFrom = 120

func (v *View) wide() bool { return v.width >= wideFrom }

// listWidth is how many cells the lists have.
func (v *View) listWidth() int {
	if v.wide() {
		return v.width * 55 / 100
	}
	return v.width
}

// cpiLines are those of the list of CPIs with its heading.
func (v *View) cpiLines() int { return min(max(4, len(v.packages())+2), max(4, v.height/3)) }

// nodePage and cpiPage are how many rows are seen.
func (v *View) nodePage() int { return max(1, v.height-v.cpiLines()-2) }
func (v *View) cpiPage() int  { return max(1, v.cpiLines()-2) }

// Render draws the lists, beside them or in their place the details, and over all the dialog.
func (v *View) Render(f screen.Frame) string {
	v.width, v.height = f.Width, f.Height
	var body string
	switch {
	case v.wide():
		w := f.Width - v.listWidth() - 1
		body = screen.Beside(v.lists(f), v.details(f, w), f.Theme.Faint.Render(f.Theme.Signs.V))
	case v.open:
		body = v.details(f, f.Width)
	default:
		body = v.lists(f)
	}
	if v.dialog != nil {
		body = screen.Over(body, v.dialog.render(v, f), f.Width, f.Height)
	}
	return body
}

func (v *View) lists(f screen.Frame) string {
	w := v.listWidth()
	nodes, cpis := v.rows(), v.packages()
	lines := []string{v.heading(f, fmt.Sprintf("virtual nodes (%d)", len(v.nodes)), !v.onCPIs, v.trouble(f), w)}
	if len(nodes) == 0 {
		lines = append(lines, strings.Split(screen.Middle(v.empty(f), w, v.nodePage()+1), "\n")...)
	} else {
		lines = append(lines, strings.Split(v.nodeList(f, nodes, w), "\n")...)
	}
	lines = append(lines, v.heading(f, fmt.Sprintf("CPIs (%d)", len(v.cpis)), v.onCPIs, v.uploadLine(f), w))
	lines = append(lines, strings.Split(v.cpiList(f, cpis, w), "\n")...)
	return screen.Fill(lines, w, f.Height)
}

// heading is a line with a title and, at its end, what goes on.
func (v *View) heading(f screen.Frame, title string, focused bool, right string, w int) string {
	t := f.Theme
	style := t.Dim
	if focused {
		style = t.Strong
	}
	left := t.Faint.Render(t.Signs.H+t.Signs.H) + " " + style.Render(title) + " "
	room := w - screen.Width(left) - screen.Width(right) - 1
	if right != "" {
		right = " " + right
	}
	return screen.Pad(left+t.Faint.Render(strings.Repeat(t.Signs.H, max(0, room)))+right, w)
}

// trouble says why the lists are not fresh.
func (v *View) trouble(f screen.Frame) string {
	t := f.Theme
	if v.fault == nil || len(v.nodes)+len(v.cpis) == 0 {
		return ""
	}
	const room = 44
	text := t.Signs.Warning + " as of " + f.Now.Sub(v.fresh).Round(time.Second).String() + " ago: " + screen.Line(v.fault.Error())
	return t.Warn.Render(screen.Cut(text, room))
}

// empty is shown where there is no virtual node to list.
func (v *View) empty(f screen.Frame) []string {
	t := f.Theme
	key := func(k, about string) string { return t.Key.Render(k) + t.Dim.Render("  "+about) }
	switch {
	case v.state != nil && v.state.Link == screen.Absent:
		return []string{t.Text.Render("the sandbox does not run"), "", t.Dim.Render("view launch starts it")}
	case v.fault != nil:
		lines := []string{t.Warn.Render(t.Signs.Warning + " the cluster's REST API cannot be asked at present")}
		for _, l := range screen.Wrap(screen.Line(v.fault.Error()), max(20, v.listWidth()-8)) {
			lines = append(lines, t.Dim.Render(l))
		}
		return lines
	case v.filter != "" && len(v.nodes) > 0:
		return []string{t.Dim.Render("no virtual node has “" + v.filter + "” in it")}
	case v.loaded.IsZero():
		return []string{t.Dim.Render("asking the cluster…")}
	case len(v.cpis) == 0:
		return []string{t.Text.Render("no virtual nodes yet, and no CPI to make one of"), "", key("u", "uploads a CPI"), key("d", "makes a small one to try"), key("i", "trusts a signer's certificate")}
	}
	return []string{t.Text.Render("no virtual nodes yet"), "", key("n", "makes one")}
}

func (v *View) nodeList(f screen.Frame, rows []row, w int) string {
	t := f.Theme
	const allFrom = 76 // cells; in less, where the details stand beside the list, the name needs the room
	columns, all := []screen.Column{{Title: "X.500 name", Stretch: true}, {Title: "short hash"}, {Title: "state"}}, w >= allFrom
	if all {
		columns = append(columns, screen.Column{Title: "CPI", Most: 18})
		databases := "DBs"
		if w > 100 {
			databases = "databases"
		}
		columns = append(columns, screen.Column{Title: databases, Right: true}, screen.Column{Title: "keys", Right: true})
	}
	return v.nodeTable.Render(f, columns, len(rows), func(i int) screen.Row {
		r := rows[i]
		state, style := v.rowState(f, r)
		cells := screen.Row{{Text: screen.Line(r.name()), Style: t.Text}, {Text: r.hash(), Style: t.Data}, {Text: state, Style: style}}
		if all {
			cells = append(cells, screen.Cell{Text: screen.Line(r.cpi()), Style: t.Dim}, screen.Cell{Text: v.sizes(r.hash(), w > 100), Style: t.Dim}, screen.Cell{Text: v.keyCount(r.hash()), Style: t.Dim})
		}
		return cells
	}, w, v.nodePage()+1, !v.onCPIs && v.dialog == nil)
}

// rowState is a row's state with its sign.
func (v *View) rowState(f screen.Frame, r row) (string, lipgloss.Style) {
	t := f.Theme
	if r.node != nil {
		if active(*r.node) {
			return t.Signs.Ready + " active", t.Good
		}
		return t.Signs.Warning + " maintenance", t.Warn
	}
	if r.creation.over() {
		return t.Signs.Failed + " " + strings.ToLower(r.creation.status), t.Bad
	}
	return screen.Spinner(f) + " " + strings.ToLower(strings.ReplaceAll(r.creation.status, "_", " ")), t.Busy
}

func active(n client.VNode) bool {
	for _, s := range []string{n.FlowP2P, n.FlowStart, n.Flow, n.VaultDB} {
		if s != "ACTIVE" {
			return false
		}
	}
	return true
}

// sizes is how many databases a virtual node has and, where there is room, how much they take together.
func (v *View) sizes(hash string, room bool) string {
	var bytes int64
	n := 0
	for _, d := range v.databases {
		if d.VNode == hash {
			bytes += d.Bytes
			n++
		}
	}
	switch {
	case n == 0:
		return ""
	case !room:
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d, %s", n, screen.Bytes(bytes))
}

// keyCount is how many keys a virtual node has, once they have been read.
func (v *View) keyCount(hash string) string {
	k, ok := v.wrapping[hash]
	if !ok || k.err != nil {
		return ""
	}
	return fmt.Sprint(len(k.wrapping) + k.signing)
}

func (v *View) cpiList(f screen.Frame, cpis []client.CPI, w int) string {
	t := f.Theme
	if len(cpis) == 0 {
		text := "none yet"
		if v.filter != "" && len(v.cpis) > 0 {
			text = "none has “" + v.filter + "” in it"
		}
		return screen.Fill([]string{"  " + t.Dim.Render(text)}, w, v.cpiPage()+1)
	}
	columns := []screen.Column{{Title: "name", Stretch: true}, {Title: "version", Most: 14}, {Title: "checksum"}, {Title: "nodes", Right: true}, {Title: "uploaded", Right: true}}
	return v.cpiTable.Render(f, columns, len(cpis), func(i int) screen.Row {
		c := cpis[i]
		return screen.Row{
			{Text: screen.Line(c.ID.Name), Style: t.Text}, {Text: screen.Line(c.ID.Version), Style: t.Text}, {Text: c.Checksum, Style: t.Data},
			{Text: fmt.Sprint(v.uses(c)), Style: t.Dim}, {Text: screen.Ago(f.Now.Sub(c.Timestamp)), Style: t.Dim},
		}
	}, w, v.cpiPage()+1, v.onCPIs && v.dialog == nil)
}

func (v *View) uses(c client.CPI) (n int) {
	for _, node := range v.nodes {
		if node.CPI == c.ID {
			n++
		}
	}
	return n
}

// uploadLine tells of an upload whose dialog is closed.
func (v *View) uploadLine(f screen.Frame) string {
	u := v.upload
	if v.building {
		return f.Theme.Busy.Render(screen.Spinner(f) + " building and signing a demo CPI")
	}
	if u == nil || u.over() {
		return ""
	}
	t := f.Theme
	if u.id != "" {
		return t.Busy.Render(screen.Spinner(f) + " verifying " + screen.Cut(screen.Line(u.name), 24))
	}
	return t.Busy.Render(screen.Spinner(f)+" ") + uploadBar(t, u) + t.Dim.Render(" "+screen.Cut(screen.Line(u.name), 24))
}

func uploadBar(t *theme.Theme, u *upload) string {
	share := 0.0
	if u.size > 0 {
		share = float64(u.sent) / float64(u.size)
	}
	return screen.Bar(t, share, 10, t.Busy)
}
