package lang

import (
	"github.com/goccy/go-yaml/ast"

	"github.com/cordage-sandbox/cordage/sandbox/strictyaml"
)

// Parse reads and checks a scenario. A file with faults gives [Faults] and no scenario.
func Parse(file string, text []byte) (*Scenario, error) {
	d := &decoder{Reader: strictyaml.Reader{File: file}, compiler: &compiler{known: map[string]bool{"run": true}}}
	root := d.Tree(text)
	if root == nil && d.OK() {
		d.Fault(Pos{File: file, Line: 1, Column: 1}, "the file is empty; a scenario has name and steps")
	}
	var s *Scenario
	if d.OK() {
		s = d.scenario(root)
	}
	if err := d.Err(); err != nil {
		return nil, err
	}
	return s, nil
}

// decoder turns the syntax tree into a scenario and collects faults.
type decoder struct {
	strictyaml.Reader

	compiler *compiler
}

// value is any value, whose strings may hold expressions.
func (d *decoder) value(n ast.Node) Value {
	v := Value{Pos: d.Pos(n)}
	switch n := n.(type) {
	case *ast.NullNode:
	case *ast.BoolNode:
		v.node = n.Value
	case *ast.IntegerNode:
		v.node = n.Value
	case *ast.FloatNode:
		v.node = n.Value
	case *ast.StringNode:
		v.node = d.template(v.Pos, n.Value)
	case *ast.LiteralNode:
		v.node = d.template(v.Pos, n.Value.Value)
	case *ast.SequenceNode:
		items := make([]Value, len(n.Values))
		for i, item := range n.Values {
			items[i] = d.value(item)
		}
		v.node = items
	case *ast.MappingNode, *ast.MappingValueNode:
		members := map[string]Value{}
		for _, e := range d.Entries(n, "the object") {
			members[e.Key] = d.value(e.Value)
		}
		v.node = members
	default:
		d.Fault(v.Pos, "%s is not a value that a scenario can hold", strictyaml.Kind(n))
	}
	return v
}

// text is a value that is to be a text: what can never be one is a fault.
func (d *decoder) text(n ast.Node, what string) Value {
	switch n.(type) {
	case *ast.NullNode, *ast.SequenceNode, *ast.MappingNode, *ast.MappingValueNode:
		d.Fault(d.Pos(n), "%s must be a text, not %s", what, strictyaml.Kind(n))
		return Value{Pos: d.Pos(n)}
	}
	return d.value(n)
}

// some gives the items of a list that must have some.
func (d *decoder) some(n ast.Node, what string) []ast.Node {
	items := d.List(n, what)
	if _, list := n.(*ast.SequenceNode); list && len(items) == 0 {
		d.Fault(d.Pos(n), "%s is an empty list", what)
	}
	return items
}

// template is s itself where it holds no expression.
func (d *decoder) template(pos Pos, s string) any {
	texts, exprs, err := splitTemplate(s)
	if err != nil {
		d.Fault(pos, "%v in %q", err, s)
		return s
	}
	if len(exprs) == 0 {
		return texts[0]
	}
	t := template{texts: texts}
	for _, text := range exprs {
		t.exprs = append(t.exprs, d.expr(pos, text))
	}
	return t
}

func (d *decoder) expr(pos Pos, text string) Expr {
	e, err := d.compiler.compile(pos, text, false)
	if err != nil {
		d.Fault(pos, "%v", err)
	}
	return e
}

// condition is an expression that must be true.
func (d *decoder) condition(n ast.Node) Expr {
	e, err := d.compiler.compile(d.Pos(n), d.Text(n, "an expression"), true)
	if err != nil {
		d.Fault(d.Pos(n), "%v", err)
	}
	return e
}
