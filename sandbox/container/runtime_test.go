package container

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/artefact"
	"github.com/cordage-sandbox/cordage/sandbox/image"
	"github.com/cordage-sandbox/cordage/sandbox/runtimetest"
)

func TestRuntime(t *testing.T) {
	t.Parallel()
	needEngine(t)
	runtimetest.Run(t, func(t *testing.T) runtimetest.Sandbox {
		o := testOptions(t)
		return func() sandbox.Runtime { return newTestRuntime(t, o) }
	})
}

// needEngine skips a test where there is no container engine; where there must be one (CORDAGE_REQUIRE_ENGINE=1) it fails.
func needEngine(t *testing.T) *Engine {
	t.Helper()
	e, err := Connect(t.Context())
	if err == nil {
		return e
	}
	if os.Getenv("CORDAGE_REQUIRE_ENGINE") != "" {
		t.Fatalf("there must be a container engine: %v", err)
	}
	t.Skipf("no container engine: %v", err)
	return nil
}

func testOptions(t *testing.T) Options {
	t.Helper()
	cache, err := artefact.Open(artefact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	program, err := testWorker()
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Dir: filepath.Join(t.TempDir(), "sandbox"), Sandbox: "test", Version: "test",
		Images: image.Set{Cache: cache, Program: program, Base: os.Getenv("CORDAGE_BASE_IMAGE"), Offline: true},
	}
}

// testWorker builds the worker of the suite once, as one static executable.
var testWorker = sync.OnceValues(func() (string, error) { //nolint:gochecknoglobals // built once for all tests
	dir, err := os.MkdirTemp("", "cordage-test-worker-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "worker")
	cmd := exec.Command("go", "build", "-o", path, "./testdata/worker")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%v: %w: %s", cmd, err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := testWorker(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// newTestRuntime gives a runtime whose sandbox is removed after the test.
func newTestRuntime(t *testing.T, o Options) *Runtime {
	t.Helper()
	r, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := remove(context.Background(), r.engine, r.ours()); err != nil {
			t.Errorf("remove the sandbox: %v", err)
		}
	})
	return r
}
