package launch

import (
	"context"
	"errors"
	"fmt"
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

// host keeps two sandboxes, and notes what is started.
type host struct {
	started []string
	running bool
	err     error
}

func (h *host) Sandboxes(context.Context) ([]Sandbox, error) {
	kept := sandbox.DefaultSpec("default")
	kept.Replicas["rest"] = 2
	ci := sandbox.DefaultSpec("ci")
	ci.Databases = sandbox.Separate
	return []Sandbox{
		{Name: "ci", Spec: ci, Running: true},
		{Name: "default", Spec: kept, Last: &sandbox.Failure{Part: "kafka-1", Cause: "port 9092 is in use"}},
	}, nil
}

func (h *host) Start(_ context.Context, name string, wish sandbox.Wish) (bool, error) {
	h.started = append(h.started, fmt.Sprintf("%s %v %s %d %d", name, wish.Replicas, wish.Databases, wish.Brokers, wish.Partitions))
	return h.running, h.err
}

func (*host) Runtimes() []string {
	return []string{sandbox.Auto, sandbox.Processes, sandbox.Containers}
}

// absent is a view of a sandbox that does not run.
func absent(t *testing.T, name string) (*tuitest.View, *View, *host) {
	t.Helper()
	h := &host{}
	v := New(h, name)
	d := tuitest.NewView(v)
	d.State.Name, d.State.Link = name, screen.Absent
	d.Update(screen.StateMsg{State: d.State})
	d.Run(v.reload())
	return d, v, h
}

// begun is a view of a start.
func begun(t *testing.T) (*tuitest.View, *View) {
	t.Helper()
	d, v, _ := absent(t, "default")
	d.Press("enter")
	e := tuitest.Snapshot(t)
	e.State.Sandbox.Phase, e.State.Sandbox.Started, e.State.Sandbox.Took = sandbox.PhaseStarting, tuitest.Now().Add(-4*time.Second), 0
	e.State.Steps = tuitest.Steps()
	d.Events(e)
	return d, v
}

// fail ends the start with a failure.
func fail(d *tuitest.View) {
	info := d.State.Info
	info.Phase = sandbox.PhaseFailed
	info.Failure = &sandbox.Failure{
		Part: "kafka-1", Stage: "listen on its ports", Cause: "kafka-1 cannot listen on port 9092: the port is in use by java (pid 812)",
		Log:  []string{"INFO starting", "ERROR Socket server failed to bind to 127.0.0.1:9092: Address already in use."},
		Hint: "stop what listens on 9092, or start with --port kafka=0", Logs: "/home/alice/.local/state/cordage/default/failed/20260314-092653",
	}
	d.Events(sandbox.Event{Seq: 9, Sandbox: &info})
}

func TestLooks(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(t *testing.T) *tuitest.View{
		"form": func(t *testing.T) *tuitest.View { d, _, _ := absent(t, "default"); return d },
		"new":  func(t *testing.T) *tuitest.View { d, _, _ := absent(t, "mine"); return d.Press("up", "up", "right") },
		"plan": func(t *testing.T) *tuitest.View { d, _ := begun(t); return d },
		"failed": func(t *testing.T) *tuitest.View {
			d, _ := begun(t)
			fail(d)
			return d
		},
		"ready": func(t *testing.T) *tuitest.View {
			d, _ := begun(t)
			info := d.State.Info
			info.Phase, info.Took = sandbox.PhaseReady, 4200*time.Millisecond
			return d.Events(sandbox.Event{Seq: 9, Sandbox: &info})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			make(t).Golden(t)
		})
	}
}

func TestStart(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		sandbox string
		keys    string // up to start
		want    string
	}{
		"as it was":        {"default", "", "default map[]  0 0"},
		"one more rest":    {"default", "up up right down down", "default map[rest:3]  0 0"},
		"new, as proposed": {"mine", "", "mine map[]  0 0"},
		"three brokers":    {"mine", "up up up up up right down down down down down", "mine map[]  3 0"},
		"separate":         {"mine", "down down down right up up up", "mine map[] separate 0 0"},
		"fixed by data":    {"default", "down down down right up up up", "default map[]  0 0"},
		"one balancer":     {"default", "up right down", "default map[]  0 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, _, h := absent(t, tc.sandbox)
			d.Press(strings.Fields(tc.keys)...)
			d.Press("enter")
			if got := strings.Join(h.started, "; "); got != tc.want {
				t.Errorf("started %q, want %q", got, tc.want)
			}
		})
	}
}

