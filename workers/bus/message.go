package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/cordage-sandbox/cordage/workers/record"
)

// Message is a record to be sent.
type Message struct {
	Topic string
	Key   string // chooses the partition: records of one key stay in order
	Value any    // a struct of package record; nil is a tombstone, which deletes the key from a compacted topic

	trace     trace.SpanContext // see [Message.Continue]
	raw       []byte            // when set, sent in place of Value
	partition *int32            // when set, in place of the key's
	headers   []header
}

type header struct {
	key   string
	value []byte
}

// Continue gives a copy of m that carries on the trace of ctx (for the answer to a record r: r.Context(ctx)), instead of
// the trace of the call that sends it.
func (m Message) Continue(ctx context.Context) Message {
	m.trace = trace.SpanContextFromContext(ctx)
	return m
}

// Record is a record as it was read.
type Record struct {
	Topic     string // without prefix
	Partition int32
	Offset    int64
	Key       string
	Type      string          // record type of Value, from the header "type"; empty if there is none
	Value     json.RawMessage // nil for a tombstone; valid JSON only if [Decode] says so
	Timestamp time.Time       // of the sender, to the millisecond

	trace   trace.SpanContext
	headers []header
	broken  error // why Value is not what was sent
	next    int64 // where to read on when all records up to this one are done
}

// Context is parent with the record's trace: while a subscription handles the record, that of the handling's span.
func (r Record) Context(parent context.Context) context.Context {
	if !r.trace.IsValid() {
		return parent
	}
	return trace.ContextWithRemoteSpanContext(parent, r.trace)
}

func (r Record) header(key string) string {
	for _, h := range r.headers {
		if h.key == key {
			return string(h.value)
		}
	}
	return ""
}

// DecodeError is a record that is not what its reader expects.
type DecodeError struct {
	Topic     string
	Partition int32
	Offset    int64
	Want      string // record type
	Why       error
}

func (e *DecodeError) Error() string {
	return fmt.Sprintf("record at %s/%d offset %d is not a %s: %v", e.Topic, e.Partition, e.Offset, e.Want, e.Why)
}

func (e *DecodeError) Unwrap() error { return e.Why }

// Decode reads the record as a V. Errors are a [*DecodeError]. Members that V does not know are ignored, since records
// grow.
func Decode[V any](r Record) (V, error) {
	var v V
	want := record.TypeOf(v)
	fail := func(why error) (V, error) {
		var none V
		return none, &DecodeError{r.Topic, r.Partition, r.Offset, want, why}
	}
	switch {
	case r.broken != nil:
		return fail(r.broken)
	case r.Value == nil:
		return fail(errors.New("it is a tombstone"))
	case r.Type != want:
		return fail(fmt.Errorf("its type is %q", r.Type))
	}
	if err := json.Unmarshal(r.Value, &v); err != nil {
		return fail(err)
	}
	return v, nil
}
