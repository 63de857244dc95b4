package bus_test

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/telemetry"
	"github.com/cordage-sandbox/cordage/workers/telemetry/telemetrytest"
)

// traced gives a bus, and the spans that it ends.
func traced(k *kafka, node string) (*bus.Bus, *telemetry.Telemetry, *tracetest.SpanRecorder) {
	c := k.config(node)
	tel, spans := telemetrytest.Record(k.t)
	c.Telemetry = tel
	return k.openWith(c), tel, spans
}

// awaitSpan waits until a span of that name has ended.
func awaitSpan(t *testing.T, spans *tracetest.SpanRecorder, name string) sdktrace.ReadOnlySpan {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(limit)
	for {
		for _, s := range spans.Ended() {
			if s.Name() == name {
				return s
			}
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("no span %q has ended", name)
		}
	}
}

// TestTraceGoesThrough follows one request through a durable subscription that handles it in one batch with another.
func TestTraceGoesThrough(t *testing.T) {
	t.Parallel()
	k := newKafka(t, 1, inOut...)
	b, tel, spans := traced(k, "a")
	out := hear(t, b, "out")
	p := k.publisher(b)
	ctx1, one := tel.Tracer.Start(t.Context(), "one")
	ctx2, two := tel.Tracer.Start(t.Context(), "two")
	both := numbered("in", 0, 2, 2)
	publish(t, p, both[0].Continue(ctx1), both[1].Continue(ctx2))
	start(t, b.Durable(bus.DurableConfig{Group: "g", Topic: "in"}, double("a")))
	for i, r := range out.await(2) {
		root := one
		if i == 1 {
			root = two
		}
		sent := trace.SpanContextFromContext(r.Context(t.Context()))
		if sent.TraceID() != root.SpanContext().TraceID() {
			t.Errorf("answer %d is in trace %s, want %s", i, sent.TraceID(), root.SpanContext().TraceID())
		}
		process := awaitSpan(t, spans, "process in (batch)")
		if len(process.Links()) != 2 {
			t.Errorf("the span of the batch has %d links, want 2", len(process.Links()))
		}
		var parents int
		for _, s := range spans.Ended() {
			if s.Name() == "process in" && s.SpanContext().SpanID() == sent.SpanID() && s.Parent().SpanID() == root.SpanContext().SpanID() {
				parents++
			}
		}
		if parents != 1 {
			t.Errorf("answer %d: %d spans of handling are between it and its request, want 1", i, parents)
		}
	}
}

// TestTraceOfACall: caller and responder are in one trace.
func TestTraceOfACall(t *testing.T) {
	t.Parallel()
	k := newKafka(t, 1, questions...)
	r, _, there := traced(k, "r")
	c, _, here := traced(k, "c")
	start(t, bus.NewResponder(r, "q", "g", addOne))
	call := bus.NewCaller[Item, Sum](c, "q", "c", bus.CallerOptions{Timeout: limit})
	start(t, call)
	if _, err := call.Call(t.Context(), Item{}); err != nil {
		t.Fatal(err)
	}
	client, server := awaitSpan(t, here, "call q"), awaitSpan(t, there, "process q")
	if server.Parent().SpanID() != client.SpanContext().SpanID() || server.SpanContext().TraceID() != client.SpanContext().TraceID() {
		t.Errorf("the responder's span has parent %v, want the caller's %v", server.Parent(), client.SpanContext())
	}
}

// TestMetrics has the names and labels of Corda 5.0.
func TestMetrics(t *testing.T) {
	t.Parallel()
	k := newKafka(t, 1, append(inOut, append(questions, table)...)...)
	b, tel, _ := traced(k, "a")
	out := hear(t, b, "out")
	start(t, bus.NewCompacted[Item](b, "map"))
	start(t, b.Durable(bus.DurableConfig{Group: "g", Topic: "in"}, double("a")))
	start(t, bus.NewResponder(b, "q", "g2", addOne))
	call := bus.NewCaller[Item, Sum](b, "q", "c", bus.CallerOptions{Timeout: limit})
	start(t, call)
	if _, err := call.Call(t.Context(), Item{}); err != nil {
		t.Fatal(err)
	}
	publish(t, k.publisher(b), bus.Message{Topic: "in", Key: "k", Value: Item{Text: large(2 << 20)}})
	out.await(1)
	families, err := tel.Gatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName())
			}
			got[f.GetName()] = labels
		}
	}
	for name, labels := range map[string][]string{
		"corda_messaging_processor_time_seconds":  {"messagepattern_clientid", "messagepattern_type", "operation_name", "worker_type"},
		"corda_messaging_commit_time_seconds":     {"messagepattern_clientid", "messagepattern_type", "worker_type"},
		"corda_consumer_batch_size":               {"messagepattern_clientid", "partition", "worker_type"},
		"corda_consumer_poll_time_seconds":        {"messagepattern_clientid", "worker_type"},
		"corda_producer_chunks_generated":         {"messagepattern_clientid", "topic", "worker_type"},
		"corda_consumer_compacted_inmemory_store": {"messagepattern_clientid", "messagepattern_type", "worker_type"},
		"cordage_bus_readers":                     {"messagepattern_type", "topic", "worker_type"},
		"cordage_bus_read_records_total":          {"messagepattern_type", "topic", "worker_type"},
		"cordage_bus_sent_records_total":          {"topic", "worker_type"},
	} {
		if !slices.Equal(got[name], labels) {
			t.Errorf("%s has labels %v, want %v", name, got[name], labels)
		}
	}
}

