package rest

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
)

// cordaContract is the document of Corda 5.0, which is not part of this repository.
const cordaContract = "../../../shared/reference/corda-5.0-rest-openapi.json"

func TestContractIsValid(t *testing.T) {
	t.Parallel()
	doc, err := loadContract()
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestContractIsCordas compares every operation, parameter and schema with Corda's document. What differs on purpose is in
// likeCorda, and in docs/rest.md.
func TestContractIsCordas(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.FromSlash(cordaContract))
	if err != nil {
		t.Skipf("Corda's contract is not here: %v", err)
	}
	var corda map[string]any
	if err := json.Unmarshal(raw, &corda); err != nil {
		t.Fatal(err)
	}
	doc, err := loadContract()
	if err != nil {
		t.Fatal(err)
	}
	ours := toMap(t, doc)
	if diff := cmp.Diff(corda["servers"], ours["servers"]); diff != "" {
		t.Errorf("servers: -corda +ours\n%s", diff)
	}
	cordaSchemas := resolve(corda, map[string]any{"$ref": "#/components/schemas"})
	for name := range doc.Components.Schemas {
		if cordaSchemas[name] == nil && name != "Failure" { // Corda's document has none for errors
			t.Errorf("schema %s is not one of Corda's: clients would get a type of another name", name)
		}
	}
	cordaPaths, _ := corda["paths"].(map[string]any)
	for path, item := range ours["paths"].(map[string]any) {
		theirs, _ := cordaPaths[path].(map[string]any)
		for method, op := range item.(map[string]any) {
			if theirs[method] == nil {
				t.Errorf("%s %s is not an operation of Corda", method, path)
				continue
			}
			want := comparable(corda, theirs[method].(map[string]any))
			got := comparable(ours, op.(map[string]any))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %s: -corda +ours\n%s", method, path, diff)
			}
		}
	}
}

