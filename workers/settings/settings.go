// Package settings is the configuration of a cluster: its sections, the JSON schema of each, defaults, and the values that
// workers read. A section's schema is the file schemas/NAME.json; a person changes a section with PUT /api/v1/config, a
// worker reads it, with its defaults, from the bus. The package reads neither database nor bus.
//
// Source of sections, keys, defaults and ranges: Corda 5.0, schema version 1.0. Sections named cordage.… are Cordage's own.
package settings

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/cordage-sandbox/cordage/workers/keys"
)

// Names of the sections that Cordage's workers read.
const (
	SectionCrypto         = "corda.crypto"
	SectionMessaging      = "corda.messaging"
	SectionPackaging      = "cordage.packaging"
	SectionReconciliation = "corda.reconciliation"
	SectionREST           = "corda.rest"
)

// ErrUnknownSection is wrapped by errors about a section that does not exist.
var ErrUnknownSection = errors.New("there is no such configuration section")

// Fault is one thing wrong with a section.
type Fault struct {
	Path string // JSON pointer; empty for the section itself
	Why  string
}

func (f Fault) String() string {
	if f.Path == "" {
		return f.Why
	}
	return f.Path + ": " + f.Why
}

// InvalidError lists all that is wrong with a section.
type InvalidError struct {
	Section string
	Faults  []Fault // sorted by path
}

func (e *InvalidError) Error() string {
	var all []string
	for _, f := range e.Faults {
		all = append(all, f.String())
	}
	return "configuration section " + e.Section + ": " + strings.Join(all, "; ")
}

//go:embed schemas
var schemaFiles embed.FS

// section is the schema of one section, to check with and to take defaults from.
type section struct {
	checker *jsonschema.Schema
	schema  map[string]any
}

// known reads the embedded schemas once.
var known = sync.OnceValues(func() (map[string]section, error) { //nolint:gochecknoglobals // a constant that is computed
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft7)
	compiler.UseLoader(nothing{})
	names, err := fs.Glob(schemaFiles, "schemas/*.json")
	if err != nil {
		return nil, err
	}
	all := map[string]section{}
	for _, path := range names {
		text, err := schemaFiles.ReadFile(path)
		if err != nil {
			return nil, err
		}
		schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if err := compiler.AddResource(path, schema); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		checker, err := compiler.Compile(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		object, ok := schema.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s: it is no JSON object", path)
		}
		name := strings.TrimSuffix(strings.TrimPrefix(path, "schemas/"), ".json")
		all[name] = section{checker, object}
	}
	return all, nil
})

// nothing loads nothing: schemas refer to no files and no addresses.
type nothing struct{}

func (nothing) Load(url string) (any, error) { return nil, fmt.Errorf("%s is not embedded", url) }

func find(name string) (section, error) {
	all, err := known()
	if err != nil {
		return section{}, fmt.Errorf("read the embedded configuration schemas: %w", err)
	}
	s, ok := all[name]
	if !ok {
		return section{}, fmt.Errorf("%w: %.100q", ErrUnknownSection, name)
	}
	return s, nil
}

// Sections lists the names of all sections, sorted. Not all of them are in the database from the start.
func Sections() []string {
	all, err := known()
	if err != nil {
		return nil
	}
	var names []string
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Schema gives the JSON schema (draft 7) of a section.
func Schema(name string) (json.RawMessage, error) {
	text, err := schemaFiles.ReadFile("schemas/" + name + ".json")
	if err != nil {
		return nil, fmt.Errorf("%w: %.100q", ErrUnknownSection, name)
	}
	return text, nil
}

const (
	maxText  = 1 << 20 // bytes of a section
	maxDepth = 50      // of nested values
)

// parse reads a section's text: a JSON object; blank text is an empty one.
func parse(name, text string) (map[string]any, error) {
	invalid := func(why string) error { return &InvalidError{name, []Fault{{"", why}}} }
	if strings.TrimSpace(text) == "" {
		return map[string]any{}, nil
	}
	if len(text) > maxText {
		return nil, invalid(fmt.Sprintf("it is %d bytes long, at most %d allowed", len(text), maxText))
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber() // numbers stay as they were written
	var value any
	if err := d.Decode(&value); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, invalid(fmt.Sprintf("it is not JSON: %v, at byte %d", syntax, syntax.Offset))
		}
		return nil, invalid("it is not JSON: it ends too early")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, invalid(fmt.Sprintf("something follows the JSON object, at byte %d", d.InputOffset()))
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, invalid("it is not a JSON object")
	}
	if depth(object) > maxDepth {
		return nil, invalid(fmt.Sprintf("it is nested deeper than %d values", maxDepth))
	}
	return object, nil
}

