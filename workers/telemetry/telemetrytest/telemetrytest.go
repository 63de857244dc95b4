// Package telemetrytest has telemetry for tests. Only tests import it.
package telemetrytest

import (
	"context"
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/cordage-sandbox/cordage/workers/telemetry"
)

// ForTest gives telemetry that logs to the test, with a registry of its own.
func ForTest(t testing.TB) *telemetry.Telemetry {
	tel, _ := Record(t)
	return tel
}

// Record is ForTest, and gives the spans.
func Record(t testing.TB) (*telemetry.Telemetry, *tracetest.SpanRecorder) {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	t.Cleanup(func() {
		if err := provider.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("end tracing: %v", err)
		}
	})
	registry := prometheus.NewRegistry()
	return &telemetry.Telemetry{
		Log:      slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
		Metrics:  prometheus.WrapRegistererWith(prometheus.Labels{"worker_type": "Test"}, registry),
		Gatherer: registry,
		Tracer:   provider.Tracer("test"),
		Status:   &telemetry.Status{},
	}, spans
}
