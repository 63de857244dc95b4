package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// limit of waiting, for a busy machine.
const limit = 30 * time.Second

func TestParse(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 25, 7, 21, 29, 710_000_000, time.UTC)
	for line, want := range map[string]sandbox.LogLine{
		`{"time":"2026-11-25T07:21:29.71Z","level":"INFO","msg":"the worker is ready","role":"rest","node":"rest-1","took":"2s","n":3,"trace_id":"0a","span_id":"0b"}`: {
			Time: at, Level: "info", Text: "the worker is ready", Fields: map[string]string{"took": "2s", "n": "3"}, TraceID: "0a",
		},
		`{"time":"2026-11-25T09:21:29.71+02:00","level":"WARN+1","msg":"node died","node":"rest-1","log":["a","b"]}`: {
			Time: at, Level: "warn", Text: "node died", Fields: map[string]string{"node": "rest-1", "log": `["a","b"]`},
		},
		`2026-11-25 07:21:29.710 UTC [5674] LOG:  database system was shut down`: {
			Time: at, Level: "info", Text: "database system was shut down", Fields: map[string]string{"pid": "5674"},
		},
		`2026-11-25 07:21:29.710 UTC [5675] postgres@postgres [unknown] FATAL:  the database system is starting up`: {
			Time: at, Level: "error", Text: "the database system is starting up",
			Fields: map[string]string{"pid": "5675", "user": "postgres@postgres", "application": "[unknown]"},
		},
		`[2020-11-25 07:21:29,710] WARN [GroupCoordinator 1]: (x) of it (kafka.coordinator.group.GroupCoordinator)`: {
			Time: time.Date(2020, 11, 25, 7, 21, 29, 710_000_000, time.Local).UTC(), Level: "warn", Text: "[GroupCoordinator 1]: (x) of it",
			Fields: map[string]string{"logger": "kafka.coordinator.group.GroupCoordinator"},
		},
		`2026-11-25 07:21:29.710 UTC [1] STATEMENT:  SELECT 1`: {}, "\tat java.lang.Thread.run": {}, `{"a":1}`: {}, `{`: {}, `[x] INFO y`: {}, "": {},
		`panic: oh`: {},
	} {
		got, ok := parse(line)
		if !ok {
			got = sandbox.LogLine{}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", line, diff)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"time":"2026-11-25T07:21:29.71Z","level":"INFO","msg":"m"}`)
	f.Add(`[2020-11-25 07:21:29,710] WARN x (a.B)`)
	f.Add(`2026-11-25 07:21:29.710 UTC [5674] LOG:  x`)
	f.Fuzz(func(t *testing.T, line string) {
		if l, ok := parse(line); ok && l.Time.IsZero() {
			t.Errorf("%q has no time", line)
		}
	})
}

// nodes have their logs in a directory.
type nodes struct {
	t    *testing.T
	dir  string
	mu   sync.Mutex
	list []sandbox.Node
}

func newNodes(t *testing.T, names ...string) *nodes {
	n := &nodes{t: t, dir: t.TempDir()}
	for _, name := range names {
		n.add(name)
	}
	return n
}

func (n *nodes) add(name string) {
	role, _, _ := strings.Cut(name, "-")
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, sandbox.Node{Name: name, Kind: sandbox.Worker, Role: role})
}

func (n *nodes) config() Config {
	return Config{
		Nodes: func() []sandbox.Node {
			n.mu.Lock()
			defer n.mu.Unlock()
			return append([]sandbox.Node{}, n.list...)
		},
		Open: func(ctx context.Context, node string, tail int, follow bool) (io.ReadCloser, error) {
			return File{Path: filepath.Join(n.dir, node), Kept: 1}.Open(ctx, tail, follow)
		},
	}
}

