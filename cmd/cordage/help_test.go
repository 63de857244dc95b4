package main

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// all lists every command of the tree.
func all(root *cobra.Command) []*cobra.Command {
	list := []*cobra.Command{root}
	for _, c := range root.Commands() {
		list = append(list, all(c)...)
	}
	return list
}

func testRoot() *cobra.Command {
	a := &app{in: &bytes.Buffer{}, out: &bytes.Buffer{}, err: &bytes.Buffer{}}
	return a.newRootCmd()
}

func TestEveryCommandHasAnExample(t *testing.T) {
	t.Parallel()
	root := testRoot()
	seen := 0
	for _, c := range all(root) {
		if !c.Runnable() && !c.HasSubCommands() {
			continue // a topic of the help
		}
		seen++
		path := c.CommandPath()
		if c.Example == "" {
			t.Errorf("%s has no example", path)
		}
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s has the short text %q: one line without a full stop is wanted", path, c.Short)
		}
		if c.Example != "" && !strings.Contains(c.Example, path) {
			t.Errorf("the example of %s does not show it:\n%s", path, c.Example)
		}
	}
	if seen < 30 {
		t.Errorf("only %d commands were looked at", seen)
	}
}

// TestExamplesParse keeps examples in step with flags and arguments.
func TestExamplesParse(t *testing.T) {
	t.Parallel()
	for _, c := range all(testRoot()) {
		for line := range strings.Lines(c.Example) {
			words := words(line)
			if len(words) == 0 || words[0] != "cordage" {
				continue
			}
			root := testRoot()
			target, rest, err := root.Find(words[1:])
			if err != nil {
				t.Errorf("example %q: %v", line, err)
				continue
			}
			if err := target.ParseFlags(rest); err != nil {
				t.Errorf("example %q: %v", line, err)
				continue
			}
			if err := target.ValidateArgs(target.Flags().Args()); err != nil {
				t.Errorf("example %q: %v", line, err)
			}
		}
	}
}

// words splits a line of an example as a shell does, as far as examples go: quotes, and what follows < > or | is left out.
func words(line string) []string {
	var list []string
	var word strings.Builder
	var quote rune
	in := false
	for _, r := range strings.TrimSpace(line) {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, in = r, true
		case r == '<' || r == '>' || r == '|':
			return list
		case r == ' ':
			if in || word.Len() > 0 {
				list = append(list, word.String())
			}
			word.Reset()
			in = false
		default:
			word.WriteRune(r)
		}
	}
	if in || word.Len() > 0 {
		list = append(list, word.String())
	}
	return list
}

// TestDocumentationIsComplete compares docs/cli.md with the program: each command, each flag and each exit code.
func TestDocumentationIsComplete(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	got, want := string(text), reference(testRoot())
	if os.Getenv("CORDAGE_WRITE_DOCS") != "" {
		begin := strings.Index(got, referenceMark)
		if begin < 0 {
			t.Fatalf("docs/cli.md has no line %q", referenceMark)
		}
		if err := os.WriteFile("../../docs/cli.md", []byte(got[:begin]+want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !strings.Contains(got, want) {
		t.Error("docs/cli.md does not show the commands as they are; write it anew: CORDAGE_WRITE_DOCS=1 go test ./cmd/cordage -run TestDocumentationIsComplete")
	}
}

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"an unknown command":       {"upp"},
		"an unknown flag":          {"up", "--fast"},
		"too many arguments":       {"status", "now"},
		"a replica count":          {"up", "--replicas", "rest=many"},
		"an unknown worker type":   {"up", "--replicas", "flow=1"},
		"two load balancers":       {"scale", "lb=2"},
		"a port that is none":      {"up", "--port", "rest=70000"},
		"a sandbox's name":         {"status", "--name", "../x"},
		"a time":                   {"clock", "freeze", "noon"},
		"a duration":               {"clock", "advance", "soon"},
		"a log level":              {"up", "--log-level", "loud"},
		"databases of another way": {"up", "--databases", "many"},
		"a flag that is needed":    {"package", "verify", "app.cpi"},
		"one of two flags":         {"notary", "check", "--requests", "-"},
		"a worker's boot file":     {"worker", "rest"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, errOut bytes.Buffer
			if code := execute(t.Context(), args, &bytes.Buffer{}, &out, &errOut); code != exitUsage {
				t.Errorf("cordage %s ends with %d, want %d\n%s", strings.Join(args, " "), code, exitUsage, &errOut)
			}
			if out.Len() > 0 || !strings.HasPrefix(errOut.String(), "error: ") {
				t.Errorf("it printed %q, and as error %q", &out, &errOut)
			}
		})
	}
}

func TestExitCodesAreDistinct(t *testing.T) {
	t.Parallel()
	var codes []int
	for _, c := range exitCodes() {
		if slices.Contains(codes, c.code) {
			t.Errorf("code %d is there twice", c.code)
		}
		codes = append(codes, c.code)
	}
}
