package messages

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/trace"
	"github.com/cordage-sandbox/cordage/tui/screen"
	"github.com/cordage-sandbox/cordage/tui/tuitest"
)

func TestMain(m *testing.M) {
	tuitest.UTC()
	os.Exit(m.Run())
}

// source answers with what it is given; its streams stay silent, and tell with which filter they were opened.
type source struct {
	filters chan sandbox.MessageFilter
	traces  []trace.Summary
	trace   trace.Trace
	err     error
}

func newSource() *source { return &source{filters: make(chan sandbox.MessageFilter, 100)} }

func (s *source) Messages(ctx context.Context, f sandbox.MessageFilter) iter.Seq2[sandbox.Message, error] {
	return func(func(sandbox.Message, error) bool) {
		s.filters <- f
		<-ctx.Done()
	}
}

func (s *source) Traces(context.Context, int) ([]trace.Summary, error) { return s.traces, s.err }

func (s *source) Trace(_ context.Context, id string) (trace.Trace, error) {
	if s.err == nil && !strings.HasPrefix(s.trace.ID, id) {
		return trace.Trace{}, errors.New("no trace begins with " + id)
	}
	return s.trace, s.err
}

const (
	request = "4bf92f3577b34da6a3ce929d0e0e4736"
	alice   = "226D5D9460A4"
)

// passed are a few messages: a request, its answer, a tombstone, one that is cut.
func passed() []sandbox.Message {
	at := func(ms int) time.Time { return tuitest.Now().Add(time.Duration(ms) * time.Millisecond) }
	return []sandbox.Message{
		{
			Topic: "virtual.node.async.request", Partition: 2, Offset: 17, Time: at(0), Key: alice, Type: "VirtualNodeRequest", VNode: alice, TraceID: request, Size: 214,
			Value: json.RawMessage(`{"requestId":"226D5D9460A4","create":{"holdingId":{"x500Name":"CN=Alice, O=Alice Corp, L=London, C=GB","groupId":"8f1b"},"vaultDdlConnection":"*****"}}`),
		},
		{Topic: "virtual.node.operation.status", Offset: 40, Time: at(180), Key: alice, Type: "VirtualNodeOperationStatus", VNode: alice, TraceID: request, Size: 96, Value: json.RawMessage(`{"state":"COMPLETED"}`)},
		{
			Topic: "uniqueness.check", Partition: 1, Offset: 3, Time: at(420), Key: "flow-7", Type: "UniquenessCheckRequest", VNode: alice, Size: 401,
			Headers: map[string]string{"rpc.sender": "rest-1", "rpc.deadline": "1773480425000"},
			Value:   json.RawMessage(`{"txId":"SHA-256D:` + strings.Repeat("AB12", 16) + `","inputStates":["SHA-256D:` + strings.Repeat("0F", 32) + `:0"],"numOutputStates":2}`),
		},
		{Topic: "cpk.file", Offset: 1, Time: at(700), Key: "SHA-256:77", Type: "CPKFileChunk", Size: 921_600, Truncated: true, Raw: `{"data":"UEsDBBQAAAAIA`},
		{Topic: "config.topic", Offset: 12, Time: at(900), Key: "corda.rest", Tombstone: true},
	}
}

