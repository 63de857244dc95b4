package process

import (
	"os"
	"path/filepath"
	"testing"
)

// TestLinksInDataDirectory: who runs programs as PostgreSQL owns its data directory, and must not have root write or show a
// file elsewhere by a link there.
func TestLinksInDataDirectory(t *testing.T) {
	t.Parallel()
	dir, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "elsewhere")
	const precious = "13-precious"
	if err := os.WriteFile(elsewhere, []byte(precious), 0o600); err != nil {
		t.Fatal(err)
	}
	d := dataDir{path: dir}
	for _, name := range []string{settingsFile, settingsFile + ".new", "PG_VERSION", ownerFile, "postmaster.pid"} {
		if err := os.Symlink(elsewhere, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.configure(map[string]string{"port": "1"}); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(elsewhere); err != nil || string(text) != precious {
		t.Errorf("the file elsewhere is now %q, %v", text, err)
	}
	if info, err := os.Lstat(filepath.Join(dir, settingsFile)); err != nil || !info.Mode().IsRegular() || info.Mode().Perm() != 0o600 {
		t.Errorf("the settings are %v, %v", info, err)
	}
	for _, name := range []string{"PG_VERSION", ownerFile} {
		if text, err := d.read(name); err == nil {
			t.Errorf("%s is read through the link: %q", name, text)
		}
	}
}
