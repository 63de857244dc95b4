package client

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/cordage-sandbox/cordage/workers/record"
)

// members of a request.
var members = []string{ //nolint:gochecknoglobals // a table of constants
	"txId", "inputStates", "referenceStates", "numOutputStates", "timeWindowLowerBound", "timeWindowUpperBound",
	"originatorX500Name",
}

// request reads one object.
func (p *parser) request(where string) (record.UniquenessCheckRequest, error) {
	r := record.UniquenessCheckRequest{Inputs: []string{}, References: []string{}, Originator: p.d.Originator}
	if p.d.Upper != nil {
		r.UpperBound = *p.d.Upper
	}
	start := p.next()
	opened, err := p.open('{', where, "an object")
	if err != nil || !opened {
		return r, err
	}
	seen := map[string]bool{}
	for p.dec.More() {
		at := p.next()
		token, err := p.dec.Token()
		if err != nil {
			return r, p.broken(err)
		}
		name := token.(string) // the decoder lets nothing else pass
		if seen[name] {
			p.fault(at, "%s: %q is there twice", where, name)
		}
		seen[name] = true
		if err := p.member(&r, name, at, where); err != nil {
			return r, err
		}
	}
	if _, err := p.dec.Token(); err != nil {
		return r, p.broken(err)
	}
	if !seen["txId"] {
		p.fault(start, `%s: "txId" is missing`, where)
	}
	if !seen["timeWindowUpperBound"] && p.d.Upper == nil {
		p.fault(start, `%s: "timeWindowUpperBound" is missing`, where)
	}
	return r, nil
}

// member reads the value of one member.
func (p *parser) member(r *record.UniquenessCheckRequest, name string, nameAt int64, where string) error {
	at := p.next()
	var raw json.RawMessage
	if err := p.dec.Decode(&raw); err != nil {
		return p.broken(err)
	}
	const (
		refs    = "an array of strings ALGO:HEX:INDEX"
		instant = "a time such as 2030-01-01T00:00:00Z (RFC 3339)"
	)
	null := kindOf(raw) == "null"
	ok, wish := true, ""
	switch name {
	case "txId":
		ok, wish = !null && json.Unmarshal(raw, &r.TxID) == nil, "a string ALGO:HEX"
	case "originatorX500Name":
		ok, wish = json.Unmarshal(raw, &r.Originator) == nil, "a string" // null leaves the default
	case "inputStates":
		ok, wish = texts(raw, &r.Inputs), refs
	case "referenceStates":
		ok, wish = texts(raw, &r.References), refs
	case "numOutputStates":
		n, err := strconv.Atoi(string(raw))
		r.Outputs, ok, wish = n, err == nil, "a whole number"
	case "timeWindowLowerBound":
		ok, wish = json.Unmarshal(raw, &r.LowerBound) == nil, instant
	case "timeWindowUpperBound":
		ok, wish = !null && json.Unmarshal(raw, &r.UpperBound) == nil, instant
	default:
		p.fault(nameAt, "%s: a request has no %q; it has %s", where, name, strings.Join(members, ", "))
	}
	if !ok {
		p.fault(at, "%s: %s must be %s, not %s", where, name, wish, short(raw))
	}
	return nil
}

// texts decodes an array of strings, none of them null.
func texts(raw json.RawMessage, into *[]string) bool {
	var items []*string
	if kindOf(raw) == "null" || json.Unmarshal(raw, &items) != nil {
		return false
	}
	*into = make([]string, len(items))
	for i, item := range items {
		if item == nil {
			return false
		}
		(*into)[i] = *item
	}
	return true
}

func short(raw json.RawMessage) string {
	const limit = 60
	if len(raw) > limit {
		return fmt.Sprintf("%s…", raw[:limit])
	}
	return string(raw)
}