func (n *nodes) write(node string, lines ...string) {
	n.t.Helper()
	f, err := os.OpenFile(filepath.Join(n.dir, node), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		n.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(strings.Join(lines, "\n") + "\n"); err != nil {
		n.t.Fatal(err)
	}
}

// says is an entry at a second of a minute in the past.
func says(second int, level, text string) string {
	return fmt.Sprintf(`{"time":"2026-01-01T00:00:%02dZ","level":"%s","msg":"%s"}`, second, level, text)
}

func texts(lines []sandbox.LogLine) string {
	var all []string
	for _, l := range lines {
		all = append(all, l.Node+" "+l.Text)
	}
	return strings.Join(all, "|")
}

func (n *nodes) read(f sandbox.LogFilter) string {
	n.t.Helper()
	var got []sandbox.LogLine
	if err := Read(n.t.Context(), n.config(), f, func() {}, func(l []sandbox.LogLine) error { got = append(got, l...); return nil }); err != nil {
		n.t.Fatal(err)
	}
	return texts(got)
}

func TestMerge(t *testing.T) {
	t.Parallel()
	n := newNodes(t, "rest-1", "rest-2", "crypto-1")
	n.write("rest-1", says(1, "INFO", "a"), says(4, "WARN", "d"), "  more of d", "goroutine 1")
	n.write("rest-2", "no entry at all", says(3, "ERROR", "c"), says(5, "DEBUG", "e"))
	n.write("crypto-1", says(2, "INFO", "b"))
	all := n.read(sandbox.LogFilter{Tail: 10, Nodes: []string{"rest-1", "crypto"}})
	if want := "rest-1 a|crypto-1 b|rest-1 d\n  more of d\ngoroutine 1"; all != want {
		t.Errorf("merged are %q, want %q", all, want)
	}
	for want, f := range map[string]sandbox.LogFilter{
		"rest-2 c|rest-1 d\n  more of d\ngoroutine 1": {Tail: 10, Level: "warn"},
		"crypto-1 b|rest-2 c":                         {Tail: 10, Match: `"msg":"[bc]"`},
		"rest-1 d\n  more of d\ngoroutine 1":          {Tail: 10, Match: "goroutine"},
		"crypto-1 b|rest-2 e":                         {Tail: 1, Nodes: []string{"rest-2", "crypto-1"}},
		"":                                            {Tail: 0},
	} {
		if got := n.read(f); got != want {
			t.Errorf("%+v gives %q, want %q", f, got, want)
		}
	}
	for _, f := range []sandbox.LogFilter{{Level: "loud"}, {Match: "("}, {Tail: -1}, {Tail: sandbox.MaxLogTail + 1}} {
		if _, ok := errors.AsType[*BadFilterError](Read(t.Context(), n.config(), f, nil, nil)); !ok {
			t.Errorf("%+v is not refused", f)
		}
	}
	if _, ok := errors.AsType[*sandbox.UnknownNodeError](Read(t.Context(), n.config(), sandbox.LogFilter{Nodes: []string{"flow"}}, nil, nil)); !ok {
		t.Error("an unknown node is not refused")
	}
}

// TestFollow: nothing is lost and nothing comes twice while logs grow, a new node appears, and a log is put aside.
func TestFollow(t *testing.T) {
	t.Parallel()
	n := newNodes(t, "rest-1", "rest-2")
	n.write("rest-1", says(1, "INFO", "old"))
	ctx, cancel := context.WithCancel(t.Context())
	got, ended, begun := make(chan sandbox.LogLine, 1000), make(chan error, 1), make(chan struct{})
	go func() {
		ended <- Read(ctx, n.config(), sandbox.LogFilter{Tail: 5, Follow: true}, func() { close(begun) }, func(l []sandbox.LogLine) error {
			for _, one := range l {
				got <- one
			}
			return nil
		})
	}()
	<-begun
	expect := func(want string) {
		t.Helper()
		select {
		case l := <-got:
			if have := texts([]sandbox.LogLine{l}); have != want {
				t.Errorf("followed is %q, want %q", have, want)
			}
		case <-time.After(limit):
			t.Fatalf("%q does not come", want)
		}
	}
	expect("rest-1 old")
	n.write("rest-1", says(3, "INFO", "second"), "\tand more")
	n.write("rest-2", says(2, "INFO", "first")) // it comes at the same time, and is earlier
	expectBoth := map[string]bool{"rest-2 first": true, "rest-1 second\n\tand more": true}
	for range 2 {
		select {
		case l := <-got:
			delete(expectBoth, texts([]sandbox.LogLine{l}))
		case <-time.After(limit):
			t.Fatal("what is written does not come")
		}
	}
	if len(expectBoth) > 0 {
		t.Errorf("missing are %v", expectBoth)
	}
	n.add("lb-1")
	n.write("lb-1", says(4, "INFO", "new node"))
	expect("lb-1 new node")
	if err := (File{Path: filepath.Join(n.dir, "lb-1"), Kept: 1}).putAside(); err != nil {
		t.Fatal(err)
	}
	n.write("lb-1", says(5, "INFO", "x"))
	expect("lb-1 x")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if len(got) > 0 {
		t.Errorf("there is more: %+v", <-got)
	}
}

// TestSlowReaderLosesLines, the oldest, and is told how many.
func TestSlowReaderLosesLines(t *testing.T) {
	t.Parallel()
	m := &merger{}
	const all = 4 * maxPending
	for i := range all {
		m.put(entry{line: sandbox.LogLine{Node: "rest-1", Text: fmt.Sprint(i)}})
	}
	got := m.settled(true)
	if len(got) > maxPending || got[0].Dropped != all-len(got) || got[len(got)-1].Text != fmt.Sprint(all-1) {
		t.Errorf("there are %d lines, %d are told as lost, and the last one is %+v", len(got), got[0].Dropped, got[len(got)-1])
	}
	m.put(entry{line: sandbox.LogLine{Node: "rest-1"}})
	if got := m.settled(true); len(got) != 1 || got[0].Dropped != 0 {
		t.Errorf("then there is %+v", got)
	}
}
