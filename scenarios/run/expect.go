package run

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cordage-sandbox/cordage/scenarios/lang"
)

// ExpectationError tells that a step did what it does, but its outcome is not as expected.
type ExpectationError struct {
	Pos     lang.Pos
	Message string
}

func (e *ExpectationError) Error() string { return e.Pos.String() + ": " + e.Message }

// check compares an outcome with what is expected of it.
func check(expect lang.Expect, outcome map[string]any, scope lang.Scope) error {
	for _, f := range expect.Fields {
		if err := compare(f, outcome, scope, difference); err != nil {
			return err
		}
	}
	for _, h := range expect.Has {
		if err := compare(h, outcome, scope, missing); err != nil {
			return err
		}
	}
	for _, e := range expect.That {
		x, err := e.Eval(scope)
		if err != nil {
			return &ExpectationError{e.Pos, fmt.Sprintf("%v\n  outcome: %s", err, shorten(outcome))}
		}
		if x != true {
			return &ExpectationError{e.Pos, fmt.Sprintf("%s is %v, not true\n  outcome: %s", e.Text, x, shorten(outcome))}
		}
	}
	return nil
}

func compare(a lang.Assignment, outcome map[string]any, scope lang.Scope, how func(path string, want, got any) string) error {
	want, err := a.Value.Eval(scope)
	if err != nil {
		return err
	}
	got, ok := outcome[a.Name]
	if !ok {
		return &ExpectationError{a.Pos, fmt.Sprintf("the outcome has no %q: %s", a.Name, shorten(outcome))}
	}
	if diff := how(a.Name, want, got); diff != "" {
		return &ExpectationError{a.Pos, fmt.Sprintf("%s\n  outcome: %s", diff, shorten(outcome))}
	}
	return nil
}

// difference tells the first place where got is not exactly want, or nothing.
func difference(path string, want, got any) string { return walk(path, want, got, true) }

// missing tells the first member of want that got lacks or has otherwise, or nothing.
func missing(path string, want, got any) string { return walk(path, want, got, false) }

func walk(path string, want, got any, exact bool) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return unequal(path, want, got)
		}
		for key, value := range w {
			x, ok := g[key]
			if !ok {
				return fmt.Sprintf("%s has no member %q", path, key)
			}
			if d := walk(path+"."+key, value, x, exact); d != "" {
				return d
			}
		}
		if exact {
			for key := range g {
				if _, ok := w[key]; !ok {
					return fmt.Sprintf("%s has a member %q that is not expected: %s", path, key, shorten(g[key]))
				}
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok {
			return unequal(path, want, got)
		}
		if len(g) != len(w) {
			return fmt.Sprintf("%s has %d entries, not %d", path, len(g), len(w))
		}
		for i := range w {
			if d := walk(fmt.Sprintf("%s[%d]", path, i), w[i], g[i], exact); d != "" {
				return d
			}
		}
		return ""
	default:
		if !equalScalar(want, got) {
			return unequal(path, want, got)
		}
		return ""
	}
}

// equalScalar compares numbers by value, whatever their Go type.
func equalScalar(a, b any) bool {
	x, okA := number(a)
	y, okB := number(b)
	if okA && okB {
		return x == y
	}
	switch b.(type) {
	case map[string]any, []any:
		return false
	}
	return a == b
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case uint64:
		return float64(v), true
	case int:
		return float64(v), true
	case int32:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

func unequal(path string, want, got any) string {
	return fmt.Sprintf("%s is %s, not %s", path, shorten(got), shorten(want))
}

// maxShown bounds a value in a message, in bytes.
const maxShown = 1500

func shorten(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		text = fmt.Append(nil, v)
	}
	if len(text) > maxShown {
		return strings.ToValidUTF8(string(text[:maxShown]), "") + "…"
	}
	return string(text)
}
