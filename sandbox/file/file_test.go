package file_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/file"
	"github.com/cordage-sandbox/cordage/sandbox/strictyaml"
)

// whole is a file that says everything.
const whole = `
name: ci
runtime: container
images: {postgres: "pg:1", kafka: "localhost:5000/k@sha256:00", base: debian:bookworm-slim}
replicas: {crypto: 0, database: 2, rest: 16, lb: 1}
limits:
  kafka: {memory: 1.5GiB, cpus: 2}
  rest:
    cpus: 0.5
  postgres: {memory: 536870912}
databases: separate
ports: {rest: 8888, kafka: 0, database-1/monitor: 7001}
topics:
  partitions: 7
kafka: {brokers: 3}
logLevel: warn
logLevels: {crypto: debug}
seed: 18446744073709551615
`

func TestParse(t *testing.T) {
	t.Parallel()
	f, err := file.Parse("x.yaml", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	want := sandbox.Wish{
		Runtime: "container", Databases: sandbox.Separate, Partitions: 7, Brokers: 3, LogLevel: "warn", Seed: 1<<64 - 1,
		Images:    sandbox.Images{Postgres: "pg:1", Kafka: "localhost:5000/k@sha256:00", Base: "debian:bookworm-slim"},
		Replicas:  map[string]int{"crypto": 0, "database": 2, "rest": 16, "lb": 1},
		Ports:     map[string]int{"rest": 8888, "kafka": 0, "database-1/monitor": 7001},
		LogLevels: map[string]string{"crypto": "debug"},
		Limits: map[string]sandbox.Limit{
			"kafka": {MemoryBytes: 3 << 29, CPUs: 2}, "rest": {CPUs: 0.5}, "postgres": {MemoryBytes: 512 << 20},
		},
	}
	if diff := cmp.Diff(want, f.Wish); diff != "" || f.Name != "ci" {
		t.Errorf("name %q; wish (-want +got):\n%s", f.Name, diff)
	}
	if got := f.Places["topics.partitions"]; got != (strictyaml.Pos{File: "x.yaml", Line: 14, Column: 3}) {
		t.Errorf("partitions are said at %v", got)
	}
}

func TestFilesThatSayNothing(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty": "", "comments": "# only\n# comments\n", "all of an object commented out": "replicas:\n#  rest: 2\nlimits:\n  kafka:\nports:\n", "a document's mark": "---\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := file.Parse("x.yaml", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			spec, err := f.Wish.Apply(sandbox.DefaultSpec("x"), false)
			if diff := cmp.Diff(sandbox.DefaultSpec("x"), spec); diff != "" || err != nil {
				t.Errorf("%v, specification (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		text string
		want []string // each a line of the error
	}{
		"an unknown key":      {"replica: {rest: 1}\n", []string{`x.yaml:1:1: a sandbox file has no member "replica"; it may have name, runtime, `}},
		"an unknown type":     {"replicas:\n  flow: 1\n", []string{`x.yaml:2:3: replicas has no member "flow"; it may have database, crypto, rest, lb`}},
		"no number":           {"replicas: {rest: two}\n", []string{"x.yaml:1:18: replicas of rest must be a whole number, not a text"}},
		"too many":            {"replicas: {rest: 17}\n", []string{"x.yaml:1:18: replicas of rest is 17; it must be from 0 to 16"}},
		"two balancers":       {"replicas: {lb: 2}\n", []string{"x.yaml:1:16: replicas of lb 2: there is exactly one load balancer"}},
		"two brokers":         {"kafka:\n  brokers: 2\n", []string{"x.yaml:2:12: brokers 2: it is 1 or 3"}},
		"a name":              {"name: My Sandbox\n", []string{`x.yaml:1:7: sandbox name "My Sandbox"`}},
		"a runtime":           {"runtime: docker\n", []string{`x.yaml:1:10: runtime is "docker"; it must be one of auto, process, container`}},
		"databases":           {"databases: many\n", []string{`x.yaml:1:12: databases is "many"; it must be one of shared, separate`}},
		"a port's purpose":    {"ports: {web: 1}\n", []string{`x.yaml:1:14: port "web": it is kafka, postgres, rest, or NODE/PURPOSE`}},
		"a port of nobody":    {"ports: {databse-1/monitor: 1, database-1/sql: 2}\n", []string{`x.yaml:1:28: port "databse-1/monitor": it is`, `x.yaml:1:47: port "database-1/sql": it is`}},
		"a notation":          {"ports: {rest: 0x1F90}\nreplicas: {rest: 010}\n", []string{"x.yaml:1:15: port rest is 0x1F90; write it in decimal digits", "x.yaml:2:18: replicas of rest is 010; write it in decimal digits"}},
		"a name that is none": {"name: 12\nimages: {kafka: 3.2}\n", []string{"x.yaml:1:7: name must be a text, not a number; put it in quotes", "x.yaml:2:17: the image of kafka must be a text, not a number; put it in quotes"}},
		"empty texts":         {"runtime: ''\nlogLevel: \"\"\ndatabases: ''\n", []string{`x.yaml:1:10: runtime is ""; it must be one of`, `x.yaml:2:11: logLevel is ""; it must be`, `x.yaml:3:12: databases is ""; it must be`}},
		"half a byte":         {"limits: {kafka: {memory: 0.5}}\n", []string{`x.yaml:1:26: memory is "0.5"; it must be a number of bytes`}},
		"tabs":                {"replicas:\n\trest: 1\n", []string{"x.yaml:2:1: not valid YAML: "}},
		"a port's number":     {"ports: {rest: 70000}\n", []string{"x.yaml:1:15: port rest is 70000; it must be from 0 to 65535"}},
		"the same port":       {"ports: {rest: 7000, kafka: 7000}\n", []string{"x.yaml:1:28: port kafka is 7000, which is that of rest already"}},
		"memory's unit":       {"limits: {kafka: {memory: 1 Gib}}\n", []string{`x.yaml:1:26: memory is "1 Gib"; it must be a number of bytes, or one with a unit: GB, GiB, KiB, MB, MiB, kB`}},
		"memory":              {"limits: {kafka: {memory: -1}}\n", []string{`x.yaml:1:26: memory is "-1"`}},
		"little memory":       {"limits: {kafka: {memory: 1MiB}}\n", []string{"memory of kafka 1048576 bytes: it is at least 32 MiB"}},
		"cores":               {"limits: {kafka: {cpus: many}}\n", []string{"x.yaml:1:24: cpus must be a number of cores, such as 0.5"}},
		"a level":             {"logLevels: {rest: loud}\n", []string{`x.yaml:1:19: the log level of rest is "loud"`}},
		"an image":            {"images: {kafka: \"a b\"}\n", []string{`x.yaml:1:17: the image of kafka is "a b"; it must be the name of an image`}},
		"a seed":              {"seed: 0\n", []string{"x.yaml:1:7: seed must be a whole number from 1"}},
		"a list":              {"- a\n", []string{"x.yaml:1:1: a sandbox file must be an object, not a list"}},
		"a key twice":         {"name: a\nname: b\n", []string{"x.yaml:2:1: not valid YAML: "}},
		"no YAML":             {"name: [\n", []string{"x.yaml:1:7: not valid YAML: "}},
		"an alias":            {"name: &a x\nruntime: *a\n", []string{"x.yaml:1:7: anchors, aliases and merges", "x.yaml:2:10: anchors, aliases and merges"}},
		"a tag":               {"name: !!str x\n", []string{"tags and directives are not allowed"}},
		"two documents":       {"name: a\n---\nname: b\n", []string{"a second document"}},
		"too long":            {"name: a # " + strings.Repeat("x", 1<<20), []string{"x.yaml:1:1: the file has 1048586 bytes"}},
		"a long line":         {"name: a\nruntime: " + strings.Repeat("a: ", 10_000), []string{"x.yaml:2:1: the line has 30009 bytes; at most 8192"}},
		"too deep":            {strings.Repeat("[", 1000), []string{"nested deeper"}},
		"all at once":         {"runtime: x\nseed: -1\nreplicas: {a: 1, rest: 99}\n", []string{"x.yaml:1:10: ", "x.yaml:2:7: ", "x.yaml:3:12: ", "x.yaml:3:24: "}},
		"a value is missing":  {"runtime:\n", []string{"runtime must be a text, not empty"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := file.Parse("x.yaml", []byte(tc.text))
			faults, ok := errors.AsType[strictyaml.Faults](err)
			if !ok {
				t.Fatalf("the error is %v", err)
			}
			lines := strings.Split(faults.Error(), "\n")
			if len(lines) != len(tc.want) {
				t.Errorf("%d faults, want %d:\n%v", len(lines), len(tc.want), faults)
			}
			for i, want := range tc.want {
				if i < len(lines) && !strings.Contains(lines[i], want) {
					t.Errorf("fault %q, want %q", lines[i], want)
				}
			}
		})
	}
}

// uncommented is the file that cordage init writes, with all of its settings in force.
func uncommented() []byte {
	return regexp.MustCompile(`(?m)^#( *[a-zA-Z])`).ReplaceAllFunc(file.New("mine", "process"), func(line []byte) []byte {
		if strings.HasPrefix(string(line), "# ") && !strings.HasPrefix(string(line), "#  ") {
			return line // prose
		}
		return line[1:]
	})
}

func shipped(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{
		"as cordage init writes it": file.New("mine", "auto"), "all of it": uncommented(), "what TestParse reads": []byte(whole),
	}
	paths, err := filepath.Glob("../../docs/examples/sandbox/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[path] = text
	}
	return all
}

// TestShippedFiles: each example is a sandbox file, by the reader and by the schema.
func TestShippedFiles(t *testing.T) {
	t.Parallel()
	schema := compiled(t)
	for name, text := range shipped(t) {
		if _, err := file.Parse("x.yaml", text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := schema.Validate(asJSON(t, text)); err != nil {
			t.Errorf("%s does not fit the schema: %v", name, err)
		}
	}
	all, err := file.Parse("x.yaml", uncommented())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		"name", "runtime", "replicas.rest", "ports.rest", "databases", "kafka.brokers", "topics.partitions", "limits.kafka.memory", "limits.database.cpus",
		"logLevel", "logLevels.crypto", "images.base", "seed",
	} {
		if _, ok := all.Places[key]; !ok {
			t.Errorf("the file that cordage init writes does not show %s; it shows %v", key, all.Places)
		}
	}
	if first, err := file.Parse("x.yaml", file.New("mine", "process")); err != nil || first.Name != "mine" || len(first.Places) != 2 {
		t.Errorf("at first it says more than name and runtime: %v, %v", first, err)
	}
}

// TestSchemaRefuses: what the reader refuses for its form, the schema refuses too.
func TestSchemaRefuses(t *testing.T) {
	t.Parallel()
	schema := compiled(t)
	for _, text := range []string{
		"replica: 1", "replicas: {flow: 1}", "replicas: {rest: 17}", "replicas: {lb: 2}", "kafka: {brokers: 2}", "name: A b", "runtime: docker", "databases: many",
		"ports: {web: 1}", "ports: {rest: 70000}", "limits: {kafka: {memory: 1 Gib}}", "limits: {kafka: {cpus: many}}", "logLevels: {rest: loud}", `images: {kafka: "a b"}`,
		"seed: 0", "[]",
	} {
		if _, err := file.Parse("x.yaml", []byte(text)); err == nil {
			t.Errorf("the reader takes %s", text)
		}
		if schema.Validate(asJSON(t, []byte(text))) == nil {
			t.Errorf("the schema takes %s", text)
		}
	}
}

// TestSchemaAgrees: over all keys and kinds of values, the schema takes what the reader takes, and refuses what it refuses.
func TestSchemaAgrees(t *testing.T) {
	t.Parallel()
	schema := compiled(t)
	keys := []string{
		"name", "runtime", "databases", "logLevel", "seed", "replicas", "replicas.rest", "replicas.lb", "replicas.flow", "limits", "limits.kafka", "limits.flow",
		"limits.kafka.memory", "limits.rest.cpus", "limits.rest.disk", "ports", "ports.rest", "ports.web", "ports./", "ports.database-1/monitor", "ports.lb-1/rest",
		"ports.database-1/sql", "ports.database-0/monitor", "topics", "topics.partitions", "kafka", "kafka.brokers", "logLevels", "logLevels.rest", "logLevels.flow",
		"images", "images.kafka", "images.worker", "unknown",
	}
	values := []string{
		"", "~", "true", "0", "1", "3", "64", "65", "-1", "1.5", "1e3", ".5", "'1'", "x", "X", "x y", "''", "[]", "{}", "[1]", "{a: 1}", "auto", "process", "shared", "info",
		"64MiB", "64 MiB", "64 Mib", "1.5GiB", "1e3MiB", "'67108864'", "33554432", "33554431", "0.01", "0.05", "1024", "1025", "65535", "65536", "2026-01-01", `"a\tb"`, "-x",
		"18446744073709551615", "1125899906842625",
	}
	agreed := 0
	for _, key := range keys {
		for _, value := range values {
			parts := strings.Split(key, ".")
			text := value
			for _, part := range slices.Backward(parts) {
				text = "{'" + part + "': " + text + "}"
			}
			_, refused := file.Parse("x.yaml", []byte(text))
			unfit := schema.Validate(asJSON(t, []byte(text)))
			switch {
			case (refused == nil) == (unfit == nil):
				agreed++
			case key == "limits.kafka.memory" && value == "'1'": // the schema cannot count in texts
			default:
				t.Errorf("%s: the reader says %v, the schema %v", text, refused, unfit)
			}
		}
	}
	if want := len(keys)*len(values) - 1; agreed != want {
		t.Errorf("they agree on %d of %d", agreed, want)
	}
}

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(file.Schema)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("file:///schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("file:///schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func asJSON(t *testing.T, text []byte) any {
	t.Helper()
	b, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestFind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if f, err := file.Find(dir); f != nil || err != nil {
		t.Errorf("in an empty directory there is %v, %v", f, err)
	}
	path := filepath.Join(dir, file.Name)
	if err := file.Write(path, "dev", "auto"); err != nil {
		t.Fatal(err)
	}
	if f, err := file.Find(dir); err != nil || f.Name != "dev" || f.Wish.Runtime != "auto" {
		t.Errorf("what was written is read as %+v, %v", f, err)
	}
	if _, ok := errors.AsType[*file.ExistsError](file.Write(path, "x", "auto")); !ok {
		t.Error("it is written over")
	}
	if _, err := file.Read(filepath.Join(dir, "none.yaml")); !slices.Contains([]string{"make one with: cordage init --file " + filepath.Join(dir, "none.yaml")}, hint(err)) {
		t.Errorf("a file that is not there gives %v", err)
	}
}

func hint(err error) string {
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		return h.Hint()
	}
	return ""
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add(file.New("x", "auto"))
	f.Add([]byte("limits: {kafka: {memory: 1e99GiB, cpus: .inf}}\nports: {a/b: 0x10}\nseed: 1_0\n? a\n: b"))
	f.Add([]byte("name: &a [*a]\n<<: {x: !!binary y}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := file.Parse("x.yaml", text)
		if err != nil {
			if faults, ok := errors.AsType[strictyaml.Faults](err); !ok || len(faults) == 0 {
				t.Fatalf("an error without places: %v", err)
			}
			return
		}
		if _, err := got.Wish.Apply(sandbox.DefaultSpec("x"), false); err != nil {
			t.Errorf("it is read, and cannot be granted: %v", err)
		}
	})
}