// way is the way of a request to make a virtual node.
func way() trace.Trace {
	now := tuitest.Now()
	hop := func(id, node, name, kind string, from, took int, attributes map[string]string, next ...trace.Hop) trace.Hop {
		return trace.Hop{Span: trace.Span{
			ID: id, Node: node, Name: name, Kind: kind, Start: now.Add(time.Duration(from) * time.Millisecond), Took: time.Duration(took) * time.Millisecond, Attributes: attributes,
		}, Next: next}
	}
	topic := func(name string) map[string]string {
		return map[string]string{"messaging.system": "kafka", "messaging.destination.name": name}
	}
	sql := func(text string) map[string]string {
		return map[string]string{"db.system.name": "postgresql", "db.namespace": "cordacluster", "db.query.text": text}
	}
	failed := hop("6", "database-1", "postgresql INSERT", "client", 130, 4, sql("INSERT INTO virtual_node (holding_identity_id) VALUES ($1)"))
	failed.Failed, failed.Message = true, "duplicate key value violates unique constraint"
	return trace.Trace{
		Summary: trace.Summary{
			ID: request, Name: "POST /api/v1/virtualnode", Node: "lb-1", Start: now, Took: 210 * time.Millisecond, Spans: 9, Nodes: []string{"lb-1", "rest-1", "database-1", "crypto-1"}, Failed: true,
		},
		Tree: []trace.Hop{
			hop("1", "lb-1", "POST /api/v1/virtualnode", "server", 0, 31, map[string]string{"http.request.method": "POST", "url.path": "/api/v1/virtualnode"},
				hop("2", "rest-1", "POST /api/v1/virtualnode", "server", 2, 28, nil,
					hop("3", "rest-1", "publish virtual.node.async.request", "producer", 9, 18, topic("virtual.node.async.request"),
						hop("4", "database-1", "process virtual.node.async.request", "consumer", 34, 150, topic("virtual.node.async.request"),
							hop("5", "database-1", "postgresql SELECT", "client", 36, 2, sql("SELECT name FROM cpi WHERE file_checksum = $1")),
							failed,
							hop("7", "database-1", "publish virtual.node.info", "producer", 160, 12, topic("virtual.node.info"),
								hop("8", "crypto-1", "process virtual.node.info", "consumer", 176, 34, topic("virtual.node.info"),
									hop("9", "crypto-1", "make wrapping key", "internal", 180, 25, nil)))))))},
	}
}

func shown(t *testing.T, s *source) (*tuitest.View, *View) {
	t.Helper()
	v := New(s)
	d := tuitest.NewView(v).Events(tuitest.Snapshot(t))
	t.Cleanup(func() { v.Update(screen.HiddenMsg{}) })
	d.Update(batch(v, passed()...))
	return d, v
}

func batch(v *View, messages ...sandbox.Message) screen.FeedMsg[sandbox.Message] {
	return screen.FeedMsg[sandbox.Message]{Feed: v.feed, Items: messages, Opened: len(v.all) == 0}
}

func TestLooks(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(d *tuitest.View, v *View, s *source){
		"follow":  func(*tuitest.View, *View, *source) {},
		"empty":   func(_ *tuitest.View, v *View, _ *source) { v.all = nil; v.search() },
		"lost":    func(d *tuitest.View, v *View, _ *source) { v.all = nil; v.search(); d.State.Link = screen.Lost },
		"details": func(d *tuitest.View, _ *View, _ *source) { d.Press("k", "k", "enter") },
		"deleted": func(d *tuitest.View, _ *View, _ *source) { d.Press("enter") },
		"search": func(d *tuitest.View, _ *View, _ *source) {
			d.Update(screen.FilterMsg{Text: "alice corp"})
			d.Press("enter")
		},
		"none": func(d *tuitest.View, _ *View, _ *source) { d.Update(screen.FilterMsg{Text: "zzz"}) },
		"paused": func(d *tuitest.View, v *View, _ *source) {
			d.Press("space").Update(batch(v, passed()[0]))
		},
		"choose": func(d *tuitest.View, _ *View, _ *source) { d.Press("c").Update(tuitest.Type("uniq*")...) },
		"fault": func(d *tuitest.View, v *View, _ *source) {
			d.Update(screen.FeedMsg[sandbox.Message]{Feed: v.feed, Err: errors.New("listen to topics: Kafka does not answer within 5s"), Dropped: 1200})
		},
		"requests": func(d *tuitest.View, _ *View, s *source) {
			s.traces = []trace.Summary{way().Summary, {ID: "77aa", Name: "GET /api/v1/cpi", Node: "lb-1", Start: tuitest.Now(), Took: 4 * time.Millisecond, Spans: 3, Nodes: []string{"lb-1", "rest-1"}}}
			d.Press("r")
		},
		"all requests": func(d *tuitest.View, _ *View, s *source) {
			s.traces = []trace.Summary{way().Summary, {ID: "77aa", Name: "GET /api/v1/cpi", Node: "lb-1", Start: tuitest.Now(), Took: 4 * time.Millisecond, Spans: 3, Nodes: []string{"lb-1", "rest-1"}}}
			d.Press("r", "a")
		},
		"no requests": func(d *tuitest.View, _ *View, _ *source) { d.Press("r") },
		"waterfall":   func(d *tuitest.View, _ *View, s *source) { s.trace = way(); d.Press("g", "t") },
		"waterfall folded": func(d *tuitest.View, _ *View, s *source) {
			s.trace = way()
			d.Press("g", "t", "s", "j", "j", "j", "space")
		},
		"waterfall step": func(d *tuitest.View, _ *View, s *source) {
			s.trace = way()
			d.Press("g", "t", "j", "j", "j", "j", "j", "enter")
		},
		"waterfall unknown": func(d *tuitest.View, _ *View, _ *source) {
			d.Update(screen.OpenMsg{What: screen.OpenTrace{ID: "0123"}})
			d.Press("r")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSource()
			d, v := shown(t, s)
			prepare(d, v, s)
			d.Golden(t)
		})
	}
}

