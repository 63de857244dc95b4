package builtin_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/cordage-sandbox/cordage/scenarios/builtin"
	"github.com/cordage-sandbox/cordage/scenarios/lang"
)

// What ships parses, and the schema that editors use agrees.
func TestBuiltin(t *testing.T) {
	t.Parallel()
	schemaDoc, err := jsonschema.UnmarshalJSON(bytes.NewReader(lang.Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", schemaDoc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(builtin.Names()) < 3 {
		t.Fatalf("only %v ship", builtin.Names())
	}
	for _, name := range builtin.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, text, err := builtin.Read(name)
			if err != nil {
				t.Fatal(err)
			}
			s, err := lang.Parse(file, text)
			if err != nil {
				t.Fatal(err)
			}
			if s.Name != name || s.Description == "" {
				t.Errorf("%s: named %q, described as %q", file, s.Name, s.Description)
			}
			asJSON, err := yaml.YAMLToJSON(text)
			if err != nil {
				t.Fatal(err)
			}
			var doc any
			if err := json.Unmarshal(asJSON, &doc); err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(doc); err != nil {
				t.Error(err)
			}
		})
	}
}
