package api

import (
	"os"
	"path/filepath"
	"testing"
)

// TestSocketIsClosedFromItsFirstMoment: nothing may depend on a change of its mode that comes after.
func TestSocketIsClosedFromItsFirstMoment(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	l, err := listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != socketMode {
		t.Errorf("the mode is %o", mode)
	}
}