func topics(v *View) string {
	var all []string
	for _, m := range v.seen {
		all = append(all, m.Topic)
	}
	return strings.Join(all, " ")
}

// asked is the filter with which the stream was opened last.
func asked(t *testing.T, s *source, want sandbox.MessageFilter) {
	t.Helper()
	late := time.After(10 * time.Second)
	for {
		select {
		case got := <-s.filters:
			if diff := cmp.Diff(want, got); diff == "" {
				return
			}
		case <-late:
			t.Fatalf("the stream is not opened with %+v", want)
		}
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		keys []string
		text string
		want sandbox.MessageFilter
	}{
		"at first":         {want: sandbox.MessageFilter{Tail: firstTail}},
		"only this topic":  {keys: []string{"g", "o"}, want: sandbox.MessageFilter{Topic: "virtual.node.async.request", Tail: firstTail}},
		"only this node":   {keys: []string{"g", "n"}, want: sandbox.MessageFilter{VNode: alice, Tail: firstTail}},
		"all again":        {keys: []string{"g", "n", "x"}, want: sandbox.MessageFilter{Tail: firstTail}},
		"written":          {keys: []string{"c"}, text: "uniq*", want: sandbox.MessageFilter{Topic: "uniq*", Tail: firstTail}},
		"the second field": {keys: []string{"c", "tab"}, text: "flow 7", want: sandbox.MessageFilter{Key: "flow 7", Tail: firstTail}},
		"the last field":   {keys: []string{"c", "shift+tab"}, text: "q", want: sandbox.MessageFilter{Text: "q", Tail: firstTail}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSource()
			d, v := shown(t, s)
			for _, k := range tc.keys {
				d.Update(tuitest.Key(k))
				if len(v.all) == 0 { // it listens anew
					d.Update(batch(v, passed()...))
				}
			}
			if tc.text != "" {
				if !v.Typing() {
					t.Fatal("nothing can be typed")
				}
				d.Update(tuitest.Type(tc.text)...).Update(tuitest.Key("enter"))
			}
			asked(t, s, tc.want)
		})
	}
}

func TestOpenTopic(t *testing.T) {
	t.Parallel()
	s := newSource()
	d, _ := shown(t, s)
	d.Update(screen.OpenMsg{What: screen.OpenTopic{Topic: "uniqueness.check"}})
	asked(t, s, sandbox.MessageFilter{Topic: "uniqueness.check", Tail: firstTail})
}

func TestSearch(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"ALICE CORP": "virtual.node.async.request", "rest-1": "uniqueness.check", "completed": "virtual.node.operation.status", "": topicsOf(passed()),
		request: "virtual.node.async.request virtual.node.operation.status", "uniquenesscheckrequest": "uniqueness.check", "zzz": "",
	} {
		d, v := shown(t, newSource())
		d.Update(screen.FilterMsg{Text: text})
		if got := topics(v); got != want {
			t.Errorf("%q finds %q, want %q", text, got, want)
		}
	}
}

func topicsOf(messages []sandbox.Message) string {
	var all []string
	for _, m := range messages {
		all = append(all, m.Topic)
	}
	return strings.Join(all, " ")
}

