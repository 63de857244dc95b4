package artefact

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFullDisk fetches onto a file system of 1 MiB.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m,mode=0755"); err != nil {
		t.Skipf("this root cannot mount: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	c := open(t, Options{Dir: dir})
	_, err := c.PostgreSQL(t.Context())
	full, ok := errors.AsType[*DiskFullError](err)
	if !ok || full.Need < 12<<20 || full.Hint() == "" {
		t.Errorf("error is %v; want a *DiskFullError that says how much is needed", err)
	}
	wantEmptyTemp(t, c)
}
