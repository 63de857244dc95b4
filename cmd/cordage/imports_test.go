package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/cordage-sandbox/cordage"

// listed is what these tests read of a package.
type listed struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Deps       []string
}

// packages lists the module's packages.
func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Dir,GoFiles,Deps", module+"/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd, err)
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 20 {
		t.Fatalf("only %d packages are listed", len(all))
	}
	return all
}

// never says what must not be imported, directly or by way of others. "x" means the package x and those below it.
func never() map[string][]string {
	rules := map[string][]string{
		"workers":            {"sandbox", "tui", "scenarios", "cmd"},
		"sandbox":            {"tui", "scenarios", "cmd"},
		"scenarios":          {"sandbox/supervisor", "sandbox/process", "sandbox/container", "sandbox/image", "sandbox/api", "cmd"},
		"tui":                {"sandbox/supervisor", "sandbox/process", "sandbox/container", "sandbox/image", "sandbox/api", "workers/database", "workers/crypto", "workers/rest", "workers/balance", "cmd"},
		"sandbox/client":     {"sandbox/supervisor", "sandbox/process", "sandbox/container", "sandbox/image", "sandbox/api"},
		"sandbox/trace":      {"workers"},
		"sandbox/file":       {"sandbox/supervisor", "sandbox/process", "sandbox/container", "sandbox/image", "sandbox/api"},
		"sandbox/strictyaml": {"workers", "sandbox/supervisor", "sandbox/file"},
		"sandbox/supervisor": {"sandbox/file", "sandbox/process", "sandbox/container", "sandbox/image"},
		"sandbox/process":    {"sandbox/supervisor", "sandbox/api", "sandbox/client", "sandbox/container", "sandbox/image"},
		"sandbox/container":  {"sandbox/supervisor", "sandbox/api", "sandbox/client", "sandbox/process"},
		"sandbox/image":      {"sandbox/supervisor", "sandbox/api", "sandbox/client", "sandbox/process", "sandbox/container"},
		"sandbox/topology":   {"sandbox/supervisor", "sandbox/process", "sandbox/container", "sandbox/image", "sandbox/api"},
		"workers/bus":        {"workers/store"},
		"workers/store":      {"workers/bus"},
		"workers/telemetry":  {"workers/bus", "workers/store", "workers/record"},
		"workers/ident":      {"workers/bus", "workers/store", "workers/record", "workers/telemetry"},
	}
	types := []string{"workers/database", "workers/crypto", "workers/rest", "workers/balance"}
	for _, one := range types { // a worker type never imports another one
		rules[one] = append(rules[one], slices.DeleteFunc(slices.Clone(types), func(t string) bool { return t == one })...)
		for _, block := range []string{"workers/bus", "workers/store", "workers/keys", "workers/settings", "workers/packaging", "workers/uniqueness", "workers/role"} {
			rules[block] = append(rules[block], one)
		}
	}
	return rules
}

// excused are files of one package that stand apart from it.
func excused(importer, imported string) bool {
	// The workers' table is the one place below workers that knows every worker type; it is no worker type itself.
	return importer == "workers" && strings.HasPrefix(imported, "workers/")
}

func TestImports(t *testing.T) {
	t.Parallel()
	rules := never()
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		for from, forbidden := range rules {
			if !below(name, from) {
				continue
			}
			for _, dep := range p.Deps {
				dep, ours := strings.CutPrefix(dep, module+"/")
				if !ours || excused(name, dep) {
					continue
				}
				for _, f := range forbidden {
					if below(dep, f) {
						t.Errorf("%s imports %s, which what is below %s must not", name, dep, from)
					}
				}
			}
		}
	}
}

func below(name, root string) bool { return name == root || strings.HasPrefix(name, root+"/") }

func TestOnePackageComment(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		var with []string
		for _, file := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Error(err)
				continue
			}
			if f.Doc != nil {
				with = append(with, file)
			}
		}
		if len(p.GoFiles) > 0 && len(with) != 1 {
			t.Errorf("%s has %d package comments, want one: %v", p.ImportPath, len(with), with)
		}
	}
}
