package lang_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cordage-sandbox/cordage/scenarios/lang"
)

const valid = `
name: demo
description: Shows the language.
timeout: 90s
replicas: {database: 2}
brokers: 3
vars:
  alice: "CN=Alice-${run}, O=Acme, L=Leeds, C=GB"
steps:
  - name: hello
    rest: {method: POST, path: /hello, query: {addressee: "${alice}"}}
    expect:
      status: 200
      that: it.body.startsWith("Hello")
    save: {greeting: it.body}
  - name: ask
    notary:
      vnode: F88920990A10
      requests:
        - txId: "${tx('issue-' + run)}"
          numOutputStates: 2
    expect:
      has:
        results: [{result: success}]
  - each:
      var: n
      to: 3
      steps:
        - expect: {that: ["n > 0", "greeting.size() > n"]}
`

func TestParse(t *testing.T) {
	t.Parallel()
	s, err := lang.Parse("demo.yaml", []byte(valid))
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "demo" || s.Timeout.Seconds() != 90 || s.Replicas["database"] != 2 || s.Brokers != 3 || len(s.Steps) != 3 {
		t.Fatalf("Parse gave %+v", s)
	}
	kinds := []string{s.Steps[0].Action.Kind(), s.Steps[1].Action.Kind(), s.Steps[2].Action.Kind()}
	if !slices.Equal(kinds, []string{"rest", "notary", "each"}) {
		t.Errorf("steps are %v", kinds)
	}
	alice, err := s.Vars[0].Value.Eval(lang.Scope{"run": "r1"})
	if err != nil || alice != "CN=Alice-r1, O=Acme, L=Leeds, C=GB" {
		t.Errorf("alice = %v, %v", alice, err)
	}
	if s.Steps[1].Pos != (lang.Pos{File: "demo.yaml", Line: 16, Column: 5}) {
		t.Errorf("second step is at %v", s.Steps[1].Pos)
	}
}