// TestPause: what comes is held, and is there afterwards.
func TestPause(t *testing.T) {
	t.Parallel()
	d, v := shown(t, newSource())
	next := passed()[2]
	next.Offset += 100
	d.Press("space").Update(batch(v, next))
	if len(v.seen) != 5 || len(v.held) != 1 {
		t.Errorf("%d are seen and %d are held during the pause", len(v.seen), len(v.held))
	}
	d.Press("space")
	if len(v.seen) != 6 || len(v.held) != 0 || v.table.Cursor != 5 {
		t.Errorf("%d are seen and %d are held afterwards, the cursor is at %d", len(v.seen), len(v.held), v.table.Cursor)
	}
}

// TestPauseOverABreak: a stream that is opened anew during a pause gives again what is there already.
func TestPauseOverABreak(t *testing.T) {
	t.Parallel()
	d, v := shown(t, newSource())
	d.Press("space").Update(screen.FeedMsg[sandbox.Message]{Feed: v.feed, Items: append(passed(), sandbox.Message{Topic: "flow.event", Offset: 9000}), Opened: true})
	if len(v.seen) != 5 {
		t.Errorf("%d are seen during the pause", len(v.seen))
	}
	d.Press("space")
	if len(v.all) != 6 || len(v.seen) != 6 || v.current().Offset != 9000 {
		t.Errorf("%d are kept, %d are seen afterwards", len(v.all), len(v.seen))
	}
}

// TestCursorStays on its message while others come and old ones go.
func TestCursorStays(t *testing.T) {
	t.Parallel()
	d, v := shown(t, newSource())
	d.Press("k", "k")
	at := v.current()
	for i := range kept + 100 {
		d.Update(batch(v, sandbox.Message{Topic: "flow.event", Offset: int64(i), Time: tuitest.Now()}))
		if i == kept/2 {
			if now := v.current(); now.Topic != at.Topic || v.follow {
				t.Fatalf("the cursor has moved from %s to %s", at.Topic, now.Topic)
			}
		}
	}
	if len(v.all) != kept || len(v.seen) != kept {
		t.Errorf("%d messages are kept, %d are seen, want %d", len(v.all), len(v.seen), kept)
	}
	d.Press("G")
	if !v.follow {
		t.Error("the end does not follow again")
	}
}

// TestLargeMessages are kept in smaller number.
func TestLargeMessages(t *testing.T) {
	t.Parallel()
	d, v := shown(t, newSource())
	for i := range kept {
		d.Update(batch(v, sandbox.Message{Topic: "cpk.file", Offset: int64(i), Raw: strings.Repeat("x", 64<<10)}))
	}
	if want := keptBytes / (64 << 10); len(v.all) != want || len(v.seen) != want {
		t.Errorf("%d messages are kept, want %d", len(v.all), want)
	}
}

func TestDroppedIsAddedUp(t *testing.T) {
	t.Parallel()
	d, v := shown(t, newSource())
	d.Update(screen.FeedMsg[sandbox.Message]{Feed: v.feed, Dropped: 5, Items: []sandbox.Message{{Dropped: 7}, {Topic: "a", Dropped: 1}}})
	if v.dropped != 13 || len(v.all) != 6 {
		t.Errorf("%d are left out, %d are kept", v.dropped, len(v.all))
	}
}

func names(w *fall) string {
	var all []string
	for _, r := range w.rows {
		all = append(all, r.ID)
	}
	return strings.Join(all, "")
}

func TestWaterfall(t *testing.T) {
	t.Parallel()
	s := newSource()
	s.trace = way()
	d, v := shown(t, s)
	d.Press("g", "t")
	if got := names(v.fall); got != "123456789" {
		t.Fatalf("the spans are %s", got)
	}
	d.Press("s")
	if got := names(v.fall); got != "1234789" {
		t.Errorf("without statements the spans are %s", got)
	}
	d.Press("s", "j", "j", "j", "space")
	if got := names(v.fall); got != "1234" {
		t.Errorf("folded the spans are %s", got)
	}
	d.Press("space", "G")
	s.trace.Tree[0].Next = append([]trace.Hop{{Span: trace.Span{ID: "0", Node: "rest-1", Name: "late", Start: tuitest.Now()}}}, s.trace.Tree[0].Next...)
	s.trace.Spans++
	d.Press("r")
	if r, _ := v.fall.current(); r.ID != "9" {
		t.Errorf("when a span arrives the cursor goes to %s", r.ID)
	}
	d.Press("l")
	if g, ok := d.Sent[len(d.Sent)-1].(screen.GoMsg); !ok || fmt.Sprint(g.What) != fmt.Sprint(screen.OpenLogs{Match: request}) {
		t.Errorf("l asks for %#v", d.Sent)
	}
	d.Press("m")
	if got := topics(v); got != "virtual.node.async.request virtual.node.operation.status" || v.fall != nil {
		t.Errorf("its messages are %s", got)
	}
	if _, ok := v.Close(); !ok || len(v.seen) != 5 {
		t.Errorf("esc leaves %d messages", len(v.seen))
	}
	if _, ok := v.Close(); ok {
		t.Error("something is open")
	}
}

