package screen_test

import (
	"context"
	"errors"
	"iter"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/screen"
	"github.com/cordage-sandbox/cordage/tui/theme"
	"github.com/cordage-sandbox/cordage/tui/tuitest"
)

func TestMain(m *testing.M) {
	tuitest.UTC()
	os.Exit(m.Run())
}

// next waits for a batch.
func next(t *testing.T, f *screen.Feed[int]) screen.FeedMsg[int] {
	t.Helper()
	got := make(chan tea.Msg, 1)
	go func() { got <- f.Next()() }()
	select {
	case msg := <-got:
		m, ok := msg.(screen.FeedMsg[int])
		if !ok {
			t.Fatalf("the feed gives %#v", msg)
		}
		return m
	case <-time.After(10 * time.Second):
		t.Fatal("the feed gives nothing within 10 s")
	}
	return screen.FeedMsg[int]{}
}

// count gives the numbers below n, then err, and stays open if hold is set.
func count(n int, err error, hold bool) func(context.Context) iter.Seq2[int, error] {
	return func(ctx context.Context) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			for i := range n {
				if !yield(i, nil) {
					return
				}
			}
			if err != nil {
				yield(0, err)
			} else if hold {
				<-ctx.Done()
			}
		}
	}
}

func TestFeedGathersAndDrops(t *testing.T) {
	t.Parallel()
	f := screen.Follow(screen.FeedOptions{Most: 100, Every: time.Millisecond}, count(1000, nil, true))
	defer f.Close()
	seen, dropped, last := 0, 0, -1
	for seen+dropped < 1000 {
		m := next(t, f)
		for _, i := range m.Items {
			if i <= last {
				t.Fatalf("%d comes after %d", i, last)
			}
			last = i
		}
		if len(m.Items) > 100 {
			t.Fatalf("a batch of %d, want at most 100", len(m.Items))
		}
		seen, dropped = seen+len(m.Items), dropped+m.Dropped
	}
	if last != 999 || seen+dropped != 1000 {
		t.Errorf("%d seen and %d dropped, the last one is %d; want 1000 in all, and the latest kept", seen, dropped, last)
	}
}

func TestFeedOpensAgain(t *testing.T) {
	t.Parallel()
	var opened atomic.Int32
	broken := errors.New("connection reset")
	f := screen.Follow(screen.FeedOptions{Every: time.Millisecond}, func(ctx context.Context) iter.Seq2[int, error] {
		if opened.Add(1) == 1 {
			return count(1, broken, false)(ctx)
		}
		return count(2, nil, true)(ctx)
	})
	defer f.Close()
	for told := false; !told; {
		m := next(t, f)
		told = errors.Is(m.Err, broken)
	}
	for {
		m := next(t, f)
		if m.Opened && len(m.Items) > 0 && m.Err == nil {
			return
		}
	}
}

func TestFeedTellsItsEnd(t *testing.T) {
	t.Parallel()
	f := screen.Follow(screen.FeedOptions{Every: time.Millisecond}, count(1, nil, false))
	for ended := false; !ended; {
		ended = errors.Is(next(t, f).Err, screen.ErrEnded)
	}
	f.Close()
	waited := make(chan struct{})
	go func() {
		for f.Next()() != nil { // what was gathered before
		}
		close(waited)
	}()
	select {
	case <-waited:
	case <-time.After(10 * time.Second):
		t.Error("a closed feed keeps its reader")
	}
	var none *screen.Feed[int]
	if none.Close(); none.Next() != nil {
		t.Error("a feed that is none gives a command")
	}
}

