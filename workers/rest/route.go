package rest

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

//go:generate go tool -modfile=../../tools/go.mod oapi-codegen -config codegen.yaml openapi.yaml

// contract is the document that routes, parameters and bodies are read from.
//
//go:embed openapi.yaml
var contract []byte

// base is the path before all operations.
const base = "/api/v1"

// operation is one operation of the contract and what carries it out.
type operation struct {
	id       string
	method   string
	template string   // with base: /api/v1/cpi/status/{id}
	segments []string // of template, after the first slash
	open     bool     // needs no logon
	form     bool     // its body is multipart/form-data
	wrapper  string   // name of the body parameter; empty: no JSON body
	body     *openapi3.Schema
	handle   handler
}

// handler carries out an operation.
type handler func(ctx context.Context, r *request) (answer, error)

// loadContract reads the document. It has been checked by tests, so an error is a mistake in this program.
func loadContract() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData(contract)
	if err != nil {
		return nil, fmt.Errorf("read the REST contract: %w", err)
	}
	return doc, nil
}

// operations joins the contract's operations with their handlers, by operation id. Both sides must be complete.
func operations(doc *openapi3.T, handlers map[string]handler) ([]operation, error) {
	var all []operation
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			handle, ok := handlers[op.OperationID]
			if !ok {
				return nil, fmt.Errorf("operation %s of the REST contract has no handler", op.OperationID)
			}
			o := operation{
				id: op.OperationID, method: method, template: base + path, segments: split(base + path),
				open: op.Security != nil && len(*op.Security) == 0, handle: handle,
			}
			o.wrapper, _ = op.Extensions["x-body-parameter"].(string)
			if op.RequestBody != nil {
				content := op.RequestBody.Value.Content
				o.form = content.Get("multipart/form-data") != nil
				if media := content.Get("application/json"); media != nil {
					o.body = media.Schema.Value
				}
			}
			all = append(all, o)
		}
	}
	if len(all) != len(handlers) {
		return nil, fmt.Errorf("the REST contract has %d operations, and %d have handlers", len(all), len(handlers))
	}
	// Fixed segments win over parameters: config/getprotocolversion over config/{section}.
	slices.SortFunc(all, func(a, b operation) int { return strings.Compare(order(a.template), order(b.template)) })
	return all, nil
}

// order sorts parameters behind all fixed segments.
func order(template string) string { return strings.ReplaceAll(template, "{", "\xff") }

func split(path string) []string { return strings.Split(strings.TrimPrefix(path, "/"), "/") }

func isParameter(segment string) bool { return strings.HasPrefix(segment, "{") }

// match is a request's operation, with the values of its path as they were sent.
type match struct {
	operation *operation
	values    map[string]string
	redirect  string // not empty: the path in lower case, where the client must go instead
}

// find looks for the operation of a method and a path as it was sent. One slash at the end is allowed. A path whose fixed
// segments are spelled with capitals is redirected, whatever the method. There is no "method not allowed": what has no
// operation is not found.
func (s *service) find(method, path string) (match, bool) {
	sent := split(strings.TrimSuffix(path, "/"))
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for _, same := range []func(a, b string) bool{func(a, b string) bool { return a == b }, strings.EqualFold} {
		for i := range s.operations {
			o := &s.operations[i]
			if o.method == method && fits(o.segments, sent, same) {
				return found(o, sent), true
			}
		}
	}
	return match{}, false
}

func fits(template, sent []string, same func(a, b string) bool) bool {
	if len(template) != len(sent) {
		return false
	}
	for i, segment := range template {
		if isParameter(segment) {
			if sent[i] == "" {
				return false
			}
			continue
		}
		if !same(segment, sent[i]) {
			return false
		}
	}
	return true
}

func found(o *operation, sent []string) match {
	m := match{operation: o, values: map[string]string{}}
	lower := slices.Clone(sent)
	for i, segment := range o.segments {
		if isParameter(segment) {
			m.values[strings.Trim(segment, "{}")] = sent[i]
			continue
		}
		lower[i] = segment
	}
	if !slices.Equal(lower, sent) {
		m.redirect = "/" + strings.Join(lower, "/")
	}
	return m
}
