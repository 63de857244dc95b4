package scenarios

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/scenarios/lang"
	"github.com/cordage-sandbox/cordage/scenarios/run"
	"github.com/cordage-sandbox/cordage/tui/screen"
	"github.com/cordage-sandbox/cordage/tui/tuitest"
)

// next is the view in the next session of the UI, on the same archive.
func next(t *testing.T, c *cluster, dir string, list ...*lang.Scenario) (*tuitest.View, *View) {
	t.Helper()
	d, v := newView(t, c)
	v.archive, v.list = archive{dir}, list
	d.Run(v.archive.read)
	return d, v
}

func TestRunsAreKeptFromSessionToSession(t *testing.T) {
	c := &cluster{answers: map[string]int{"/a": 200, "/b": 404}}
	dir := filepath.Join(t.TempDir(), "scenarios")
	good := parse(t, "good", "  - rest: {method: GET, path: /a}\n    expect: {status: 200}\n")
	bad := parse(t, "bad", "  - name: ask for b\n    rest: {method: GET, path: /b}\n    expect: {status: 200}\n")
	d, _ := next(t, c, dir, good, bad)
	d.Press("a")
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Fatalf("the archive: %v, %v", info, err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("one run is %q", files)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the run's file: %v, %v", info, err)
	}

	d, v := next(t, c, dir, good, bad)
	if len(v.history) != 1 || v.history[0].verdict() != "failed" || v.running() {
		t.Fatalf("the next session has %+v", v.history)
	}
	for _, size := range [][2]int{{80, 24}, {160, 48}} {
		if text := d.Text(size[0], size[1]); !strings.Contains(text, "2 scenarios") || !strings.Contains(text, "✗ failed") {
			t.Errorf("the history does not show the run:\n%s", text)
		}
	}
	d.Press("h", "enter", "f")
	if r, ok := v.current(); !ok || r.step == nil || r.step.want != "status: 200" || r.step.got != "status: 404" || r.step.request != "GET /b" {
		t.Errorf("the cursor is on %+v", r.step)
	}
	d.Press("s")
	report := filepath.Join(t.TempDir(), "report.xml")
	v.dialog.field = v.dialog.field.Set(report)
	d.Press("enter")
	if text, err := os.ReadFile(report); err != nil || !strings.Contains(string(text), `<testcase name="ask for b" classname="bad"`) || !strings.Contains(string(text), "<failure") {
		t.Errorf("the report: %v\n%s", err, text)
	}
	d.Press("r")
	if len(v.history) != 2 || !v.history[0].over || len(v.history[0].runs) != 2 {
		t.Errorf("it is not run again: %+v", v.history)
	}

	d, v = next(t, c, dir, good) // without the other one
	d.Press("h", "r")
	if n, ok := d.Sent[len(d.Sent)-1].(screen.NoticeMsg); !ok || n.Text != "scenario bad is not in the list" || !strings.Contains(n.Hint, "bad.yaml") || v.running() {
		t.Errorf("told %+v", d.Sent)
	}
	if len(v.history) != 2 {
		t.Errorf("%d runs are kept, want two", len(v.history))
	}
}

func TestAStoppedRunIsKeptWhenTheUIIsLeft(t *testing.T) {
	c, dir := &cluster{}, filepath.Join(t.TempDir(), "scenarios")
	slow, later := parse(t, "slow", "  - rest: {method: GET, path: /wait}\n"), parse(t, "later", "  - expect: {that: 'true'}\n")
	_, v := next(t, c, dir, slow, later)
	v.start(v.list)
	go v.session.work()
	for len(v.history[0].runs[0].steps) == 0 { // until its step has begun
		v.take(v.session.next()().(stateMsg))
	}
	v.End()
	_, v = next(t, c, dir, slow, later)
	if len(v.history) != 1 || v.history[0].verdict() != "stopped" || len(v.history[0].runs) != 2 || v.history[0].runs[1].result != nil {
		t.Errorf("the next session has %+v", v.history)
	}
}

func TestTheArchiveIsBounded(t *testing.T) {
	a := archive{t.TempDir()}
	for i := range keptRuns + 3 {
		began := tuitest.Now().Add(time.Duration(i) * time.Second)
		result := &run.Result{Name: fmt.Sprint("run ", i), Status: run.Passed, Started: began}
		if err := a.keep(kept{Began: began, Scenarios: []keptScenario{{Name: result.Name, Result: result}}}); err != nil {
			t.Fatal(err)
		}
	}
	m := a.read().(keptMsg)
	if n := len(m.list); n != keptRuns || m.list[0].title() != fmt.Sprint("run ", keptRuns+2) || m.list[n-1].title() != "run 3" {
		t.Errorf("%d runs are kept, from %s to %s", n, m.list[0].title(), m.list[n-1].title())
	}
}

func TestWhatCannotBeReadIsToldOf(t *testing.T) {
	a := archive{t.TempDir()}
	result := &run.Result{Name: "good", Status: run.Passed}
	if err := a.keep(kept{Began: tuitest.Now(), Scenarios: []keptScenario{{Name: "good", Result: result}}}); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"20260101T000000.json": "{", "20260102T000000.json": "{}"} {
		if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m := a.read().(keptMsg)
	if len(m.list) != 1 || m.err == nil || !strings.Contains(m.err.Error(), "20260101T000000.json") || !strings.Contains(m.err.Error(), "20260102T000000.json") {
		t.Errorf("read %d runs, and told of %v", len(m.list), m.err)
	}
}

func TestNothingIsKeptOfASandboxThatIsGone(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "purged")
	if err := (archive{filepath.Join(gone, "scenarios")}).keep(kept{Began: tuitest.Now()}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(gone); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the sandbox's directory is there again: %v", err)
	}
}

func TestWhenARunBegan(t *testing.T) {
	now := tuitest.Now()
	for want, began := range map[string]time.Time{
		"09:20:53": now.Add(-6 * time.Minute), "13 Mar 09:26": now.Add(-24 * time.Hour), "14 Mar 2025": now.AddDate(-1, 0, 0), "": {},
	} {
		if got := (&past{began: began}).when(now); got != want {
			t.Errorf("%v is shown as %q, want %q", began, got, want)
		}
	}
}