func TestState(t *testing.T) {
	t.Parallel()
	s := screen.NewState("default")
	s.Apply(tuitest.Snapshot(t))
	if s.Ready() != len(s.Nodes) || len(s.Nodes) == 0 {
		t.Fatalf("%d of %d nodes are ready", s.Ready(), len(s.Nodes))
	}
	n, _ := s.Node("crypto-1")
	at := tuitest.Now()
	change := func(edit func(*sandbox.Node)) screen.Change {
		edit(&n)
		at = at.Add(5 * time.Second)
		return s.Apply(sandbox.Event{Time: at, Node: &n})[0]
	}
	if c := change(func(n *sandbox.Node) { n.CPU += time.Second }); !c.Usage {
		t.Errorf("a sample of usage is told as %+v", c)
	}
	if cpu, _ := s.Usage["crypto-1"].Last(); cpu < 0.19 || cpu > 0.21 {
		t.Errorf("a second in five is %.2f of a core, want 0.20", cpu)
	}
	if c := change(func(n *sandbox.Node) {
		n.State, n.Reason, n.Instance, n.Restarts = sandbox.Backoff, "ended by signal: killed", "", 1
	}); c.Usage || c.From != sandbox.Ready || c.To != sandbox.Backoff || !strings.Contains(c.Text, "died, restart 1") || !strings.Contains(c.Text, "killed") {
		t.Errorf("a death is told as %+v", c)
	}
	if c := change(func(n *sandbox.Node) { n.State, n.Reason = sandbox.Starting, "" }); c.Usage {
		t.Errorf("a start is told as %+v", c)
	}
	if c := change(func(n *sandbox.Node) { n.Instance, n.CPU = "9000", 0 }); !c.Usage {
		t.Errorf("that the start has a process now is told as %+v: it is no news", c)
	}
	if recent := s.Recent("crypto-1", 5); len(recent) != 2 || recent[0].To != sandbox.Starting {
		t.Errorf("its recent changes are %+v, want the start and the death", recent)
	}
	if c := change(func(n *sandbox.Node) { n.State, n.Instance, n.Restarts = sandbox.Stopped, "", 2 }); strings.Contains(c.Text, "died") || !strings.Contains(c.Text, "request") {
		t.Errorf("an end that was asked for is told as %+v", c)
	}
	if c := s.Apply(sandbox.Event{Time: at, Gone: "rest-2"}); len(c) != 1 || c[0].To != sandbox.Stopped {
		t.Errorf("a node that left is told as %+v", c)
	}
	if _, ok := s.Node("rest-2"); ok {
		t.Error("a node that left is still there")
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	const n, page = 50, 10
	var table screen.Table
	for _, step := range []struct {
		key  string
		want int
	}{{"down", 1}, {"j", 2}, {"pgdown", 12}, {"G", 49}, {"down", 49}, {"pgup", 39}, {"k", 38}, {"home", 0}, {"up", 0}} {
		table, _ = table.Update(tuitest.Key(step.key), n, page)
		if table.Cursor != step.want {
			t.Errorf("%s goes to %d, want %d", step.key, table.Cursor, step.want)
		}
	}
	if _, ok := table.Update(tuitest.Key("x"), n, page); ok {
		t.Error("x is taken")
	}
	table, _ = table.Update(tuitest.Key("end"), n, page)
	table, _ = table.Update(tea.MouseClickMsg{Y: 1}, n, page)
	if table.Cursor != n-page {
		t.Errorf("a click on the first line of the last page goes to %d, want %d", table.Cursor, n-page)
	}
	f := screen.Frame{Theme: theme.New(true, true)}
	frame := table.Render(f, []screen.Column{{Title: "NAME", Stretch: true}, {Title: "N", Right: true}}, n, func(i int) screen.Row {
		return screen.Row{{Text: strings.Repeat("x", 60)}, {Text: strings.Repeat("9", i%3+1)}}
	}, 40, page+1, true)
	tuitest.Fits(t, frame, 40, page+1)
}

func TestText(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ got, want string }{
		"cut":             {screen.Cut("uniqueness.check", 8), "uniquen…"},
		"cut to nothing":  {screen.Cut("abc", 0), ""},
		"wide characters": {screen.Pad("日本語", 5), "日本… "[:len("日本…")]},
		"numbers":         {screen.PadLeft("42", 5), "   42"},
		"ends":            {screen.Ends("left", "right", 12), "left   right"},
		"ends, too long":  {screen.Ends("left", "right side", 10), "left right…"[:len("left righ")] + "…"},
		"one line":        {screen.Line("a\n\tb\x1b[31mred\x1b[m\a"), "a bred"},
		"bytes":           {screen.Bytes(3 << 20), "3 MB"},
		"count":           {screen.Count(12_345), "12.3k"},
		"rate":            {screen.Rate(0.31), "0.3/s"},
		"no rate":         {screen.Rate(0.01), ""},
		"ascii":           {screen.ASCII("→ 12µs…"), "> 12us~"},
		"ascii, unknown":  {screen.ASCII("日"), "??"},
		"ascii, styles":   {screen.ASCII("\x1b[1mx\x1b[m"), "\x1b[1mx\x1b[m"},
		"duration":        {screen.Duration(1234 * time.Millisecond), "1.23s"},
		"ago":             {screen.Ago(125 * time.Second), "2m05s"},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: %q, want %q", name, tc.got, tc.want)
		}
	}
}

func TestDrawings(t *testing.T) {
	t.Parallel()
	th := theme.New(true, true)
	if got := screen.Sparkline(th, []float64{0, 1, 2, 4, 8}, 4, 8); got != "▁▂▄█" {
		t.Errorf("the sparkline is %q", got)
	}
	for _, done := range []float64{-1, 0, 0.33, 0.5, 1, 2} {
		if w := screen.Width(screen.Bar(th, done, 17, th.Good)); w != 17 {
			t.Errorf("a bar at %v has %d cells, want 17", done, w)
		}
	}
	tuitest.Fits(t, screen.Box(th, strings.Repeat("title ", 20), []string{strings.Repeat("x", 90)}, 30, 5, true), 30, 5)
}

// Text from outside never breaks a frame, whatever it is.
func FuzzLine(f *testing.F) {
	for _, s := range []string{"", "a\tb", "\x1b[31m", "\x1b]0;title\a", "\u202e", "日本\r\n語", "\xff\xfe", "\x9b31m"} {
		f.Add(s, 12)
	}
	f.Fuzz(func(t *testing.T, s string, w int) {
		w = w%200 + 1
		if w < 1 {
			return
		}
		line := screen.Line(s)
		if strings.ContainsAny(line, "\n\r\t\x1b\a\b\u202e") {
			t.Errorf("%q has control characters: %q", s, line)
		}
		if got := screen.Width(screen.Cut(line, w)); got > w {
			t.Errorf("%q cut to %d cells has %d", s, w, got)
		}
	})
}

func TestWhatIsInTheWayOfTheSandboxIsTold(t *testing.T) {
	t.Parallel()
	s := screen.NewState("ci")
	s.Err = errors.New("dial unix /run/cordage/ci/supervisor.sock: permission denied")
	text := ansi.Strip(screen.Looking(screen.Frame{Width: 80, Height: 21, Theme: theme.New(true, true), State: s}))
	if words := strings.Join(strings.Fields(text), " "); !strings.Contains(words, "looking for sandbox ci") || !strings.Contains(words, "permission denied") || !strings.Contains(words, "it is tried again") {
		t.Errorf("the view shows\n%s", text)
	}
	if lines := strings.Split(text, "\n"); len(lines) != 21 {
		t.Errorf("%d lines", len(lines))
	}
}
