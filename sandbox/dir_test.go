package sandbox_test

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordage-sandbox/cordage/sandbox"
)

func TestBase(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", "/some/where")
	if got, err := sandbox.Base(); got != "/some/where/cordage" || err != nil {
		t.Errorf("with XDG_STATE_HOME: %s, %v", got, err)
	}
	t.Setenv("XDG_STATE_HOME", "relative/is/ignored")
	t.Setenv("HOME", "/home/somebody")
	want := "/home/somebody/.local/state/cordage"
	if os.Geteuid() == 0 {
		want = "/var/lib/cordage"
	}
	if got, err := sandbox.Base(); got != want || err != nil {
		t.Errorf("without: %s, %v, want %s", got, err, want)
	}
}

func TestMakeClosesTheDirectory(t *testing.T) {
	t.Parallel()
	d := sandbox.Dir{Name: "test", Path: filepath.Join(t.TempDir(), "base", "test")}
	if err := d.Make(); err != nil {
		t.Fatal(err)
	}
	want := fs.FileMode(0o700)
	if os.Geteuid() == 0 {
		want = 0o711 // PostgreSQL's account passes through, and cannot look
	}
	for path, mode := range map[string]fs.FileMode{d.Path: want, d.Logs(): 0o700} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v, want %v", path, info, err, mode)
		}
	}
}

func TestMakeRefusesAFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (sandbox.Dir{Name: "test", Path: path}).Make(); err == nil {
		t.Error("a file is taken for a directory")
	}
}

func TestSocketOfALongPath(t *testing.T) {
	t.Parallel()
	long := sandbox.Dir{Name: "test", Path: filepath.Join(t.TempDir(), strings.Repeat("long", 30), "test")}
	other := long
	other.Path += "2"
	if long.Socket() == other.Socket() {
		t.Error("two sandboxes have one socket")
	}
	if err := long.Make(); err != nil {
		t.Fatal(err)
	}
	if err := long.MakeSocketDir(); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", long.Socket())
	if err != nil {
		t.Fatalf("a path of %d bytes: %v", len(long.Path), err)
	}
	l.Close()
	if info, err := os.Stat(filepath.Dir(long.Socket())); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory of the socket: %v, %v", info, err)
	}
	if err := long.Remove(); err != nil {
		t.Error(err)
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	d := sandbox.Dir{Name: "test", Path: filepath.Join(t.TempDir(), "test")}
	if err := d.Make(); err != nil {
		t.Fatal(err)
	}
	first, ok, err := d.TryLock()
	if !ok || err != nil {
		t.Fatalf("the first: %v, %v", ok, err)
	}
	waiting, err := d.OpenLock()
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()
	if _, ok, err := d.TryLock(); ok || err != nil {
		t.Errorf("the second: %v, %v", ok, err)
	}
	if err := d.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := d.TryLock(); ok || err != nil {
		t.Errorf("of a sandbox that is gone: %v, %v", ok, err)
	}
	if ok, err := waiting.Try(); ok || err != nil {
		t.Errorf("who waits gets it while its holder lives: %v, %v", ok, err)
	}
	first.Close()
	if ok, err := waiting.Try(); !ok || err != nil || waiting.Current() {
		t.Errorf("who waited: %v, %v", ok, err)
	}
	if err := d.Make(); err != nil {
		t.Fatal(err)
	}
	again, ok, err := d.TryLock()
	if !ok || err != nil {
		t.Fatalf("after it was made anew: %v, %v", ok, err)
	}
	again.Close()
}
