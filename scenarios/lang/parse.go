package lang

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
)

// Limits of a scenario file. It may come from anywhere.
const (
	maxBytes = 1 << 20
	maxDepth = 32
)

// Parse reads and checks a scenario. A file with faults gives [Faults] and no scenario.
func Parse(file string, text []byte) (*Scenario, error) {
	d := &decoder{file: file, compiler: &compiler{known: map[string]bool{"run": true}}}
	root := d.tree(text)
	var s *Scenario
	if root != nil && len(d.faults) == 0 {
		s = d.scenario(root)
	}
	if len(d.faults) > 0 {
		slices.SortStableFunc(d.faults, func(a, b Fault) int {
			return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
		})
		return nil, d.faults
	}
	return s, nil
}

// decoder turns the syntax tree into a scenario and collects faults.
type decoder struct {
	file     string
	faults   Faults
	compiler *compiler
}

func (d *decoder) fault(pos Pos, format string, args ...any) {
	d.faults = append(d.faults, Fault{pos, fmt.Sprintf(format, args...)})
}

// pos is where a node begins.
func (d *decoder) pos(n ast.Node) Pos {
	// A mapping's own token is the colon of its first entry; it begins with its first key.
	switch m := n.(type) {
	case *ast.MappingNode:
		if len(m.Values) > 0 && !m.IsFlowStyle {
			return d.pos(m.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return d.pos(m.Key)
	}
	p := n.GetToken().Position
	return Pos{d.file, p.Line, p.Column}
}

// tree parses the text and refuses what could be used to exhaust memory.
func (d *decoder) tree(text []byte) ast.Node {
	if len(text) > maxBytes {
		d.fault(Pos{d.file, 1, 1}, "the file has %d bytes; at most %d are allowed", len(text), maxBytes)
		return nil
	}
	if d.tooDeep(string(text)) {
		return nil
	}
	f, err := parser.Parse(lexer.Tokenize(string(text)), 0)
	if err != nil {
		pos, message := Pos{d.file, 1, 1}, err.Error()
		var syntax yaml.Error
		if errors.As(err, &syntax) {
			message = syntax.GetMessage()
			if token := syntax.GetToken(); token != nil {
				pos.Line, pos.Column = token.Position.Line, token.Position.Column
			}
		}
		d.fault(pos, "not valid YAML: %s", message)
		return nil
	}
	switch {
	case len(f.Docs) > 1 && f.Docs[1].Body != nil:
		d.fault(d.pos(f.Docs[1].Body), "a second document; a scenario file holds one")
		return nil
	case len(f.Docs) == 0 || f.Docs[0].Body == nil:
		d.fault(Pos{d.file, 1, 1}, "the file is empty; a scenario has name and steps")
		return nil
	}
	w := &guard{d: d}
	ast.Walk(w, f.Docs[0].Body)
	return f.Docs[0].Body
}

// tooDeep refuses text that could nest deeply, before it is parsed: the parser recurses. Each level of nesting takes an
// opening bracket, a dash, or two columns of indentation.
func (d *decoder) tooDeep(text string) bool {
	brackets := 0
	for i, line := range strings.Split(text, "\n") {
		content := strings.TrimLeft(line, " ")
		dashes := 0
		for strings.HasPrefix(content, "- ") {
			content = strings.TrimLeft(content[2:], " ")
			dashes++
		}
		brackets += strings.Count(line, "[") + strings.Count(line, "{") - strings.Count(line, "]") - strings.Count(line, "}")
		if dashes > maxDepth || len(line)-len(content) > 8*maxDepth || brackets > 8*maxDepth {
			d.fault(Pos{d.file, i + 1, 1}, "nested deeper than %d levels", maxDepth)
			return true
		}
	}
	return false
}

// guard refuses anchors, aliases, merges and tags, and nesting deeper than maxDepth.
type guard struct {
	d     *decoder
	depth int
}

func (g *guard) Visit(n ast.Node) ast.Visitor {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		g.d.fault(g.d.pos(n), "anchors, aliases and merges (&, *, <<) are not allowed; write the value out")
		return nil
	case *ast.TagNode, *ast.DirectiveNode:
		g.d.fault(g.d.pos(n), "tags and directives are not allowed")
		return nil
	}
	if g.depth > 3*maxDepth { // a mapping entry is up to three levels of the tree
		g.d.fault(g.d.pos(n), "nested deeper than %d levels", maxDepth)
		return nil
	}
	return &guard{g.d, g.depth + 1}
}

// entry is one member of a mapping.
type entry struct {
	key   string
	pos   Pos // of the key
	value ast.Node
}

// entries gives the members of a mapping; allowed are the names it may have (nil: any).
func (d *decoder) entries(n ast.Node, what string, allowed ...string) []entry {
	var values []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{m}
	default:
		d.fault(d.pos(n), "%s must be an object, not %s", what, nodeKind(n))
		return nil
	}
	var out []entry
	for _, v := range values {
		key := v.Key.GetToken().Value
		if len(allowed) > 0 && !slices.Contains(allowed, key) {
			d.fault(d.pos(v.Key), "%s has no member %q; it may have %s", what, key, strings.Join(allowed, ", "))
			continue
		}
		out = append(out, entry{key, d.pos(v.Key), v.Value})
	}
	return out
}

