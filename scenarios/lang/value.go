package lang

import (
	"fmt"
	"strings"
)

// Value is a value of the scenario file in which strings may hold expressions, as ${…}.
type Value struct {
	Pos Pos
	// node is one of: nil, bool, int64, uint64, float64, string (no expression), template, []Value, map[string]Value.
	node any
}

// template is a string with expressions: texts and expressions take turns, beginning and ending with a text.
type template struct {
	texts []string
	exprs []Expr
}

// Eval computes the value: strings, numbers, booleans, nil, []any and map[string]any. A string that is nothing but
// one expression has that expression's type; elsewhere expressions are put in as text.
func (v Value) Eval(scope Scope) (any, error) {
	switch n := v.node.(type) {
	case template:
		return n.eval(scope)
	case []Value:
		out := make([]any, len(n))
		for i, item := range n {
			var err error
			if out[i], err = item.Eval(scope); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]Value:
		out := make(map[string]any, len(n))
		for key, item := range n {
			var err error
			if out[key], err = item.Eval(scope); err != nil {
				return nil, err
			}
		}
		return out, nil
	default:
		return n, nil
	}
}

// Text computes the value and gives it as text.
func (v Value) Text(scope Scope) (string, error) {
	x, err := v.Eval(scope)
	if err != nil {
		return "", err
	}
	switch x := x.(type) {
	case string:
		return x, nil
	case []any, map[string]any, nil:
		return "", fmt.Errorf("%s: a text is needed here, not %s", v.Pos, describe(x))
	default:
		return fmt.Sprint(x), nil
	}
}

func (t template) eval(scope Scope) (any, error) {
	if len(t.exprs) == 1 && t.texts[0] == "" && t.texts[1] == "" {
		return t.exprs[0].Eval(scope)
	}
	var b strings.Builder
	for i, text := range t.texts {
		b.WriteString(text)
		if i == len(t.exprs) {
			break
		}
		x, err := t.exprs[i].Eval(scope)
		if err != nil {
			return nil, err
		}
		switch x.(type) {
		case []any, map[string]any, nil:
			return nil, fmt.Errorf("%s: ${%s} is %s, which cannot stand inside a text", t.exprs[i].Pos, t.exprs[i].Text, describe(x))
		}
		fmt.Fprint(&b, x)
	}
	return b.String(), nil
}

func describe(x any) string {
	switch x.(type) {
	case nil:
		return "null"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	case string:
		return "a text"
	case bool:
		return "true or false"
	default:
		return "a number"
	}
}

// splitTemplate cuts s at its ${…}; braces inside an expression must be balanced, also inside its quoted texts.
// $${ stands for ${ itself.
func splitTemplate(s string) (texts, exprs []string, err error) {
	var text strings.Builder
	for {
		i := strings.Index(s, "${")
		if i < 0 {
			text.WriteString(s)
			return append(texts, text.String()), exprs, nil
		}
		if i > 0 && s[i-1] == '$' {
			text.WriteString(s[:i-1] + "${")
			s = s[i+2:]
			continue
		}
		text.WriteString(s[:i])
		s = s[i+2:]
		depth, end := 1, -1
		for j := range len(s) {
			switch s[j] {
			case '{':
				depth++
			case '}':
				depth--
			}
			if depth == 0 {
				end = j
				break
			}
		}
		if end < 0 {
			return nil, nil, fmt.Errorf("${ without its closing }")
		}
		texts, exprs = append(texts, text.String()), append(exprs, s[:end])
		text.Reset()
		s = s[end+1:]
	}
}
