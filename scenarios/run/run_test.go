package run_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"

	"github.com/cordage-sandbox/cordage/scenarios/lang"
	"github.com/cordage-sandbox/cordage/scenarios/run"
)

// echo stands in for a sandbox, where only the runner is looked at: its REST API answers with the path asked for, and
// counts. The scenarios that ship run against real sandboxes.
type echo struct {
	run.Cluster
	calls atomic.Int64

	mu     sync.Mutex
	traces []string // of steps: scenario, step, id, and how it ended
}

func (e *echo) Follow(ctx context.Context, scenario, step string) (context.Context, func(error)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := len(e.traces)
	e.traces = append(e.traces, "")
	id := trace.TraceID{byte(n + 1)}
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: trace.SpanID{1}})), func(err error) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.traces[n] = fmt.Sprintf("%s: %s, trace %s, failed %v", scenario, step, id, err != nil)
	}
}

func (e *echo) REST(ctx context.Context, r run.Request) (run.Response, error) {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return run.Response{}, errors.New("the request is in no trace")
	}
	n := e.calls.Add(1)
	if r.Path == "/broken" {
		return run.Response{}, errors.New("the connection broke")
	}
	return run.Response{Status: 200, Body: map[string]any{"path": r.Path, "calls": float64(n), "list": []any{1.0, 2.0}}}, nil
}

func runText(t *testing.T, text string) (*run.Result, *echo) {
	t.Helper()
	s, err := lang.Parse("t.yaml", []byte("name: t\nsteps:\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	cluster := &echo{}
	r := &run.Runner{Cluster: cluster, Dir: t.TempDir(), Now: time.Now}
	result, err := r.Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return result, cluster
}

func TestRun(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		steps string
		fails string // part of the failing step's message; empty: passes
	}{
		"saves and expects": {`
  - rest: {method: GET, path: /a}
    save: {first: it.body.path}
    expect: {status: 200}
  - rest: {method: GET, path: "${first}/b"}
    expect: {status: 200, body: {path: /a/b, calls: 2, list: [1, 2]}}
`, ""},
		"has compares what it names": {`
  - rest: {method: GET, path: /a}
    expect: {has: {body: {list: [1, 2]}}}
`, ""},
		"exact values refuse more members": {`
  - rest: {method: GET, path: /a}
    expect: {body: {path: /a, calls: 1}}
`, `body has a member "list" that is not expected`},
		"a wrong value": {`
  - rest: {method: GET, path: /a}
    expect: {has: {body: {list: [1, 3]}}}
`, "body.list[1] is 2, not 3"},
		"a shorter list": {`
  - rest: {method: GET, path: /a}
    expect: {has: {body: {list: [1]}}}
`, "body.list has 2 entries, not 1"},
		"an expression": {`
  - rest: {method: GET, path: /a}
    expect: {that: it.body.calls > 5}
`, "it.body.calls > 5 is false"},
		"within ends": {`
  - rest: {method: GET, path: /a}
    within: 60ms
    expect: {that: it.body.calls == 0}
`, "not so within 60ms"},
		"a broken call is not tried again": {`
  - rest: {method: GET, path: /broken}
    within: 10s
    expect: {status: 200}
`, "the connection broke"},
		"each": {`
  - each:
      var: n
      to: 3
      steps:
        - rest: {method: GET, path: "/${n}"}
          expect: {that: it.body.calls == n}
`, ""},
		"parallel": {`
  - parallel:
      - rest: {method: GET, path: /l}
        save: {left: it.body.path}
      - rest: {method: GET, path: /r}
        save: {right: it.body.path}
  - expect: {that: left + right == "/l/r"}
`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result, _ := runText(t, tc.steps)
			message := firstError(result)
			if (tc.fails == "") != (result.Status == run.Passed) || !strings.Contains(message, tc.fails) {
				t.Errorf("status %s, message %q; want %q", result.Status, message, tc.fails)
			}
		})
	}
}

func firstError(r *run.Result) string {
	for _, s := range r.Steps {
		if m := firstError(s); m != "" {
			return m
		}
	}
	return r.Error
}

