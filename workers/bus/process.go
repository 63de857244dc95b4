package bus

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// maxProcessSpans bounds the spans made for one batch. Records beyond it go on with their sender's span.
const maxProcessSpans = 16

// startProcess begins the spans of handling a batch: one for each sender's span, so that each request can be followed
// through a batch that it shares with others. The records' own contexts become those of these spans. The context given is
// that of the one span there is, or else of a span that links to all. end ends them.
func (b *Bus) startProcess(ctx context.Context, topic, group string, batch []Record) (_ context.Context, end func(error)) {
	attributes := trace.WithAttributes(
		attribute.String("messaging.system", "kafka"),
		attribute.String("messaging.operation.type", "process"),
		attribute.String("messaging.destination.name", topic),
		attribute.String("messaging.consumer.group.name", group),
		attribute.Int("messaging.destination.partition.id", int(batch[0].Partition)),
		attribute.Int64("messaging.kafka.offset", batch[0].Offset),
		attribute.Int("messaging.batch.message_count", len(batch)),
	)
	kind := trace.WithSpanKind(trace.SpanKindConsumer)
	name := "process " + topic
	tracer := b.c.Telemetry.Tracer
	type sender struct {
		trace.TraceID
		trace.SpanID
	}
	spans := map[sender]trace.Span{}
	var links []trace.Link
	for i := range batch {
		from := batch[i].trace
		if !from.IsSampled() {
			continue
		}
		key := sender{from.TraceID(), from.SpanID()}
		span := spans[key]
		if span == nil {
			if len(spans) >= maxProcessSpans {
				continue
			}
			_, span = tracer.Start(trace.ContextWithRemoteSpanContext(ctx, from), name, kind, attributes)
			spans[key] = span
			links = append(links, trace.Link{SpanContext: span.SpanContext()})
		}
		batch[i].trace = span.SpanContext()
	}
	if len(spans) == 1 {
		for _, span := range spans {
			return trace.ContextWithSpan(ctx, span), func(err error) { endSpan(span, err) }
		}
	}
	ctx, whole := tracer.Start(ctx, name+" (batch)", kind, attributes, trace.WithLinks(links...))
	return ctx, func(err error) {
		for _, span := range spans {
			endSpan(span, err)
		}
		endSpan(whole, err)
	}
}