func toMap(t *testing.T, doc *openapi3.T) map[string]any {
	t.Helper()
	encoded, err := doc.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(encoded, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// comparable is what clients see of an operation: its id, tag, parameters, bodies, and the answer when all is well, whose
// status Corda's document gives as 200 throughout.
func comparable(doc, op map[string]any) map[string]any {
	out := map[string]any{"operationId": op["operationId"], "tags": op["tags"]}
	parameters := map[string]any{}
	list, _ := op["parameters"].([]any)
	for _, p := range list {
		p := resolve(doc, p)
		parameters[p["name"].(string)] = []any{p["in"], p["required"], likeCorda(doc, p["schema"])}
	}
	out["parameters"] = parameters
	if body := op["requestBody"]; body != nil {
		out["body"] = content(doc, resolve(doc, body))
	}
	responses, _ := op["responses"].(map[string]any)
	for status, r := range responses {
		if strings.HasPrefix(status, "2") {
			out["answer"] = content(doc, resolve(doc, r))
		}
	}
	return out
}

func content(doc, holder map[string]any) map[string]any {
	out := map[string]any{}
	types, _ := holder["content"].(map[string]any)
	for kind, media := range types {
		out[kind] = likeCorda(doc, media.(map[string]any)["schema"])
	}
	return out
}

func resolve(doc map[string]any, v any) map[string]any {
	m, _ := v.(map[string]any)
	ref, isRef := m["$ref"].(string)
	if !isRef {
		return m
	}
	var at any = doc
	for _, name := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		at = at.(map[string]any)[name]
	}
	return at.(map[string]any)
}

// likeCorda writes a schema out, without texts, and puts back what Corda's document says of some things: enumerated texts
// and hashes are objects there, instants have the format datetime, arrays of anything have no items.
func likeCorda(doc map[string]any, schema any) any {
	s := maps.Clone(resolve(doc, schema))
	for _, text := range []string{"description", "example"} {
		delete(s, text)
	}
	maps.DeleteFunc(s, func(key string, v any) bool {
		return strings.HasPrefix(key, "x-") || v == false && (key == "nullable" || key == "uniqueItems")
	})
	if s["enum"] != nil {
		s["type"] = "object"
	}
	if s["format"] == "date-time" {
		s["format"] = "datetime"
	}
	if ref, _ := schema.(map[string]any)["$ref"].(string); strings.HasSuffix(ref, "/SecureHash") {
		s = map[string]any{"type": "object"}
	} else if strings.HasSuffix(ref, "/RouteConfiguration") {
		delete(s, "nullable")
	}
	if items := s["items"]; items != nil && len(items.(map[string]any)) > 0 {
		s["items"] = likeCorda(doc, items)
	} else {
		delete(s, "items")
	}
	if list, ok := s["anyOf"].([]any); ok {
		kinds := []any{}
		for _, one := range list {
			kinds = append(kinds, likeCorda(doc, one))
		}
		s["anyOf"] = kinds
	}
	if properties, _ := s["properties"].(map[string]any); len(properties) > 0 {
		out := map[string]any{}
		for name, p := range properties {
			out[name] = likeCorda(doc, p)
		}
		s["properties"] = out
	} else {
		delete(s, "properties")
	}
	if required, ok := s["required"].([]any); ok {
		names := slices.Clone(required)
		slices.SortFunc(names, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
		s["required"] = names
	}
	return s
}

// TestGeneratedTypesAreCurrent makes api.gen.go anew and compares.
func TestGeneratedTypesAreCurrent(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "api.gen.go")
	config, err := os.ReadFile("codegen.yaml")
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "codegen.yaml")
	text := strings.Replace(string(config), "\noutput: api.gen.go\n", "\noutput: "+out+"\n", 1)
	if err := os.WriteFile(elsewhere, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "tool", "-modfile=../../tools/go.mod", "oapi-codegen", "-config", elsewhere, "openapi.yaml")
	if text, err := cmd.CombinedOutput(); err != nil {
		if strings.Contains(string(text), "dial tcp") || strings.Contains(string(text), "module lookup disabled") {
			t.Skipf("the generator is not here and cannot be fetched: %s", text)
		}
		t.Fatalf("%v: %v\n%s", cmd, err, text)
	}
	want, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("api.gen.go")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("api.gen.go is not what openapi.yaml makes; run: go generate ./workers/rest\n-new +committed\n%s", diff)
	}
}

var update = flag.Bool("update", false, "write docs/rest.md's table of operations")

// TestOperationsAreDocumented compares the table in docs/rest.md with the contract.
func TestOperationsAreDocumented(t *testing.T) {
	t.Parallel()
	doc, err := loadContract()
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if strings.HasSuffix(path, "/getprotocolversion") {
				continue
			}
			rows = append(rows, fmt.Sprintf("| `%s %s` | %s | %s |", method, path, success(op), firstSentence(op.Description)))
		}
	}
	slices.SortFunc(rows, func(a, b string) int {
		_, a, _ = strings.Cut(a, " /")
		_, b, _ = strings.Cut(b, " /")
		return strings.Compare(a, b)
	})
	want := "\n| operation | status | what it does |\n| --- | --- | --- |\n" + strings.Join(rows, "\n") + "\n"
	file := filepath.Join("..", "..", "docs", "rest.md")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(text), "-update -->")
	got, after, found := strings.Cut(rest, "<!-- end -->")
	if !found {
		t.Fatal("docs/rest.md has no table of operations")
	}
	if got == want {
		return
	}
	if !*update {
		t.Errorf("docs/rest.md: -contract +document\n%s", cmp.Diff(want, got))
		return
	}
	if err := os.WriteFile(file, []byte(before+"-update -->"+want+"<!-- end -->"+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func success(op *openapi3.Operation) string {
	for status := range op.Responses.Map() {
		if strings.HasPrefix(status, "2") {
			return status
		}
	}
	return ""
}

func firstSentence(s string) string {
	first, _, _ := strings.Cut(s, ". ")
	return strings.TrimSuffix(first, ".")
}
