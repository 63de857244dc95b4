package bus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/record"
)

// heard collects the records of a topic from the moment on when it is made.
type heard struct {
	t       testing.TB
	topic   string
	mu      sync.Mutex
	records []bus.Record
	changed chan struct{}
}

func hear(t testing.TB, b *bus.Bus, topic string) *heard {
	t.Helper()
	h := &heard{t: t, topic: topic, changed: make(chan struct{}, 1)}
	start(t, b.Tail(topic, func(r bus.Record) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.records = append(h.records, r)
		select {
		case h.changed <- struct{}{}:
		default:
		}
	}))
	return h
}

// await waits until there are n records, and gives all.
func (h *heard) await(n int) []bus.Record {
	h.t.Helper()
	late := time.After(2 * limit)
	for {
		h.mu.Lock()
		all := slices.Clone(h.records)
		h.mu.Unlock()
		if len(all) >= n {
			return all
		}
		select {
		case <-h.changed:
		case <-late:
			h.t.Fatalf("%s: %d records, want %d", h.topic, len(all), n)
		}
	}
}

// double answers each item of in with a sum on out.
func double(by string) bus.Handler {
	return func(ctx context.Context, batch []bus.Record) ([]bus.Message, error) {
		var out []bus.Message
		for _, r := range batch {
			i, err := bus.Decode[Item](r)
			if err != nil {
				return nil, err
			}
			out = append(out, bus.Message{Topic: "out", Key: r.Key, Value: Sum{N: i.N, By: by}}.Continue(r.Context(ctx)))
		}
		return out, nil
	}
}

// numbered are items from, …, to-1, over so many keys.
func numbered(topic string, from, to, keys int) []bus.Message {
	var msgs []bus.Message
	for n := from; n < to; n++ {
		msgs = append(msgs, bus.Message{Topic: topic, Key: fmt.Sprint("key-", n%keys), Value: Item{N: n}})
	}
	return msgs
}

// checkOnce checks that there is one sum for each of the n items, and that those of a key are in order.
func checkOnce(t *testing.T, records []bus.Record, n int) {
	t.Helper()
	times := make([]int, n)
	last := map[string]int{}
	for _, r := range records {
		s, err := bus.Decode[Sum](r)
		if err != nil {
			t.Fatal(err)
		}
		times[s.N]++
		if before, ok := last[r.Key]; ok && before >= s.N {
			t.Errorf("key %s: %d comes after %d", r.Key, s.N, before)
		}
		last[r.Key] = s.N
	}
	for i, k := range times {
		if k != 1 {
			t.Errorf("item %d has %d answers", i, k)
		}
	}
}

var inOut = []record.Topic{{Name: "in"}, {Name: "out"}}

func TestDurableAnswersInOrder(t *testing.T) {
	t.Parallel()
	k := newKafka(t, 3, inOut...)
	b := k.open("a")
	out := hear(t, b, "out")
	p := k.publisher(b)
	publish(t, p, numbered("in", 0, 1000, 7)...) // before anybody reads
	start(t, b.Durable(bus.DurableConfig{Group: "g", Topic: "in"}, double("a")))
	for n := 1000; n < 2000; n += 10 {
		publish(t, p, numbered("in", n, n+10, 7)...)
	}
	checkOnce(t, out.await(2000), 2000)
}

