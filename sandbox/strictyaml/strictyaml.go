// Package strictyaml reads YAML files that people write, strictly: every fault is told with its place, members that are not
// known are refused, and nothing in a file can make its reader use much memory or time. What a file means is for others.
package strictyaml

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
)

// Limits of a file. It may come from anywhere.
const (
	MaxBytes = 1 << 20
	maxLine  = 8 << 10 // the parser's time grows with the square of a line's length
	maxDepth = 32
)

// Pos is a place in a file; lines and columns count from 1.
type Pos struct {
	File         string
	Line, Column int
}

func (p Pos) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// Fault is one thing wrong with a file.
type Fault struct {
	Pos  Pos
	Text string // what is wrong, and what was expected
}

// Faults are all things wrong with a file, in the order of the file. It is an error.
type Faults []Fault

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.Pos.String() + ": " + fault.Text
	}
	return strings.Join(lines, "\n")
}

// Reader reads one file and collects its faults.
type Reader struct {
	File   string // its name, for people
	faults Faults
}

// Fault notes a fault.
func (r *Reader) Fault(pos Pos, format string, args ...any) {
	r.faults = append(r.faults, Fault{pos, fmt.Sprintf(format, args...)})
}

// OK tells that there are no faults yet.
func (r *Reader) OK() bool { return len(r.faults) == 0 }

// Clean tells that there is no fault at a place yet.
func (r *Reader) Clean(pos Pos) bool {
	return !slices.ContainsFunc(r.faults, func(f Fault) bool { return f.Pos == pos })
}

// Err is the faults in the order of the file, or nil.
func (r *Reader) Err() error {
	if r.OK() {
		return nil
	}
	slices.SortStableFunc(r.faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
	})
	return r.faults
}

// Pos is where a node begins.
func (r *Reader) Pos(n ast.Node) Pos {
	// A mapping's own token is the colon of its first entry; it begins with its first key.
	switch m := n.(type) {
	case *ast.MappingNode:
		if len(m.Values) > 0 && !m.IsFlowStyle {
			return r.Pos(m.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return r.Pos(m.Key)
	}
	p := n.GetToken().Position
	return Pos{r.File, p.Line, p.Column}
}

// Tree parses the text, and refuses what could be used to exhaust memory. It is nil for a text that has no content, and for
// one with faults.
func (r *Reader) Tree(text []byte) ast.Node {
	start := Pos{r.File, 1, 1}
	if len(text) > MaxBytes {
		r.Fault(start, "the file has %d bytes; at most %d are allowed", len(text), MaxBytes)
		return nil
	}
	if r.tooLong(string(text)) || r.tooDeep(string(text)) {
		return nil
	}
	f, err := parser.Parse(lexer.Tokenize(string(text)), 0)
	if err != nil {
		pos, message := start, err.Error()
		if syntax, ok := errors.AsType[yaml.Error](err); ok {
			message = syntax.GetMessage()
			if token := syntax.GetToken(); token != nil {
				pos.Line, pos.Column = token.Position.Line, token.Position.Column
			}
		}
		r.Fault(pos, "not valid YAML: %s", message)
		return nil
	}
	switch {
	case len(f.Docs) > 1 && f.Docs[1].Body != nil:
		r.Fault(r.Pos(f.Docs[1].Body), "a second document; the file may hold one")
		return nil
	case len(f.Docs) == 0 || f.Docs[0].Body == nil:
		return nil
	}
	body := f.Docs[0].Body
	if ast.Walk(&guard{r: r}, body); !r.OK() {
		return nil
	}
	if _, comments := body.(*ast.CommentGroupNode); comments {
		return nil
	}
	return body
}

func (r *Reader) tooLong(text string) bool {
	number := 0
	for line := range strings.Lines(text) {
		if number++; len(line) > maxLine {
			r.Fault(Pos{r.File, number, 1}, "the line has %d bytes; at most %d are allowed", len(line), maxLine)
			return true
		}
	}
	return false
}

// tooDeep refuses text that could nest deeply, before it is parsed: the parser recurses. Each level of nesting takes an
// opening bracket, a dash, or two columns of indentation.
func (r *Reader) tooDeep(text string) bool {
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
			r.Fault(Pos{r.File, i + 1, 1}, "nested deeper than %d levels", maxDepth)
			return true
		}
	}
	return false
}

// guard refuses anchors, aliases, merges and tags, and nesting deeper than maxDepth.
type guard struct {
	r     *Reader
	depth int
}

func (g *guard) Visit(n ast.Node) ast.Visitor {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		g.r.Fault(g.r.Pos(n), "anchors, aliases and merges (&, *, <<) are not allowed; write the value out")
		return nil
	case *ast.TagNode, *ast.DirectiveNode:
		g.r.Fault(g.r.Pos(n), "tags and directives are not allowed")
		return nil
	}
	if g.depth > 3*maxDepth { // a mapping entry is up to three levels of the tree
		g.r.Fault(g.r.Pos(n), "nested deeper than %d levels", maxDepth)
		return nil
	}
	return &guard{g.r, g.depth + 1}
}
