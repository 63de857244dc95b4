package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordage-sandbox/cordage/sandbox/artefact"
)

// TestDoctorNamesThePortsHolder: a stopped sandbox insists on a port that another process has.
func TestDoctorNamesThePortsHolder(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	number := l.Addr().(*net.TCPAddr).Port
	base := t.TempDir()
	t.Setenv("XDG_STATE_HOME", base)
	dir := filepath.Join(base, "cordage", "ci")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	state := fmt.Sprintf(`{"format":1,"spec":{"name":"ci","replicas":{},"ports":{"lb-1/rest":%d}}}`, number)
	if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte(state), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errOut bytes.Buffer
	execute(t.Context(), []string{"doctor", "--json"}, &bytes.Buffer{}, &out, &errOut) // its code depends on the machine
	var findings []finding
	if err := json.Unmarshal(out.Bytes(), &findings); err != nil {
		t.Fatalf("%v: %s%s", err, &out, &errOut)
	}
	for _, f := range findings {
		if f.Check == "port of ci, lb-1/rest" {
			if f.State != "warning" || !strings.Contains(f.Detail, fmt.Sprint(os.Getpid())) || f.Remedy == "" {
				t.Errorf("the finding is %+v", f)
			}
			return
		}
	}
	t.Errorf("the port is not told of: %+v", findings)
}

// TestDoctorReadsTheCache: a file that was changed without a trace is found, and a cache that is not filled is no fault.
func TestDoctorReadsTheCache(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	if f := checkCache(t.Context()); f.State != "ok" || !strings.Contains(f.Detail, "the next start fetches kafka 3.2.0 and postgresql") {
		t.Errorf("of an empty cache: %+v", f)
	}
	cache, err := artefact.Open(artefact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var file string
	dir, err := cache.Build(t.Context(), "made/thing", "a thing", func(_ context.Context, dir string) error {
		file = "whole"
		return os.WriteFile(filepath.Join(dir, file), []byte("content"), 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, file)
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(file, []byte("c0ntent"), 0o600), os.Chtimes(file, info.ModTime(), info.ModTime())); err != nil {
		t.Fatal(err)
	}
	if f := checkCache(t.Context()); f.State != "fault" || !strings.Contains(f.Detail, file) || !strings.Contains(f.Remedy, "remove "+dir) {
		t.Errorf("of a damaged cache: %+v", f)
	}
}
