package strictyaml

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Entry is one member of a mapping.
type Entry struct {
	Key   string
	Pos   Pos // of the key
	Value ast.Node
}

// Entries gives the members of a mapping; allowed are the names it may have (none: any).
func (r *Reader) Entries(n ast.Node, what string, allowed ...string) []Entry {
	var values []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{m}
	default:
		r.Fault(r.Pos(n), "%s must be an object, not %s", what, Kind(n))
		return nil
	}
	var out []Entry
	for _, v := range values {
		key := v.Key.GetToken().Value
		if len(allowed) > 0 && !slices.Contains(allowed, key) {
			r.Fault(r.Pos(v.Key), "%s has no member %q; it may have %s", what, key, strings.Join(allowed, ", "))
			continue
		}
		out = append(out, Entry{key, r.Pos(v.Key), v.Value})
	}
	return out
}

// Required notes the members that an object needs and does not have. What is no object has been refused by Entries.
func (r *Reader) Required(n ast.Node, what string, got []Entry, names ...string) {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
	default:
		return
	}
	for _, name := range names {
		if !slices.ContainsFunc(got, func(e Entry) bool { return e.Key == name }) {
			r.Fault(r.Pos(n), "%s needs %s", what, name)
		}
	}
}

// List gives the items of a list.
func (r *Reader) List(n ast.Node, what string) []ast.Node {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		r.Fault(r.Pos(n), "%s must be a list, not %s", what, Kind(n))
		return nil
	}
	return seq.Values
}

// Text is a plain text.
func (r *Reader) Text(n ast.Node, what string) string {
	switch s := n.(type) {
	case *ast.StringNode:
		return s.Value
	case *ast.LiteralNode:
		return s.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value
	}
	r.Fault(r.Pos(n), "%s must be a text, not %s", what, Kind(n))
	return ""
}

// Word is a text that does not look like anything else in YAML: a number or a truth has to be in quotes.
func (r *Reader) Word(n ast.Node, what string) string {
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		r.Fault(r.Pos(n), "%s must be a text, not %s; put it in quotes", what, Kind(n))
		return ""
	}
	return r.Text(n, what)
}

// OneOf is a text out of a list.
func (r *Reader) OneOf(n ast.Node, what string, allowed ...string) string {
	s := r.Text(n, what)
	if r.Clean(r.Pos(n)) && !slices.Contains(allowed, s) {
		r.Fault(r.Pos(n), "%s is %q; it must be one of %s", what, s, strings.Join(allowed, ", "))
	}
	return s
}

// Number is a whole number from least to most.
func (r *Reader) Number(n ast.Node, what string, least, most int) int {
	i, ok := n.(*ast.IntegerNode)
	if !ok {
		r.Fault(r.Pos(n), "%s must be a whole number, not %s", what, Kind(n))
		return least
	}
	text := i.GetToken().Value
	x, err := strconv.Atoi(text)
	switch {
	case !decimal.MatchString(text):
		r.Fault(r.Pos(n), "%s is %s; write it in decimal digits", what, text)
	case err != nil || x < least || x > most:
		r.Fault(r.Pos(n), "%s is %s; it must be from %d to %d", what, text, least, most)
	default:
		return x
	}
	return least
}

// decimal are numbers that everybody reads alike: YAML also takes 0x10 and 1_000, and 010 for eight.
var decimal = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`) //nolint:gochecknoglobals // a constant

// Bool is true or false.
func (r *Reader) Bool(n ast.Node, what string) bool {
	b, ok := n.(*ast.BoolNode)
	if !ok {
		r.Fault(r.Pos(n), "%s must be true or false, not %s", what, Kind(n))
		return false
	}
	return b.Value
}

// Kind is what people call a kind of node.
func Kind(n ast.Node) string {
	switch n.(type) {
	case *ast.NullNode:
		return "empty"
	case *ast.StringNode, *ast.LiteralNode:
		return "a text"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.BoolNode:
		return "true or false"
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "an object"
	default:
		return strings.ToLower(n.Type().String())
	}
}
