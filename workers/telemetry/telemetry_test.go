package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/cordage-sandbox/cordage/workers/telemetry"
	"github.com/cordage-sandbox/cordage/workers/telemetry/telemetrytest"
)

func get(t *testing.T, h http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	if got := w.Header().Get("Cache-Control"); got != "no-cache" {
		t.Errorf("GET %s: Cache-Control %q, want no-cache", path, got)
	}
	return w
}

func TestMonitorTellsTheState(t *testing.T) {
	t.Parallel()
	tel := telemetrytest.ForTest(t)
	h := telemetry.NewMonitor("", tel, func() map[string]any { return map[string]any{"node": "database-1"} }).Handler()
	first, second := tel.Status.Component("first"), tel.Status.Component("second")
	for _, tc := range []struct {
		change          func()
		healthy, status int
		want            string
	}{
		{func() {}, 200, 200, `{"node":"database-1"}`},
		{func() { first.Up() }, 200, 200, `{"first":{"status":"UP","reason":""},"node":"database-1"}`},
		{func() { second.Down("starting") }, 200, 503, `{"first":{"status":"UP","reason":""},"node":"database-1","second":{"status":"DOWN","reason":"starting"}}`},
		{func() { second.Error("no way") }, 503, 503, `{"first":{"status":"UP","reason":""},"node":"database-1","second":{"status":"ERROR","reason":"no way"}}`},
		{func() { second.Up() }, 200, 200, `{"first":{"status":"UP","reason":""},"node":"database-1","second":{"status":"UP","reason":""}}`},
	} {
		tc.change()
		if got := get(t, h, "/isHealthy"); got.Code != tc.healthy || got.Body.Len() != 0 {
			t.Errorf("GET /isHealthy: %d %q, want %d and nothing", got.Code, got.Body, tc.healthy)
		}
		got := get(t, h, "/status")
		if diff := cmp.Diff(tc.want, strings.TrimSpace(got.Body.String())); got.Code != tc.status || diff != "" {
			t.Errorf("GET /status: %d, want %d; body (-want +got):\n%s", got.Code, tc.status, diff)
		}
	}
}

func TestMonitorServesMetrics(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	tel, end, err := telemetry.New(t.Context(), telemetry.Config{Role: "database", MetricRole: "DBWorker", LogTo: &log})
	if err != nil {
		t.Fatal(err)
	}
	defer end(t.Context())
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "corda_things_total"})
	tel.Metrics.MustRegister(c)
	c.Inc()
	body := get(t, telemetry.NewMonitor("", tel, nil).Handler(), "/metrics").Body.String()
	for _, want := range []string{`corda_things_total{worker_type="DBWorker"} 1`, `process_resident_memory_bytes{worker_type="DBWorker"}`} {
		if !strings.Contains(body, want) {
			t.Errorf("GET /metrics lacks %s", want)
		}
	}
}

func TestMonitorRuns(t *testing.T) {
	t.Parallel()
	tel := telemetrytest.ForTest(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := taken.Addr().String()
	m := telemetry.NewMonitor(addr, tel, nil)
	if err := m.Run(t.Context(), func() { t.Error("ready although the port is taken") }); err == nil || !strings.Contains(err.Error(), addr) {
		t.Errorf("Run on a taken port = %v, want an error that names %s", err, addr)
	}
	taken.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done, ready := make(chan error, 1), make(chan struct{})
	go func() { done <- m.Run(ctx, func() { close(ready) }) }()
	<-ready
	r, err := http.Get("http://" + addr + "/isHealthy")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != 200 {
		t.Errorf("GET /isHealthy: %s", r.Status)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run = %v", err)
	}
}

func TestLogHasTraceAndLevel(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	tel, end, err := telemetry.New(t.Context(), telemetry.Config{Role: "crypto", Node: "crypto-1", LogLevel: "warn", LogTo: &log})
	if err != nil {
		t.Fatal(err)
	}
	defer end(t.Context())
	sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	ctx := trace.ContextWithSpanContext(t.Context(), sc)
	tel.Log.InfoContext(ctx, "not to be seen")
	tel.Log.With("a", 1).WarnContext(ctx, "careful")
	var line map[string]any
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatalf("%v in %q", err, log.String())
	}
	delete(line, "time")
	want := map[string]any{
		"level": "WARN", "msg": "careful", "role": "crypto", "node": "crypto-1", "a": 1.0,
		"trace_id": "01000000000000000000000000000000", "span_id": "0200000000000000",
	}
	if diff := cmp.Diff(want, line); diff != "" {
		t.Errorf("log record (-want +got):\n%s", diff)
	}
	if _, _, err := telemetry.New(t.Context(), telemetry.Config{LogLevel: "loud"}); err == nil {
		t.Error(`log level "loud" is taken`)
	}
}

// TestSpansAreSent to a collector, with its token; and while it is away work goes on, and one line tells of the loss.
func TestSpansAreSent(t *testing.T) {
	t.Parallel()
	spans := make(chan *otlp.TracesData, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer secret" {
			t.Errorf("Authorization %q", got)
		}
		body, err := io.ReadAll(r.Body)
		var request otlp.TracesData
		if err == nil {
			err = proto.Unmarshal(body, &request)
		}
		if err != nil {
			t.Error(err)
		}
		spans <- &request
	}))
	var log bytes.Buffer
	tel, end, err := telemetry.New(t.Context(), telemetry.Config{
		Role: "rest", Node: "rest-1", Sandbox: "s", LogTo: &log, TracesEndpoint: server.Listener.Addr().String(), TracesToken: "secret",
	})
	if err != nil {
		t.Fatal(err)
	}
	_, span := tel.Tracer.Start(t.Context(), "work")
	span.End()
	select {
	case got := <-spans:
		resource := map[string]string{}
		for _, a := range got.GetResourceSpans()[0].GetResource().GetAttributes() {
			resource[a.GetKey()] = a.GetValue().GetStringValue()
		}
		want := map[string]string{"service.name": "rest", "service.namespace": "s", "service.instance.id": "rest-1"}
		if diff := cmp.Diff(want, resource); diff != "" {
			t.Errorf("resource (-want +got):\n%s", diff)
		}
		if name := got.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()[0].GetName(); name != "work" {
			t.Errorf("span %q, want work", name)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("no span arrives")
	}
	server.Close()
	_, span = tel.Tracer.Start(t.Context(), "lost")
	span.End()
	if err := end(t.Context()); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if n := strings.Count(log.String(), "spans are lost"); n != 1 {
		t.Errorf("the loss is logged %d times:\n%s", n, log.String())
	}
	if strings.Contains(log.String(), "secret") {
		t.Error("the token is in the log")
	}
}
