package scenarios

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/scenarios/builtin"
	"github.com/cordage-sandbox/cordage/scenarios/lang"
	"github.com/cordage-sandbox/cordage/scenarios/run"
	"github.com/cordage-sandbox/cordage/tui/screen"
	"github.com/cordage-sandbox/cordage/tui/tuitest"
)

func TestMain(m *testing.M) {
	tuitest.UTC()
	os.Exit(m.Run())
}

// cluster stands in for a sandbox where only the view is looked at.
type cluster struct {
	run.Cluster
	answers map[string]int // by path
	calls   []string
	closed  int
}

func (c *cluster) Follow(ctx context.Context, _, _ string) (context.Context, func(error)) {
	return ctx, func(error) {}
}

func (c *cluster) REST(ctx context.Context, r run.Request) (run.Response, error) {
	c.calls = append(c.calls, r.Method+" "+r.Path)
	if r.Path == "/wait" {
		<-ctx.Done()
		return run.Response{}, ctx.Err()
	}
	return run.Response{Status: c.answers[r.Path], Body: map[string]any{"title": "what it says"}}, nil
}

func (c *cluster) Close(context.Context) error {
	c.closed++
	return nil
}

func newView(t *testing.T, c *cluster) (*tuitest.View, *View) {
	t.Helper()
	v := New(nil, "")
	v.open = func(context.Context) (Cluster, error) { return c, nil }
	v.list = library(t)
	return tuitest.NewView(v).Events(tuitest.Snapshot(t)), v
}

// library is what there is to run: scenarios that do not change when those that ship do.
func library(t *testing.T) []*lang.Scenario {
	t.Helper()
	steps := ""
	for _, name := range []string{"build and sign a CPI", "trust its signer", "upload it", "it is stored", "create the notary's virtual node", "issue three states", "spend the first"} {
		steps += "  - {name: \"" + name + "\", rest: {method: GET, path: /a}}\n"
	}
	list := []*lang.Scenario{parse(t, "notary-uniqueness", steps), parse(t, "signer-expiry", steps), parse(t, "vnode-creation", steps)}
	list[0].Description = "Asks a notary's uniqueness checker, as a flow worker would: issue, spend, double spend, replay, references, unknown states, and two workers racing."
	return list
}

func TestWhatShipsIsListed(t *testing.T) {
	v := New(nil, "")
	v.Update(readShipped())
	if v.fault != nil || len(v.list) != len(builtin.Names()) {
		t.Errorf("%d scenarios are listed of %d: %v", len(v.list), len(builtin.Names()), v.fault)
	}
}