func (d *decoder) list(n ast.Node, what string) []ast.Node {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.fault(d.pos(n), "%s must be a list, not %s", what, nodeKind(n))
		return nil
	}
	return seq.Values
}

// text is a plain text, without expressions.
func (d *decoder) text(n ast.Node, what string) string {
	switch s := n.(type) {
	case *ast.StringNode:
		return s.Value
	case *ast.LiteralNode:
		return s.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value
	}
	d.fault(d.pos(n), "%s must be a text, not %s", what, nodeKind(n))
	return ""
}

// oneOf is a text out of a list.
func (d *decoder) oneOf(n ast.Node, what string, allowed ...string) string {
	s := d.text(n, what)
	if s != "" && !slices.Contains(allowed, s) {
		d.fault(d.pos(n), "%s is %q; it must be one of %s", what, s, strings.Join(allowed, ", "))
	}
	return s
}

func (d *decoder) number(n ast.Node, what string, least, most int) int {
	i, ok := n.(*ast.IntegerNode)
	if !ok {
		d.fault(d.pos(n), "%s must be a whole number, not %s", what, nodeKind(n))
		return least
	}
	x, err := strconv.Atoi(i.GetToken().Value)
	if err != nil || x < least || x > most {
		d.fault(d.pos(n), "%s is %s; it must be from %d to %d", what, i.GetToken().Value, least, most)
		return least
	}
	return x
}

func (d *decoder) boolean(n ast.Node, what string) bool {
	b, ok := n.(*ast.BoolNode)
	if !ok {
		d.fault(d.pos(n), "%s must be true or false, not %s", what, nodeKind(n))
		return false
	}
	return b.Value
}

// value is any value, whose strings may hold expressions.
func (d *decoder) value(n ast.Node) Value {
	v := Value{Pos: d.pos(n)}
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
		for _, e := range d.entries(n, "the object") {
			members[e.key] = d.value(e.value)
		}
		v.node = members
	default:
		d.fault(v.Pos, "%s is not a value that a scenario can hold", nodeKind(n))
	}
	return v
}

// template is s itself where it holds no expression.
func (d *decoder) template(pos Pos, s string) any {
	texts, exprs, err := splitTemplate(s)
	if err != nil {
		d.fault(pos, "%v in %q", err, s)
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
	e, err := d.compiler.compile(pos, text)
	if err != nil {
		d.fault(pos, "%v", err)
	}
	return e
}

func nodeKind(n ast.Node) string {
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
