package bus

import (
	"context"
	"encoding/json"
	"fmt"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/cordage-sandbox/cordage/workers/bus/wire"
	"github.com/cordage-sandbox/cordage/workers/record"
)

// Names of headers. Those of the trace context are the W3C's.
const (
	headerType = "type" // record type of the value

	headerChunkSet  = "chunk.set"   // random id of the value that the chunk is a part of
	headerChunkPart = "chunk.part"  // from 1
	headerChunkOf   = "chunk.parts" // on the last one only: how many there are
	headerChunkHash = "chunk.sha256"

	headerCorrelation    = "rpc.correlation"
	headerSender         = "rpc.sender"
	headerReplyTopic     = "rpc.reply-topic" // with prefix
	headerReplyPartition = "rpc.reply-partition"
	headerDeadline       = "rpc.deadline" // Unix time, in milliseconds
	headerStatus         = "rpc.status"   // OK, FAILED or CANCELLED

	headerDeadReason = "deadletter.reason" // why the record is a dead letter
	headerDeadFrom   = "deadletter.from"   // topic/partition/offset where it was
)

// encode makes what is written of the messages. Their trace is that of ctx where they do not have one of their own.
func (b *Bus) encode(ctx context.Context, client string, msgs []Message) ([]wire.Out, error) {
	outs := make([]wire.Out, 0, len(msgs))
	own := traceHeaders(trace.SpanContextFromContext(ctx))
	for i := range msgs {
		m := &msgs[i]
		n, err := b.k.Partitions(ctx, b.topic(m.Topic))
		if err != nil {
			return nil, err
		}
		out := wire.Out{
			Topic: b.topic(m.Topic), Partition: b.k.PartitionFor([]byte(m.Key), n), Key: []byte(m.Key),
			Headers: make([]wire.Header, 0, 2+len(own)+len(m.headers)),
		}
		if m.partition != nil {
			out.Partition = *m.partition
		}
		if err := setValue(m, &out); err != nil {
			return nil, err
		}
		if m.trace.IsValid() {
			out.Headers = append(out.Headers, traceHeaders(m.trace)...)
		} else {
			out.Headers = append(out.Headers, own...)
		}
		for _, h := range m.headers {
			out.Headers = append(out.Headers, wire.Header{Key: h.key, Value: h.value})
		}
		outs = b.split(outs, client, m.Topic, out)
	}
	return outs, nil
}

// setValue sets the value and its type.
func setValue(m *Message, out *wire.Out) error {
	if m.raw != nil {
		out.Value = m.raw
		return nil
	}
	if m.Value == nil {
		return nil
	}
	value, err := json.Marshal(m.Value)
	if err != nil {
		return fmt.Errorf("message to %s, key %q: write %T as JSON: %w", m.Topic, m.Key, m.Value, err)
	}
	out.Value = value
	out.Headers = append(out.Headers, wire.Header{Key: headerType, Value: []byte(record.TypeOf(m.Value))})
	return nil
}

// traceHeaders are the headers that carry a span's context, in W3C's form.
func traceHeaders(sc trace.SpanContext) []wire.Header {
	if !sc.IsValid() {
		return nil
	}
	var c carrier
	propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(context.Background(), sc), &c)
	return c
}

// traceOf is the span context that headers carry.
func traceOf(headers []wire.Header) trace.SpanContext {
	c := carrier(headers)
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), &c))
}

// carrier lets OpenTelemetry read and write record headers.
type carrier []wire.Header

func (c *carrier) Get(key string) string {
	for _, h := range *c {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

func (c *carrier) Set(key, value string) {
	*c = append(*c, wire.Header{Key: key, Value: []byte(value)})
}

func (c *carrier) Keys() []string {
	keys := make([]string, len(*c))
	for i, h := range *c {
		keys[i] = h.Key
	}
	return keys
}