// TestLateRequest is asked for again until it is there, and as long as it grows.
func TestLateRequest(t *testing.T) {
	t.Parallel()
	s := newSource()
	d, v := shown(t, s)
	_, cmd := v.Update(screen.OpenMsg{What: screen.OpenTrace{ID: request[:8]}})
	d.Run(cmd)
	if v.fall.asked || v.fall.fault == nil {
		t.Fatalf("an unknown request is %+v", v.fall)
	}
	s.trace = way()
	_, cmd = v.Update(screen.TickMsg{})
	d.Run(cmd)
	if !v.fall.asked || v.fall.fault != nil || len(v.fall.rows) != 9 {
		t.Errorf("then it is %+v", v.fall)
	}
	v.fall.changed = time.Now().Add(-2 * settled)
	if _, cmd = v.Update(screen.TickMsg{}); cmd != nil {
		t.Error("a request that does not grow any more is asked for")
	}
}

func TestRequests(t *testing.T) {
	t.Parallel()
	s := newSource()
	s.traces, s.trace = []trace.Summary{way().Summary}, way()
	d, v := shown(t, s)
	d.Press("r", "enter")
	if v.fall == nil || !v.fall.asked {
		t.Fatal("enter does not open the request")
	}
	v.Close()
	d.Update(screen.FilterMsg{Text: "CRYPTO"})
	if len(v.requests.list) != 1 || v.Filter() != "crypto" {
		t.Errorf("%d requests have the text", len(v.requests.list))
	}
	d.Update(screen.FilterMsg{Text: "zzz"})
	if len(v.requests.list) != 0 {
		t.Errorf("%d requests have a text that none has", len(v.requests.list))
	}
	d.Update(screen.FilterMsg{})
	d.Press("enter")
	for range 2 {
		if _, ok := v.Close(); !ok {
			t.Error("esc closes nothing")
		}
	}
	if v.requests != nil {
		t.Error("the list is open")
	}
}

// TestHostileText disturbs no line.
func TestHostileText(t *testing.T) {
	t.Parallel()
	s := newSource()
	d, v := shown(t, s)
	bad := "a\x1b[2J\nb\tc\u202e\x07\u2028d"
	s.trace = trace.Trace{Summary: trace.Summary{ID: request, Name: bad, Spans: 1}, Tree: []trace.Hop{{Span: trace.Span{Name: bad, Node: bad, Message: bad, Failed: true, Attributes: map[string]string{bad: bad}}}}}
	value, err := json.Marshal(map[string]string{bad: bad})
	if err != nil {
		t.Fatal(err)
	}
	d.Update(batch(v, sandbox.Message{Topic: bad, Key: bad, Type: bad, Value: value, Headers: map[string]string{bad: bad}, TraceID: request, Time: tuitest.Now()}))
	d.Press("enter")
	for _, size := range tuitest.Sizes() {
		tuitest.Fits(t, d.Text(size[0], size[1]), size[0], size[1]-3)
	}
	d.Press("t", "enter")
	for _, size := range tuitest.Sizes() {
		tuitest.Fits(t, d.Text(size[0], size[1]), size[0], size[1]-3)
	}
}

// BenchmarkFrame is a frame while 1,000 messages a second come: 50 each.
func BenchmarkFrame(b *testing.B) {
	v := New(newSource())
	d := tuitest.NewView(v)
	defer v.Update(screen.HiddenMsg{})
	for range kept / 5 {
		d.Update(batch(v, passed()...))
	}
	many := make([]sandbox.Message, 0, 50)
	for range 10 {
		many = append(many, passed()...)
	}
	for b.Loop() {
		d.Update(batch(v, many...))
		_ = d.Frame(160, 48)
	}
}
