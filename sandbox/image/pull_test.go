package image_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/container"
	"github.com/cordage-sandbox/cordage/sandbox/image"
)

// needEngine skips a test where there is no container engine, or fails where there must be one.
func needEngine(t *testing.T) *container.Engine {
	t.Helper()
	e, err := container.Connect(t.Context())
	switch {
	case err != nil && os.Getenv("CORDAGE_REQUIRE_ENGINE") != "":
		t.Fatalf("there must be a container engine: %v", err)
	case err != nil:
		t.Skipf("no container engine: %v", err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// registry speaks as much of the OCI distribution protocol as a pull needs: it has one image, with one layer that no other
// image has. An engine speaks plain HTTP to one on 127.0.0.1. A login that is not empty is asked for.
func registry(t *testing.T, login string) (address string) {
	t.Helper()
	content := make([]byte, 1<<20)
	if _, err := rand.Read(content); err != nil {
		t.Fatal(err)
	}
	var plain, layer bytes.Buffer
	w := tar.NewWriter(&plain)
	if err := w.WriteHeader(&tar.Header{Name: "file", Mode: 0o644, Size: int64(len(content))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(&layer)
	if _, err := z.Write(plain.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	asJSON := func(v any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	type object map[string]any
	config := asJSON(object{
		"architecture": "amd64", "os": "linux", "config": object{}, "rootfs": object{"type": "layers", "diff_ids": []string{digest(plain.Bytes())}},
	})
	const prefix = "application/vnd.docker."
	manifest := asJSON(object{
		"schemaVersion": 2, "mediaType": prefix + "distribution.manifest.v2+json",
		"config": object{"mediaType": prefix + "container.image.v1+json", "size": len(config), "digest": digest(config)},
		"layers": []object{{"mediaType": prefix + "image.rootfs.diff.tar.gzip", "size": layer.Len(), "digest": digest(layer.Bytes())}},
	})
	blobs := map[string][]byte{digest(config): config, digest(layer.Bytes()): layer.Bytes()}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != login {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		name := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		switch {
		case r.URL.Path == "/v2/":
		case strings.HasPrefix(r.URL.Path, "/v2/servers/postgres/manifests/") && (name == "14" || name == digest(manifest)):
			w.Header().Set("Content-Type", prefix+"distribution.manifest.v2+json")
			w.Header().Set("Docker-Content-Digest", digest(manifest))
			_, _ = w.Write(manifest) // who does not listen any more notices it
		case blobs[name] != nil:
			_, _ = w.Write(blobs[name])
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// An image of the user's choice is fetched from its registry, with progress, when it is not there, and only then.
func TestEnsurePulls(t *testing.T) {
	t.Parallel()
	e := needEngine(t)
	s := image.Set{Engine: e, Cache: cacheOf(t), PostgreSQL: registry(t, "") + "/servers/postgres:14"}
	t.Cleanup(func() {
		_, _ = e.ImageRemove(context.Background(), s.PostgreSQL, client.ImageRemoveOptions{Force: true})
	})
	var steps []sandbox.Progress
	tell := func(p sandbox.Progress) { steps = append(steps, p) }
	name, err := s.Ensure(t.Context(), sandbox.PostgreSQL, tell)
	if err != nil || name != s.PostgreSQL {
		t.Fatalf("Ensure: %q, %v; want %s", name, err, s.PostgreSQL)
	}
	if len(steps) == 0 || steps[0].Step != "pull "+s.PostgreSQL {
		t.Errorf("progress is %+v; want that of a pull", steps)
	}
	found, there, err := s.Find(t.Context(), sandbox.PostgreSQL)
	if err != nil || !there || found.Source != "chosen" || found.Size < 1<<20 {
		t.Errorf("Find: %+v, %v, %v; want the image, of a MiB and more", found, there, err)
	}
	steps = nil
	if _, err := s.Ensure(t.Context(), sandbox.PostgreSQL, tell); err != nil || len(steps) > 0 {
		t.Errorf("Ensure once more: %v, with progress %+v", err, steps)
	}
}

// What cannot be pulled is named, with the reason and a way out that fits: by an image of the user's choice, and by a
// registry that does not have it.
func TestPullFails(t *testing.T) {
	t.Parallel()
	e := needEngine(t)
	at := registry(t, "")
	for name, tc := range map[string]struct {
		set  image.Set
		why  string
		hint string
	}{
		"the registry does not have it":   {image.Set{PostgreSQL: at + "/servers/postgres:15"}, "pull it: ", "docker load"},
		"nothing is at that address":      {image.Set{PostgreSQL: "127.0.0.1:1/servers/postgres:14"}, "connection refused", "docker save 127.0.0.1:1/servers/postgres:14"},
		"it is offline":                   {image.Set{PostgreSQL: at + "/servers/postgres:14", Offline: true}, "nothing is to be fetched", "docker load"},
		"it is offline, and nobody cares": {image.Set{Offline: true}, "nothing is to be fetched", "cordage images build --base IMAGE"},
	} {
		tc.set.Engine = e
		asked, err := tc.set.Pull(t.Context(), sandbox.PostgreSQL, func(sandbox.Progress) {})
		missing, ok := errors.AsType[*image.MissingError](err)
		if !ok || missing.Image != asked || !strings.Contains(err.Error(), tc.why) || !strings.Contains(missing.Hint(), tc.hint) {
			t.Errorf("%s: Pull(%s): %v; want a *MissingError with %q and a way out with %q", name, asked, err, tc.why, tc.hint)
		}
	}
	if _, err := (image.Set{Engine: e}).Pull(t.Context(), sandbox.Worker, func(sandbox.Progress) {}); err == nil {
		t.Error("the workers' image, which is in no registry, was pulled")
	}
}

// A registry that asks for a login gets the one that the user's Docker configuration has for it.
func TestPullWithLogin(t *testing.T) {
	e := needEngine(t)
	at := registry(t, "open-sesame")
	s := image.Set{Engine: e, PostgreSQL: at + "/servers/postgres:14"}
	t.Cleanup(func() {
		_, _ = e.ImageRemove(context.Background(), s.PostgreSQL, client.ImageRemoveOptions{Force: true})
	})
	for password, good := range map[string]bool{"wrong": false, "open-sesame": true} {
		auth := base64.StdEncoding.EncodeToString([]byte("me:" + password))
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "config.json"), fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, at, auth), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("DOCKER_CONFIG", dir)
		_, err := s.Pull(t.Context(), sandbox.PostgreSQL, func(sandbox.Progress) {})
		if (err == nil) != good {
			t.Errorf("with the password %s: %v", password, err)
		}
	}
}
