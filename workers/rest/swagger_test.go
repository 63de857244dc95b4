package rest

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
)

func newTestSwagger(t *testing.T) *swagger {
	t.Helper()
	doc, err := loadContract()
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSwagger(doc, newLiveSettings())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *swagger) get(t *testing.T, path string, header http.Header) *http.Response {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header = header
	if !s.serve(w, r, path) {
		t.Fatalf("GET %s is not Swagger's", path)
	}
	return w.Result()
}

// TestSwaggerPageIsWhole follows what the page loads: all of it must be served here, and nothing must come from elsewhere.
func TestSwaggerPageIsWhole(t *testing.T) {
	t.Parallel()
	s := newTestSwagger(t)
	resp := s.get(t, "/api/v1/swagger", nil)
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if policy := resp.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "script-src 'self' 'unsafe") {
		t.Errorf("content policy: %s", policy)
	}
	links := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(string(page), -1)
	if len(links) < 5 {
		t.Fatalf("the page has only %d links", len(links))
	}
	for _, link := range links {
		resp := s.get(t, link[1], nil)
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK || len(body) < 100 {
			t.Errorf("GET %s: %d, %d bytes, %v", link[1], resp.StatusCode, len(body), err)
		}
		if kind := resp.Header.Get("Content-Type"); kind == "" || kind == "text/plain" {
			t.Errorf("GET %s: content type %q", link[1], kind)
		}
	}
}

// TestSwaggerFilesAreThePackages compares the embedded files with the sums in README.md, compressed and not.
func TestSwaggerFilesAreThePackages(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("swagger/README.md")
	if err != nil {
		t.Fatal(err)
	}
	s := newTestSwagger(t)
	sums := regexp.MustCompile(`(?m)^    ([0-9a-f]{64})  (\S+)$`).FindAllStringSubmatch(string(readme), -1)
	if len(sums) != 2 {
		t.Fatalf("README.md has %d sums", len(sums))
	}
	for _, sum := range sums {
		plain, err := io.ReadAll(s.get(t, swaggerAssets+sum[2], nil).Body)
		if err != nil {
			t.Fatal(err)
		}
		zipped, err := gzip.NewReader(s.get(t, swaggerAssets+sum[2], http.Header{"Accept-Encoding": {"br, gzip"}}).Body)
		if err != nil {
			t.Fatal(err)
		}
		unzipped, err := io.ReadAll(zipped)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(plain, unzipped) {
			t.Errorf("%s differs with and without compression", sum[2])
		}
		if got := sha256.Sum256(plain); hex.EncodeToString(got[:]) != sum[1] {
			t.Errorf("%s is not the file that README.md tells of", sum[2])
		}
	}
}

func TestServedContract(t *testing.T) {
	t.Parallel()
	s := newTestSwagger(t)
	changed := defaultSettings()
	changed.title = "My cluster"
	s.settings.current.Store(&changed)
	body, err := io.ReadAll(s.get(t, "/api/v1/swagger.json", nil).Body)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(body), `"x-`) {
		t.Error("extensions are served")
	}
	var doc struct {
		OpenAPI string
		Info    struct{ Title, Description string }
		Paths   map[string]any
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Info.Title != "My cluster" || doc.Info.Description == "" || len(doc.Paths) != len(s.contract["paths"].(map[string]any)) {
		t.Errorf("title %q, description %q, %d paths", doc.Info.Title, doc.Info.Description, len(doc.Paths))
	}
}
