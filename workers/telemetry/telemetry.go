// Package telemetry is how a worker is observed: structured logs, Prometheus metrics, OpenTelemetry spans, and the
// monitor that serves /isHealthy, /status and /metrics. It imports nothing of Cordage but the clock.
package telemetry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Telemetry is what the parts of one worker log, count and trace with.
type Telemetry struct {
	Log      *slog.Logger
	Metrics  prometheus.Registerer // names as in Corda 5.0 (corda_…), label worker_type on all
	Gatherer prometheus.Gatherer   // what was registered with Metrics; served at /metrics
	Tracer   trace.Tracer
	Status   *Status
}

// Config says who the worker is, and where its logs and spans go.
type Config struct {
	Role       string // worker type, such as database
	MetricRole string // Corda's name of it, such as DBWorker; the label worker_type
	Node       string // name of the node in the sandbox, such as database-1
	Sandbox    string
	LogLevel   string    // debug, info, warn or error; empty means info
	LogTo      io.Writer // nil means standard error

	// TracesEndpoint is host:port of an OTLP collector over HTTP on this machine; empty: spans are not recorded.
	TracesEndpoint string
	TracesToken    string // sent to it as Authorization: Bearer; empty: no such header

	TracesVia http.RoundTripper // carries them; nil: TCP, without a proxy
}

// spanDelay is how long a finished span waits for others before it is sent on.
const spanDelay = 200 * time.Millisecond

// New makes the telemetry of a worker. The function that it gives sends what is left, and ends what New began.
func New(ctx context.Context, c Config) (*Telemetry, func(context.Context) error, error) {
	level := slog.LevelInfo
	if c.LogLevel != "" {
		if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
			return nil, nil, fmt.Errorf("log level %q: want debug, info, warn or error", c.LogLevel)
		}
	}
	to := c.LogTo
	if to == nil {
		to = os.Stderr
	}
	handler := slog.NewJSONHandler(to, &slog.HandlerOptions{Level: level})
	log := slog.New(traceHandler{handler}).With("role", c.Role, "node", c.Node)

	provider, err := newTracing(ctx, c, log)
	if err != nil {
		return nil, nil, err
	}
	registry := prometheus.NewRegistry()
	metrics := prometheus.WrapRegistererWith(prometheus.Labels{"worker_type": cmp.Or(c.MetricRole, c.Role)}, registry)
	err = errors.Join(
		metrics.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})),
		metrics.Register(collectors.NewGoCollector()),
	)
	if err != nil {
		return nil, nil, fmt.Errorf("register process metrics: %w", err)
	}
	return &Telemetry{
		Log: log, Metrics: metrics, Gatherer: registry, Tracer: provider.Tracer(tracerName), Status: &Status{},
	}, provider.Shutdown, nil
}

// tracerName is the instrumentation scope of all spans.
const tracerName = "github.com/cordage-sandbox/cordage/workers"

func newTracing(ctx context.Context, c Config, log *slog.Logger) (*sdktrace.TracerProvider, error) {
	options := []sdktrace.TracerProviderOption{sdktrace.WithResource(resource.NewSchemaless(
		attribute.String("service.name", c.Role),
		attribute.String("service.namespace", c.Sandbox),
		attribute.String("service.instance.id", c.Node),
	))}
	if c.TracesEndpoint == "" {
		// Trace context still passes through the worker, so that what is before and behind it stays one trace.
		return sdktrace.NewTracerProvider(append(options, sdktrace.WithSampler(sdktrace.NeverSample()))...), nil
	}
	exporter, err := otlptrace.New(ctx, newSpanClient(c.TracesEndpoint, c.TracesToken, c.TracesVia))
	if err != nil {
		return nil, fmt.Errorf("export spans to %s: %w", c.TracesEndpoint, err)
	}
	quiet := &quietExporter{SpanExporter: exporter, log: log, to: c.TracesEndpoint}
	return sdktrace.NewTracerProvider(append(options, sdktrace.WithBatcher(quiet, sdktrace.WithBatchTimeout(spanDelay)))...), nil
}

// quietExporter logs that spans are lost once for each outage; the SDK would print each failure to standard error.
type quietExporter struct {
	sdktrace.SpanExporter
	log  *slog.Logger
	to   string
	lost bool // only the batch processor's one goroutine is here
}

func (e *quietExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	switch {
	case err != nil && !e.lost:
		e.lost = true
		e.log.WarnContext(ctx, "spans are lost: their collector does not take them", "collector", e.to,
			"error", strings.TrimSpace(err.Error()))
	case err == nil && e.lost:
		e.lost = false
		e.log.InfoContext(ctx, "spans are collected again", "collector", e.to)
	}
	return nil
}

// traceHandler adds the ids of the context's span to each log record.
type traceHandler struct{ slog.Handler }

func (h traceHandler) Handle(ctx context.Context, r slog.Record) error {
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		r.AddAttrs(slog.String("trace_id", sc.TraceID().String()), slog.String("span_id", sc.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

func (h traceHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return traceHandler{h.Handler.WithAttrs(attrs)}
}

func (h traceHandler) WithGroup(name string) slog.Handler {
	return traceHandler{h.Handler.WithGroup(name)}
}
