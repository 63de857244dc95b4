package data

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// checker is what the uniqueness checker remembers of a virtual node.
type checker struct {
	database sandbox.DatabaseInfo
	keys     keyMap
	show     string // as in sandbox.UniquenessFilter
	find     string

	got     sandbox.Uniqueness // totals, and all pages that have been read
	asked   int
	pages   int
	loading bool
	fault   error

	table  screen.Table
	page   int
	record *record
}

// checkerMsg is the answer to a question.
type checkerMsg struct {
	of    *checker
	asked int
	more  bool
	got   sandbox.Uniqueness
	err   error
}

func newChecker(d sandbox.DatabaseInfo) *checker {
	return &checker{database: d, keys: newKeyMap(), show: shows()[0], page: 20}
}

// shows are what can be shown, in the order of key v.
func shows() []string {
	return []string{"states", "unspent", "spent", "transactions", "accepted", "rejected"}
}

func (c *checker) is(i item) bool { return i.checker && i.database.Name == c.database.Name }
func (c *checker) text() string   { return c.find }

func (c *checker) isFirstPage() bool { return c.pages <= 1 && c.table.Top() == 0 && c.record == nil }

func (c *checker) close() bool {
	if c.record != nil {
		c.record = nil
		return true
	}
	return false
}

func (c *checker) load(s Source) tea.Cmd { return c.ask(s, "") }

func (c *checker) ask(s Source, after string) tea.Cmd {
	c.asked++
	c.loading = true
	asked, vnode := c.asked, c.database.VNode
	f := sandbox.UniquenessFilter{Show: c.show, Find: c.find, Page: sandbox.Page{After: after, Limit: pageRows}}
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), askLimit)
		defer cancel()
		got, err := s.Uniqueness(ctx, vnode, f)
		return checkerMsg{c, asked, after != "", got, err}
	}
}

func (c *checker) update(msg tea.Msg, v *View) tea.Cmd {
	switch msg := msg.(type) {
	case checkerMsg:
		if msg.of == c && msg.asked == c.asked {
			c.take(msg)
			if c.fault == nil && c.len() == 0 && c.got.Next != "" { // nothing was found yet, in a large table
				return c.ask(v.source, c.got.Next)
			}
		}
		return nil
	case tea.KeyPressMsg:
		if c.record != nil {
			c.record.update(msg)
			return nil
		}
		switch {
		case key.Matches(msg, c.keys.Show):
			all := shows()
			return c.choose(all[(slices.Index(all, c.show)+1)%len(all)], v)
		case key.Matches(msg, c.keys.Details):
			c.open()
			return nil
		}
	case tea.MouseClickMsg:
		msg.Y -= checkerHead
		return c.move(msg, v.source)
	}
	return c.move(msg, v.source)
}

func (c *checker) choose(show string, v *View) tea.Cmd {
	c.show, c.table, c.got.States, c.got.Transactions = show, screen.Table{}, nil, nil
	return c.load(v.source)
}

// search asks for a transaction's id by its beginning.
func (c *checker) search(text string, v *View) tea.Cmd {
	c.find = text
	return c.load(v.source)
}

func (c *checker) take(msg checkerMsg) {
	c.loading, c.fault = false, msg.err
	if msg.err != nil {
		return
	}
	c.pages++
	if msg.more {
		msg.got.States = append(c.got.States, msg.got.States...)
		msg.got.Transactions = append(c.got.Transactions, msg.got.Transactions...)
	} else {
		c.pages = 1
	}
	c.got = msg.got
	c.table = c.table.Fit(c.len(), c.page)
}

func (c *checker) len() int { return max(len(c.got.States), len(c.got.Transactions)) }

// move moves the cursor, and asks for more near the end.
func (c *checker) move(msg tea.Msg, s Source) tea.Cmd {
	c.table, _ = c.table.Update(msg, c.len(), c.page)
	if c.got.Next != "" && !c.loading && c.fault == nil && c.len() < mostRows && c.table.Cursor+c.page >= c.len() {
		return c.ask(s, c.got.Next)
	}
	return nil
}

// open shows all of what is under the cursor.
func (c *checker) open() {
	at := c.table.Cursor
	add := func(pairs ...string) {
		var columns []sandbox.Column
		var cells []sandbox.Cell
		for i := 0; i < len(pairs); i += 2 {
			columns = append(columns, sandbox.Column{Name: pairs[i]})
			cells = append(cells, sandbox.Cell{Text: pairs[i+1], Null: pairs[i+1] == ""})
		}
		c.record = newRecord(columns, cells)
	}
	switch {
	case at < len(c.got.States):
		s := c.got.States[at]
		add("state", s.Ref, "spent by", s.SpentBy)
	case at < len(c.got.Transactions):
		tx := c.got.Transactions[at]
		add("transaction", tx.ID, "result", tx.Result, "originator", tx.Originator, "decided", tx.Committed.UTC().Format(timeFormat),
			"time window to", tx.Expires.UTC().Format(timeFormat), "error", tx.Error)
	}
}

const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// checkerHead are the lines above the rows and their titles.
const checkerHead = 3

