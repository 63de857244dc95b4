package rest

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

//go:embed swagger/index.html swagger/initializer.js swagger/favicon.png swagger/*.gz
var swaggerFiles embed.FS

const (
	swaggerVersion = "5.35.0"
	swaggerPage    = base + "/swagger"
	swaggerJSON    = base + "/swagger.json"
	swaggerAssets  = "/webjars/swagger-ui/" + swaggerVersion + "/"
)

// contentPolicy lets the page load from its own server only. Swagger UI sets styles from its code.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// swagger serves the contract, and Swagger UI to look at it, without a logon.
type swagger struct {
	contract map[string]any
	files    map[string]asset // by path
	settings *liveSettings
}

type asset struct {
	kind    string
	plain   []byte
	gzipped []byte // nil: not compressed
	policy  string // Content-Security-Policy
	lasting bool   // a path with a version: what is there does not change
}

func newSwagger(doc *openapi3.T, settings *liveSettings) (*swagger, error) {
	encoded, err := doc.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("write the REST contract as JSON: %w", err)
	}
	s := &swagger{files: map[string]asset{}, settings: settings}
	if err := json.Unmarshal(encoded, &s.contract); err != nil {
		return nil, fmt.Errorf("write the REST contract as JSON: %w", err)
	}
	dropExtensions(s.contract)
	page, err := swaggerFiles.ReadFile("swagger/index.html")
	if err != nil {
		return nil, err
	}
	s.files[swaggerPage] = asset{kind: "text/html; charset=utf-8", plain: page, policy: contentPolicy}
	for _, name := range []string{"initializer.js", "favicon.png", "swagger-ui-bundle.js", "swagger-ui.css"} {
		a, err := readAsset(name)
		if err != nil {
			return nil, err
		}
		s.files[swaggerAssets+name] = a
	}
	return s, nil
}

func readAsset(name string) (asset, error) {
	a := asset{kind: mime.TypeByExtension(path.Ext(name)), policy: "default-src 'none'", lasting: true}
	var err error
	if a.plain, err = swaggerFiles.ReadFile("swagger/" + name); err == nil {
		return a, nil
	}
	a.gzipped, err = swaggerFiles.ReadFile("swagger/" + name + ".gz")
	return a, err
}

// dropExtensions removes what is said to this program only.
func dropExtensions(v any) {
	switch v := v.(type) {
	case map[string]any:
		maps.DeleteFunc(v, func(key string, _ any) bool { return strings.HasPrefix(key, "x-") })
		for _, child := range v {
			dropExtensions(child)
		}
	case []any:
		for _, child := range v {
			dropExtensions(child)
		}
	}
}

// serve answers if the path is one of Swagger's.
func (s *swagger) serve(w http.ResponseWriter, r *http.Request, path string) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	path = strings.TrimSuffix(path, "/")
	for _, fixed := range []string{swaggerPage, swaggerJSON} {
		if path != fixed && strings.EqualFold(path, fixed) {
			w.Header().Set("Location", fixed)
			w.WriteHeader(http.StatusMovedPermanently)
			return true
		}
	}
	if path == swaggerJSON {
		s.serveContract(w)
		return true
	}
	a, known := s.files[path]
	if known {
		a.serve(w, r)
	}
	return known
}

// serveContract writes the contract, with the title and description of the section corda.rest, as Corda 5.0 does.
func (s *swagger) serveContract(w http.ResponseWriter) {
	doc := maps.Clone(s.contract)
	if info, ok := doc["info"].(map[string]any); ok {
		info = maps.Clone(info)
		settings := s.settings.get()
		for key, value := range map[string]string{"title": settings.title, "description": settings.description} {
			if value != "" {
				info[key] = value
			}
		}
		doc["info"] = info
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.Encode(doc) //nolint:errcheck // only if the client is gone
}

func (a asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Content-Security-Policy", a.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
	if a.lasting {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	body := io.Reader(bytes.NewReader(a.plain))
	if a.gzipped != nil {
		h.Add("Vary", "Accept-Encoding")
		body = bytes.NewReader(a.gzipped)
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
		} else if plain, err := gzip.NewReader(body); err == nil {
			body = plain
		}
	}
	io.Copy(w, body) //nolint:errcheck // only if the client is gone
}
