package bus_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/cordage-sandbox/cordage/workers/bus"
)

// TestTap hears the latest that are there, then what comes, of several topics, with traces and large values.
func TestTap(t *testing.T) {
	t.Parallel()
	k := newKafka(t, 2, inOut...)
	b, tel, _ := traced(k, "a")
	p := k.publisher(b)
	for i := range 10 { // a transaction each
		publish(t, p, bus.Message{Topic: "in", Key: "same", Value: Item{N: i}})
	}
	var mu sync.Mutex
	var heard []string
	var last bus.Record
	some := make(chan struct{}, 1)
	tap := b.Tap(bus.TapConfig{Topics: []string{"in", "out"}, Last: 3}, func(r bus.Record) {
		mu.Lock()
		heard = append(heard, fmt.Sprintf("%s %s %d", r.Topic, r.Type, len(r.Value)))
		last = r
		mu.Unlock()
		select {
		case some <- struct{}{}:
		default:
		}
	})
	start(t, tap)
	mu.Lock()
	if len(heard) < 2 || len(heard) > 4 { // how many offsets the transactions take is Kafka's
		t.Errorf("%d records are heard before ready, want about 3: %v", len(heard), heard)
	}
	heard = nil
	mu.Unlock()
	ctx, span := tel.Tracer.Start(t.Context(), "request")
	if err := p.Publish(ctx, bus.Message{Topic: "out", Key: "big", Value: Item{Text: large(2 << 20)}}); err != nil {
		t.Fatal(err)
	}
	late := time.After(limit)
	for {
		mu.Lock()
		n := len(heard)
		mu.Unlock()
		if n > 0 {
			break
		}
		select {
		case <-some:
		case <-late:
			t.Fatal("nothing is heard")
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if last.Topic != "out" || last.Key != "big" || len(last.Value) < 2<<20 || last.Broken() != nil {
		t.Errorf("heard is %v, %v", heard, last.Broken())
	}
	if want := span.SpanContext().TraceID().String(); last.TraceID() != want || !trace.SpanContextFromContext(last.Context(t.Context())).IsValid() {
		t.Errorf("its trace is %q, want %s", last.TraceID(), want)
	}
	if got := last.Headers(); got["chunk.parts"] == "" || len(got) != 4 {
		t.Errorf("its headers are %v", got)
	}
}
