package data

import (
	"context"
	"fmt"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// grid is the rows of one table, read a page at a time as one goes down.
type grid struct {
	database string
	info     sandbox.Table
	keys     keyMap

	columns []sandbox.Column
	rows    [][]sandbox.Cell
	next    string
	asked   int // questions asked; only the answer to the latest counts
	loading bool
	known   bool // there was an answer
	fault   error
	find    string // in lower case
	seen    []int  // rows that have the text

	table  screen.Table
	page   int
	first  int // the first column that is seen beside those of the key
	record *record
}

// rowsMsg is the answer to a question for rows.
type rowsMsg struct {
	of    *grid
	asked int
	more  bool // it goes on where the rows before it end
	rows  sandbox.Rows
	err   error
}

const (
	pageRows = 100
	mostRows = 5000 // are kept; one who needs more uses SQL
)

func newGrid(database string, t sandbox.Table) *grid {
	return &grid{database: database, info: t, columns: t.Columns, keys: newKeyMap(), page: 20}
}

func (g *grid) is(i item) bool {
	return i.table != nil && i.database.Name == g.database && i.table.Name == g.info.Name
}

func (g *grid) text() string { return g.find }

func (g *grid) close() bool {
	if g.record != nil {
		g.record = nil
		return true
	}
	return false
}

func (g *grid) load(s Source) tea.Cmd { return g.ask(s, "") }

func (g *grid) ask(s Source, after string) tea.Cmd {
	g.asked++
	g.loading = true
	asked := g.asked
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), askLimit)
		defer cancel()
		rows, err := s.Rows(ctx, g.database, g.info.Name, sandbox.Page{After: after, Limit: pageRows})
		return rowsMsg{g, asked, after != "", rows, err}
	}
}

func (g *grid) update(msg tea.Msg, v *View) tea.Cmd {
	switch msg := msg.(type) {
	case rowsMsg:
		if msg.of == g && msg.asked == g.asked {
			g.take(msg)
		}
		return nil
	case tea.KeyPressMsg:
		if g.record != nil {
			g.record.update(msg)
			return nil
		}
		switch {
		case key.Matches(msg, g.keys.Details):
			if r, ok := g.current(); ok {
				g.record = newRecord(g.columns, r)
			}
		case key.Matches(msg, g.keys.Left):
			g.first = max(0, g.first-1)
		case key.Matches(msg, g.keys.Right):
			g.first = min(g.first+1, max(0, len(g.free())-1))
		default:
			return g.move(msg, v.source)
		}
		return nil
	case tea.MouseClickMsg:
		msg.Y -= headLines
		return g.move(msg, v.source)
	}
	return g.move(msg, v.source)
}

// headLines are above the rows and their titles.
const headLines = 1

// move moves the cursor, and asks for more rows near the end.
func (g *grid) move(msg tea.Msg, s Source) tea.Cmd {
	g.table, _ = g.table.Update(msg, len(g.seen), g.page)
	if g.next != "" && !g.loading && g.fault == nil && len(g.rows) < mostRows && g.table.Cursor+g.page >= len(g.seen) {
		return g.ask(s, g.next)
	}
	return nil
}

func (g *grid) take(msg rowsMsg) {
	g.loading, g.fault = false, msg.err
	if msg.err != nil {
		return
	}
	g.known = true
	if !msg.more {
		g.rows = nil
	}
	g.columns, g.next = msg.rows.Columns, msg.rows.Next
	g.rows = append(g.rows, msg.rows.Rows...)
	g.look()
}

func (g *grid) search(text string, v *View) tea.Cmd {
	g.find = strings.ToLower(text)
	g.look()
	return g.move(nil, v.source)
}

// look finds the rows that have the text.
func (g *grid) look() {
	g.seen = g.seen[:0]
	for i, r := range g.rows {
		has := g.find == ""
		for _, c := range r {
			has = has || strings.Contains(strings.ToLower(c.Text), g.find)
		}
		if has {
			g.seen = append(g.seen, i)
		}
	}
	g.table = g.table.Fit(len(g.seen), g.page)
}

func (g *grid) current() ([]sandbox.Cell, bool) {
	if g.table.Cursor < 0 || g.table.Cursor >= len(g.seen) {
		return nil, false
	}
	return g.rows[g.seen[g.table.Cursor]], true
}

