package rest_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cordage-sandbox/cordage/workers/record"
)

// failure is the form of every error.
type failure struct {
	Title   string            `json:"title"`
	Status  int               `json:"status"`
	Details map[string]string `json:"details"`
}

// want checks that a reply is exactly this failure.
func (r reply) want(t *testing.T, f failure) {
	t.Helper()
	var got failure
	r.into(t, &got)
	if f.Details == nil {
		f.Details = map[string]string{}
	}
	if diff := cmp.Diff(f, got); diff != "" || r.status != f.Status {
		t.Errorf("status %d: -want +got\n%s", r.status, diff)
	}
	if kind := r.header.Get("Content-Type"); kind != "application/json" {
		t.Errorf("content type %q", kind)
	}
}

// TestHTTP has what holds for all operations, on one REST worker.
func TestHTTP(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	p.addUser(t, "reader", "secret", true,
		record.SummaryPermission{ID: "1", Type: record.Deny, String: `GET:/api/v1/config/corda\.rest`},
		record.SummaryPermission{ID: "2", Type: record.Allow, String: `GET:.*`})
	p.addUser(t, "disabled", "secret", false, record.SummaryPermission{ID: "1", Type: record.Allow, String: ".*"})
	p.setSection(t, "corda.rest", "", `{"maxContentLength":3000000,"endpoint":{"timeoutMs":200}}`, 0)
	a := p.start(t, "rest-1", 1)
	a.await(t, call{path: "/api/v1/config/corda.rest"}, func(r reply) bool { return r.status == 200 })

	t.Run("routing", func(t *testing.T) { t.Parallel(); testRouting(t, a) })
	t.Run("logon", func(t *testing.T) { t.Parallel(); testLogon(t, a) })
	t.Run("origins", func(t *testing.T) { t.Parallel(); testOrigins(t, a) })
	t.Run("bodies", func(t *testing.T) { t.Parallel(); testBodies(t, a) })
	t.Run("observed", func(t *testing.T) { t.Parallel(); testObserved(t, a) })
	t.Run("nobody answers", func(t *testing.T) {
		t.Parallel()
		a.do(t, call{path: "/api/v1/certificates/cluster/code-signer"}).
			want(t, failure{"Timeout occurred while processing operation.", 500, nil})
	})
	t.Run("exact form of an error", func(t *testing.T) {
		t.Parallel()
		const golden = "{\n    \"title\": \"Virtual Node 'ABCDEF123456' not found.\",\n    \"status\": 404,\n    \"details\": {}\n}"
		if r := a.do(t, call{path: "/api/v1/virtualnode/abcdef123456"}); r.body != golden {
			t.Errorf("got %s, want %s", r.body, golden)
		}
	})
}

