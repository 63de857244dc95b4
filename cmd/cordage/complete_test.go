package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// offered is what a shell is told for the last word of a command line.
func offered(t *testing.T, line ...string) (words []string, directive string) {
	t.Helper()
	var out, errOut bytes.Buffer
	if code := execute(t.Context(), append([]string{cobra.ShellCompNoDescRequestCmd}, line...), &bytes.Buffer{}, &out, &errOut); code != exitOK {
		t.Fatalf("complete %q ends with %d: %s", line, code, &errOut)
	}
	words = strings.Fields(out.String())
	return words[:len(words)-1], words[len(words)-1]
}

// TestCompletionsWithoutASandbox: what the program knows by itself is offered also where nothing runs, and nothing is started.
func TestCompletionsWithoutASandbox(t *testing.T) {
	state := t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	for _, name := range []string{"ci", "play"} {
		if err := os.MkdirAll(filepath.Join(state, "cordage", name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(state, "cordage", name, "state.json"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(t.TempDir())
	for name, tc := range map[string]struct {
		line []string
		want string
	}{
		"scenarios":             {[]string{"scenario", "run", "vnode"}, "vnode-creation"},
		"more scenarios":        {[]string{"scenario", "run", "vnode-creation", ""}, "all kafka-broker-loss notary-uniqueness signer-expiry"},
		"one to show":           {[]string{"scenario", "show", "signer"}, "signer-expiry"},
		"sandboxes":             {[]string{"down", "--name", ""}, "ci play"},
		"worker types":          {[]string{"scale", "d"}, "database="},
		"a number is typed":     {[]string{"scale", "database", ""}, ""},
		"several replicas":      {[]string{"up", "--replicas", "rest=2", "--replicas", "cr"}, "crypto="},
		"ports":                 {[]string{"up", "--port", ""}, "kafka= postgres= rest="},
		"runtimes":              {[]string{"up", "--runtime", "c"}, "container"},
		"levels":                {[]string{"up", "--log-level", ""}, "debug error info warn"},
		"sections":              {[]string{"config", "get", "cordage."}, "cordage.packaging"},
		"nodes when none runs":  {[]string{"kill", "k"}, "kafka"},
		"logs when none runs":   {[]string{"logs", ""}, "supervisor"},
		"vnodes when none runs": {[]string{"vnode", "get", ""}, ""},
		"databases likewise":    {[]string{"psql", ""}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			words, _ := offered(t, tc.line...)
			slices.Sort(words)
			if got := strings.Join(words, " "); got != tc.want {
				t.Errorf("for %q is offered %q, want %q", tc.line, got, tc.want)
			}
		})
	}
	if left, _ := filepath.Glob(filepath.Join(state, "cordage", "*", "*")); len(left) != 2 {
		t.Errorf("completing has left files: %v", left)
	}
}

// TestCompletionsHeedTheName: the sandbox of the flag is meant, not the one of the sandbox file.
func TestCompletionsHeedTheName(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("cordage.yaml", []byte("name: other\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := &app{in: &bytes.Buffer{}, out: &bytes.Buffer{}, err: &bytes.Buffer{}}
	root := a.newRootCmd()
	root.SetArgs([]string{cobra.ShellCompNoDescRequestCmd, "logs", "--name", "mine", ""})
	root.SetOut(a.out)
	root.SetErr(a.err)
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a.name != "mine" {
		t.Errorf("sandbox %s is asked", a.name)
	}
}

// TestArgumentsComplete: each command that takes an argument is in the table, or takes what nobody can offer.
func TestArgumentsComplete(t *testing.T) {
	t.Parallel()
	free := []string{ // times, durations, names that are new, and files, which shells offer by themselves
		"cordage clock freeze", "cordage clock set", "cordage clock advance", "cordage vnode create", "cordage cpi status",
		"cordage certificate import", "cordage package cpk", "cordage package cpb", "cordage package sign", "cordage package verify", "cordage package inspect",
	}
	for _, c := range all(testRoot()) {
		_, takes, _ := strings.Cut(c.UseLine(), c.CommandPath()+" ")
		takes = strings.TrimSpace(strings.TrimSuffix(takes, "[flags]"))
		if c.Hidden || c.HasSubCommands() || takes == "" || strings.HasPrefix(takes, "--") || c.Name() == "help" || c.Parent().Name() == "completion" {
			continue
		}
		if c.ValidArgsFunction == nil && len(c.ValidArgs) == 0 && !slices.Contains(free, c.CommandPath()) {
			t.Errorf("%s takes %s, and completes none of it", c.CommandPath(), takes)
		}
	}
}
