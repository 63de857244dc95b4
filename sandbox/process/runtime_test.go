package process

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/artefact"
	"github.com/cordage-sandbox/cordage/sandbox/runtimetest"
)

// The test binary is also the worker that the suite starts, and a supervisor that is killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		os.Exit(runtimetest.Worker(os.Args[1:], os.Stdout))
	}
	if plan := os.Getenv("CORDAGE_TEST_SUPERVISE"); plan != "" {
		os.Exit(supervise(plan))
	}
	os.Exit(m.Run())
}

func TestRuntime(t *testing.T) {
	t.Parallel()
	runtimetest.Run(t, func(t *testing.T) runtimetest.Sandbox {
		o := testOptions(t)
		return func() sandbox.Runtime { return newTestRuntime(t, o) }
	})
}

// testOptions are those of a sandbox in a directory as people have them: with blanks, and letters beyond ASCII.
func testOptions(t *testing.T) Options {
	t.Helper()
	cache, err := artefact.Open(artefact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Options{Dir: filepath.Join(openTempDir(t), "a sändbox, 'at home'"), Cache: cache, Program: program}
}

func newTestRuntime(t *testing.T, o Options) *Runtime {
	t.Helper()
	if err := os.MkdirAll(o.Dir, 0o711); err != nil {
		t.Fatal(err)
	}
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