func testRouting(t *testing.T, a *api) {
	notFound := failure{"Not found", 404, nil}
	for name, tc := range map[string]struct {
		call   call
		status int
		body   string // exactly, unless empty
	}{
		"open operation":                {call{path: "/api/v1/cpi/getprotocolversion", login: "-"}, 200, "1"},
		"open operation, wrong logon":   {call{path: "/api/v1/hello/getprotocolversion", login: "x", pass: "y"}, 200, "99"},
		"greeting":                      {call{method: "POST", path: "/api/v1/hello?addressee=World"}, 200, "Hello, World! (from admin)"},
		"greeting, name as typed":       {call{method: "POST", path: "/api/v1/hello?addressee=W", login: "AdMin", pass: "admin"}, 200, "Hello, W! (from AdMin)"},
		"parameter in any case":         {call{method: "POST", path: "/api/v1/hello?AddresSee=W"}, 200, "Hello, W! (from admin)"},
		"encoded once":                  {call{method: "POST", path: "/api/v1/hello?addressee=a+b%2Bc"}, 200, "Hello, a b c! (from admin)"},
		"encoded twice":                 {call{method: "POST", path: "/api/v1/hello?addressee=%25C3%25A4%252B"}, 200, "Hello, ä+! (from admin)"},
		"body where none is needed":     {call{method: "POST", path: "/api/v1/hello?addressee=W", body: "{}"}, 200, "Hello, W! (from admin)"},
		"slash at the end":              {call{path: "/api/v1/cpi/"}, 200, `{"cpis":[]}`},
		"empty list":                    {call{path: "/api/v1/virtualnode"}, 200, `{"virtualNodes":[]}`},
		"two slashes at the end":        {call{path: "/api/v1/cpi//"}, 404, ""},
		"two slashes":                   {call{path: "/api/v1//cpi"}, 404, ""},
		"unknown path":                  {call{path: "/api/v1/nothing", login: "-"}, 404, ""},
		"other version":                 {call{path: "/api/v2/cpi"}, 404, ""},
		"root":                          {call{path: "/"}, 404, ""},
		"unknown method":                {call{method: "DELETE", path: "/api/v1/cpi"}, 404, ""},
		"GET hello":                     {call{path: "/api/v1/hello?addressee=W"}, 404, ""},
		"operation of Corda not served": {call{path: "/api/v1/membership/ABCDEF123456"}, 404, ""},
		"encoded fixed segment":         {call{path: "/api/v1/%63pi"}, 404, ""},
		"HEAD without logon":            {call{method: "HEAD", path: "/api/v1/cpi", login: "-"}, 200, ""},
		"HEAD of POST":                  {call{method: "HEAD", path: "/api/v1/hello", login: "-"}, 404, ""},
		"OPTIONS":                       {call{method: "OPTIONS", path: "/api/v1/anything", login: "-"}, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := a.do(t, tc.call)
			if r.status != tc.status || tc.body != "" && r.body != tc.body {
				t.Errorf("%d %s, want %d %s", r.status, r.body, tc.status, tc.body)
			}
			if tc.status == 404 && tc.call.method != "HEAD" {
				r.want(t, notFound)
			}
			if tc.status == 200 && tc.call.method != "OPTIONS" && tc.call.method != "HEAD" && r.header.Get("Cache-Control") != "no-cache" {
				t.Error("the answer may be cached")
			}
		})
	}
	for sent, location := range map[string]string{
		"/API/v1/CPI":                        "/api/v1/cpi",
		"/api/v1/CPI/Status/AbC?x=Y":         "/api/v1/cpi/status/AbC?x=Y",
		"/api/v1/VirtualNode/abcDEF123456":   "/api/v1/virtualnode/abcDEF123456",
		"/api/v1/Certificates/cluster/A%2Fb": "/api/v1/certificates/cluster/A%2Fb",
		"/api/v1/Swagger":                    "/api/v1/swagger",
	} {
		r := a.do(t, call{path: sent, login: "-"})
		if r.status != 301 || r.header.Get("Location") != location {
			t.Errorf("GET %s: %d to %q, want 301 to %q", sent, r.status, r.header.Get("Location"), location)
		}
	}
	if r := a.do(t, call{method: "POST", path: "/api/v1/VirtualNode", body: "{}"}); r.status != 301 {
		t.Errorf("POST with a capital: %d, want 301", r.status)
	}
}

