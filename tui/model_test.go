package tui

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"charm.land/bubbles/v2/key"
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

// lines is a view of fixed text that notes what it gets.
type lines struct {
	name   string
	text   []string
	filter string
	got    []string
}

func (v *lines) Name() string   { return v.name }
func (v *lines) Init() tea.Cmd  { return nil }
func (v *lines) Filter() string { return v.filter }
func (v *lines) Keys() []key.Binding {
	return []key.Binding{key.NewBinding(key.WithKeys("r"), key.WithHelp("r", "restart")), key.NewBinding(key.WithKeys("K"), key.WithHelp("K", "kill"))}
}

func (v *lines) Update(msg tea.Msg) (screen.View, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		v.got = append(v.got, msg.String())
		if msg.String() == "P" {
			panic("a fault of this view")
		}
	case screen.ShownMsg:
		v.got = append(v.got, "shown")
	case screen.HiddenMsg:
		v.got = append(v.got, "hidden")
	case screen.FilterMsg:
		v.filter = msg.Text
	}
	return v, nil
}

func (v *lines) Render(f screen.Frame) string { return screen.Fill(v.text, f.Width, f.Height) }

// silent is a source without a supervisor.
type silent struct{}

func (silent) Events(context.Context) iter.Seq2[sandbox.Event, error] {
	return func(yield func(sandbox.Event, error) bool) {
		yield(sandbox.Event{}, &sandbox.NotRunningError{Name: "default"})
	}
}
func (silent) Stop(context.Context, bool) error { return errors.New("it does not stop") }

func newModel(t *testing.T, w, h int) (*Model, *lines, *lines) {
	t.Helper()
	one, two := &lines{name: "one", text: []string{"first line of one"}}, &lines{name: "two", text: []string{"first line of two"}}
	m := New(Config{Name: "default", Source: silent{}, Views: []screen.View{one, two}, Dark: true, Now: tuitest.Now})
	m.events = screen.Follow(screen.FeedOptions{}, silent{}.Events)
	t.Cleanup(m.events.Close)
	m.Update(tea.WindowSizeMsg{Width: w, Height: h})
	m.feed(nil, tuitest.Snapshot(t))
	return m, one, two
}

// feed gives the model events as its stream does.
func (m *Model) feed(err error, events ...sandbox.Event) {
	m.Update(screen.FeedMsg[sandbox.Event]{Feed: m.events, Items: events, Err: err})
}

func (m *Model) press(keys ...string) (cmd tea.Cmd) {
	for _, k := range keys {
		_, cmd = m.Update(tuitest.Key(k))
	}
	return cmd
}

