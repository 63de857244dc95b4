package bus_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/record"
)

var questions = []record.Topic{{Name: "q"}, {Name: "q.resp"}}

func addOne(_ context.Context, i Item) (Sum, error) { return Sum{N: i.N + 1}, nil }

// TestCallersShareAPartition: the reply topic has one partition, and each caller hears its own answers only.
func TestCallersShareAPartition(t *testing.T) {
	t.Parallel()
	k := newKafka(t, 1, questions...)
	start(t, bus.NewResponder(k.open("r"), "q", "g", addOne))
	shared := k.open("c")
	var wg sync.WaitGroup
	for i, b := range []*bus.Bus{shared, shared, k.open("d")} {
		c := bus.NewCaller[Item, Sum](b, "q", "c", bus.CallerOptions{Timeout: limit})
		start(t, c)
		for j := range 20 {
			wg.Go(func() {
				n := 100*i + j
				s, err := c.Call(t.Context(), Item{N: n})
				if err != nil || s.N != n+1 {
					t.Errorf("Call(%d) = %d, %v", n, s.N, err)
				}
			})
		}
	}
	wg.Wait()
}

func TestCallTimesOut(t *testing.T) {
	t.Parallel()
	k := newKafka(t, 1, questions...)
	b := k.open("c")
	c := bus.NewCaller[Item, Sum](b, "q", "c", bus.CallerOptions{Timeout: 100 * time.Millisecond})
	start(t, c)
	_, err := c.Call(t.Context(), Item{})
	var late *bus.TimeoutError
	if !errors.As(err, &late) || late.Topic != "q" || late.Limit != 100*time.Millisecond {
		t.Errorf("Call = %v, want a TimeoutError for q and 100ms", err)
	}

	// Its request is still in the topic; whoever comes now does not begin it, and does answer the next one.
	var handled atomic.Int64
	start(t, bus.NewResponder(k.open("r"), "q", "g", func(ctx context.Context, i Item) (Sum, error) {
		handled.Add(1)
		return addOne(ctx, i)
	}))
	patient := bus.NewCaller[Item, Sum](b, "q", "c", bus.CallerOptions{Timeout: limit})
	start(t, patient)
	if _, err := patient.Call(t.Context(), Item{N: 1}); err != nil {
		t.Error(err)
	}
	if got := handled.Load(); got != 1 {
		t.Errorf("%d requests were handled, want 1", got)
	}
}

func TestCallEndsWithItsContext(t *testing.T) {
	t.Parallel()
	k := newKafka(t, 1, questions...)
	c := bus.NewCaller[Item, Sum](k.open("c"), "q", "c", bus.CallerOptions{Timeout: limit})
	start(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Call(ctx, Item{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Call = %v, want %v", err, context.DeadlineExceeded)
	}
}

func TestRemoteFailure(t *testing.T) {
	t.Parallel()
	k := newKafka(t, 1, questions...)
	start(t, bus.NewResponder(k.open("r"), "q", "g", func(_ context.Context, i Item) (Sum, error) {
		if i.N == 1 {
			return Sum{}, fmt.Errorf("add one: %w", record.Failure{Type: "TooSmallException", Message: "it is too small"})
		}
		return Sum{}, errors.New("no idea")
	}))
	c := bus.NewCaller[Item, Sum](k.open("c"), "q", "c", bus.CallerOptions{Timeout: limit})
	start(t, c)
	for n, want := range map[int]bus.RemoteError{
		1: {Type: "TooSmallException", Message: "add one: it is too small"},
		2: {Type: "UnhandledException", Message: "no idea"},
	} {
		_, err := c.Call(t.Context(), Item{N: n})
		var got *bus.RemoteError
		if !errors.As(err, &got) || *got != want {
			t.Errorf("Call(%d) = %#v, want %#v", n, err, want)
		}
	}
	wrong := bus.NewCaller[Sum, Sum](k.open("w"), "q", "c", bus.CallerOptions{Timeout: limit})
	start(t, wrong)
	var got *bus.RemoteError
	if _, err := wrong.Call(t.Context(), Sum{}); !errors.As(err, &got) || got.Type != "UnreadableRequestException" {
		t.Errorf("a request of another type: %v, want an UnreadableRequestException", err)
	}
}

// TestRequestWaitsForAResponder: it is sent while there is none, and not lost.
func TestRequestWaitsForAResponder(t *testing.T) {
	t.Parallel()
	k := newKafka(t, 2, questions...)
	c := bus.NewCaller[Item, Sum](k.open("c"), "q", "c", bus.CallerOptions{Timeout: limit})
	start(t, c)
	first := bus.NewResponder(k.open("r"), "q", "g", addOne)
	stop := start(t, first)
	if _, err := c.Call(t.Context(), Item{}); err != nil {
		t.Fatal(err)
	}
	stop()
	answered := make(chan error, 1)
	go func() {
		_, err := c.Call(t.Context(), Item{})
		answered <- err
	}()
	start(t, bus.NewResponder(k.open("s"), "q", "g", addOne))
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

// TestRespondersShareTheWork: three replicas, three partitions, and each request is handled once.
func TestRespondersShareTheWork(t *testing.T) {
	t.Parallel()
	k := newKafka(t, 3, questions...)
	var mu sync.Mutex
	times, by := map[int]int{}, map[string]int{}
	for _, node := range []string{"a", "b", "c"} {
		start(t, bus.NewResponder(k.open(node), "q", "g", func(ctx context.Context, i Item) (Sum, error) {
			mu.Lock()
			defer mu.Unlock()
			times[i.N]++
			by[node]++
			return addOne(ctx, i)
		}))
	}
	c := bus.NewCaller[Item, Sum](k.open("x"), "q", "c", bus.CallerOptions{Timeout: limit})
	start(t, c)
	var wg sync.WaitGroup
	const n = 300
	for i := range n {
		wg.Go(func() {
			if s, err := c.Call(t.Context(), Item{N: i}); err != nil || s.N != i+1 {
				t.Errorf("Call(%d) = %d, %v", i, s.N, err)
			}
		})
	}
	wg.Wait()
	for i := range n {
		if times[i] != 1 {
			t.Errorf("request %d was handled %d times", i, times[i])
		}
	}
	if len(by) != 3 {
		t.Errorf("handled by %v, want all three replicas to have a part", by)
	}
}

func TestCallAfterTheEnd(t *testing.T) {
	t.Parallel()
	k := newKafka(t, 1, questions...)
	c := bus.NewCaller[Item, Sum](k.open("c"), "q", "c", bus.CallerOptions{Timeout: limit})
	start(t, c)()
	began := time.Now()
	if _, err := c.Call(t.Context(), Item{}); err == nil || time.Since(began) > limit/2 {
		t.Errorf("Call = %v after %v, want an error at once", err, time.Since(began))
	}
}

// TestLargeQuestionAndAnswer goes both ways in chunks.
func TestLargeQuestionAndAnswer(t *testing.T) {
	t.Parallel()
	k := newKafka(t, 1, questions...)
	start(t, bus.NewResponder(k.open("r"), "q", "g", func(_ context.Context, i Item) (Item, error) { return i, nil }))
	c := bus.NewCaller[Item, Item](k.open("c"), "q", "c", bus.CallerOptions{Timeout: limit})
	start(t, c)
	want := Item{N: 7, Text: large(3 << 20)}
	if got, err := c.Call(t.Context(), want); err != nil || got != want {
		t.Errorf("an answer of %d bytes, %v; want the %d bytes of the question", len(got.Text), err, len(want.Text))
	}
}