func testLogon(t *testing.T, a *api) {
	empty := failure{"User credentials are empty or cannot be resolved", 401, nil}
	wrong := failure{"Error during user authentication", 401, nil}
	forbidden := failure{"User not authorized.", 403, nil}
	basic := func(s string) map[string]string {
		return map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(s))}
	}
	for name, tc := range map[string]struct {
		call call
		want *failure // nil: 200
	}{
		"none":            {call{path: "/api/v1/cpi", login: "-"}, &empty},
		"bearer":          {call{path: "/api/v1/cpi", login: "-", header: map[string]string{"Authorization": "Bearer x.y.z"}}, &empty},
		"no colon":        {call{path: "/api/v1/cpi", login: "-", header: basic("admin")}, &empty},
		"wrong password":  {call{path: "/api/v1/cpi", login: "admin", pass: "wrong"}, &wrong},
		"unknown user":    {call{path: "/api/v1/cpi", login: "nobody", pass: "admin"}, &wrong},
		"upper-case name": {call{path: "/api/v1/cpi", login: "ADMIN", pass: "admin"}, nil},
		"disabled":        {call{path: "/api/v1/cpi", login: "disabled", pass: "secret"}, &forbidden},
		"allowed":         {call{path: "/api/v1/cpi", login: "reader", pass: "secret"}, nil},
		"not allowed":     {call{method: "POST", path: "/api/v1/hello?addressee=x", login: "reader", pass: "secret"}, &forbidden},
		"denied":          {call{path: "/api/v1/config/corda.rest", login: "reader", pass: "secret"}, &forbidden},
		"denied, slash":   {call{path: "/api/v1/config/corda.rest/", login: "reader", pass: "secret"}, &forbidden},
		"denied, encoded": {call{path: "/api/v1/config/corda%2Erest", login: "reader", pass: "secret"}, &forbidden},
		"denied, twice":   {call{path: "/api/v1/config/corda%252Erest", login: "reader", pass: "secret"}, &forbidden},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := a.do(t, tc.call)
			if tc.want == nil {
				if r.status != 200 {
					t.Errorf("%d %s", r.status, r.body)
				}
				return
			}
			r.want(t, *tc.want)
			if got := r.header.Get("WWW-Authenticate"); (tc.want.Status == 401) != (got == `Basic realm="Cordage"`) {
				t.Errorf("WWW-Authenticate: %q", got)
			}
		})
	}
}

func testOrigins(t *testing.T, a *api) {
	for name, tc := range map[string]struct {
		method, origin string
		status         int
		allowed        bool
	}{
		"no page":                 {"POST", "", 200, false},
		"the API's own page":      {"POST", a.url, 200, true},
		"a page of this machine":  {"POST", "http://localhost:3000", 200, true},
		"a loopback address":      {"POST", "http://[::1]:3000", 200, true},
		"a foreign page reads":    {"GET", "https://evil.example", 200, false},
		"a foreign page changes":  {"POST", "https://evil.example", 403, false},
		"a page without origin":   {"POST", "null", 403, false},
		"a name that looks local": {"POST", "https://localhost.evil.example", 403, false},
		"a foreign page asks":     {"OPTIONS", "https://evil.example", 200, false},
		"a local page asks":       {"OPTIONS", "http://localhost:3000", 200, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := "/api/v1/hello?addressee=x"
			if tc.method == "GET" {
				path = "/api/v1/cpi"
			}
			header := map[string]string{"Access-Control-Request-Headers": "authorization", "Access-Control-Request-Method": "PUT"}
			if tc.origin != "" {
				header["Origin"] = tc.origin
			}
			r := a.do(t, call{method: tc.method, path: path, header: header})
			if r.status != tc.status {
				t.Errorf("%d %s", r.status, r.body)
			}
			want := ""
			if tc.allowed {
				want = tc.origin
			}
			if got := r.header.Get("Access-Control-Allow-Origin"); got != want {
				t.Errorf("allowed origin %q, want %q", got, want)
			}
			if asks := tc.method == "OPTIONS" && tc.allowed; asks != (r.header.Get("Access-Control-Allow-Headers") == "authorization") ||
				asks != (r.header.Get("Access-Control-Allow-Methods") == "PUT") {
				t.Errorf("header of the answer: %v", r.header)
			}
			if r.header.Get("Vary") == "" {
				t.Error("caches are not told that the answer depends on the origin")
			}
		})
	}
}

// endless is a body without length.
type endless struct{ left int }

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), e.left)
	for i := range n {
		p[i] = ' '
	}
	e.left -= n
	return n, nil
}