func TestFrame(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(m *Model){
		"ready":   func(*Model) {},
		"help":    func(m *Model) { m.press("?") },
		"palette": func(m *Model) { m.press(":") },
		"question": func(m *Model) {
			m.Update(screen.ConfirmMsg{Question: screen.Question{Title: "Kill crypto-1?", Text: "It ends with SIGKILL, and is started again.", Yes: "kill"}})
		},
		"notices": func(m *Model) {
			m.Update(screen.NoticeMsg{Notice: screen.Failure("kill rest-1", &sandbox.NotRunningError{Name: "default"})})
			m.press("!")
		},
		"lost": func(m *Model) { m.feed(errors.New("connection refused")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tuitest.Frames(t, 0, func(w, h int, th *theme.Theme) string {
				m, _, _ := newModel(t, w, h)
				m.theme, m.config.ASCII = th, !th.Signs.Unicode
				prepare(m)
				return m.Frame()
			})
		})
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	m, one, two := newModel(t, 80, 24)
	m.press("r")
	if got := strings.Join(one.got, " "); got != "shown r" {
		t.Errorf("view one got %q, want it shown and the key", got)
	}
	m.press("tab")
	if m.Current() != "two" || strings.Join(one.got, " ") != "shown r hidden" || strings.Join(two.got, " ") != "shown" {
		t.Errorf("tab shows %s; one got %v, two got %v", m.Current(), one.got, two.got)
	}
	m.press("esc")
	if m.Current() != "one" {
		t.Errorf("esc shows %s, want the view before", m.Current())
	}
	m.press("2")
	m.press("shift+tab")
	if m.Current() != "one" {
		t.Errorf("shift+tab shows %s, want one", m.Current())
	}
	m.press("9")
	if m.Current() != "one" {
		t.Errorf("9 shows %s: there is no ninth view", m.Current())
	}
	if cmd := m.press("q"); cmd == nil || cmd() != tea.Quit() {
		t.Error("q does not quit")
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	m, one, _ := newModel(t, 80, 24)
	m.press("/", "a", "b")
	if one.filter != "ab" {
		t.Errorf("the filter is %q while typing, want ab", one.filter)
	}
	m.press("enter", "r")
	if one.filter != "ab" || one.got[len(one.got)-1] != "r" {
		t.Errorf("after enter the filter is %q and the view got %v", one.filter, one.got)
	}
	if !strings.Contains(ansi.Strip(m.Frame()), "/ab") {
		t.Error("the filter is not shown once it is set")
	}
	m.press("esc")
	if one.filter != "" {
		t.Errorf("esc leaves the filter %q", one.filter)
	}
}

func TestPalette(t *testing.T) {
	t.Parallel()
	m, _, _ := newModel(t, 80, 24)
	m.press(":", "t", "w")
	cmd := m.press("enter")
	run(m, cmd)
	if m.Current() != "two" {
		t.Errorf("the palette's \"tw\" shows %s, want two", m.Current())
	}
	m.press(":", "s", "t", "tab")
	if m.input.Value() != "stop" {
		t.Errorf("tab completes st to %q, want stop", m.input.Value())
	}
	run(m, m.press("enter"))
	if m.over != asking {
		t.Error("stop is not asked about")
	}
	if cmd := m.press("enter"); cmd != nil {
		t.Error("enter says yes: the answer must be no unless chosen")
	}
}

// run runs a command and what comes of it, without those that wait.
func run(m *Model, cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	done := make(chan tea.Msg, 1)
	go func() { done <- cmd() }()
	select {
	case msg := <-done:
		if batch, ok := msg.(tea.BatchMsg); ok {
			for _, c := range batch {
				run(m, c)
			}
			return
		}
		if msg != nil {
			_, next := m.Update(msg)
			run(m, next)
		}
	case <-time.After(20 * time.Millisecond): // a tick
	}
}

func TestLink(t *testing.T) {
	t.Parallel()
	m, _, _ := newModel(t, 80, 24)
	m.feed(errors.New("connection refused"))
	if m.state.Link != screen.Lost || len(m.state.Nodes) == 0 {
		t.Errorf("the link is %s with %d nodes, want it lost and the nodes kept", m.state.Link, len(m.state.Nodes))
	}
	m.feed(nil, tuitest.Snapshot(t))
	if m.state.Link != screen.Connected {
		t.Errorf("the link is %s, want it connected again", m.state.Link)
	}
	stopped := m.state.Info
	stopped.Phase = sandbox.PhaseStopped
	m.feed(&sandbox.NotRunningError{Name: "default"}, sandbox.Event{Seq: 2, Time: tuitest.Now(), Sandbox: &stopped})
	if m.state.Link != screen.Absent {
		t.Errorf("the link is %s after the supervisor said that it ends, want absent", m.state.Link)
	}
	if n := len(m.notices.list); n < 3 {
		t.Errorf("%d notices, want one of each change of the link", n)
	}
}

func TestMissedEvents(t *testing.T) {
	t.Parallel()
	events := func(yield func(sandbox.Event, error) bool) {
		_ = yield(sandbox.Event{Seq: 7, State: &sandbox.Snapshot{}}, nil) && yield(sandbox.Event{Seq: 8, Gone: "a"}, nil) &&
			yield(sandbox.Event{Seq: 11, Gone: "b"}, nil) && yield(sandbox.Event{Seq: 12, Gone: "c"}, nil)
	}
	var got []uint64
	var failed error
	for e, err := range unbroken(events) {
		if failed = err; err == nil {
			got = append(got, e.Seq)
		}
	}
	if len(got) != 2 || failed == nil || !strings.Contains(failed.Error(), "2 events") {
		t.Errorf("got events %v and error %v, want 7 and 8 and an error of two missed events", got, failed)
	}
}

func TestPanicLeavesAReport(t *testing.T) {
	t.Parallel()
	for name, cause := range map[string]tea.Msg{
		"in update":    tuitest.Key("P"),
		"in a command": screen.ConfirmMsg{},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, _, _ := newModel(t, 80, 24)
			g := &guard{model: m, reports: t.TempDir()}
			_, cmd := g.Update(cause)
			if name == "in a command" {
				m.question.Do = tea.Batch(func() tea.Msg { panic("a fault of a command") }, func() tea.Msg { return nil })
				_, cmd = g.Update(tuitest.Key("y"))
				for _, c := range cmd().(tea.BatchMsg) { //nolint:forcetypeassert // it is a batch
					if msg := c(); msg != nil {
						_, cmd = g.Update(msg)
					}
				}
			}
			if cmd == nil || cmd() != tea.Quit() {
				t.Fatal("a panic does not quit")
			}
			if g.crash == nil || !strings.HasPrefix(g.crash.Report, g.reports) {
				t.Fatalf("the crash is %v, want one with a report", g.crash)
			}
			text, err := os.ReadFile(filepath.Clean(g.crash.Report))
			if err != nil || !strings.Contains(string(text), "a fault of") || !strings.Contains(string(text), "model_test.go") {
				t.Errorf("the report does not tell cause and place (%v):\n%s", err, text)
			}
			if v := g.View(); v.Content != "" {
				t.Error("it goes on drawing")
			}
		})
	}
}