// Every fault has its file, line and column, and says what was expected; all are listed at once.
func TestParseFaults(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"empty": {"", []string{"f.yaml:1:1: the file is empty"}},
		"not YAML": {"name: a\nsteps: [", []string{
			"f.yaml:2:8: not valid YAML"}},
		"not an object": {"- a\n", []string{"f.yaml:1:1: a scenario must be an object, not a list"}},
		"unknown member": {"name: a\nstep: []\n", []string{
			`f.yaml:2:1: a scenario has no member "step"; it may have name, description, timeout, replicas, brokers, vars, steps`}},
		"several at once": {"name: A b\ntimeout: soon\nsteps:\n  - rest: {method: FETCH, path: /x}\n  - sql: {query: select 1}\n", []string{
			`f.yaml:1:7: name "A b" must be`,
			`f.yaml:2:10: timeout is "soon"; it must be a duration`,
			`f.yaml:4:20: method is "FETCH"; it must be one of GET,`,
			`f.yaml:5:10: sql needs database`}},
		"two actions":                      {"name: a\nsteps:\n  - clock: {resume: true}\n    worker: {kill: rest-1}\n", []string{"f.yaml:4:5: the step does clock already"}},
		"no action":                        {"name: a\nsteps:\n  - name: x\n", []string{"f.yaml:3:5: the step does nothing"}},
		"unknown variable":                 {"name: a\nsteps:\n  - rest: {method: GET, path: \"/${nobody}\"}\n", []string{"f.yaml:3:31: in the expression \"nobody\", character 1: undeclared reference to 'nobody'"}},
		"it is not known before the step":  {"name: a\nsteps:\n  - rest: {method: GET, path: \"/${it}\"}\n", []string{"undeclared reference to 'it'"}},
		"a variable of each is gone after": {"name: a\nsteps:\n  - each: {var: n, to: 1, steps: [{expect: {that: 'n == 1'}}]}\n  - expect: {that: n == 1}\n", []string{"f.yaml:4:20: in the expression \"n == 1\""}},
		"open expression":                  {"name: a\nvars: {b: \"${x\"}\nsteps: [{expect: {that: 'true'}}]\n", []string{"f.yaml:2:11: ${ without its closing }"}},
		"anchor":                           {"name: &a b\nsteps: [*a]\n", []string{"f.yaml:1:7: anchors, aliases", "f.yaml:2:9: anchors, aliases"}},
		"tag":                              {"name: !!binary b\nsteps: []\n", []string{"tags and directives"}},
		"two documents":                    {"name: a\nsteps: []\n---\nname: b\n", []string{"a second document"}},
		"duplicate member":                 {"name: a\nname: b\n", []string{"f.yaml:2:1: not valid YAML"}},
		"deep":                             {"name: " + strings.Repeat("[", 1000), []string{"nested deeper"}},
		"deep lists":                       {"name: a\nsteps:\n" + strings.Repeat("- ", 1000) + "a\n", []string{"nested deeper"}},
		"not an object where one is needed": {"name: a\nsteps:\n  - rest: 5\n  - 7\n", []string{
			"f.yaml:3:11: rest must be an object, not a number", "f.yaml:4:5: a step must be an object, not a number"}},
		"empty lists": {"name: a\nsteps:\n  - parallel: []\n  - notary: {vnode: x, requests: []}\n", []string{
			"f.yaml:3:15: steps is an empty list", "f.yaml:4:34: requests is an empty list"}},
		"no round": {"name: a\nsteps: [{each: {var: n, from: 5, to: 2, steps: [{expect: {that: 'true'}}]}}]\n", []string{
			"f.yaml:2:38: to is 2, and from is 5: there would be no round"}},
		"no texts": {"name: a\nsteps:\n  - clock: {advance: }\n  - sql: {database: [a], query: {}}\n", []string{
			"f.yaml:3:21: advance must be a text, not empty", "f.yaml:4:21: database must be a text, not a list", "f.yaml:4:33: query must be a text, not an object"}},
		"no times": {"name: a\nsteps:\n  - clock: {freeze: tomorrow}\n  - clock: {advance: 1 hour}\n  - clock: {set: \"${run}\"}\n", []string{
			`f.yaml:3:21: freeze is "tomorrow"; it must be a time such as 2030-06-01T12:00:00Z`,
			`f.yaml:4:22: advance is "1 hour"; it must be a duration such as 90s, 15m or -1h30m`}},
		"path without slash": {"name: a\nsteps: [{rest: {method: GET, path: cpi}}, {rest: {method: GET, path: \"${run}\"}}]\n", []string{
			`f.yaml:2:36: path is "cpi"; it must begin with /`}},
		"no such outcome": {"name: a\nsteps:\n  - rest: {method: GET, path: /x}\n    expect: {rows: []}\n  - expect: {status: 200, that: 'true'}\n", []string{
			`f.yaml:4:14: the outcome of rest has no "rows"; it has status, headers, body`,
			`f.yaml:5:14: a step "check" has no outcome, and so no "status"; it may expect only that`}},
		"no condition": {"name: a\nsteps: [{expect: {that: '1 + 1'}}]\n", []string{
			`f.yaml:2:25: the expression "1 + 1" is of type int; it must be true or false`}},
		"two brokers": {"name: a\nbrokers: 2\nsteps: [{expect: {that: 'true'}}]\n", []string{"f.yaml:2:10: brokers is 2; a sandbox has 1 or 3"}},
		"too many replicas": {"name: a\nreplicas: {database: 99, lb: 1}\nsteps: [{expect: {that: 'true'}}]\n", []string{
			"f.yaml:2:22: replicas of database is 99; it must be from 1 to 8", `replicas has no member "lb"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := lang.Parse("f.yaml", []byte(tc.text))
			var faults lang.Faults
			if !errors.As(err, &faults) {
				t.Fatalf("error = %v, want Faults", err)
			}
			if len(faults) != len(tc.want) {
				t.Fatalf("got %d faults, want %d:\n%v", len(faults), len(tc.want), err)
			}
			for i, line := range strings.Split(err.Error(), "\n") {
				if !strings.Contains(line, tc.want[i]) {
					t.Errorf("fault %d is %q, want %q", i, line, tc.want[i])
				}
			}
		})
	}
}

func TestExpressions(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]any{
		`${1 + 2}`:                        int64(3),
		`${tx("a")}`:                      lang.TxID("a"),
		`${state("a", 3)}`:                lang.TxID("a") + ":3",
		`n=${2 * 2}, ${"x".upperAscii()}`: "n=4, X",
		`$${not an expression}`:           "${not an expression}",
		`${states("a", 0, 2)}`:            []any{lang.TxID("a") + ":0", lang.TxID("a") + ":1"},
		`${{"a": [1.0, true, null]}}`:     map[string]any{"a": []any{1.0, true, nil}},
	} {
		s, err := lang.Parse("f.yaml", []byte("name: a\nvars: {v: '"+text+"'}\nsteps: [{expect: {that: 'true'}}]\n"))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, err := s.Vars[0].Value.Eval(lang.Scope{"run": "r"})
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v; %s", text, err, cmp.Diff(want, got))
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(valid))
	f.Add([]byte("name: a\nsteps: [{each: {var: n, to: 1, steps: []}}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := lang.Parse("f.yaml", text)
		if (s == nil) == (err == nil) {
			t.Errorf("Parse(%q) = %v, %v", text, s, err)
		}
	})
}
