package run

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/cordage-sandbox/cordage/scenarios/lang"
)

// ExpectationError tells that a step did what it does, but its outcome is not as expected.
type ExpectationError struct {
	Pos       lang.Pos
	Message   string
	Want, Got string // what was expected of the outcome, and the outcome
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
			return expectation(e.Pos, e.Text, outcome, "%v", err)
		}
		if x != true {
			return expectation(e.Pos, e.Text, outcome, "%s is %v, not true", e.Text, x)
		}
	}
	return nil
}

func expectation(pos lang.Pos, want string, outcome map[string]any, format string, args ...any) *ExpectationError {
	message := fmt.Sprintf(format, args...) + "\n  outcome: " + shorten(outcome)
	return &ExpectationError{Pos: pos, Message: message, Want: want, Got: pretty(outcome)}
}

func compare(a lang.Assignment, outcome map[string]any, scope lang.Scope, how func(path string, want, got any) string) error {
	want, err := a.Value.Eval(scope)
	if err != nil {
		return err
	}
	got, ok := outcome[a.Name]
	if !ok {
		return expectation(a.Pos, a.Name+": "+pretty(want), outcome, "the outcome has no %q", a.Name)
	}
	if diff := how(a.Name, want, got); diff != "" {
		e := expectation(a.Pos, a.Name+": "+pretty(want), outcome, "%s", diff)
		e.Got = a.Name + ": " + pretty(got)
		return e
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
	return clip(string(text))
}

func clip(text string) string {
	if len(text) > maxShown {
		return strings.ToValidUTF8(text[:maxShown], "") + "…"
	}
	return text
}

// pretty is a value as JSON over several lines.
func pretty(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return clip(fmt.Sprint(v))
	}
	return clip(strings.TrimSpace(b.String()))
}

// String shows a request to people, without its password.
func (r Request) String() string {
	var b strings.Builder
	b.WriteString(r.Method + " " + r.Path)
	for i, name := range slices.Sorted(maps.Keys(r.Query)) {
		b.WriteString(map[bool]string{true: "?", false: "&"}[i == 0] + url.QueryEscape(name) + "=" + url.QueryEscape(r.Query[name]))
	}
	if r.User != "" {
		b.WriteString("\nas " + r.User)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Form)) {
		b.WriteString("\nform " + name + ": " + clip(r.Form[name]))
	}
	switch {
	case r.File != "":
		b.WriteString("\nform " + r.Field + ": file " + r.File)
	case r.HasRaw:
		b.WriteString("\n" + clip(r.Raw))
	case r.HasJSON:
		b.WriteString("\n" + pretty(r.JSON))
	}
	return b.String()
}