func TestOldNoticesAreNoNews(t *testing.T) {
	t.Parallel()
	m, _, _ := newModel(t, 80, 24)
	again := tuitest.Snapshot(t)
	again.State.Notices = []sandbox.Notification{{Severity: sandbox.Warning, Text: "port 8888 was taken", Remedy: "stop what listens there"}}
	m.feed(nil, again)
	m.feed(nil, again)
	if _, shown := m.notices.latest(m.now); shown || m.notices.unread > 0 || len(m.notices.list) != 1 {
		t.Errorf("what was told before is shown (%v), unread (%d), and %d times in the list", shown, m.notices.unread, len(m.notices.list))
	}
	m.feed(nil, sandbox.Event{Seq: 5, Time: tuitest.Now(), Notify: &sandbox.Notification{Severity: sandbox.Fault, Node: "rest-1", Text: "rest-1 died three times"}})
	if n, shown := m.notices.latest(m.now); !shown || n.Node != "rest-1" || m.notices.unread != 1 {
		t.Errorf("a new fault is shown as %+v (%v), %d unread", n, shown, m.notices.unread)
	}
	run(m, m.press("!", "enter"))
	if m.notices.unread != 0 || m.over != noOverlay {
		t.Errorf("after it was read %d are unread, and %q is open", m.notices.unread, m.over)
	}
}

// The terminal is as it was before when a view's fault ends the UI.
func TestPanicRestoresTheTerminal(t *testing.T) {
	t.Parallel()
	one := &lines{name: "one"}
	m := New(Config{Name: "default", Source: silent{}, Views: []screen.View{one}, Now: tuitest.Now})
	const alternate, normal = "\x1b[?1049h", "\x1b[?1049l"
	keys, typed := io.Pipe()
	out := &recorder{await: alternate, seen: make(chan struct{})}
	go func() {
		<-out.seen
		_, _ = io.WriteString(typed, "P")
	}()
	err := Run(t.Context(), m, t.TempDir(), keys, out, tea.WithWindowSize(80, 24))
	crash, ok := errors.AsType[*CrashError](err)
	if !ok || !strings.Contains(crash.Error(), "a fault of this view") || !strings.Contains(crash.Hint(), "tui-crash-") {
		t.Fatalf("it ends with %v, want a crash with a report", err)
	}
	if text := out.text.String(); strings.LastIndex(text, normal) < strings.LastIndex(text, alternate) {
		t.Errorf("the terminal is left in the alternate screen: %q", text)
	}
}

// recorder keeps what is written, and tells when something is.
type recorder struct {
	text  bytes.Buffer
	await string
	seen  chan struct{}
	told  bool
}

func (r *recorder) Write(p []byte) (int, error) {
	n, err := r.text.Write(p)
	if !r.told && strings.Contains(r.text.String(), r.await) {
		r.told = true
		close(r.seen)
	}
	return n, err
}

// counter counts how often it is drawn.
type counter struct {
	lines
	drawn int
}

func (v *counter) Update(msg tea.Msg) (screen.View, tea.Cmd) {
	_, cmd := v.lines.Update(msg)
	return v, cmd
}

func (v *counter) Render(f screen.Frame) string {
	v.drawn++
	return v.lines.Render(f)
}

// TestNothingIsDrawnForNothing: what nodes use is shown with the next second, all else at once.
func TestNothingIsDrawnForNothing(t *testing.T) {
	t.Parallel()
	v := &counter{lines: lines{name: "one"}}
	m := New(Config{Name: "default", Source: silent{}, Views: []screen.View{v}, Now: tuitest.Now})
	m.events = screen.Follow(screen.FeedOptions{}, silent{}.Events)
	t.Cleanup(m.events.Close)
	full := tuitest.Snapshot(t)
	m.feed(nil, full)
	usage, died := full.State.Nodes[2], full.State.Nodes[2]
	usage.CPU, usage.RSS = usage.CPU+time.Second, usage.RSS+1
	died.State = sandbox.Backoff
	for _, c := range []struct {
		what string
		do   func()
		want int
	}{
		{"the first frame", func() {}, 1},
		{"the same again", func() {}, 0},
		{"a sample of usage", func() { m.feed(nil, sandbox.Event{Seq: 2, Time: tuitest.Now(), Node: &usage}) }, 0},
		{"the next second", func() { m.Update(tickMsg(tuitest.Now())) }, 1},
		{"a death", func() { m.feed(nil, sandbox.Event{Seq: 3, Time: tuitest.Now(), Node: &died}) }, 1},
		{"a sample, and the connection is lost", func() { m.feed(io.ErrUnexpectedEOF, sandbox.Event{Seq: 4, Time: tuitest.Now(), Node: &died}) }, 1},
		{"a sample, and the connection is there again", func() { m.feed(nil, sandbox.Event{Seq: 5, Time: tuitest.Now(), Node: &died}) }, 1},
		{"a key", func() { m.press("r") }, 1},
	} {
		before := v.drawn
		c.do()
		m.View()
		if got := v.drawn - before; got != c.want {
			t.Errorf("%s: drawn %d times, want %d", c.what, got, c.want)
		}
	}
}
