package store

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// maxQueryText bounds the text of a statement in a span, in bytes.
const maxQueryText = 1000

// tracer makes a span for each query of a context that has one already, with the provider of that one. Values of
// parameters are not recorded.
type tracer struct {
	database   string
	all        *prometheus.CounterVec // see [CountStatements]; nil: nothing is counted
	statements prometheus.Counter     // of the pool's user
}

var (
	_ pgx.QueryTracer = tracer{}
	_ pgx.BatchTracer = tracer{}
)

func (t tracer) start(ctx context.Context, name, sql string) context.Context {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx
	}
	ctx, _ = parent.TracerProvider().Tracer("cordage/store").Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("db.system.name", "postgresql"), attribute.String("db.namespace", t.database),
			attribute.String("db.query.text", sql)))
	return ctx
}

func end(ctx context.Context, err error) {
	span := trace.SpanFromContext(ctx)
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}

// started marks a context whose span was made by this package, so that only such spans are ended.
type started struct{}

// TraceQueryStart begins a span.
func (t tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	sql := strings.TrimSpace(data.SQL)
	if !framesTransaction(sql) {
		t.count(1)
	}
	return t.begin(ctx, sql)
}

func (t tracer) begin(ctx context.Context, sql string) context.Context {
	name, _, _ := strings.Cut(sql, " ")
	next := t.start(ctx, "postgresql "+strings.ToUpper(strings.TrimRight(name, ";")), sql[:min(len(sql), maxQueryText)])
	return context.WithValue(next, started{}, next != ctx)
}

func finish(ctx context.Context, err error) {
	if ours, _ := ctx.Value(started{}).(bool); ours {
		end(ctx, err)
	}
}

// TraceQueryEnd ends it.
func (t tracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	finish(ctx, data.Err)
}

// TraceBatchStart begins a span for all queries of the batch.
func (t tracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	t.count(len(data.Batch.QueuedQueries))
	var texts []string
	for _, q := range data.Batch.QueuedQueries {
		texts = append(texts, strings.TrimSpace(q.SQL))
	}
	return t.begin(ctx, "BATCH "+strings.Join(texts, ";\n"))
}

// TraceBatchQuery does nothing: the queries of a batch are sent together.
func (t tracer) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd ends it.
func (t tracer) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchEndData) {
	finish(ctx, data.Err)
}