func testBodies(t *testing.T, a *api) {
	const valid = `{"section":"corda.messaging","version":0,"config":{},"schemaVersion":{"major":1,"minor":0}}`
	unparsed := func(cause, reason string) *failure {
		return &failure{"Unable to parse parameter 'request'", 400, map[string]string{"cause": cause, "reason": reason}}
	}
	tooLarge := &failure{"Payload Too Large", 413, map[string]string{"maximum": "1000000"}}
	for name, tc := range map[string]struct {
		call call
		want *failure
	}{
		"malformed":                 {call{body: `{"section":`}, unparsed("MalformedJson", "the text ends at byte 11, before the JSON value does")},
		"form encoded":              {call{body: "section=corda.rest"}, unparsed("MalformedJson", "at byte 0: invalid character 's' looking for beginning of value")},
		"no body":                   {call{}, unparsed("MissingValue", "the request has no body")},
		"a list":                    {call{body: "[]"}, unparsed("WrongType", "the body is an array, an object is needed")},
		"wrong type":                {call{body: strings.Replace(valid, `"corda.messaging"`, `["corda.messaging"]`, 1)}, unparsed("WrongType", `"section" is an array, a string is needed`)},
		"unknown member":            {call{body: strings.Replace(valid, `"version"`, `"vrsion"`, 1)}, unparsed("UnknownMember", `"vrsion" is not known; known are config, schemaVersion, section, version`)},
		"twice":                     {call{body: strings.Replace(valid, `"version":0`, `"version":0,"version":1`, 1)}, unparsed("DuplicateMember", `member "version" is given twice`)},
		"missing":                   {call{body: `{"section":"corda.rest"}`}, unparsed("MissingValue", "")},
		"too large":                 {call{body: strings.Repeat(" ", 1_000_001)}, tooLarge},
		"too large, length unknown": {call{body: &endless{1_000_001}}, tooLarge},
		"beyond maxContentLength":   {call{body: strings.Repeat(" ", 3_000_001)}, &failure{"The request is longer than 3000000 bytes (maxContentLength of corda.rest)", 400, nil}},
		"beyond it, no logon":       {call{login: "-", body: strings.Repeat(" ", 3_000_001)}, &failure{"The request is longer than 3000000 bytes (maxContentLength of corda.rest)", 400, nil}},
		"a form where JSON belongs": {call{body: form{"upload": {"x", "y"}}}, &failure{"This operation takes JSON, not multipart/form-data", 415, nil}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.call.method, tc.call.path = "PUT", "/api/v1/config"
			r := a.do(t, tc.call)
			if tc.want.Details["reason"] == "" && tc.want.Details["cause"] != "" { // which of several is missing is not fixed
				var got failure
				r.into(t, &got)
				tc.want.Details["reason"] = got.Details["reason"]
			}
			r.want(t, *tc.want)
		})
	}
	// Every content type is taken: all get as far as to the database worker, which is not there.
	for _, kind := range []string{"", "application/json", "text/plain; charset=UTF-8", "application/x-www-form-urlencoded", "nonsense"} {
		header := map[string]string{"Content-Type": kind}
		for _, body := range []string{valid, `{"request":` + valid + `}`, strings.Replace(valid, `"version":0`, `"version":"0"`, 1)} {
			r := a.do(t, call{method: "PUT", path: "/api/v1/config", header: header, body: body})
			r.want(t, failure{"Timeout occurred while processing operation.", 500, nil})
		}
	}
}

func testObserved(t *testing.T, a *api) {
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	r := a.do(t, call{path: "/api/v1/virtualnode/ABCDEF000000", header: map[string]string{"Traceparent": parent}})
	if got := r.header.Get("X-Trace-Id"); got != "0af7651916cd43dd8448eb211c80319c" {
		t.Errorf("the trace is %q, not the caller's", got)
	}
	if r := a.do(t, call{path: "/nowhere"}); len(r.header.Get("X-Trace-Id")) != 32 {
		t.Errorf("trace id %q", r.header.Get("X-Trace-Id"))
	}
	families, err := a.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, f := range families {
		if f.GetName() != "corda_http_server_request_time_seconds" {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			text, err := json.Marshal(labels)
			if err != nil {
				t.Fatal(err)
			}
			seen[string(text)] = m.GetHistogram().GetSampleCount() > 0
		}
	}
	for _, want := range []string{
		`{"http_method":"GET","status":"404","uri_path":"/api/v1/virtualnode/{holdingidentityshorthash}","worker_type":"RestWorker"}`,
		`{"http_method":"GET","status":"404","uri_path":"unmatched","worker_type":"RestWorker"}`,
	} {
		if !seen[want] {
			t.Errorf("the metrics have no %s", want)
		}
	}
	if strings.Contains(a.log.String(), `"level":"WARN"`) && strings.Contains(a.log.String(), "panic") {
		t.Error("an operation panicked")
	}
}
