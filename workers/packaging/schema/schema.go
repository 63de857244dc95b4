// Package schema checks JSON documents inside packages against JSON Schemas and lists every fault at once.
//
// For workers/packaging and its parts only.
package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// Schema is a compiled JSON Schema, draft 7. It may be used by several goroutines.
type Schema struct{ compiled *jsonschema.Schema }

// Compile reads the text of a schema that refers to nothing outside itself. The name is for messages.
func Compile(name string, text []byte) (*Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("read schema %s: %w", name, err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	c.UseLoader(jsonschema.SchemeURLLoader{}) // nothing is loaded from anywhere
	url := "mem:///" + name
	if err := c.AddResource(url, doc); err != nil {
		return nil, fmt.Errorf("read schema %s: %w", name, err)
	}
	compiled, err := c.Compile(url)
	if err != nil {
		return nil, fmt.Errorf("compile schema %s: %w", name, err)
	}
	return &Schema{compiled: compiled}, nil
}

// Errors are what is wrong with a document, each "place: what".
type Errors []string

func (f Errors) Error() string { return strings.Join(f, "; ") }

// Check parses a document and checks it. Errors are [Errors], in a stable order.
func (s *Schema) Check(document []byte) error {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return Errors{"not a JSON document: " + err.Error()}
	}
	err = s.compiled.Validate(doc)
	if err == nil {
		return nil
	}
	invalid, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return err
	}
	var out Errors
	collect(invalid, message.NewPrinter(language.English), &out)
	slices.Sort(out)
	return slices.Compact(out)
}

// collect gathers the leaves of the tree of faults: they say what is wrong; what is above them says by which rule.
func collect(e *jsonschema.ValidationError, p *message.Printer, out *Errors) {
	for _, cause := range e.Causes {
		collect(cause, p, out)
	}
	if len(e.Causes) > 0 {
		return
	}
	place := "/" + strings.Join(e.InstanceLocation, "/")
	*out = append(*out, place+": "+e.ErrorKind.LocalizedString(p))
}

// Keep gives the object raw with only the properties of exactly these names. encoding/json takes names in any letter
// case, so a document that is read into a struct without this could mean another thing to it than to the schema.
func Keep(raw json.RawMessage, names ...string) (map[string]json.RawMessage, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, err
	}
	out := make(map[string]json.RawMessage, len(names))
	for _, name := range names {
		if v, ok := all[name]; ok {
			out[name] = v
		}
	}
	return out, nil
}
