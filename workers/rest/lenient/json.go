package lenient

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
)

// maxDepth bounds how deeply arrays and objects may be nested.
const maxDepth = 200

type kind string

const (
	null    kind = "null"
	boolean kind = "a boolean"
	number  kind = "a number"
	text    kind = "a string"
	array   kind = "an array"
	object  kind = "an object"
)

// node is a JSON value as it stands in a body.
type node struct {
	kind    kind
	text    string   // of a string its content, of a number or boolean its literal
	raw     []byte   // of an array or object its source
	items   []node   // of an array
	members []member // of an object, in the order of the source
}

type member struct {
	name  string
	value node
}

// find gives the member of that name.
func (n node) find(name string) (node, bool) {
	for _, m := range n.members {
		if m.name == name {
			return m.value, true
		}
	}
	return node{}, false
}

// parse reads the first JSON value of a body; what follows it is ignored. ok is false for a blank body.
func parse(body []byte) (n node, ok bool, err *Error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	p := parser{d, body}
	token, tokenErr := d.Token()
	if errors.Is(tokenErr, io.EOF) {
		return node{}, false, nil
	}
	n, err = p.value(token, tokenErr, 0)
	return n, err == nil, err
}

type parser struct {
	tokens *json.Decoder
	source []byte
}

// value reads the value that begins with a token.
func (p parser) value(token json.Token, err error, depth int) (node, *Error) {
	if err != nil {
		return node{}, p.malformed(err)
	}
	switch t := token.(type) {
	case nil:
		return node{kind: null, text: "null"}, nil
	case bool:
		return node{kind: boolean, text: strconv.FormatBool(t)}, nil
	case json.Number:
		return node{kind: number, text: t.String()}, nil
	case string:
		return node{kind: text, text: t}, nil
	case json.Delim:
		if depth == maxDepth {
			return node{}, fault(TooDeep, "arrays and objects are nested more than %d deep", maxDepth)
		}
		start := p.tokens.InputOffset() - 1
		var n node
		var fail *Error
		if t == '{' {
			n, fail = p.object(depth)
		} else {
			n, fail = p.array(depth)
		}
		if fail != nil {
			return node{}, fail
		}
		if _, err := p.tokens.Token(); err != nil { // the closing delimiter
			return node{}, p.malformed(err)
		}
		n.raw = p.source[start:p.tokens.InputOffset()]
		return n, nil
	}
	return node{}, fault(MalformedJSON, "unexpected token %v", token)
}

func (p parser) object(depth int) (node, *Error) {
	n := node{kind: object}
	seen := map[string]bool{}
	for p.tokens.More() {
		token, err := p.tokens.Token()
		if err != nil {
			return node{}, p.malformed(err)
		}
		name, _ := token.(string) // the decoder lets nothing else stand here
		if seen[name] {
			return node{}, fault(DuplicateMember, "member %s is given twice", quote(name))
		}
		seen[name] = true
		token, err = p.tokens.Token()
		v, fail := p.value(token, err, depth+1)
		if fail != nil {
			return node{}, fail
		}
		n.members = append(n.members, member{name, v})
	}
	return n, nil
}

func (p parser) array(depth int) (node, *Error) {
	n := node{kind: array}
	for p.tokens.More() {
		token, err := p.tokens.Token()
		v, fail := p.value(token, err, depth+1)
		if fail != nil {
			return node{}, fail
		}
		n.items = append(n.items, v)
	}
	return n, nil
}

func (p parser) malformed(err error) *Error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fault(MalformedJSON, "the text ends at byte %d, before the JSON value does", len(p.source))
	}
	return fault(MalformedJSON, "at byte %d: %s", p.tokens.InputOffset(), err.Error())
}

// quote shows at most 60 characters of a text from the input.
func quote(s string) string {
	if r := []rune(s); len(r) > 60 {
		s = string(r[:60]) + "…"
	}
	return strconv.Quote(s)
}
