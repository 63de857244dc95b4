package lang_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/cordage-sandbox/cordage/scenarios/lang"
)

// TestSchemaHasEveryMember that the parser takes, and no other: the parser tells its own when it refuses one.
func TestSchemaHasEveryMember(t *testing.T) {
	t.Parallel()
	var schema map[string]any
	if err := json.Unmarshal(lang.Schema, &schema); err != nil {
		t.Fatal(err)
	}
	step := "$defs/step/properties/"
	for where, text := range map[string]string{
		"":                            "zz: 1\n",
		"properties/replicas":         "replicas: {zz: 1}\n",
		"$defs/step":                  "steps: [{zz: 1}]\n",
		step + "rest":                 "steps: [{rest: {zz: 1}}]\n",
		step + "rest/properties/file": "steps: [{rest: {file: {zz: 1}}}]\n",
		step + "notary":               "steps: [{notary: {zz: 1}}]\n",
		step + "notary/properties/requests/items": "steps: [{notary: {requests: [{zz: 1}]}}]\n",
		step + "sql":                     "steps: [{sql: {zz: 1}}]\n",
		step + "worker":                  "steps: [{worker: {zz: 1}}]\n",
		step + "worker/properties/scale": "steps: [{worker: {scale: {zz: 1}}}]\n",
		step + "clock":                   "steps: [{clock: {zz: 1}}]\n",
		step + "package":                 "steps: [{package: {zz: 1}}]\n",
		step + "each":                    "steps: [{each: {zz: 1}}]\n",
	} {
		_, err := lang.Parse("f.yaml", []byte(text))
		found := regexp.MustCompile(`has no member "zz"; it may have (.*)`).FindStringSubmatch(err.Error())
		if found == nil {
			t.Errorf("%q is refused with %v", text, err)
			continue
		}
		parsed := strings.Split(found[1], ", ")
		slices.Sort(parsed)
		described := slices.Sorted(maps.Keys(members(schema, where)))
		if diff := cmp.Diff(parsed, described); diff != "" {
			t.Errorf("members of %q (-parser +schema):\n%s", where, diff)
		}
	}
}

// members are the properties of the part of a schema at a path.
func members(schema map[string]any, path string) map[string]any {
	at := schema
	for name := range strings.SplitSeq(path, "/") {
		if next, ok := at[name].(map[string]any); ok {
			at = next
		}
	}
	if ref, ok := at["$ref"].(string); ok {
		return members(schema, strings.TrimPrefix(ref, "#/"))
	}
	properties, _ := at["properties"].(map[string]any)
	return properties
}

// TestSchemaAgreesWithTheParser on files of which an editor can tell that they are right or wrong: not by expressions.
func TestSchemaAgreesWithTheParser(t *testing.T) {
	t.Parallel()
	schema := compileSchema(t)
	for text, right := range map[string]bool{
		valid: true,
		"name: a\nsteps: [{expect: {that: 'true'}}]":                                                               true,
		"name: a\nsteps: [{clock: {resume: true}}, {worker: {kill: rest-1}}, {package: {cpi: a}}]":                 true,
		"name: a\nsteps: [{rest: {method: GET, path: /a}, within: 30s, expect: {status: 200}}]":                    true,
		"name: a\nbrokers: 3\nreplicas: {rest: 2}\nsteps: [{sql: {database: config, query: select 1, args: [1]}}]": true,
		"steps: [{expect: {that: 'true'}}]":                                                                        false,
		"name: a":                                                                                                  false,
		"name: A\nsteps: [{expect: {that: 'true'}}]":                                                               false,
		"name: a\nsteps: []":                                                                                       false,
		"name: a\nbrokers: 2\nsteps: [{expect: {that: 'true'}}]":                                                   false,
		"name: a\ntimeout: soon\nsteps: [{expect: {that: 'true'}}]":                                                false,
		"name: a\nreplicas: {rest: 9}\nsteps: [{expect: {that: 'true'}}]":                                          false,
		"name: a\nsteps: [{rest: {method: GET}}]":                                                                  false,
		"name: a\nsteps: [{rest: {method: get, path: /a}}]":                                                        false,
		"name: a\nsteps: [{rest: {method: GET, path: [a]}}]":                                                       false,
		"name: a\nsteps: [{rest: {method: GET, path: /a}, within: 30s}]":                                           false,
		"name: a\nsteps: [{notary: {vnode: x, requests: []}}]":                                                     false,
		"name: a\nsteps: [{notary: {vnode: x, requests: [{numOutputStates: 1}]}}]":                                 false,
		"name: a\nsteps: [{sql: {database: config}}]":                                                              false,
		"name: a\nsteps: [{worker: {kill: a, restart: b}}]":                                                        false,
		"name: a\nsteps: [{worker: {scale: {lb: 2}}}]":                                                             false,
		"name: a\nsteps: [{clock: {}}]":                                                                            false,
		"name: a\nsteps: [{clock: {resume: false}}]":                                                               false,
		"name: a\nsteps: [{clock: {advance: }}]":                                                                   false,
		"name: a\nsteps: [{package: {cpi: a, content: other}}]":                                                    false,
		"name: a\nsteps: [{parallel: []}]":                                                                         false,
		"name: a\nsteps: [{each: {var: n, to: 2000, steps: [{expect: {that: 'true'}}]}}]":                          false,
	} {
		_, err := lang.Parse("f.yaml", []byte(text))
		if (err == nil) != right {
			t.Errorf("the parser finds %v in %q", err, text)
		}
		asJSON, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(doc); (err == nil) != right {
			t.Errorf("the schema finds %v in %q", err, text)
		}
	}
}

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(lang.Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}
