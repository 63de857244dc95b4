package client_test

import (
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/client"
	"github.com/cordage-sandbox/cordage/sandbox/trace"
)

// serve answers on the socket of a sandbox of its own.
func serve(t *testing.T, h http.HandlerFunc) *client.Client {
	t.Helper()
	d := sandbox.Dir{Name: "test", Path: filepath.Join(t.TempDir(), "test")}
	if err := d.Make(); err != nil {
		t.Fatal(err)
	}
	if err := d.MakeSocketDir(); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", d.Socket())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(h)
	server.Listener.Close()
	server.Listener = l
	server.Start()
	t.Cleanup(server.Close)
	c := client.Open(d)
	t.Cleanup(c.Close)
	return c
}

func TestNobodyServes(t *testing.T) {
	t.Parallel()
	c := client.Open(sandbox.Dir{Name: "ci", Path: filepath.Join(t.TempDir(), "ci")})
	_, err := c.Nodes(t.Context())
	gone, ok := errors.AsType[*sandbox.NotRunningError](err)
	if !ok || gone.Hint() != "start it with: cordage up --name ci" {
		t.Errorf("the error is %v", err)
	}
	if c.Alive(t.Context()) {
		t.Error("it is alive")
	}
	for _, err := range c.Events(t.Context()) {
		if _, ok := errors.AsType[*sandbox.NotRunningError](err); !ok {
			t.Errorf("events: %v", err)
		}
	}
}

func TestRefusalIsRead(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/nodes/rest-9/restart" || r.Method != http.MethodPost {
			t.Errorf("asked is %s %s", r.Method, r.URL.Path)
		}
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"code":"not-found","message":"no node rest-9","hint":"cordage status"}`)
	})
	_, err := c.Restart(t.Context(), "rest-9")
	refused, ok := errors.AsType[*client.Error](err)
	if !ok || refused.Code != "not-found" || refused.Error() != "no node rest-9" || refused.Hint() != "cordage status" {
		t.Errorf("the error is %#v", err)
	}
}

func TestAnswerThatIsNoProblem(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) })
	if _, err := c.Clock(t.Context()); err == nil || !strings.Contains(err.Error(), "502") {
		t.Errorf("the error is %v", err)
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, ": a comment\n\nid: 7\ndata: {\"seq\":7,\"state\":{\"sandbox\":{\"name\":\"test\"}}}\n\nid: 8\ndata: {\"seq\":8,\"gone\":\"rest-2\"}\n\n")
	})
	var seen []uint64
	for e, err := range c.Events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, e.Seq)
		if e.Seq == 7 && (e.State == nil || e.State.Sandbox.Name != "test") || e.Seq == 8 && e.Gone != "rest-2" {
			t.Errorf("the event is %+v", e)
		}
	}
	if fmt.Sprint(seen) != "[7 8]" {
		t.Errorf("events seen are %v", seen)
	}
}

func TestStreamTellsWhyItEnds(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.URL.Query(); got.Get("topic") != "a*" || got.Get("vnode") != "O=Alice, C=GB" || got.Get("tail") != "7" || got.Has("key") {
			t.Errorf("asked is %v", got)
		}
		fmt.Fprint(w, "data: {\"topic\":\"ab\"}\n\nevent: error\ndata: {\"code\":\"failed\",\"message\":\"Kafka is gone\"}\n\n")
	})
	var seen []string
	for m, err := range c.Messages(t.Context(), sandbox.MessageFilter{Topic: "a*", VNode: "O=Alice, C=GB", Tail: 7}) {
		if err != nil {
			seen = append(seen, err.Error())
			continue
		}
		seen = append(seen, m.Topic)
	}
	if got := strings.Join(seen, "|"); got != "ab|Kafka is gone" {
		t.Errorf("seen is %s", got)
	}
}

func TestNamesAreEscaped(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.EscapedPath() != "/v1/databases/ABCDEF012345%2Fvault/tables/a%3Fb/rows" || r.URL.RawQuery != "after=x%2By&limit=2" {
			t.Errorf("asked is %s?%s", r.URL.EscapedPath(), r.URL.RawQuery)
		}
		fmt.Fprint(w, `{"columns":[],"rows":[[{"null":true}]]}`)
	})
	rows, err := c.Rows(t.Context(), "ABCDEF012345/vault", "a?b", sandbox.Page{After: "x+y", Limit: 2})
	if err != nil || len(rows.Rows) != 1 || !rows.Rows[0][0].Null {
		t.Errorf("the answer is %+v, %v", rows, err)
	}
}

// TestSpansGoToTheSupervisor over the same socket, and requests to the REST API are part of the trace they are made in.
func TestSpansGoToTheSupervisor(t *testing.T) {
	t.Parallel()
	store := trace.NewStore(trace.Limits{})
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method+" "+r.URL.Path != "POST /v1/traces" {
			t.Errorf("%s %s is asked", r.Method, r.URL.Path)
		}
		trace.Handler(store).ServeHTTP(w, r)
	})
	tel, flush, err := c.Telemetry(t.Context(), "tester")
	if err != nil {
		t.Fatal(err)
	}
	ctx, span := tel.Tracer.Start(t.Context(), "question")
	var headers []string
	api := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers = append(headers, r.Header.Get("traceparent"))
		w.Write([]byte("[]"))
	}))
	defer api.Close()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: api.Certificate().Raw})
	rest, err := client.NewREST(sandbox.RESTCredentials{URL: api.URL, Login: "a", Password: "b", Authority: string(authority)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rest.Certificates(ctx, "code-signer"); err != nil {
		t.Fatal(err)
	}
	resp, err := rest.Send(ctx, client.Exchange{Method: http.MethodGet, Path: "/x"})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	span.End()
	if err := flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	id := span.SpanContext().TraceID().String()
	want := "00-" + id + "-" + span.SpanContext().SpanID().String() + "-01"
	if len(headers) != 2 || headers[0] != want || headers[1] != want {
		t.Errorf("the requests' traceparent is %q, want twice %q", headers, want)
	}
	got, ok := store.Find(id)
	if !ok || got.Name != "question" || got.Node != "tester" {
		t.Errorf("the supervisor has %+v", got)
	}
}
