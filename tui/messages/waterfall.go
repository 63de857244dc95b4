package messages

import (
	"context"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/sandbox/trace"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// fall is the waterfall of one request.
type fall struct {
	id         string
	trace      trace.Trace
	asked      bool // there is an answer
	asking     bool // there is none yet to the latest question
	fault      error
	rows       []row           // that are seen
	folded     map[string]bool // spans whose followers are not seen
	statements bool            // SQL is seen
	table      screen.Table
	page       int
	open       bool // the details of the span under the cursor, where they have no place of their own
	changed    time.Time
}

// row is a span in the order of the tree.
type row struct {
	trace.Span
	depth  int
	last   []bool // of each depth above: nothing follows there
	below  int    // spans that follow from it
	folded bool
}

// traceMsg is the answer to askTrace.
type traceMsg struct {
	trace trace.Trace
	err   error
	at    time.Time
}

// openTrace shows the way of a request.
func (v *View) openTrace(id string) tea.Cmd {
	v.fall = &fall{id: id, folded: map[string]bool{}, statements: true}
	v.scroll = 0
	return v.askTrace()
}

func (v *View) askTrace() tea.Cmd {
	id := v.fall.id
	v.fall.asking = true
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), askLimit)
		defer cancel()
		t, err := v.source.Trace(ctx, id)
		return traceMsg{t, err, time.Now()}
	}
}

// settled is how long after its last news a request is not asked for any more.
const settled = 15 * time.Second

// lookAgain asks anew for what is seen and may have grown.
func (v *View) lookAgain() tea.Cmd {
	switch {
	case v.fall != nil && !v.fall.asking && (!v.fall.asked || v.fall.fault != nil || time.Since(v.fall.changed) < settled):
		return v.askTrace()
	case v.fall == nil && v.requests != nil && !v.requests.asking:
		return v.askRequests()
	}
	return nil
}

func (w *fall) take(msg traceMsg) {
	if w == nil || (msg.err == nil && !strings.HasPrefix(msg.trace.ID, w.id)) {
		return // closed meanwhile, or another one
	}
	w.fault, w.asking = msg.err, false
	if msg.err != nil {
		return
	}
	if !w.asked || msg.trace.Spans != w.trace.Spans {
		w.changed = msg.at
	}
	w.asked, w.trace = true, msg.trace
	w.lay()
}

// lay puts the tree into rows, and keeps the cursor on its span.
func (w *fall) lay() {
	id := ""
	if r, ok := w.current(); ok {
		id = r.ID
	}
	w.rows = w.rows[:0]
	w.add(w.trace.Tree, 0, nil)
	for i, r := range w.rows {
		if r.ID == id {
			w.table = w.table.Shift(i - w.table.Cursor)
		}
	}
	w.table = w.table.Fit(len(w.rows), max(1, w.page))
}

func (w *fall) add(hops []trace.Hop, depth int, last []bool) {
	var seen []trace.Hop
	for _, h := range hops {
		if w.statements || !isStatement(h.Span) {
			seen = append(seen, h)
		}
	}
	for i, h := range seen {
		r := row{Span: h.Span, depth: depth, last: append(append([]bool(nil), last...), i == len(seen)-1), below: count(h.Next), folded: w.folded[h.ID]}
		w.rows = append(w.rows, r)
		if !r.folded {
			w.add(h.Next, depth+1, r.last)
		}
	}
}

func count(hops []trace.Hop) (n int) {
	for _, h := range hops {
		n += 1 + count(h.Next)
	}
	return n
}

// isStatement tells of a span that it is of a database.
func isStatement(s trace.Span) bool { return s.Attributes["db.system.name"] != "" }

// place says where a span's work was done: REST, a topic, a database, or the worker itself.
func place(s trace.Span) string {
	switch {
	case isStatement(s):
		return "SQL"
	case s.Attributes["messaging.system"] != "" || s.Attributes["messaging.destination.name"] != "":
		return "topic"
	case s.Kind == "server" || s.Kind == "client":
		return "REST"
	}
	return "work"
}

func (w *fall) current() (row, bool) {
	if w.table.Cursor < 0 || w.table.Cursor >= len(w.rows) {
		return row{}, false
	}
	return w.rows[w.table.Cursor], true
}

func (w *fall) move(msg tea.Msg) { w.table, _ = w.table.Update(msg, len(w.rows), max(1, w.page)) }

func (v *View) fallKey(msg tea.KeyPressMsg) tea.Cmd {
	k, w := v.keys, v.fall
	r, on := w.current()
	switch {
	case key.Matches(msg, k.Fold) && on:
		w.folded[r.ID] = !w.folded[r.ID]
		w.lay()
	case key.Matches(msg, k.Statements):
		w.statements = !w.statements
		w.lay()
	case key.Matches(msg, k.Open):
		w.open, v.scroll = !w.open, 0
	case key.Matches(msg, k.Logs):
		return screen.Go("logs", screen.OpenLogs{Match: w.trace.ID})
	case key.Matches(msg, k.Only) && w.asked:
		v.trace, v.fall, v.requests = w.trace.ID, nil, nil
		v.search()
	case key.Matches(msg, k.Refresh):
		return v.askTrace()
	case key.Matches(msg, k.ScrollDown):
		v.scroll = min(v.scroll+v.height/2, v.beyond)
	case key.Matches(msg, k.ScrollUp):
		v.scroll = max(0, v.scroll-v.height/2)
	default:
		v.scroll = 0
		w.move(msg)
	}
	return nil
}
