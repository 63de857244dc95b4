// Package telemetry is how a worker is observed: structured logs, Prometheus metrics, OpenTelemetry spans, and the
// monitor that serves /isHealthy, /status and /metrics. It imports nothing of Cordage but the clock.
package telemetry

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
)

// Telemetry is what the parts of one worker log, count and trace with.
type Telemetry struct {
	Log     *slog.Logger
	Metrics prometheus.Registerer // names as in Corda 5.0 (corda_…), label worker_type on all
	Tracer  trace.Tracer
	Status  *Status
}
