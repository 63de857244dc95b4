// Package messages is the view of what passes on the Kafka topics, as it passes, and of one request's way through the
// cluster, hop by hop. Only package tui imports it.
package messages

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/trace"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// Name of the view.
const Name = "messages"

// Source is what the view needs of a supervisor.
type Source interface {
	Messages(ctx context.Context, f sandbox.MessageFilter) iter.Seq2[sandbox.Message, error]
	Traces(ctx context.Context, limit int) ([]trace.Summary, error)
	Trace(ctx context.Context, id string) (trace.Trace, error)
}

// View is the view's model.
type View struct {
	source Source
	keys   keyMap

	feed   *screen.Feed[sandbox.Message]
	filter sandbox.MessageFilter // of the stream
	fault  error
	arrived

	table  screen.Table
	page   int
	follow bool // the cursor stays on the latest
	open   bool // the message under the cursor, where it has no place of its own
	scroll int  // of its details
	beyond int  // how many of their lines did not fit when they were drawn last

	form     *form     // of the filter
	requests *requests // the list of requests
	fall     *fall     // the waterfall of one request

	width, height int // of the view's area, as it was drawn last
}

// New makes the view.
func New(s Source) *View {
	return &View{source: s, keys: newKeyMap(), follow: true, page: 18, width: 80, height: 21}
}

// Name is the view's.
func (v *View) Name() string { return Name }

// Init does nothing: nothing is read while it is not seen.
func (v *View) Init() tea.Cmd { return nil }

// Typing tells whether keys are text.
func (v *View) Typing() bool { return v.form != nil }

// Filter is the text that is looked for in what has come.
func (v *View) Filter() string {
	if v.requests != nil {
		return v.requests.text
	}
	return v.text
}

// Close closes the innermost thing that is open.
func (v *View) Close() (screen.View, bool) {
	switch {
	case v.form != nil:
		v.form = nil
	case v.fall != nil && v.fall.open && !v.wide():
		v.fall.open = false
	case v.fall != nil:
		v.fall = nil
	case v.requests != nil:
		v.requests = nil
	case v.open && !v.wide():
		v.open = false
	case v.trace != "":
		v.trace = ""
		v.search()
	default:
		return v, false
	}
	return v, true
}

// Update takes a message.
func (v *View) Update(msg tea.Msg) (screen.View, tea.Cmd) {
	switch msg := msg.(type) {
	case screen.ShownMsg:
		return v, tea.Batch(v.listen(), v.lookAgain())
	case screen.HiddenMsg:
		v.feed.Close()
		v.feed = nil
	case screen.FeedMsg[sandbox.Message]:
		if msg.Feed == v.feed && v.feed != nil {
			v.take(msg)
			return v, v.feed.Next()
		}
	case screen.TickMsg:
		return v, v.lookAgain()
	case screen.FilterMsg:
		v.setText(msg.Text)
	case screen.OpenMsg:
		return v, v.show(msg.What)
	case requestsMsg:
		v.requests.take(msg)
	case traceMsg:
		v.fall.take(msg)
	case tea.KeyPressMsg:
		return v, v.key(msg)
	case tea.MouseMsg:
		v.mouse(msg)
	}
	return v, nil
}

// listen opens the stream with the filter as it is; what was seen before goes.
func (v *View) listen() tea.Cmd {
	v.feed.Close()
	f := v.filter
	f.Tail = firstTail
	v.feed = screen.Follow(screen.FeedOptions{Most: kept, Every: 100 * time.Millisecond}, func(ctx context.Context) iter.Seq2[sandbox.Message, error] {
		return v.source.Messages(ctx, f)
	})
	return v.feed.Next()
}

// show shows what another view asks for.
func (v *View) show(what any) tea.Cmd {
	switch o := what.(type) {
	case screen.OpenTopic:
		v.fall, v.requests, v.trace, v.filter, v.follow = nil, nil, "", sandbox.MessageFilter{Topic: o.Topic}, true
		v.setText("")
		return v.listen()
	case screen.OpenTrace:
		return v.openTrace(o.ID)
	}
	return nil
}

// take takes a batch.
func (v *View) take(batch screen.FeedMsg[sandbox.Message]) {
	v.fault = batch.Err
	before := v.current()
	v.arrived.take(batch)
	v.stay(before)
}

// search finds the messages that are seen, after what they must have in them has changed.
func (v *View) search() {
	before := v.current()
	v.look()
	v.stay(before)
}

// stay keeps the cursor on the message where it was, or on the latest.
func (v *View) stay(on *sandbox.Message) {
	at := -1
	if on != nil && !v.follow {
		at = slices.IndexFunc(v.seen, func(m *sandbox.Message) bool {
			return m.Topic == on.Topic && m.Partition == on.Partition && m.Offset == on.Offset
		})
	}
	switch {
	case v.follow:
		v.table.Cursor = len(v.seen) - 1
	case at >= 0:
		v.table = v.table.Shift(at - v.table.Cursor)
	}
	v.table = v.table.Fit(len(v.seen), v.page)
}