// free are the columns that are no part of the key.
func (g *grid) free() (list []int) {
	for i, c := range g.columns {
		if !c.Key {
			list = append(list, i)
		}
	}
	return list
}

// How wide a column may be, and how much of the last one must be seen, in cells.
const (
	mostCell  = 40
	leastCell = 18
)

// fitting are the columns that are seen in w cells: those of the key, and then as many as fit from the first one on.
func (g *grid) fitting(w int) (list []int) {
	const gap = 2
	room := w - 2
	width := func(i int) int {
		widest := screen.Width(heading(g.columns[i]))
		for _, r := range g.seen[g.table.Top():min(len(g.seen), g.table.Top()+g.page)] {
			widest = max(widest, screen.Width(plain(g.rows[r][i])))
		}
		return min(widest, mostCell) + gap
	}
	for i, c := range g.columns {
		if c.Key && (len(list) == 0 || width(i) <= room/2) {
			list = append(list, i)
			room -= width(i)
		}
	}
	free := g.free()
	for _, i := range free[min(g.first, len(free)):] {
		if room < leastCell && len(list) > 0 {
			break // a part of the last one may be seen, but not very little
		}
		room -= width(i)
		list = append(list, i)
	}
	return list
}

func heading(c sandbox.Column) string {
	if c.Key {
		return screen.Line(c.Name) + " (key)"
	}
	return screen.Line(c.Name)
}

// plain is a value in one line.
func plain(c sandbox.Cell) string {
	if c.Null {
		return "null"
	}
	return screen.Line(c.Text)
}

func (g *grid) render(f screen.Frame, w, h int, focused bool) string {
	t := f.Theme
	right := t.Dim.Render(g.count())
	if g.fault != nil {
		right = t.Warn.Render(t.Signs.Warning + " " + screen.Cut(screen.Line(g.fault.Error()), w/2))
	}
	head := screen.Ends(" "+t.Dim.Render(screen.Line(g.database)+" ")+t.Strong.Render(screen.Line(g.info.Name)), right+" ", w)
	h--
	if g.record != nil {
		return head + "\n" + g.record.render(f, w, h)
	}
	g.page = screen.Page(h)
	g.table = g.table.Fit(len(g.seen), g.page)
	if len(g.seen) == 0 {
		what := "it has no rows"
		switch {
		case !g.known:
			what = "asking for its rows"
		case len(g.rows) > 0:
			what = "none of " + screen.Plural(len(g.rows), "row") + " has the text"
		}
		return head + "\n" + screen.Middle([]string{t.Dim.Render(what), "", t.Dim.Render(g.names(w - 4))}, w, h)
	}
	shown := g.fitting(w)
	columns := make([]screen.Column, len(shown))
	for i, c := range shown {
		columns[i] = screen.Column{Title: heading(g.columns[c]), Most: mostCell, Stretch: i == len(shown)-1}
	}
	return head + "\n" + g.table.Render(f, columns, len(g.seen), func(i int) screen.Row {
		r := make(screen.Row, len(shown))
		for n, c := range shown {
			cell, style := g.rows[g.seen[i]][c], t.Text
			switch {
			case cell.Null || g.columns[c].Masked:
				style = t.Dim
			case g.columns[c].Key:
				style = t.Data
			}
			r[n] = screen.Cell{Text: plain(cell), Style: style}
		}
		return r
	}, w, h, focused)
}

// names are the names of the columns, for a table without rows.
func (g *grid) names(w int) string {
	var names []string
	for _, c := range g.columns {
		names = append(names, screen.Line(c.Name))
	}
	return screen.Cut(strings.Join(names, ", "), w)
}

// count tells how many rows there are, and which columns are seen.
func (g *grid) count() string {
	text := screen.Plural(len(g.rows), "row")
	if g.find != "" {
		text = fmt.Sprintf("%d of %s", len(g.seen), text)
	}
	if g.next != "" {
		text += " so far"
	}
	if free := len(g.free()); g.first > 0 {
		text = fmt.Sprintf("columns from %d of %d, ", g.first+1, free) + text
	}
	if g.loading {
		text = "reading, " + text
	}
	return text
}
