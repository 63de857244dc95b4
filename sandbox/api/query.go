package api

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// queries is the table of what operations take in their query. A parameter that is not there is refused: one that is
// mistyped would otherwise filter nothing.
func queries() map[string][]string {
	page := []string{"after", "limit"}
	return map[string][]string{
		"GET /v1/events":            {"since"},
		"GET /v1/nodes/{node}/logs": {"follow", "tail"},
		"GET /v1/logs":              {"follow", "level", "match", "node", "tail"},
		"GET /v1/messages":          {"key", "tail", "text", "topic", "type", "vnode"},
		"GET /v1/topology":          {"follow"},
		"GET /v1/traces":            {"limit"},
		"GET /v1/databases/{database}/tables/{table}/rows": page,
		"GET /v1/uniqueness/{vnode}":                       append(page, "find", "show"),
	}
}

// checkQuery refuses parameters that the operation does not take.
func checkQuery(pattern string, r *http.Request) error {
	takes := queries()[pattern]
	q := r.URL.Query()
	for _, name := range slices.Sorted(maps.Keys(q)) {
		if slices.Contains(takes, name) {
			continue
		}
		what := "it takes none"
		if len(takes) > 0 {
			what = "there are " + strings.Join(slices.Sorted(slices.Values(takes)), ", ")
		}
		return badRequest(fmt.Sprintf("%s has no parameter %q; %s", r.URL.Path, name, what))
	}
	if f := q.Get("follow"); f != "" && f != "0" && f != "1" {
		return badRequest(fmt.Sprintf("follow=%q: it is 0 or 1", f))
	}
	return nil
}

// follows tells whether an operation is to go on.
func follows(r *http.Request) bool { return r.URL.Query().Get("follow") == "1" }

func number(r *http.Request, name string, otherwise int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, badRequest(fmt.Sprintf("%s=%q is no number", name, text))
	}
	return n, nil
}
