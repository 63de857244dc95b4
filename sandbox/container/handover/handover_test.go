package handover_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cordage-sandbox/cordage/sandbox/container/handover"
)

func TestHandOver(t *testing.T) {
	t.Parallel()
	files := map[string][]byte{"boot.json": []byte(`{"a":1}`), "key": {0, 255, '\n'}, "empty": {}}
	dir := t.TempDir()
	for range 2 { // the second replaces what the first has left
		var text bytes.Buffer
		if err := handover.Write(&text, files); err != nil {
			t.Fatal(err)
		}
		if err := handover.Receive(&text, dir); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string][]byte{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		i, err := e.Info()
		if err != nil || i.Mode() != 0o600 {
			t.Errorf("%s has mode %v, %v; want 0600", e.Name(), i.Mode(), err)
		}
		if got[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(files, got); diff != "" {
		t.Errorf("received (-want +got):\n%s", diff)
	}
}

// A container takes no file outside its directory, and nothing that is too much for its memory disk, whoever hands it over.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", ".", "..", "/", "../x", "a/b", "/etc/passwd"} {
		var text bytes.Buffer
		if err := handover.Write(&text, map[string][]byte{name: nil}); err == nil {
			t.Errorf("Write took the name %q", name)
		}
		dir := t.TempDir()
		if err := handover.Receive(strings.NewReader(`{"`+name+`":"eA=="}`), filepath.Join(dir, "in")); err == nil {
			t.Errorf("Receive took the name %q", name)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
			t.Errorf("Receive wrote %v for the name %q", left, name)
		}
	}
	big := map[string][]byte{"big": make([]byte, handover.Limit)}
	if err := handover.Write(&bytes.Buffer{}, big); err == nil || !strings.Contains(err.Error(), "4194304") {
		t.Errorf("Write of too much: %v; want an error that names the limit", err)
	}
	for name, text := range map[string]string{"nothing": "", "half": `{"a":"eA=`, "no base64": `{"a":"%"}`, "a list": "[]"} {
		if err := handover.Receive(strings.NewReader(text), t.TempDir()); err == nil {
			t.Errorf("Receive took %s", name)
		}
	}
}

func TestMainWithoutArguments(t *testing.T) {
	t.Parallel()
	if err := handover.Main(nil, strings.NewReader("{}")); err == nil {
		t.Error("Main took no directory")
	}
	dir := t.TempDir()
	if err := handover.Main([]string{dir}, strings.NewReader(`{"a":"eA=="}`)); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "a")); string(text) != "x" || err != nil {
		t.Errorf("received is %q, %v", text, err)
	}
	if err := handover.Main([]string{dir, "--", "/no/such/program"}, strings.NewReader("{}")); err == nil || !strings.Contains(err.Error(), "/no/such/program") {
		t.Errorf("a program that is not there: %v", err)
	}
}