func parse(t *testing.T, name, steps string) *lang.Scenario {
	t.Helper()
	s, err := lang.Parse(name+".yaml", []byte("name: "+name+"\ndescription: for a test\nsteps:\n"+steps))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// at is a time in the test, in seconds from its beginning.
func at(s float64) time.Time {
	return tuitest.Now().Add(time.Duration((s - 30) * float64(time.Second)))
}

func passed(name string, took time.Duration, steps ...*step) *step {
	return &step{name: name, place: "notary-uniqueness.yaml:14:5", status: run.Passed, began: at(0), took: took, steps: steps}
}

// half is a run of two scenarios in its middle.
func half() []scenarioRun {
	creating := &step{name: "create ten virtual nodes at once", place: "vnode-creation.yaml:40:5", began: at(27)}
	for _, n := range []string{"n = 1", "n = 2"} {
		creating.steps = append(creating.steps, passed("create it ("+n+")", 340*time.Millisecond))
	}
	creating.steps = append(creating.steps, &step{name: "create it (n = 3)", began: at(28)})
	return []scenarioRun{
		{name: "vnode-creation", began: at(25), steps: []*step{
			passed("build and sign a CPI", 210*time.Millisecond), passed("trust its signer", 18*time.Millisecond),
			passed("upload it", 95*time.Millisecond, passed("send it", 40*time.Millisecond), passed("it is stored", 55*time.Millisecond)), creating,
		}},
		{name: "notary-uniqueness"},
	}
}

// failed is a run that has failed.
func failed() []scenarioRun {
	bad := &step{
		name: "spending it again is a conflict, and names the state and the transaction that consumed it", place: "notary-uniqueness.yaml:72:5", status: run.Failed,
		began: at(12), took: 41 * time.Millisecond,
		err:     "notary-uniqueness.yaml:77:13: results[0].result is \"success\", not \"inputStateConflict\"\n  outcome: {\"results\":[{\"result\":\"success\",\"txId\":\"SHA-256:22AA\"}]}",
		request: "uniqueness checks for virtual node 226D5D9460A4\n[\n  {\n    \"inputStates\": [\n      \"SHA-256:11AA:0\"\n    ],\n    \"txId\": \"SHA-256:22AA\"\n  }\n]",
		want:    "results: [\n  {\n    \"result\": \"inputStateConflict\"\n  }\n]",
		got:     "results: [\n  {\n    \"result\": \"success\",\n    \"txId\": \"SHA-256:22AA\"\n  }\n]",
	}
	return []scenarioRun{{
		name: "notary-uniqueness", status: run.Failed, began: at(10), took: 2410 * time.Millisecond, result: &run.Result{Name: "notary-uniqueness", Status: run.Failed},
		steps: []*step{
			passed("build and sign a CPI", 310*time.Millisecond), passed("it is stored", 120*time.Millisecond), passed("issue three states", 22*time.Millisecond), passed("spend the first", 19*time.Millisecond),
			bad, {name: "a replay has the first verdict", place: "notary-uniqueness.yaml:90:5", status: run.Skipped},
		},
	}}
}

// begun is a view in which the first of the scenarios has been started, without its commands.
func begun(t *testing.T, runs []scenarioRun, over bool) (*tuitest.View, *View) {
	t.Helper()
	d, v := newView(t, &cluster{})
	var list []*lang.Scenario
	for _, r := range runs {
		for _, s := range v.list {
			if s.Name == r.name {
				list = append(list, s)
			}
		}
	}
	v.start(list)
	d.Update(stateMsg{number: 1, runs: runs, over: over})
	return d, v
}

func TestList(t *testing.T) {
	d, _ := newView(t, &cluster{})
	d.Press("space", "down", "space")
	d.Golden(t)
}

func TestRunning(t *testing.T) {
	d, v := begun(t, half(), false)
	if !v.Moving() {
		t.Error("nothing moves while a scenario runs")
	}
	d.Golden(t)
}

func TestFailedStep(t *testing.T) {
	d, _ := begun(t, failed(), true)
	text := d.Text(80, 24)
	for _, want := range []string{"expected", "inputStateConflict", "actual", "notary-uniqueness.yaml:72:5"} {
		if !strings.Contains(text, want) {
			t.Errorf("want %q in:\n%s", want, text)
		}
	}
	d.Golden(t)
}

func TestReadFailedStep(t *testing.T) {
	d, _ := begun(t, failed(), true)
	d.Press("enter")
	if text := d.Text(80, 24); !strings.Contains(text, "request") || !strings.Contains(text, "SHA-256:11AA:0") {
		t.Errorf("the request that was made is not shown:\n%s", text)
	}
	d.Golden(t)
}

func TestHistory(t *testing.T) {
	d, _ := begun(t, failed(), true)
	d.Press("left", "h")
	d.Golden(t)
}

func TestRun(t *testing.T) {
	c := &cluster{answers: map[string]int{"/a": 200, "/b": 404}}
	d, v := newView(t, c)
	v.list = []*lang.Scenario{
		parse(t, "good", "  - rest: {method: GET, path: /a}\n    expect: {status: 200}\n"),
		parse(t, "bad", "  - rest: {method: GET, path: /b}\n    expect: {status: 200}\n  - rest: {method: GET, path: /a}\n"),
	}
	d.Press("a")
	p := v.history[0]
	if !p.over || p.verdict() != "failed" || p.runs[0].status != run.Passed || p.runs[1].status != run.Failed || len(p.runs[1].steps) != 2 {
		t.Fatalf("the run is %+v", p)
	}
	if s := p.runs[1].steps[0]; s.want != "status: 200" || s.got != "status: 404" || s.request != "GET /b" {
		t.Errorf("the failed step tells %q, %q, %q", s.want, s.got, s.request)
	}
	if c.closed != 2 {
		t.Errorf("detached %d times, want twice", c.closed)
	}
	if r, ok := v.current(); !ok || r.status() != run.Failed || r.step == nil {
		t.Errorf("the cursor is not on the failed step: %+v", r)
	}
	d.Press("r")
	if len(v.history) != 2 || v.history[0].number != 2 {
		t.Errorf("there are %d runs after it is run again", len(v.history))
	}
}

func TestOnlyOneRunAtATime(t *testing.T) {
	d, v := begun(t, half(), false)
	d.Press("a")
	if len(v.history) != 1 || len(d.Sent) != 1 {
		t.Errorf("%d runs, told %v", len(v.history), d.Sent)
	}
}

func TestStopPutsBack(t *testing.T) {
	c := &cluster{}
	_, v := newView(t, c)
	v.start([]*lang.Scenario{parse(t, "slow", "  - rest: {method: GET, path: /wait}\n"), parse(t, "next", "  - expect: {that: 'true'}\n")})
	go v.session.work()
	for len(v.history[0].runs[0].steps) == 0 { // until its step has begun
		v.take(v.session.next()().(stateMsg))
	}
	v.End()
	v.take(v.session.next()().(stateMsg))
	if p := v.history[0]; !p.over || p.verdict() != "stopped" || !p.runs[1].stopped || c.closed != 1 {
		t.Errorf("after the end the run is %+v, detached %d times", p, c.closed)
	}
}

func TestSaveJUnit(t *testing.T) {
	c := &cluster{answers: map[string]int{"/a": 200}}
	d, v := newView(t, c)
	v.list = []*lang.Scenario{parse(t, "good", "  - rest: {method: GET, path: /a}\n    expect: {status: 200}\n")}
	d.Press("enter", "s")
	file := filepath.Join(t.TempDir(), "report.xml")
	v.dialog.field = v.dialog.field.Set(file)
	d.Press("enter")
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), `<testcase name="rest" classname="good"`) {
		t.Errorf("the report: %v\n%s", err, text)
	}
	d.Sent = nil
	d.Press("s")
	v.dialog.field = v.dialog.field.Set(file)
	d.Press("enter")
	if q, ok := d.Sent[0].(screen.ConfirmMsg); !ok || !strings.Contains(q.Title, "Replace") {
		t.Errorf("a file is replaced without a question: %v", d.Sent)
	}
}

func TestOpenFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("mine.yaml", "name: mine\nsteps:\n  - expect: {that: 'true'}\n")
	write("broken.yaml", "name: broken\nsteps:\n  - nothing: {}\n")
	d, v := newView(t, &cluster{})
	open := func(path string) {
		d.Sent = nil
		d.Press("o")
		v.dialog.field = v.dialog.field.Set(path)
		d.Press("enter")
	}
	open(good)
	if s, ok := v.selected(); !ok || s.Name != "mine" {
		t.Errorf("selected is %s", s.Name)
	}
	open(dir)
	if len(d.Sent) != 1 || !strings.Contains(d.Sent[0].(screen.NoticeMsg).Text, "broken.yaml:3:") {
		t.Errorf("the faults of a file are not told with their places: %v", d.Sent)
	}
}

func TestFold(t *testing.T) {
	d, v := begun(t, half(), false)
	d.Press("home")
	n := len(v.rows())
	d.Press("down", "down", "down", "space")
	if got := len(v.rows()); got != n+2 {
		t.Errorf("unfolding a step that passed gives %d lines more, want 2", got-n)
	}
}

func TestAttachFails(t *testing.T) {
	d, v := newView(t, &cluster{})
	v.open = func(context.Context) (Cluster, error) { return nil, errors.New("sandbox default is not running") }
	d.Press("enter")
	if r := v.history[0].runs[0]; r.status != run.Failed || !strings.Contains(d.Text(80, 24), "is not running") {
		t.Errorf("the run is %+v:\n%s", r, d.Text(80, 24))
	}
}

func TestPaletteBeforeAnythingIsRead(t *testing.T) {
	d, v := newView(t, &cluster{answers: map[string]int{"/a": 200}})
	list := v.list
	v.list = nil
	d.Update(screen.OpenMsg{What: "vnode-creation"})
	d.Run(func() tea.Msg { return shippedMsg{list: list} })
	if len(v.history) != 1 || v.history[0].runs[0].name != "vnode-creation" {
		t.Errorf("%d scenarios were run", len(v.history))
	}
}

func TestScenariosThatNeedAnotherSandbox(t *testing.T) {
	d, v := newView(t, &cluster{answers: map[string]int{"/a": 200}})
	v.list[0].Brokers = 3
	d.Press("a")
	if len(v.history) != 1 || len(v.history[0].runs) != 2 {
		t.Fatalf("want the two that fit to be run: %+v", v.history)
	}
	if n, ok := d.Sent[0].(screen.NoticeMsg); !ok || !strings.Contains(n.Text, "notary-uniqueness is left out: it needs 3 Kafka brokers") {
		t.Errorf("told %v", d.Sent[0])
	}
	if text := d.Text(160, 48); !strings.Contains(text, "needs 3 brokers") {
		t.Errorf("the list does not tell:\n%s", text)
	}
}