// TestDurableReplicasComeAndGo lets replicas join and leave while records flow, each several times.
func TestDurableReplicasComeAndGo(t *testing.T) {
	t.Parallel()
	k := newKafka(t, 4, inOut...)
	b := k.open("writer")
	out := hear(t, b, "out")
	p := k.publisher(b)
	const n = 4000
	sent := make(chan error, 1)
	go func() {
		for i := 0; i < n; i += 20 {
			if err := p.Publish(t.Context(), numbered("in", i, i+20, 31)...); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	var replicas sync.WaitGroup
	for _, node := range []string{"a", "b", "c"} {
		w := k.open(node)
		replicas.Go(func() {
			for range 3 {
				d := w.Durable(bus.DurableConfig{Group: "g", Topic: "in", MaxBatch: 50}, double(node))
				stop := start(t, d)
				out.await(len(out.await(0)) + 100) // until some more has been done, by whom ever
				stop()
			}
		})
	}
	replicas.Wait()
	start(t, k.open("d").Durable(bus.DurableConfig{Group: "g", Topic: "in"}, double("d")))
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	checkOnce(t, out.await(n), n)
}

// TestDurableMemberWithoutPartitions is ready too, and takes over when the other one leaves.
func TestDurableMemberWithoutPartitions(t *testing.T) {
	t.Parallel()
	k := newKafka(t, 1, inOut...)
	a, b := k.open("a"), k.open("b")
	out := hear(t, a, "out")
	p := k.publisher(a)
	stop := start(t, a.Durable(bus.DurableConfig{Group: "g", Topic: "in"}, double("a")))
	start(t, b.Durable(bus.DurableConfig{Group: "g", Topic: "in"}, double("b")))
	publish(t, p, numbered("in", 0, 1, 1)...)
	out.await(1)
	stop()
	publish(t, p, numbered("in", 1, 2, 1)...)
	records := out.await(2)
	checkOnce(t, records, 2)
	if s, _ := bus.Decode[Sum](records[1]); s.By != "b" {
		t.Errorf("the second record was handled by %q, want b", s.By)
	}
}

func TestDurableTriesAgain(t *testing.T) {
	t.Parallel()
	k := newKafka(t, 1, inOut...)
	b := k.open("a")
	out := hear(t, b, "out")
	var calls atomic.Int64
	start(t, b.Durable(bus.DurableConfig{Group: "g", Topic: "in"}, func(ctx context.Context, batch []bus.Record) ([]bus.Message, error) {
		if calls.Add(1) <= 3 {
			return numbered("out", 0, 1, 1), errors.New("the database is away")
		}
		return double("a")(ctx, batch)
	}))
	publish(t, k.publisher(b), numbered("in", 0, 1, 1)...)
	checkOnce(t, out.await(1), 1)
	if got := calls.Load(); got != 4 {
		t.Errorf("the handler was called %d times, want 4", got)
	}
}

func TestDurableFailsWhenItsPatienceEnds(t *testing.T) {
	t.Parallel()
	k := newKafka(t, 1, inOut...)
	b := k.open("a")
	publish(t, k.publisher(b), numbered("in", 0, 1, 1)...)
	why := errors.New("nobody can handle this")
	d := b.Durable(bus.DurableConfig{Group: "g", Topic: "in", Patience: 50 * time.Millisecond},
		func(context.Context, []bus.Record) ([]bus.Message, error) { return nil, why })
	if err := d.Run(t.Context(), func() {}); !errors.Is(err, why) {
		t.Errorf("Run ended with %v, want %v", err, why)
	}
	// Nothing is lost: whoever comes next has the record again.
	out := hear(t, b, "out")
	start(t, b.Durable(bus.DurableConfig{Group: "g", Topic: "in"}, double("a")))
	checkOnce(t, out.await(1), 1)
}

func TestDurableBatches(t *testing.T) {
	t.Parallel()
	k := newKafka(t, 1, inOut...)
	b := k.open("a")
	publish(t, k.publisher(b), numbered("in", 0, 100, 3)...)
	sizes := make(chan int, 100)
	start(t, b.Durable(bus.DurableConfig{Group: "g", Topic: "in", MaxBatch: 40}, func(_ context.Context, batch []bus.Record) ([]bus.Message, error) {
		sizes <- len(batch)
		return nil, nil
	}))
	for _, want := range []int{40, 40, 20} {
		if got := <-sizes; got != want {
			t.Errorf("batch of %d records, want %d", got, want)
		}
	}
}

// TestDurableLingers fills a batch from several transactions.
func TestDurableLingers(t *testing.T) {
	t.Parallel()
	k := newKafka(t, 1, inOut...)
	b := k.open("a")
	p := k.publisher(b)
	sizes := make(chan int, 100)
	start(t, b.Durable(bus.DurableConfig{Group: "g", Topic: "in", MaxBatch: 5, Linger: limit}, func(_ context.Context, batch []bus.Record) ([]bus.Message, error) {
		sizes <- len(batch)
		return nil, nil
	}))
	for n := range 5 {
		publish(t, p, numbered("in", n, n+1, 1)...)
	}
	if got := <-sizes; got != 5 {
		t.Errorf("batch of %d records, want 5", got)
	}
}

// TestDeadLetter sends what cannot be read aside, with all that is in it, and goes on.
func TestDeadLetter(t *testing.T) {
	t.Parallel()
	k := newKafka(t, 1, append(inOut, record.Topic{Name: "in.dlq"})...)
	b := k.open("a")
	out, dead := hear(t, b, "out"), hear(t, b, "in.dlq")
	start(t, b.Durable(bus.DurableConfig{Group: "g", Topic: "in"}, func(ctx context.Context, batch []bus.Record) ([]bus.Message, error) {
		var msgs []bus.Message
		for _, r := range batch {
			if _, err := bus.Decode[Item](r); err != nil {
				msgs = append(msgs, bus.DeadLetter(r, err))
				continue
			}
			more, err := double("a")(ctx, []bus.Record{r})
			if err != nil {
				return nil, err
			}
			msgs = append(msgs, more...)
		}
		return msgs, nil
	}))
	publish(t, k.publisher(b), bus.Message{Topic: "in", Key: "k", Value: Sum{N: 5, By: "somebody"}}, numbered("in", 0, 1, 1)[0])
	checkOnce(t, out.await(1), 1)
	r := dead.await(1)[0]
	if r.Key != "k" || r.Type != "Sum" || string(r.Value) != `{"n":5,"by":"somebody"}` {
		t.Errorf("dead letter %q of type %q: %s; want it as it was", r.Key, r.Type, r.Value)
	}
	want := fmt.Sprintf("record at in/0 offset 0 is not a Item: its type is %q", "Sum")
	if got := r.DeadLetterReason(); got != want {
		t.Errorf("reason %q, want %q", got, want)
	}
}

func TestDurableMissingTopic(t *testing.T) {
	t.Parallel()
	k := newKafka(t, 1)
	err := k.open("a").Durable(bus.DurableConfig{Group: "g", Topic: "nowhere"}, double("a")).Run(t.Context(), func() {})
	var hint interface{ Hint() string }
	if err == nil || !errors.As(err, &hint) {
		t.Errorf("Run = %v, want an error that says what to do", err)
	}
}
