package messages

import (
	"context"
	"fmt"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/sandbox/trace"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// requests is the list of the latest requests.
type requests struct {
	all    []trace.Summary
	list   []trace.Summary // those that are seen
	reads  bool            // those that only read, and set nothing going, are seen too
	text   string          // in lower case
	asked  bool            // there is an answer
	asking bool            // there is none yet to the latest question
	fault  error
	table  screen.Table
	page   int
}

// onlyReads tells of a request that it went no further than the worker that answered it.
func onlyReads(s trace.Summary) bool {
	const frontNodes = 2 // the load balancer and a rest worker
	return strings.HasPrefix(s.Name, "GET") && len(s.Nodes) <= frontNodes && !s.Failed
}

// requestsMsg is the answer to askRequests.
type requestsMsg struct {
	list []trace.Summary
	err  error
}

// How many requests are listed, and how long the supervisor may take.
const (
	mostRequests = 1000
	askLimit     = 5 * time.Second
)

func (v *View) askRequests() tea.Cmd {
	v.requests.asking = true
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), askLimit)
		defer cancel()
		list, err := v.source.Traces(ctx, mostRequests)
		return requestsMsg{list, err}
	}
}

// take takes an answer; the cursor stays on its request.
func (r *requests) take(msg requestsMsg) {
	if r == nil {
		return
	}
	r.asked, r.asking, r.fault = true, false, msg.err
	if msg.err != nil {
		return
	}
	r.all = msg.list
	r.choose()
}

// choose finds the requests that are seen; the cursor stays on its request.
func (r *requests) choose() {
	id := ""
	if r.table.Cursor > 0 && r.table.Cursor < len(r.list) { // on the first one it stays on the first
		id = r.list[r.table.Cursor].ID
	}
	r.list = nil
	for _, s := range r.all {
		if !r.reads && onlyReads(s) {
			continue
		}
		if text := s.Name + " " + s.ID + " " + strings.Join(s.Nodes, " "); !strings.Contains(strings.ToLower(text), r.text) {
			continue
		}
		if s.ID == id {
			r.table = r.table.Shift(len(r.list) - r.table.Cursor)
		}
		r.list = append(r.list, s)
	}
	r.table = r.table.Fit(len(r.list), max(1, r.page))
}

func (r *requests) move(msg tea.Msg) { r.table, _ = r.table.Update(msg, len(r.list), max(1, r.page)) }

func (v *View) requestsKey(msg tea.KeyPressMsg) tea.Cmd {
	k, r := v.keys, v.requests
	switch {
	case key.Matches(msg, k.Open, k.Trace):
		if r.table.Cursor < len(r.list) {
			return v.openTrace(r.list[r.table.Cursor].ID)
		}
	case key.Matches(msg, k.Reads):
		r.reads = !r.reads
		r.choose()
	case key.Matches(msg, k.Refresh):
		return v.askRequests()
	default:
		r.move(msg)
	}
	return nil
}

func (r *requests) render(f screen.Frame) string {
	t := f.Theme
	head := " " + t.Dim.Render("the latest requests, and what they set going")
	right := screen.Plural(len(r.list), "request")
	if hidden := len(r.all) - len(r.list); hidden > 0 {
		right += fmt.Sprintf(", %d more are not seen", hidden)
	}
	right = t.Dim.Render(right) + " "
	if r.fault != nil {
		right = t.Warn.Render(t.Signs.Warning+" "+screen.Line(r.fault.Error())) + " "
	}
	h := f.Height - 1
	r.page = screen.Page(h)
	lines := screen.Ends(head, right, f.Width) + "\n"
	if len(r.list) == 0 {
		what := "no requests yet: they are seen here when workers have told of them"
		switch {
		case !r.asked:
			what = "asking for requests"
		case len(r.all) > 0:
			what = "none of " + screen.Plural(len(r.all), "request") + " is chosen: a shows those that only read, esc leaves the text"
		}
		return lines + screen.Middle([]string{t.Dim.Render(what)}, f.Width, h)
	}
	columns := []screen.Column{{Title: "time"}, {Title: ""}, {Title: "request", Stretch: true}, {Title: "took", Right: true}, {Title: "spans", Right: true}, {Title: "nodes", Stretch: true, Most: 50}, {Title: "id"}}
	return lines + r.table.Render(f, columns, len(r.list), func(i int) screen.Row {
		s := r.list[i]
		sign, style := t.Signs.Check, t.Good
		if s.Failed {
			sign, style = t.Signs.Failed, t.Bad
		}
		return screen.Row{
			{Text: s.Start.Local().Format("15:04:05.000"), Style: t.Dim}, {Text: sign, Style: style}, {Text: screen.Line(s.Name), Style: t.Text},
			{Text: screen.Duration(s.Took), Style: t.Text}, {Text: fmt.Sprint(s.Spans), Style: t.Dim},
			{Text: screen.Line(strings.Join(s.Nodes, " ")), Style: t.Dim}, {Text: s.ID[:min(8, len(s.ID))], Style: t.Data},
		}
	}, f.Width, h, true)
}
