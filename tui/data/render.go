package data

import (
	"strings"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// Widths, in cells.
const (
	wideFrom  = 120 // from here the tree and the content stand side by side
	treeWidth = 50
)

func (v *View) wide() bool { return v.width >= wideFrom }

// page is how many lines of the tree are seen.
func (v *View) page() int { return screen.Page(v.height) }

// Render draws the tree, and beside it or in its place what is open.
func (v *View) Render(f screen.Frame) string {
	v.width, v.height = f.Width, f.Height
	v.table = v.table.Fit(len(v.tree), v.page())
	switch {
	case !v.wide() && v.inside:
		return v.content.render(f, f.Width, f.Height, true)
	case !v.wide():
		return v.renderTree(f, f.Width, f.Height)
	}
	w := f.Width - treeWidth - 2
	right := screen.Middle([]string{f.Theme.Dim.Render("enter opens a database, and then a table")}, w, f.Height)
	if v.content != nil {
		right = v.content.render(f, w, f.Height, v.inside)
	}
	return screen.Beside(v.renderTree(f, treeWidth, f.Height), right, f.Theme.Faint.Render(f.Theme.Signs.V)+" ")
}

func (v *View) renderTree(f screen.Frame, w, h int) string {
	t := f.Theme
	if len(v.tree) == 0 {
		lines := []string{t.Dim.Render("asking for the databases")}
		switch {
		case v.fault != nil:
			lines = []string{t.Warn.Render(t.Signs.Warning + " " + screen.Cut(screen.Line(v.fault.Error()), w-4)), t.Dim.Render("it is tried again every second")}
		case v.filter != "":
			lines = []string{t.Dim.Render("nothing is called so")}
		case v.asked:
			lines = []string{t.Dim.Render("there are no databases yet")}
		}
		return screen.Middle(lines, w, h)
	}
	title := "database"
	if v.fault != nil {
		title = t.Signs.Warning + " " + screen.Cut(screen.Line(v.fault.Error()), w-14)
	}
	columns := []screen.Column{{Title: title, Stretch: true, Most: w - 19}, {Title: "rows", Right: true}, {Title: "size", Right: true}}
	return v.table.Render(f, columns, len(v.tree), func(i int) screen.Row { return v.row(f, v.tree[i], columns[0].Most) }, w, h, !v.inside)
}

// row draws a line of the tree.
func (v *View) row(f screen.Frame, i item, room int) screen.Row {
	t := f.Theme
	blank := screen.Cell{}
	switch {
	case i.fault != nil:
		return screen.Row{{Text: "    " + t.Signs.Warning + " " + screen.Line(i.fault.Error()), Style: t.Warn}, blank, blank}
	case i.checker:
		return screen.Row{{Text: screen.Pad("    "+checkerName, room), Style: t.Accent}, blank, blank}
	case i.table != nil:
		style := t.Text
		if i.table.Rows == 0 {
			style = t.Dim
		}
		rows := ""
		if i.table.Rows >= 0 {
			rows = screen.Count(i.table.Rows)
		}
		return screen.Row{{Text: screen.Pad("    "+screen.Line(i.table.Name), room), Style: style}, {Text: rows, Style: t.Dim}, {Text: screen.Bytes(i.table.Bytes), Style: t.Dim}}
	}
	sign := t.Signs.Fold
	if v.opened[i.database.Name] {
		sign = t.Signs.Unfold
	}
	name := sign + " " + title(i.database)
	return screen.Row{{Text: screen.Pad(name, room), Style: t.Strong}, blank, {Text: screen.Bytes(i.database.Bytes), Style: t.Dim}}
}

// title is how a database is called in the tree: a virtual node's by the common name or organisation of its owner.
func title(d sandbox.DatabaseInfo) string {
	if d.VNode == "" {
		return screen.Line(d.Name)
	}
	_, kind, _ := strings.Cut(d.Name, "/")
	return screen.Line(shortName(d)) + " " + kind
}

func shortName(d sandbox.DatabaseInfo) string {
	parts := map[string]string{}
	for _, p := range strings.Split(d.Owner, ",") {
		k, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		parts[k] = value
	}
	for _, k := range []string{"CN", "O"} {
		if parts[k] != "" {
			return parts[k]
		}
	}
	return d.VNode
}
