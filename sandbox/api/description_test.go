package api

import (
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/trace"
	"github.com/cordage-sandbox/cordage/workers/clock"
)

// description is what these tests read of docs/supervisor-api.yaml.
type description struct {
	Paths      map[string]map[string]any `yaml:"paths"`
	Components struct {
		Parameters map[string]map[string]any `yaml:"parameters"`
		Schemas    map[string]struct {
			Properties map[string]any `yaml:"properties"`
		} `yaml:"schemas"`
	} `yaml:"components"`
}

func read(t *testing.T) description {
	t.Helper()
	text, err := os.ReadFile("../../docs/supervisor-api.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var d description
	if err := yaml.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDescriptionHasEveryOperation(t *testing.T) {
	t.Parallel()
	var described, served []string
	for path, operations := range read(t).Paths {
		for method := range operations {
			if method != "parameters" {
				described = append(described, strings.ToUpper(method)+" "+path)
			}
		}
	}
	s := &Server{}
	for pattern := range s.answers() {
		served = append(served, pattern)
	}
	for pattern := range s.looks() {
		served = append(served, pattern)
	}
	for pattern := range s.streams() {
		served = append(served, pattern)
	}
	for pattern := range s.exchanges() {
		served = append(served, pattern)
	}
	slices.Sort(described)
	slices.Sort(served)
	if diff := cmp.Diff(described, served); diff != "" {
		t.Errorf("operations (-described +served):\n%s", diff)
	}
}

func TestDescriptionHasEveryMember(t *testing.T) {
	t.Parallel()
	types := map[string]any{
		"Problem": Problem{}, "Info": sandbox.Info{}, "Endpoints": sandbox.Endpoints{}, "Failure": sandbox.Failure{}, "Spec": sandbox.Spec{},
		"Node": sandbox.Node{}, "Step": sandbox.Step{}, "Notification": sandbox.Notification{}, "Snapshot": sandbox.Snapshot{},
		"Event": sandbox.Event{}, "Replicas": Replicas{}, "Setting": clock.Setting{}, "ClockChange": sandbox.ClockChange{},
		"Topology": sandbox.Topology{}, "Edge": sandbox.Edge{}, "TopicInfo": sandbox.TopicInfo{}, "Lag": sandbox.Lag{},
		"Summary": trace.Summary{}, "Trace": trace.Trace{}, "Hop": trace.Hop{}, "Credentials": sandbox.Credentials{},
		"RESTCredentials": sandbox.RESTCredentials{}, "PostgresCredentials": sandbox.PostgresCredentials{}, "Database": sandbox.Database{},
		"Broker": sandbox.Broker{}, "DatabaseInfo": sandbox.DatabaseInfo{}, "Table": sandbox.Table{}, "Column": sandbox.Column{},
		"Rows": sandbox.Rows{}, "Cell": sandbox.Cell{}, "Uniqueness": sandbox.Uniqueness{}, "UniquenessTotals": sandbox.UniquenessTotals{},
		"UniqueState": sandbox.UniqueState{}, "UniqueTx": sandbox.UniqueTx{}, "Message": sandbox.Message{}, "LogLine": sandbox.LogLine{},
		"NodeConfig": sandbox.NodeConfig{}, "ConfigSetting": sandbox.Setting{},
		"Profile": sandbox.Profile{}, "Segment": sandbox.Segment{}, "Stop": Stop{},
	}
	schemas := read(t).Components.Schemas
	for name := range types {
		if _, ok := schemas[name]; !ok {
			t.Errorf("type %s is not described", name)
		}
	}
	for name, schema := range schemas {
		value, ok := types[name]
		if !ok {
			t.Errorf("schema %s is of no type that is known here", name)
			continue
		}
		var described []string
		for member := range schema.Properties {
			described = append(described, member)
		}
		members := membersOf(reflect.TypeOf(value))
		slices.Sort(described)
		slices.Sort(members)
		if diff := cmp.Diff(described, members); diff != "" {
			t.Errorf("members of %s (-described +%T):\n%s", name, value, diff)
		}
	}
}

// TestDescriptionHasEveryParameter of the query.
func TestDescriptionHasEveryParameter(t *testing.T) {
	t.Parallel()
	d := read(t)
	described := map[string][]string{}
	for path, operations := range d.Paths {
		for method, operation := range operations {
			if method == "parameters" {
				continue
			}
			pattern := strings.ToUpper(method) + " " + path
			for _, given := range []any{operations["parameters"], operation} {
				if o, ok := given.(map[string]any); ok {
					given = o["parameters"]
				}
				list, _ := given.([]any)
				for _, p := range list {
					if name := d.queryName(t, p); name != "" {
						described[pattern] = append(described[pattern], name)
					}
				}
			}
			slices.Sort(described[pattern])
		}
	}
	maps.DeleteFunc(described, func(_ string, names []string) bool { return len(names) == 0 })
	served := map[string][]string{}
	for pattern, names := range queries() {
		served[pattern] = slices.Sorted(slices.Values(names))
	}
	if diff := cmp.Diff(described, served); diff != "" {
		t.Errorf("parameters (-described +served):\n%s", diff)
	}
}

// queryName is the name of a parameter that is part of the query; empty for one of the path.
func (d description) queryName(t *testing.T, parameter any) string {
	t.Helper()
	p, _ := parameter.(map[string]any)
	if ref, ok := p["$ref"].(string); ok {
		p = d.Components.Parameters[strings.TrimPrefix(ref, "#/components/parameters/")]
	}
	name, _ := p["name"].(string)
	if name == "" {
		t.Errorf("a parameter has no name: %v", parameter)
	}
	if p["in"] != "query" {
		return ""
	}
	return name
}

func membersOf(t reflect.Type) (names []string) {
	for f := range t.Fields() {
		if f.Anonymous {
			names = append(names, membersOf(f.Type)...)
			continue
		}
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			names = append(names, name)
		}
	}
	return names
}
