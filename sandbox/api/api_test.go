package api

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestBadRequests are refused before the supervisor is asked, with a problem that names the fault.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		method, path, body string
		status             int
		code, message      string
	}{
		"an unknown path":      {"GET", "/v1/nothing", "", 404, "not-found", "there is no GET /v1/nothing"},
		"an unknown method":    {"DELETE", "/v1/nodes", "", 404, "not-found", "there is no DELETE /v1/nodes"},
		"no number":            {"PUT", "/v1/workers/rest/replicas", `{}`, 400, "bad-request", "replicas is missing"},
		"an unknown member":    {"PUT", "/v1/workers/rest/replicas", `{"replicas":1,"force":true}`, 400, "bad-request", `unknown field "force"`},
		"a wrong type":         {"PUT", "/v1/workers/rest/replicas", `{"replicas":"1"}`, 400, "bad-request", "cannot unmarshal string"},
		"no JSON":              {"PUT", "/v1/workers/rest/replicas", `{`, 400, "bad-request", "unexpected EOF"},
		"more than one value":  {"PUT", "/v1/workers/rest/replicas", `{"replicas":1}{}`, 400, "bad-request", "something after"},
		"too many":             {"PUT", "/v1/workers/rest/replicas", `{"replicas":17}`, 400, "bad-request", "it is 0 to 16"},
		"an unknown type":      {"PUT", "/v1/workers/flow/replicas", `{"replicas":1}`, 400, "bad-request", "no such worker type"},
		"a body without end":   {"POST", "/v1/stop", strings.Repeat(" ", maxBody+1), 413, "bad-request", "more than 65536 bytes"},
		"a limit of no number": {"GET", "/v1/traces?limit=all", "", 400, "bad-request", `limit="all"`},
		"a tail of no number":  {"GET", "/v1/messages?tail=all", "", 400, "bad-request", `tail="all"`},
		"lines of no number":   {"GET", "/v1/logs?tail=all", "", 400, "bad-request", `tail="all"`},
		"a page of no number":  {"GET", "/v1/databases/config/tables/config/rows?limit=all", "", 400, "bad-request", `limit="all"`},
		"a filter mistyped":    {"GET", "/v1/logs?levl=warn", "", 400, "bad-request", `/v1/logs has no parameter "levl"; there are follow, level, match, node, tail`},
		"a filter of none":     {"GET", "/v1/nodes?role=rest", "", 400, "bad-request", `no parameter "role"; it takes none`},
		"follow of no number":  {"GET", "/v1/topology?follow=true", "", 400, "bad-request", `follow="true": it is 0 or 1`},
		"since of no number":   {"GET", "/v1/events?since=x", "", 400, "bad-request", `since="x"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &Server{log: slog.New(slog.DiscardHandler)}
			w := httptest.NewRecorder()
			s.routes().ServeHTTP(w, httptest.NewRequest(tc.method, tc.path, bytes.NewBufferString(tc.body)))
			var p Problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
				t.Fatalf("%v: %s", err, w.Body)
			}
			if w.Code != tc.status || p.Code != tc.code || !strings.Contains(p.Message, tc.message) {
				t.Errorf("the answer is %d %+v, want %d %s with %q", w.Code, p, tc.status, tc.code, tc.message)
			}
			if got := w.Result().Header.Get("Content-Type"); got != "application/json" {
				t.Errorf("its type is %s", got)
			}
		})
	}
}