func TestAnotherSandbox(t *testing.T) {
	t.Parallel()
	d, v, h := absent(t, "default")
	d.Press("down") // to the name
	if !v.Typing() {
		t.Fatal("the name cannot be typed")
	}
	d.Press("x", "up", "enter")
	want := screen.SwitchMsg{Name: "defaultx", GoMsg: screen.GoMsg{View: Name, What: Start{}}}
	if len(d.Sent) != 1 || fmt.Sprint(d.Sent[0]) != fmt.Sprint(want) || len(h.started) > 0 {
		t.Errorf("it asks for %+v and started %v, want to switch", d.Sent, h.started)
	}
	d, _, _ = absent(t, "default")
	d.Press("down", "ctrl+n", "up", "enter") // ci, which runs
	if got, ok := d.Sent[0].(screen.SwitchMsg); !ok || got.Name != "ci" || got.View != "topology" {
		t.Errorf("it asks for %+v, want to show the running sandbox ci", d.Sent)
	}
	d, _, h = absent(t, "default")
	d.Press("down", "-", "up", "enter")
	if n, ok := d.Sent[0].(screen.NoticeMsg); !ok || !strings.Contains(n.Text, `"default-"`) || len(h.started) > 0 {
		t.Errorf("a bad name is answered by %+v and starts %v", d.Sent, h.started)
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	d, v := begun(t)
	info := d.State.Info
	info.Phase = sandbox.PhaseReady
	d.State.Apply(sandbox.Event{Seq: 9, Sandbox: &info})
	_, cmd := v.Update(screen.StateMsg{State: d.State})
	d.Run(cmd)
	if len(d.Sent) != 1 || d.Sent[0] != (screen.GoMsg{View: "topology"}) {
		t.Errorf("when the sandbox is ready it asks for %v, want the topology", d.Sent)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	d, v := begun(t)
	fail(d)
	if text := d.Text(80, 24); !strings.Contains(text, "in use by java") || !strings.Contains(text, "--port kafka=0") || !strings.Contains(text, "failed to bind") {
		t.Errorf("cause, hint and log are not all told:\n%s", text)
	}
	d.State.Link = screen.Absent
	d.Press("c")
	if !v.choosing() {
		t.Error("c does not lead to the form")
	}
	d, _, h := absent(t, "default")
	h.err = errors.New("no Java 17 was found")
	d.Press("enter")
	if text := d.Text(80, 24); !strings.Contains(text, "no Java 17 was found") {
		t.Errorf("why the start could not begin is not told:\n%s", text)
	}
	h.err = nil
	d.Press("enter")
	if len(h.started) != 2 {
		t.Errorf("enter does not try again: started %v", h.started)
	}
}

// A start may fail before anybody could follow it: the supervisor has ended, and what is kept tells why.
func TestFailedBeforeItWasSeen(t *testing.T) {
	t.Parallel()
	d, v, _ := absent(t, "default")
	d.Press("enter")
	if v.failure() != nil {
		t.Fatal("it failed before it began")
	}
	_, cmd := v.Update(screen.TickMsg{Now: tuitest.Now()})
	d.Run(cmd)
	if text := d.Text(80, 24); !strings.Contains(text, "port 9092 is in use") {
		t.Errorf("why the start failed is not told:\n%s", text)
	}
	mine, v, _ := absent(t, "mine") // which keeps nothing, and whose supervisor is gone
	mine.Press("enter")
	_, cmd = v.Update(screen.TickMsg{Now: tuitest.Now()})
	mine.Run(cmd)
	if text := mine.Text(80, 24); !strings.Contains(text, "the supervisor has ended") {
		t.Errorf("that the supervisor is gone is not told:\n%s", text)
	}
}
