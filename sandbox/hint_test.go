package sandbox_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordage-sandbox/cordage/sandbox"
)

func TestHintFor(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ sandbox, hint, want string }{
		"the default one":      {"default", "stop it: cordage down", "stop it: cordage down"},
		"at the end":           {"ci", "stop it: cordage down", "stop it: cordage down --name ci"},
		"before what follows":  {"ci", "remove it: cordage down --purge", "remove it: cordage down --name ci --purge"},
		"with an argument":     {"ci", "look at cordage logs rest-1, then: cordage restart rest-1", "look at cordage logs --name ci rest-1, then: cordage restart --name ci rest-1"},
		"in the midst of text": {"ci", "run cordage up again, or choose a port with --port", "run cordage up --name ci again, or choose a port with --port"},
		"one that is named":    {"ci", "use another: cordage up --name NAME; or stop it (cordage down)", "use another: cordage up --name NAME; or stop it (cordage down --name ci)"},
		"a word below":         {"ci", "see: cordage vnode list", "see: cordage vnode list --name ci"},
		"of no sandbox":        {"ci", "cordage help up tells more, as cordage doctor does", "cordage help up tells more, as cordage doctor does"},
		"no command":           {"ci", "set XDG_CACHE_HOME; see cordage.yaml", "set XDG_CACHE_HOME; see cordage.yaml"},
		"twice is once":        {"ci", sandbox.HintFor("ci", "cordage status"), "cordage status --name ci"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := sandbox.HintFor(tc.sandbox, tc.hint); got != tc.want {
				t.Errorf("HintFor(%q, %q) = %q, want %q", tc.sandbox, tc.hint, got, tc.want)
			}
		})
	}
}

// TestWaysOut: what cannot be used for its directory says what can be done about that.
func TestWaysOut(t *testing.T) {
	t.Run("no home", func(t *testing.T) {
		if os.Geteuid() == 0 {
			t.Skip("root has a directory without a home")
		}
		t.Setenv("HOME", "")
		t.Setenv("XDG_STATE_HOME", "")
		_, err := sandbox.Locate("test")
		wantHint(t, err, "XDG_STATE_HOME and XDG_CACHE_HOME")
	})
	t.Run("a file in its place", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "base")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("XDG_STATE_HOME", path)
		d, err := sandbox.Locate("test")
		if err != nil {
			t.Fatal(err)
		}
		wantHint(t, d.Make(), "set XDG_STATE_HOME to a directory of your own")
	})
	t.Run("of another account", func(t *testing.T) {
		wantHint(t, &sandbox.DirError{Attempt: "list sandboxes", Err: fs.ErrPermission}, "the account that it belongs to")
	})
	t.Run("a start that failed", func(t *testing.T) {
		wantHint(t, &sandbox.NotRunningError{Name: "ci", Last: &sandbox.Failure{Hint: "install Java 17"}}, "install Java 17; then start it with: cordage up --name ci")
	})
}

func wantHint(t *testing.T, err error, want string) {
	t.Helper()
	hinted, ok := errors.AsType[interface {
		error
		Hint() string
	}](err)
	if !ok || !strings.Contains(hinted.Hint(), want) {
		t.Errorf("the error %v has no hint with %q: %v", err, want, hinted)
	}
}