// setText looks for a text in whatever list is seen.
func (v *View) setText(text string) {
	if v.requests != nil {
		v.requests.text = strings.ToLower(text)
		v.requests.choose()
		return
	}
	v.text = strings.ToLower(text)
	v.search()
}

// current is the message under the cursor; nil if there is none.
func (v *View) current() *sandbox.Message {
	if v.table.Cursor < 0 || v.table.Cursor >= len(v.seen) {
		return nil
	}
	return v.seen[v.table.Cursor]
}

// pause holds what comes, or lets it in.
func (v *View) pause() {
	if !v.paused {
		v.paused = true
		return
	}
	before := v.current()
	v.resume()
	v.stay(before)
}

// move moves the cursor among the messages; at the end new ones are followed.
func (v *View) move(msg tea.Msg) {
	before := v.table.Cursor
	next, ok := v.table.Update(msg, len(v.seen), v.page)
	if !ok {
		return
	}
	v.table, v.scroll = next, 0
	if v.table.Cursor < before {
		v.follow = false
	} else if v.table.Cursor == len(v.seen)-1 {
		v.follow = true
	}
}

func (v *View) mouse(msg tea.MouseMsg) {
	switch {
	case v.form != nil:
	case v.fall != nil:
		v.fall.move(msg)
	case v.requests != nil:
		v.requests.move(msg)
	default:
		v.move(shifted(msg, 1))
	}
}

// shifted is a mouse message with the origin so many lines further down.
func shifted(msg tea.MouseMsg, lines int) tea.Msg {
	if c, ok := msg.(tea.MouseClickMsg); ok {
		c.Y -= lines
		return c
	}
	return msg
}

// key takes a key for whatever has the keys.
func (v *View) key(msg tea.KeyPressMsg) tea.Cmd {
	switch {
	case v.form != nil:
		return v.formKey(msg)
	case v.fall != nil:
		return v.fallKey(msg)
	case v.requests != nil:
		return v.requestsKey(msg)
	}
	k := v.keys
	m := v.current()
	on := m != nil
	switch {
	case key.Matches(msg, k.Pause):
		v.pause()
	case key.Matches(msg, k.Follow):
		v.follow = !v.follow
		v.search()
	case key.Matches(msg, k.Choose):
		v.form = newForm(v.filter)
	case key.Matches(msg, k.Topic) && on:
		return v.only(func(f *sandbox.MessageFilter) { f.Topic = other(f.Topic, m.Topic) })
	case key.Matches(msg, k.VNode) && on && m.VNode != "":
		return v.only(func(f *sandbox.MessageFilter) { f.VNode = other(f.VNode, m.VNode) })
	case key.Matches(msg, k.Clear):
		v.trace, v.text = "", ""
		return v.only(func(f *sandbox.MessageFilter) { *f = sandbox.MessageFilter{} })
	case key.Matches(msg, k.Open):
		v.open, v.scroll = !v.open, 0
	case key.Matches(msg, k.Trace) && on && m.TraceID != "":
		return v.openTrace(m.TraceID)
	case key.Matches(msg, k.Requests):
		v.requests = &requests{}
		return v.askRequests()
	case key.Matches(msg, k.ScrollDown):
		v.scroll = min(v.scroll+v.height/2, v.beyond)
	case key.Matches(msg, k.ScrollUp):
		v.scroll = max(0, v.scroll-v.height/2)
	default:
		v.move(msg)
	}
	return nil
}

// other is the choice of a value, or of all if it is chosen already.
func other(now, value string) string {
	if now == value {
		return ""
	}
	return value
}

// only changes the filter and listens anew.
func (v *View) only(change func(*sandbox.MessageFilter)) tea.Cmd {
	change(&v.filter)
	v.follow, v.paused, v.held = true, false, nil
	return v.listen()
}

// describe tells the filter in a few words.
func (v *View) describe() string {
	var parts []string
	if v.filter.Topic == "" {
		parts = append(parts, "all topics")
	}
	for _, p := range [][2]string{{"", v.filter.Topic}, {"key ", v.filter.Key}, {"type ", v.filter.Type}, {"node ", v.filter.VNode}, {"text ", v.filter.Text}} {
		if p[1] != "" {
			parts = append(parts, p[0]+screen.Line(p[1]))
		}
	}
	if v.trace != "" {
		parts = append(parts, "request "+v.trace[:min(8, len(v.trace))])
	}
	if v.text != "" {
		parts = append(parts, "/"+screen.Line(v.text))
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", ")
}