func depth(value any) int {
	deepest := 0
	switch v := value.(type) {
	case map[string]any:
		for _, inner := range v {
			deepest = max(deepest, depth(inner))
		}
	case []any:
		for _, inner := range v {
			deepest = max(deepest, depth(inner))
		}
	}
	return deepest + 1
}

// Validate checks a section's text, defaults not applied. Secrets count as strings.
//
// The error wraps [ErrUnknownSection], or is an *[InvalidError] with every fault.
func Validate(name, text string) error {
	s, err := find(name)
	if err != nil {
		return err
	}
	object, err := parse(name, text)
	if err != nil {
		return err
	}
	faults := valueFaults("", object)
	masked := mask(object)
	if err := s.checker.Validate(masked); err != nil {
		faults = append(faults, schemaFaults(err)...)
	} else if name == SectionCrypto {
		faults = append(faults, cryptoFaults(object)...)
	}
	if len(faults) == 0 {
		return nil
	}
	slices.SortFunc(faults, func(a, b Fault) int { return strings.Compare(a.Path+"\x00"+a.Why, b.Path+"\x00"+b.Why) })
	return &InvalidError{name, slices.Compact(faults)}
}

// schemaFaults are the innermost faults that the schema found.
func schemaFaults(err error) []Fault {
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return []Fault{{"", err.Error()}}
	}
	return leaves(invalid)
}

// leaves leaves out what only says that something inside is wrong.
func leaves(e *jsonschema.ValidationError) []Fault {
	if len(e.Causes) == 0 {
		unit := e.BasicOutput()
		return []Fault{{unit.InstanceLocation, unit.Error.String()}}
	}
	var faults []Fault
	for _, cause := range e.Causes {
		faults = append(faults, leaves(cause)...)
	}
	return faults
}

// isSecret tells whether a value stands for an encrypted string.
func isSecret(value any) (map[string]any, bool) {
	object, ok := value.(map[string]any)
	if !ok {
		return nil, false
	}
	inner, ok := object["configSecret"]
	if !ok {
		return nil, false
	}
	secret, _ := inner.(map[string]any)
	return secret, true
}

// mask copies a value with a text in place of each secret. Source: Corda 5.0.
func mask(value any) any {
	if _, ok := isSecret(value); ok {
		return keys.Mask
	}
	switch v := value.(type) {
	case map[string]any:
		copied := make(map[string]any, len(v))
		for key, inner := range v {
			copied[key] = mask(inner)
		}
		return copied
	case []any:
		copied := make([]any, len(v))
		for i, inner := range v {
			copied[i] = mask(inner)
		}
		return copied
	}
	return value
}

// valueFaults finds secrets of a wrong shape, and numbers that cannot be held. Whether a secret can be decrypted only a
// worker with the secrets key can tell.
func valueFaults(path string, value any) []Fault {
	if secret, ok := isSecret(value); ok {
		if text, ok := secret["encryptedSecret"].(string); !ok || strings.TrimSpace(text) == "" || len(value.(map[string]any)) > 1 { //nolint:forcetypeassert // isSecret
			return []Fault{{path, "a secret must be an object with nothing but configSecret, which has the text encryptedSecret"}}
		}
		return nil
	}
	var faults []Fault
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			faults = append(faults, valueFaults(path+"/"+pointerToken(key), inner)...)
		}
	case []any:
		for i, inner := range v {
			faults = append(faults, valueFaults(fmt.Sprintf("%s/%d", path, i), inner)...)
		}
	case json.Number:
		if _, err := v.Int64(); err != nil {
			if f, err := v.Float64(); err != nil || math.Abs(f) > maxExact {
				return []Fault{{path, fmt.Sprintf("the number %.30s is too large", v)}}
			}
		}
	}
	return faults
}

func pointerToken(key string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
}

// cryptoFaults checks what a schema cannot say: aliases are different, and the default one is among them.
func cryptoFaults(object map[string]any) []Fault {
	hsm, _ := object["hsm"].(map[string]any)
	list, _ := hsm["wrappingKeys"].([]any)
	var faults []Fault
	aliases := map[any]bool{}
	for i, item := range list {
		key, _ := item.(map[string]any)
		if alias := key["alias"]; aliases[alias] {
			faults = append(faults, Fault{fmt.Sprintf("/hsm/wrappingKeys/%d/alias", i), fmt.Sprintf("alias %q is there twice", alias)})
		} else {
			aliases[alias] = true
		}
	}
	if alias := hsm["defaultWrappingKey"]; !aliases[alias] {
		faults = append(faults, Fault{"/hsm/defaultWrappingKey", fmt.Sprintf("%q is not the alias of one of wrappingKeys", alias)})
	}
	return faults
}
