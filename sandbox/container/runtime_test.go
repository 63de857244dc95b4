package container

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/artefact"
	"github.com/cordage-sandbox/cordage/sandbox/image"
	"github.com/cordage-sandbox/cordage/sandbox/runtimetest"
)

func TestRuntime(t *testing.T) {
	t.Parallel()
	needImages(t)
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

// testImages are the errors of having the images of servers, which are had once.
var testImages = sync.OnceValue(func() error { //nolint:gochecknoglobals // had once for all tests
	cache, err := artefact.Open(artefact.Options{})
	if err != nil {
		return err
	}
	engine, err := Connect(context.Background())
	if err != nil {
		return err
	}
	set := image.Set{Engine: engine, Cache: cache, Base: os.Getenv("CORDAGE_BASE_IMAGE")}
	// Other tests may be making them: one that hangs takes its own time, not this one's too.
	const limit = 4 * time.Minute
	ctx, cancel := context.WithTimeoutCause(context.Background(), limit, fmt.Errorf("not within %v", limit))
	defer cancel()
	for _, kind := range []sandbox.Kind{sandbox.PostgreSQL, sandbox.Kafka} {
		if _, err := set.Ensure(ctx, kind, func(sandbox.Progress) {}); err != nil {
			return err
		}
	}
	return nil
})

// needImages skips a test where there is no engine, or none of the images of servers can be had; or fails.
func needImages(t *testing.T) {
	t.Helper()
	needEngine(t)
	err := testImages()
	switch {
	case err != nil && os.Getenv("CORDAGE_REQUIRE_ENGINE") != "":
		t.Fatalf("the images must be had: %v", err)
	case err != nil:
		t.Skipf("no images of PostgreSQL and Kafka (CORDAGE_BASE_IMAGE may name an image to build them on): %v", err)
	}
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
		if err := r.Close(); err != nil {
			t.Errorf("close the runtime: %v", err)
		}
	})
	return r
}
