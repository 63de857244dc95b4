package logs

import (
	"context"
	"errors"
	"iter"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/screen"
	"github.com/cordage-sandbox/cordage/tui/tuitest"
)

func TestMain(m *testing.M) {
	tuitest.UTC()
	os.Exit(m.Run())
}

type source struct{}

func (source) LogLines(context.Context, sandbox.LogFilter) iter.Seq2[sandbox.LogLine, error] {
	return func(func(sandbox.LogLine, error) bool) {}
}

// lines are a few of several nodes; they come in another order than that of time, as from several files.
func lines() []sandbox.LogLine {
	at := func(s int) time.Time { return tuitest.Now().Add(time.Duration(s) * time.Second) }
	return []sandbox.LogLine{
		{Node: "kafka-1", Time: at(0), Level: "info", Text: "[KafkaRaftServer nodeId=1] Kafka Server started"},
		{Node: "database-1", Time: at(2), Level: "info", Text: "ready", Fields: map[string]string{"took": "917ms", "component": "uniqueness"}},
		{Node: "rest-1", Time: at(1), Level: "info", Text: "serving", Fields: map[string]string{"address": "127.0.0.1:8081"}},
		{Node: "rest-1", Time: at(4), Level: "warn", Text: "refused a request", Fields: map[string]string{"status": "401"}, TraceID: "4bf92f3577b34da6a3ce929d0e0e4736"},
		{Node: "database-1", Time: at(5), Level: "error", Text: "a check failed: connection reset", TraceID: "4bf92f3577b34da6a3ce929d0e0e4736"},
		{Node: "postgres", Time: at(3), Text: "LOG:  database system is ready to accept connections"},
		{Node: "crypto-1", Time: at(6), Level: "debug", Text: "asked for keys"},
	}
}

func shown(t *testing.T) (*tuitest.View, *View) {
	t.Helper()
	v := New(source{})
	d := tuitest.NewView(v).Events(tuitest.Snapshot(t))
	t.Cleanup(func() { v.Update(screen.HiddenMsg{}) })
	d.Update(screen.FeedMsg[sandbox.LogLine]{Feed: v.feed, Items: lines(), Opened: true})
	n, _ := d.State.Node("database-1")
	n.State, n.Reason = sandbox.Backoff, "ended by signal: killed"
	d.Events(sandbox.Event{Seq: 2, Time: tuitest.Now().Add(5500 * time.Millisecond), Node: &n})
	return d, v
}

func texts(v *View) string {
	var all []string
	for _, e := range v.seen {
		all = append(all, e.Node)
	}
	return strings.Join(all, " ")
}

func TestLooks(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(d *tuitest.View, v *View){
		"follow":  func(*tuitest.View, *View) {},
		"details": func(d *tuitest.View, _ *View) { d.Press("k", "k", "enter") },
		"nodes":   func(d *tuitest.View, _ *View) { d.Press("n", "down", "space") },
		"filter":  func(d *tuitest.View, _ *View) { d.Update(screen.FilterMsg{Text: "re(ady|fused)"}) },
		"none":    func(d *tuitest.View, _ *View) { d.Update(screen.FilterMsg{Text: "zzz"}) },
		"lost":    func(d *tuitest.View, _ *View) { d.State.Link = screen.Lost },
		"fault": func(d *tuitest.View, v *View) {
			d.Update(screen.FeedMsg[sandbox.LogLine]{Feed: v.feed, Err: errors.New("follow the logs: connection reset"), Dropped: 12})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, v := shown(t)
			prepare(d, v)
			d.Golden(t)
		})
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	_, v := shown(t)
	if got, want := texts(v), "kafka-1 rest-1 database-1 postgres rest-1 database-1 database-1 crypto-1"; got != want {
		t.Errorf("lines are of %q, want %q: the order of time, with the death of database-1 between its lines", got, want)
	}
	if !v.follow || v.table.Cursor != len(v.seen)-1 {
		t.Error("the end is not followed at first")
	}
}

