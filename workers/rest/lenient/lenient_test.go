package lenient_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/cordage-sandbox/cordage/workers/rest/lenient"
)

// schema has one member of each kind.
func schema() *openapi3.Schema {
	str := openapi3.NewStringSchema
	version := openapi3.NewObjectSchema().WithProperty("major", openapi3.NewInt32Schema()).WithRequired([]string{"major"})
	anything := openapi3.NewAnyOfSchema(str(), openapi3.NewObjectSchema())
	return openapi3.NewObjectSchema().
		WithProperty("name", str()).
		WithProperty("note", str().WithNullable()).
		WithProperty("count", openapi3.NewInt32Schema()).
		WithProperty("enabled", openapi3.NewBoolSchema()).
		WithProperty("colour", str().WithEnum("RED", "BLUE").WithNullable()).
		WithProperty("tags", openapi3.NewArraySchema().WithItems(str()).WithNullable()).
		WithProperty("version", version).
		WithProperty("any", anything).
		WithRequired([]string{"name", "version"})
}

func TestBody(t *testing.T) {
	t.Parallel()
	// want has the members beside name n, version {major 0}, count 0, enabled false, and null for the others.
	for name, tc := range map[string]struct{ body, want string }{
		"bare":                    {`{"name":"n","version":{}}`, `{}`},
		"wrapped":                 {`{"request":{"name":"n","version":{}}}`, `{}`},
		"beside the wrapper":      {`{"request":{"name":"n","version":{}},"other":1}`, `{}`},
		"text after the object":   {`{"name":"n","version":{}} and more }`, `{}`},
		"number as text":          {`{"name":"n","version":{"major":"3"},"count":"7"}`, `{"version":{"major":3},"count":7}`},
		"fraction":                {`{"name":"n","version":{},"count":1.7}`, `{"count":1}`},
		"negative fraction":       {`{"name":"n","version":{},"count":-1.7}`, `{"count":-1}`},
		"exponent":                {`{"name":"n","version":{},"count":1e3}`, `{"count":1000}`},
		"empty number":            {`{"name":"n","version":{},"count":""}`, `{}`},
		"null number and boolean": {`{"name":"n","version":{},"count":null,"enabled":null}`, `{}`},
		"boolean as text":         {`{"name":"n","version":{},"enabled":"true"}`, `{"enabled":true}`},
		"boolean as number":       {`{"name":"n","version":{},"enabled":1}`, `{"enabled":true}`},
		"text as number":          {`{"name":17,"version":{}}`, `{"name":"17"}`},
		"text as boolean":         {`{"name":true,"version":{}}`, `{"name":"true"}`},
		"null where allowed":      {`{"name":"n","version":{},"note":null}`, `{}`},
		"enumerated":              {`{"name":"n","version":{},"colour":"BLUE"}`, `{"colour":"BLUE"}`},
		"list":                    {`{"name":"n","version":{},"tags":["a",1]}`, `{"tags":["a","1"]}`},
		"any text":                {`{"name":"n","version":{},"any":"{\"a\": 1}"}`, `{"any":"{\"a\": 1}"}`},
		"any object":              {`{"name":"n","version":{},"any":{"b": 1.50, "a" : [1, 2]}}`, `{"any":"{\"b\":1.50,\"a\":[1,2]}"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := lenient.Body([]byte(tc.body), "request", schema())
			if err != nil {
				t.Fatalf("Body(%s): %v", tc.body, err)
			}
			want := map[string]any{
				"name": "n", "version": map[string]any{"major": 0.0}, "count": 0.0, "enabled": false,
				"note": nil, "colour": nil, "tags": nil, "any": nil,
			}
			if err := json.Unmarshal([]byte(tc.want), &want); err != nil {
				t.Fatal(err)
			}
			var have map[string]any
			if err := json.Unmarshal(got, &have); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, have); diff != "" {
				t.Errorf("Body(%s): -want +got\n%s", tc.body, diff)
			}
		})
	}
}

func TestBodyRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body  string
		cause lenient.Cause
		says  string
	}{
		"no body":                   {"", lenient.MissingValue, "has no body"},
		"blank body":                {" \n\t", lenient.MissingValue, "has no body"},
		"not JSON":                  {"a=b", lenient.MalformedJSON, "byte 0"},
		"cut off":                   {`{"name":"n","ver`, lenient.MalformedJSON, "ends at byte 16"},
		"cut off after a value":     {`{"name":"n"`, lenient.MalformedJSON, "ends at byte 11"},
		"a list":                    {`[]`, lenient.WrongType, "an object is needed"},
		"null":                      {`null`, lenient.WrongType, "an object is needed"},
		"wrapped null":              {`{"request":null}`, lenient.MissingValue, "the body is missing"},
		"member twice":              {`{"name":"n","name":"m","version":{}}`, lenient.DuplicateMember, `"name" is given twice`},
		"member twice, deep":        {`{"name":"n","version":{},"any":{"a":{"b":1,"b":2}}}`, lenient.DuplicateMember, `"b"`},
		"member twice by escape":    {`{"name":"n","\u006eame":"m","version":{}}`, lenient.DuplicateMember, `"name"`},
		"unknown member":            {`{"name":"n","version":{},"naam":1}`, lenient.UnknownMember, `"naam" is not known; known are any, colour`},
		"unknown member, deep":      {`{"name":"n","version":{"micro":1}}`, lenient.UnknownMember, `"version.micro"`},
		"unknown member, wrapped":   {`{"request":{"name":"n","version":{},"x":1}}`, lenient.UnknownMember, `"x"`},
		"missing text":              {`{"version":{}}`, lenient.MissingValue, `"name" is missing`},
		"null text":                 {`{"name":null,"version":{}}`, lenient.MissingValue, `"name" is missing`},
		"missing object":            {`{"name":"n"}`, lenient.MissingValue, `"version" is missing`},
		"null for the optional any": {`{"name":"n","version":{},"any":null}`, lenient.MissingValue, `"any" is missing`},
		"object for text":           {`{"name":{},"version":{}}`, lenient.WrongType, `"name" is an object, a string is needed`},
		"text for object":           {`{"name":"n","version":"1.0"}`, lenient.WrongType, `"version" is a string, an object is needed`},
		"text for number":           {`{"name":"n","version":{},"count":"many"}`, lenient.WrongType, "a whole number is needed"},
		"fraction as text":          {`{"name":"n","version":{},"count":"1.7"}`, lenient.WrongType, "a whole number is needed"},
		"boolean for number":        {`{"name":"n","version":{},"count":true}`, lenient.WrongType, "a whole number is needed"},
		"number too large":          {`{"name":"n","version":{},"count":2147483648}`, lenient.WrongType, "from -2147483648 to 2147483647"},
		"number much too large":     {`{"name":"n","version":{},"count":1e999}`, lenient.WrongType, "a number from"},
		"text for boolean":          {`{"name":"n","version":{},"enabled":"yes"}`, lenient.WrongType, "true or false is needed"},
		"not enumerated":            {`{"name":"n","version":{},"colour":"blue"}`, lenient.WrongType, "[RED BLUE]"},
		"null in a list":            {`{"name":"n","version":{},"tags":[null]}`, lenient.MissingValue, `"tags[0]" is missing`},
		"any number":                {`{"name":"n","version":{},"any":1}`, lenient.WrongType, `"any" is a number`},
		"too deep":                  {`{"any":` + strings.Repeat("[", 300) + strings.Repeat("]", 300) + `}`, lenient.TooDeep, "200 deep"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := lenient.Body([]byte(tc.body), "request", schema())
			fault, is := errors.AsType[*lenient.Error](err)
			if !is {
				t.Fatalf("Body(%s) = %s, %v; want an *Error", tc.body, got, err)
			}
			if fault.Cause != tc.cause || !strings.Contains(fault.Reason, tc.says) || fault.Parameter != "request" {
				t.Errorf("Body(%s): %+v, want cause %s and a reason with %q", tc.body, fault, tc.cause, tc.says)
			}
		})
	}
}

// FuzzBody checks that whatever comes in, what comes out fits the schema strictly.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{
		`{"name":"n","version":{}}`, `{"request":{"name":1,"version":{"major":"3"},"count":1.9e2,"enabled":"True"}}`,
		`{"name":"n","version":{},"any":{"a":[{}]},"tags":["x"]}`, `{"name":"\ud800","version":{}}`, `{"a":`, `[[`, `null`, "\xff",
	} {
		f.Add([]byte(seed))
	}
	s := schema()
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := lenient.Body(body, "request", s)
		if err != nil {
			if _, is := errors.AsType[*lenient.Error](err); !is {
				t.Fatalf("Body(%q): %T %v", body, err, err)
			}
			return
		}
		var strict struct {
			Name    *string   `json:"name"`
			Note    *string   `json:"note"`
			Count   *int32    `json:"count"`
			Enabled *bool     `json:"enabled"`
			Colour  *string   `json:"colour"`
			Tags    *[]string `json:"tags"`
			Version *struct {
				Major *int32 `json:"major"`
			} `json:"version"`
			Any *string `json:"any"`
		}
		d := json.NewDecoder(strings.NewReader(string(got)))
		d.DisallowUnknownFields()
		if err := d.Decode(&strict); err != nil {
			t.Fatalf("Body(%q) = %s, which does not fit: %v", body, got, err)
		}
		if strict.Name == nil || strict.Count == nil || strict.Enabled == nil || strict.Version == nil || strict.Version.Major == nil {
			t.Fatalf("Body(%q) = %s, which lacks what is required", body, got)
		}
	})
}

func TestParameters(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		"plain": "plain", "O=Alice,+L=London": "O=Alice, L=London", "a%2Bb": "a b", "a%252Bb": "a+b", "a%20b": "a b", "a%2520b": "a b",
		"a%2Fb": "a/b", "100%25": "100%", "%zz": "%zz", "": "", "corda.rest": "corda.rest",
	} {
		if got := lenient.PathValue(sent); got != want {
			t.Errorf("PathValue(%q) = %q, want %q", sent, got, want)
		}
	}
	q := lenient.ParseQuery("Addressee=World&id=A&ID=B&plus=a+b&again=a%252Bb&bad=%zz&=x&flag&half=100%25")
	want := lenient.Query{
		"addressee": {"World"}, "id": {"A", "B"}, "plus": {"a b"}, "again": {"a+b"}, "flag": {""}, "half": {"100%"},
	}
	if diff := cmp.Diff(want, q); diff != "" {
		t.Errorf("ParseQuery: -want +got\n%s", diff)
	}
}
