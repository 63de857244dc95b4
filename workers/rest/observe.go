package rest

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// headerTraceID tells the client under which trace its request can be followed.
const headerTraceID = "X-Trace-Id"

// unmatched stands for paths that have no operation, in metrics and spans: their number has no limit.
const unmatched = "unmatched"

// requestTime is the metric of Corda 5.0, with the path's template in place of the path.
type requestTime struct{ histogram *prometheus.HistogramVec }

func newRequestTime(to prometheus.Registerer) (requestTime, error) {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "corda_http_server_request_time_seconds", Help: "Time taken by a REST request.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
	}, []string{"uri_path", "http_method", "status"})
	return requestTime{h}, to.Register(h)
}

// observed is what is noted of one request.
type observed struct {
	http.ResponseWriter
	status   int
	template string
}

func (o *observed) WriteHeader(status int) {
	if o.status == 0 && status >= 200 {
		o.status = status
	}
	o.ResponseWriter.WriteHeader(status)
}

func (o *observed) Write(p []byte) (int, error) {
	if o.status == 0 {
		o.status = http.StatusOK
	}
	return o.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (o *observed) Unwrap() http.ResponseWriter { return o.ResponseWriter }

type observedKey struct{}

// setRoute tells the observer which operation a request goes to.
func setRoute(ctx context.Context, op *operation) {
	if o, ok := ctx.Value(observedKey{}).(*observed); ok {
		o.template = op.template
	}
}

// observe counts a request, and follows it in a trace: the client's, if it sent one.
func (s *service) observe(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, *http.Request, func()) {
	start := time.Now()
	ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	method := r.Method
	if !slices.Contains([]string{"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"}, method) {
		method = "other"
	}
	ctx, span := s.tel.Tracer.Start(ctx, method, trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.String("http.request.method", method)))
	o := &observed{ResponseWriter: w, template: unmatched}
	if id := span.SpanContext().TraceID(); id.IsValid() {
		w.Header().Set(headerTraceID, id.String())
	}
	return o, r.WithContext(context.WithValue(ctx, observedKey{}, o)), func() {
		span.SetName(method + " " + o.template)
		span.SetAttributes(attribute.String("http.route", o.template), attribute.Int("http.response.status_code", o.status))
		if o.status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, http.StatusText(o.status))
		}
		span.End()
		s.tel.Log.DebugContext(ctx, "request", "method", method, "route", o.template, "status", o.status, "took", time.Since(start))
		s.times.histogram.WithLabelValues(o.template, method, strconv.Itoa(o.status)).Observe(time.Since(start).Seconds())
	}
}