func TestChoices(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		keys []string
		text string
		want string
	}{
		"information and above": {keys: []string{"v"}, want: "kafka-1 rest-1 database-1 postgres rest-1 database-1 database-1"},
		"warnings and above":    {keys: []string{"v", "v"}, want: "rest-1 database-1 database-1"},
		"errors":                {keys: []string{"v", "v", "v"}, want: "database-1 database-1"},
		"all again":             {keys: []string{"v", "v", "v", "v"}, want: "kafka-1 rest-1 database-1 postgres rest-1 database-1 database-1 crypto-1"},
		"one node":              {keys: []string{"n", "enter"}, want: "crypto-1"},
		"without a node":        {keys: []string{"n", "space", "n"}, want: "kafka-1 rest-1 database-1 postgres rest-1 database-1 database-1"},
		"all nodes":             {keys: []string{"n", "enter", "n", "a"}, want: "kafka-1 rest-1 database-1 postgres rest-1 database-1 database-1 crypto-1"},
		"only this node":        {keys: []string{"g", "o"}, want: "kafka-1"},
		"expression":            {text: "^ser.*g$", want: "rest-1"},
		"no expression":         {text: "[kafkaraft", want: "kafka-1"},
		"field":                 {text: "uniqueness", want: "database-1"},
		"trace":                 {text: "4bf92f35", want: "rest-1 database-1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, v := shown(t)
			d.Press(tc.keys...)
			if tc.text != "" {
				d.Update(screen.FilterMsg{Text: tc.text})
			}
			if got := texts(v); got != tc.want {
				t.Errorf("lines are of %q, want %q", got, tc.want)
			}
		})
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	d, v := shown(t)
	d.Press("k")
	at := v.table.Cursor
	d.Update(screen.FeedMsg[sandbox.LogLine]{Feed: v.feed, Items: []sandbox.LogLine{{Node: "lb-1", Time: tuitest.Now().Add(time.Minute), Text: "later"}}})
	if v.follow || v.table.Cursor != at {
		t.Error("a new line moves the cursor of somebody who reads")
	}
	d.Press("G")
	if !v.follow {
		t.Error("the end does not follow again")
	}
}

func TestJumps(t *testing.T) {
	t.Parallel()
	d, v := shown(t)
	d.Press("[")
	if e := v.current(); e == nil || !e.event {
		t.Fatalf("[ goes to %+v, want the death of database-1", v.current())
	}
	d.Press("k", "t")
	if g, ok := d.Sent[len(d.Sent)-1].(screen.GoMsg); !ok || g.What != (screen.OpenTrace{ID: "4bf92f3577b34da6a3ce929d0e0e4736"}) {
		t.Errorf("t asks for %#v", d.Sent)
	}
	d.Update(screen.OpenMsg{What: screen.OpenLogs{Nodes: []string{"rest-1"}, At: tuitest.Now().Add(2 * time.Second)}})
	if e := v.current(); v.follow || e == nil || e.Text != "refused a request" {
		t.Errorf("opened at a time it is at %+v", e)
	}
}

func TestManyLines(t *testing.T) {
	t.Parallel()
	d, v := shown(t)
	d.Press("v") // a choice, so that both lists are kept short
	for i := range 3 * keptLines {
		d.Update(screen.FeedMsg[sandbox.LogLine]{Feed: v.feed, Items: []sandbox.LogLine{{Node: "lb-1", Time: tuitest.Now().Add(time.Duration(i) * time.Second), Text: "line"}}})
	}
	if n := len(v.all); n > keptLines*11/10+1 {
		t.Errorf("%d lines are kept, want about %d", n, keptLines)
	}
	if len(v.seen) > len(v.all) || v.table.Cursor != len(v.seen)-1 {
		t.Errorf("%d of %d lines are seen, and the cursor is at %d", len(v.seen), len(v.all), v.table.Cursor)
	}
}