func TestStepsAfterAFailureAreSkipped(t *testing.T) {
	t.Parallel()
	result, cluster := runText(t, `
  - rest: {method: GET, path: /broken}
  - rest: {method: GET, path: /a}
`)
	if result.Steps[1].Status != run.Skipped || cluster.calls.Load() != 1 {
		t.Errorf("second step is %s after %d calls, want skipped after one", result.Steps[1].Status, cluster.calls.Load())
	}
}

func TestAFailedStepTellsWhatItAskedFor(t *testing.T) {
	t.Parallel()
	result, _ := runText(t, `
  - rest: {method: GET, path: /fine}
  - rest: {method: POST, path: /a, query: {q: "a b"}, user: alice, password: secret, json: {x: 1}}
    expect: {status: 201}
`)
	if r := result.Steps[0].Request; r != "" {
		t.Errorf("a step that passed keeps its request %q", r)
	}
	failed := result.Steps[1]
	if want := "POST /a?q=a+b\nas alice\n{\n  \"x\": 1\n}"; failed.Request != want {
		t.Errorf("the request is %q, want %q", failed.Request, want)
	}
	if failed.Want != "status: 201" || failed.Got != "status: 200" {
		t.Errorf("expected was %q, got was %q", failed.Want, failed.Got)
	}
}

func (e *echo) Brokers() int { return 1 }

func TestASandboxOfOtherBrokersIsRefused(t *testing.T) {
	t.Parallel()
	cluster := &echo{}
	s, err := lang.Parse("t.yaml", []byte("name: t\nbrokers: 3\nsteps:\n  - rest: {method: GET, path: /a}\n"))
	if err != nil {
		t.Fatal(err)
	}
	result, err := (&run.Runner{Cluster: cluster, Dir: t.TempDir(), Now: time.Now}).Run(t.Context(), s)
	if err != nil || result.Status != run.Failed || !strings.Contains(result.Error, "needs a sandbox of 3 Kafka brokers, this one has 1") || cluster.calls.Load() != 0 {
		t.Errorf("got %v, %+v after %d calls", err, result, cluster.calls.Load())
	}
}

// TestStepsHaveTraces that are called as they are, also in rounds; attempts share one, and what asks nobody has none.
func TestStepsHaveTraces(t *testing.T) {
	t.Parallel()
	result, cluster := runText(t, `
  - name: three attempts
    rest: {method: GET, path: /a}
    within: 1m
    expect: {has: {body: {calls: 3}}}
  - expect: {that: "true"}
  - each:
      var: n
      to: 2
      steps:
        - {name: ask, rest: {method: GET, path: /b}}
  - {name: last, rest: {method: GET, path: /broken}}
`)
	id := func(n byte) string { return trace.TraceID{n}.String() }
	want := []string{
		"t: three attempts, trace " + id(1) + ", failed false", "t: ask (n = 1), trace " + id(2) + ", failed false",
		"t: ask (n = 2), trace " + id(3) + ", failed false", "t: last, trace " + id(4) + ", failed true",
	}
	if diff := cmp.Diff(want, cluster.traces); diff != "" {
		t.Errorf("traces (-want +got):\n%s", diff)
	}
	got := []string{result.Steps[0].Trace, result.Steps[1].Trace, result.Steps[2].Trace, result.Steps[2].Steps[1].Trace, result.Steps[3].Trace}
	if diff := cmp.Diff([]string{id(1), "", "", id(3), id(4)}, got); diff != "" {
		t.Errorf("traces of steps (-want +got):\n%s", diff)
	}
}

func TestTimeoutIsNamed(t *testing.T) {
	t.Parallel()
	s, err := lang.Parse("t.yaml", []byte("name: t\ntimeout: 50ms\nsteps:\n  - rest: {method: GET, path: /a}\n    within: 1m\n    expect: {status: 1}\n"))
	if err != nil {
		t.Fatal(err)
	}
	result, err := (&run.Runner{Cluster: &echo{}, Dir: t.TempDir(), Now: time.Now}).Run(t.Context(), s)
	if err != nil || !strings.Contains(firstError(result), "the scenario's timeout of 50ms is over") || !strings.Contains(firstError(result), "status is 200, not 1") {
		t.Errorf("got %v, %q", err, firstError(result))
	}
}
