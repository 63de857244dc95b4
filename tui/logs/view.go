// Package logs is the view of all nodes' logs in one stream, in the order of time, with what happened to the nodes between
// their lines. Only package tui imports it.
package logs

import (
	"context"
	"iter"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// Name of the view.
const Name = "logs"

// Source is what the view needs of a supervisor.
type Source interface {
	LogLines(ctx context.Context, f sandbox.LogFilter) iter.Seq2[sandbox.LogLine, error]
}

// View is the view's model.
type View struct {
	source Source
	keys   keyMap
	feed   *screen.Feed[sandbox.LogLine]
	fault  error

	all    []*entry // in the order of time, at most keptLines
	seen   []*entry // those that the choice lets through
	choice choice

	table    screen.Table
	page     int // lines that were seen at the last drawing
	follow   bool
	open     bool      // the details of the line under the cursor
	nodes    *chooser  // the list of nodes, while it is open
	at       time.Time // where to go as soon as lines come
	dropped  int
	happened map[string]bool // events that are among the lines
}

// entry is a line of a log, or something that happened to a node.
type entry struct {
	sandbox.LogLine
	event bool
	to    sandbox.State
}

const (
	keptLines = 5000
	firstTail = 200 // lines of each node at the beginning
)

// New makes the view.
func New(s Source) *View {
	return &View{source: s, keys: newKeyMap(), follow: true, happened: map[string]bool{}, page: 20}
}

// Name is the view's.
func (v *View) Name() string { return Name }

// Init does nothing: logs are read only while they are seen.
func (v *View) Init() tea.Cmd { return nil }

// Filter is the text or regular expression that lines must contain.
func (v *View) Filter() string { return v.choice.text }

// Close closes the innermost thing that is open.
func (v *View) Close() (screen.View, bool) {
	switch {
	case v.nodes != nil:
		v.nodes = nil
	case v.open:
		v.open = false
	case v.choice.nodes != nil && v.choice.text == "":
		v.choice.nodes = nil
		v.choose()
	default:
		return v, false
	}
	return v, true
}

// Update takes a message.
func (v *View) Update(msg tea.Msg) (screen.View, tea.Cmd) {
	switch msg := msg.(type) {
	case screen.ShownMsg:
		v.feed = screen.Follow(screen.FeedOptions{Most: keptLines, Every: 100 * time.Millisecond}, func(ctx context.Context) iter.Seq2[sandbox.LogLine, error] {
			return v.source.LogLines(ctx, sandbox.LogFilter{Tail: firstTail, Follow: true})
		})
		return v, v.feed.Next()
	case screen.HiddenMsg:
		v.feed.Close()
		v.feed = nil
	case screen.FeedMsg[sandbox.LogLine]:
		if msg.Feed == v.feed && v.feed != nil {
			v.take(msg)
			return v, v.feed.Next()
		}
	case screen.StateMsg:
		v.note(msg.State)
	case screen.FilterMsg:
		v.choice.match(msg.Text)
		v.choose()
	case screen.OpenMsg:
		if o, ok := msg.What.(screen.OpenLogs); ok {
			v.show(o)
		}
	case tea.KeyPressMsg:
		if v.nodes != nil {
			v.nodesKey(msg)
			return v, nil
		}
		return v, v.key(msg)
	case tea.MouseMsg:
		v.move(msg)
	}
	return v, nil
}

// show shows what another view asked for.
func (v *View) show(o screen.OpenLogs) {
	v.choice = choice{}
	if len(o.Nodes) > 0 {
		v.choice.nodes = map[string]bool{}
		for _, n := range o.Nodes {
			v.choice.nodes[n] = true
		}
	}
	v.choice.match(o.Match)
	v.at, v.follow = o.At, o.At.IsZero()
	v.choose()
}

// take takes a batch of lines; when the stream begins anew they are all that there are.
func (v *View) take(batch screen.FeedMsg[sandbox.LogLine]) {
	v.fault = batch.Err
	v.dropped += batch.Dropped
	if batch.Opened {
		v.all = keep(v.all, func(e *entry) bool { return e.event })
		v.seen = keep(v.seen, func(e *entry) bool { return e.event })
	}
	for _, l := range batch.Items {
		v.dropped += l.Dropped
		v.add(&entry{LogLine: l})
	}
	v.settle()
}

// note puts what happened to nodes among the lines.
func (v *View) note(s *screen.State) {
	for _, c := range s.Happened {
		id := c.Time.String() + c.Node + c.Text
		if v.happened[id] || c.Node == "" {
			continue
		}
		v.happened[id] = true
		v.add(&entry{LogLine: sandbox.LogLine{Node: c.Node, Time: c.Time, Text: c.Text}, event: true, to: c.To})
	}
	v.settle()
}

func (v *View) add(e *entry) {
	v.all = insert(v.all, e)
	if v.choice.lets(e) {
		v.seen = insert(v.seen, e)
	}
}

// insert keeps the order of time; nearly always the new one is the latest.
func insert(list []*entry, e *entry) []*entry {
	list = append(list, e)
	for i := len(list) - 1; i > 0 && list[i-1].Time.After(e.Time); i-- {
		list[i], list[i-1] = list[i-1], e
	}
	return list
}

func keep(list []*entry, which func(*entry) bool) (kept []*entry) {
	for _, e := range list {
		if which(e) {
			kept = append(kept, e)
		}
	}
	return kept
}

// choose finds the lines that the choice lets through, and keeps the cursor on its line if it can.
func (v *View) choose() {
	var current time.Time
	if e := v.current(); e != nil {
		current = e.Time
	}
	v.seen = keep(v.all, v.choice.lets)
	if v.at.IsZero() && !v.follow {
		v.at = current
	}
	v.settle()
}

// settle forgets old lines, and puts the cursor where it belongs.
func (v *View) settle() {
	if extra := len(v.all) - keptLines; extra > keptLines/10 { // not at every line: it moves all
		v.all = append([]*entry(nil), v.all[extra:]...)
		if first := v.all[0].Time; len(v.seen) > 0 && v.seen[0].Time.Before(first) {
			n := 0
			for n < len(v.seen) && v.seen[n].Time.Before(first) {
				n++
			}
			v.seen = append([]*entry(nil), v.seen[n:]...)
			v.table.Cursor -= n
		}
	}
	if v.follow {
		v.table.Cursor = len(v.seen) - 1
	} else if !v.at.IsZero() && len(v.seen) > 0 {
		v.table.Cursor = v.nearest(v.at)
		v.at = time.Time{}
	}
	v.table = v.table.Fit(len(v.seen), v.page)
}

// nearest is the first line that is not before t.
func (v *View) nearest(t time.Time) int {
	for i, e := range v.seen {
		if !e.Time.Before(t) {
			return i
		}
	}
	return len(v.seen) - 1
}

func (v *View) current() *entry {
	if v.table.Cursor < 0 || v.table.Cursor >= len(v.seen) {
		return nil
	}
	return v.seen[v.table.Cursor]
}

func (v *View) key(msg tea.KeyPressMsg) tea.Cmd {
	k := v.keys
	switch {
	case key.Matches(msg, k.Follow):
		v.follow = !v.follow
		v.settle()
	case key.Matches(msg, k.Level):
		v.choice.nextLevel()
		v.choose()
	case key.Matches(msg, k.Nodes):
		v.nodes = v.newChooser()
	case key.Matches(msg, k.Only):
		if e := v.current(); e != nil {
			if len(v.choice.nodes) == 1 && v.choice.nodes[e.Node] {
				v.choice.nodes = nil
			} else {
				v.choice.nodes = map[string]bool{e.Node: true}
			}
			v.choose()
		}
	case key.Matches(msg, k.Open):
		v.open = !v.open
	case key.Matches(msg, k.Trace):
		if e := v.current(); e != nil && e.TraceID != "" {
			return screen.Go("messages", screen.OpenTrace{ID: e.TraceID})
		}
	case key.Matches(msg, k.NextEvent):
		v.jump(1)
	case key.Matches(msg, k.EventBefore):
		v.jump(-1)
	default:
		v.move(msg)
	}
	return nil
}

// move moves the cursor; the end of the list is where new lines are followed.
func (v *View) move(msg tea.Msg) {
	before := v.table.Cursor
	next, ok := v.table.Update(msg, len(v.seen), v.page)
	if !ok {
		return
	}
	v.table = next
	if v.table.Cursor < before {
		v.follow = false
	} else if v.table.Cursor == len(v.seen)-1 {
		v.follow = true
	}
}

// jump goes to the next event, or the one before.
func (v *View) jump(by int) {
	for i := v.table.Cursor + by; i >= 0 && i < len(v.seen); i += by {
		if v.seen[i].event {
			v.table.Cursor, v.follow = i, false
			v.table = v.table.Fit(len(v.seen), v.page)
			return
		}
	}
}
