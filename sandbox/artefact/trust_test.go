package artefact_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordage-sandbox/cordage/sandbox/artefact"
)

// TestCacheOfOthers: programs are run from the cache, so one that others can fill is refused.
func TestCacheOfOthers(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "cache")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	refused := func(why string) {
		t.Helper()
		_, err := artefact.Open(artefact.Options{Dir: dir})
		if cache, ok := errors.AsType[*artefact.CacheError](err); !ok || !strings.Contains(cache.Error(), why) || cache.Hint() == "" {
			t.Errorf("open: %v, want %q", err, why)
		}
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	refused("everybody can write")
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := artefact.Open(artefact.Options{Dir: dir}); err != nil {
		t.Error(err)
	}
	if os.Geteuid() != 0 {
		return // only root can give a directory away
	}
	if err := os.Chown(dir, 12345, -1); err != nil {
		t.Fatal(err)
	}
	refused("uid 12345")
}