func (c *checker) render(f screen.Frame, w, h int, focused bool) string {
	t := f.Theme
	right := t.Dim.Render(screen.Line(c.database.VNode))
	if c.loading && c.pages == 0 {
		right = t.Dim.Render("reading")
	}
	if c.fault != nil {
		right = t.Warn.Render(t.Signs.Warning + " " + screen.Cut(screen.Line(c.fault.Error()), w/2))
	}
	owner := c.database.Owner
	if owner == "" {
		owner = c.database.VNode
	}
	head := screen.Ends(" "+t.Strong.Render(screen.Cut(screen.Line(owner), w/2)), right+" ", w)
	if c.record != nil {
		return head + "\n" + c.record.render(f, w, h-1)
	}
	lines := []string{head, " " + c.totals(f), " " + c.tabs(f)}
	h -= len(lines)
	c.page = screen.Page(h)
	c.table = c.table.Fit(c.len(), c.page)
	var body string
	switch {
	case c.pages == 0 && c.fault == nil:
		body = screen.Middle([]string{t.Dim.Render("asking")}, w, h)
	case c.len() == 0 && c.loading:
		body = screen.Middle([]string{t.Dim.Render("looking")}, w, h)
	case c.len() == 0:
		what := "none"
		if c.find != "" {
			what = "no id begins so"
		}
		body = screen.Middle([]string{t.Dim.Render(what)}, w, h)
	case len(c.got.States) > 0:
		body = c.states(f, w, h, focused)
	default:
		body = c.transactions(f, w, h, focused)
	}
	return screen.Fill(lines, w, len(lines)) + "\n" + body
}

// totals tells how many there are of each.
func (c *checker) totals(f screen.Frame) string {
	t := f.Theme
	n := c.got.Totals
	number := func(n int64, word string) string {
		return t.Text.Render(screen.Count(n)) + t.Dim.Render(" "+word)
	}
	about := ""
	if n.Estimated {
		about = t.Dim.Render("about ")
	}
	return about + strings.Join([]string{
		number(n.Unspent, "unspent"), number(n.Spent, "spent"), number(n.Accepted, "accepted"), number(n.Rejected, "rejected"),
	}, t.Faint.Render("  "+t.Signs.V+"  "))
}

// tabs are what can be shown.
func (c *checker) tabs(f screen.Frame) string {
	t := f.Theme
	var words []string
	for _, s := range shows() {
		if s == c.show {
			words = append(words, t.Select.Render(" "+s+" "))
		} else {
			words = append(words, t.Dim.Render(" "+s+" "))
		}
	}
	return strings.Join(words, "") + t.Dim.Render("  v next")
}

func (c *checker) states(f screen.Frame, w, h int, focused bool) string {
	t := f.Theme
	half := (w - 17) / 2 // of what the cursor, the first column, the gaps and the scroll bar leave
	columns := []screen.Column{{Title: ""}, {Title: "state", Most: half}, {Title: "spent by", Stretch: true, Most: half}}
	return c.table.Render(f, columns, len(c.got.States), func(i int) screen.Row {
		s := c.got.States[i]
		if s.SpentBy == "" {
			return screen.Row{{Text: t.Signs.Waiting + " unspent", Style: t.Good}, {Text: short(s.Ref, half), Style: t.Data}, {}}
		}
		return screen.Row{{Text: t.Signs.Ready + " spent", Style: t.Dim}, {Text: short(s.Ref, half), Style: t.Data}, {Text: short(s.SpentBy, half), Style: t.Text}}
	}, w, h, focused)
}

func (c *checker) transactions(f screen.Frame, w, h int, focused bool) string {
	t := f.Theme
	third := max(20, (w-26)/2)
	columns := []screen.Column{{Title: ""}, {Title: "decided"}, {Title: "transaction", Most: third}, {Title: "originator, or why not", Stretch: true}}
	return c.table.Render(f, columns, len(c.got.Transactions), func(i int) screen.Row {
		tx := c.got.Transactions[i]
		sign, style, about := t.Signs.Check, t.Good, screen.Line(tx.Originator)
		if tx.Result != "accepted" {
			sign, style, about = t.Signs.Failed, t.Bad, screen.Line(reason(tx.Error))
		}
		return screen.Row{{Text: sign, Style: style}, {Text: tx.Committed.UTC().Format("2006-01-02 15:04:05"), Style: t.Dim}, {Text: short(tx.ID, third), Style: t.Data}, {Text: about, Style: t.Text}}
	}, w, h, focused)
}

// reason is the kind of a rejection, of which the details tell.
//
// Source: Corda 5.0, names of the errors as the uniqueness checker stores them.
func reason(details string) string {
	var d struct {
		Type string `json:"type"`
	}
	if json.Unmarshal([]byte(details), &d) != nil || d.Type == "" {
		return details
	}
	for name, words := range map[string]string{
		"inputStateConflictImpl": "an input is spent", "inputStateUnknownImpl": "an input is unknown", "refStateConflictImpl": "a reference is spent",
		"refStateUnknownImpl": "a reference is unknown", "timeWindowOobImpl": "out of its time window", "malformedReqImpl": "a malformed request",
	} {
		if strings.Contains(d.Type, name) {
			return words
		}
	}
	return d.Type
}

// short shortens an id in its middle to n cells: what tells ids apart is at both ends.
func short(id string, n int) string {
	if len(id) <= n {
		return id
	}
	const tail = 10
	return fmt.Sprintf("%s…%s", id[:max(1, n-tail-1)], id[len(id)-tail:])
}