// TestTopicsAreCounted: what is read and sent is told by topic, what is open and not yet used included.
func TestTopicsAreCounted(t *testing.T) {
	t.Parallel()
	k := newKafka(t, 1, append(inOut, append(questions, table)...)...)
	b, tel, _ := traced(k, "a")
	out := hear(t, b, "out")
	stop := start(t, bus.NewCompacted[Item](b, "map"))
	start(t, b.Durable(bus.DurableConfig{Group: "g", Topic: "in"}, double("a")))
	start(t, bus.NewResponder(b, "q", "g2", addOne))
	call := bus.NewCaller[Item, Sum](b, "q", "c", bus.CallerOptions{Timeout: limit})
	start(t, call)
	if _, err := call.Call(t.Context(), Item{}); err != nil {
		t.Fatal(err)
	}
	publish(t, k.publisher(b), numbered("in", 0, 3, 3)...)
	out.await(3)
	stop()
	want := map[string]float64{
		"readers COMPACTED map": 0, "readers DURABLE in": 1, "readers PUBSUB out": 1, "readers RPC_RESPONDER q": 1, "readers RPC_SENDER q.resp": 1,
		"read COMPACTED map": 0, "read DURABLE in": 3, "read PUBSUB out": 3, "read RPC_RESPONDER q": 1, "read RPC_SENDER q.resp": 1,
		"sent in": 3, "sent out": 3, "sent q": 1, "sent q.resp": 1,
	}
	tick := time.NewTicker(5 * time.Millisecond) // what is sent is counted a moment after it can be read
	defer tick.Stop()
	late := time.After(limit)
	for {
		diff := cmp.Diff(want, counted(t, tel))
		if diff == "" {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("counted (-want +got):\n%s", diff)
		}
	}
}

// counted gives the bus's own series by the words of their names and labels.
func counted(t *testing.T, tel *telemetry.Telemetry) map[string]float64 {
	t.Helper()
	families, err := tel.Gatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		name, ours := strings.CutPrefix(f.GetName(), "cordage_bus_")
		if !ours {
			continue
		}
		name = strings.TrimSuffix(name, "_records_total")
		for _, m := range f.GetMetric() {
			key := name
			for _, l := range m.GetLabel() {
				if l.GetName() != "worker_type" {
					key += " " + l.GetValue()
				}
			}
			got[key] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return got
}

// TestNothingIsLeft runs everything, ends it, and looks for goroutines of the bus. It does not run beside other tests,
// since those have goroutines too.
func TestNothingIsLeft(t *testing.T) {
	k := newKafka(t, 2, append(inOut, append(questions, table)...)...)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	b, err := bus.Open(ctx, k.config("a"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := b.NewPublisher(ctx, "p")
	if err != nil {
		t.Fatal(err)
	}
	call := bus.NewCaller[Item, Sum](b, "q", "c", bus.CallerOptions{Timeout: limit})
	var stops []func()
	for _, r := range []runner{
		bus.NewCompacted[Item](b, "map"), b.Tail("out", func(bus.Record) {}), bus.NewResponder(b, "q", "g2", addOne), call,
		b.Durable(bus.DurableConfig{Group: "g", Topic: "in"}, double("a")),
	} {
		stops = append(stops, start(t, r))
	}
	publish(t, p, numbered("in", 0, 20, 3)...)
	if _, err := call.Call(ctx, Item{}); err != nil {
		t.Fatal(err)
	}
	for _, stop := range stops {
		stop()
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := p.Publish(ctx, item("a", 1)); err == nil {
		t.Error("Publish after Close succeeds")
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	var left string
	for wait := time.NewTicker(10 * time.Millisecond); ctx.Err() == nil; <-wait.C { // those that end are given the time to
		if left = goroutines("workers/bus.", "workers/bus/wire.", "IBM/sarama."); left == "" {
			return
		}
	}
	t.Errorf("still running:\n%s", left)
}

// goroutines are the stacks that have any of these in them.
func goroutines(of ...string) string {
	text := make([]byte, 1<<20)
	text = text[:runtime.Stack(text, true)]
	var found []string
	for _, stack := range strings.Split(string(text), "\n\n") {
		if strings.Contains(stack, "testing.(*T).Parallel") {
			continue // a test that waits for its turn
		}
		if slices.ContainsFunc(of, func(s string) bool { return strings.Contains(stack, s) }) {
			found = append(found, stack)
		}
	}
	return strings.Join(found, "\n\n")
}
