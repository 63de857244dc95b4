package bus_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/record"
)

var table = record.Topic{Name: "map", Compacted: true}

func item(key string, n int) bus.Message {
	return bus.Message{Topic: "map", Key: key, Value: Item{N: n}}
}

func gone(key string) bus.Message { return bus.Message{Topic: "map", Key: key} }

// large is a text of n bytes that is not the same everywhere.
func large(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%d,", i)
	}
	return b.String()[:n]
}

// TestCompacted reads what is there, then what comes, and hears each change once.
func TestCompacted(t *testing.T) {
	t.Parallel()
	k := newKafka(t, 3, table)
	b := k.open("a")
	p := k.publisher(b)
	publish(t, p, item("a", 1), item("b", 1), item("c", 1), gone("c"), item("a", 2))

	c := bus.NewCompacted[Item](b, "map")
	var mu sync.Mutex
	changes := map[string][]string{}
	c.OnChange(func(_ context.Context, key string, old, now *Item) {
		mu.Lock()
		defer mu.Unlock()
		text := func(i *Item) string {
			if i == nil {
				return "-"
			}
			return fmt.Sprint(i.N)
		}
		changes[key] = append(changes[key], text(old)+" "+text(now))
		if v, ok := c.Get(key); ok != (now != nil) || ok && v != *now {
			t.Errorf("while the change of %s to %v is heard, the map has %v, %v", key, now, v, ok)
		}
	})
	start(t, c)
	if diff := cmp.Diff(map[string]Item{"a": {N: 2}, "b": {N: 1}}, c.All()); diff != "" {
		t.Errorf("when ready (-want +got):\n%s", diff)
	}
	publish(t, p, item("b", 2), gone("a"), item("d", 1), gone("never there"), item("end", 1))
	publish(t, p, item("b", 3))
	await := func(cond func(all map[string]Item) bool) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		if err := c.Await(ctx, cond); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]Item{"b": {N: 3}, "d": {N: 1}, "end": {N: 1}}
	await(func(all map[string]Item) bool { return maps.Equal(all, want) })
	if c.Len() != 3 {
		t.Errorf("Len() = %d, want 3", c.Len())
	}
	mu.Lock()
	defer mu.Unlock()
	wantChanges := map[string][]string{
		"a": {"- 2", "2 -"}, "b": {"- 1", "1 2", "2 3"}, "d": {"- 1"}, "end": {"- 1"},
	}
	if diff := cmp.Diff(wantChanges, changes); diff != "" {
		t.Errorf("changes heard (-want +got):\n%s", diff)
	}
}

// TestCompactedKeepsTheEarlierValue when a record cannot be read, be it at the start or later.
func TestCompactedKeepsTheEarlierValue(t *testing.T) {
	t.Parallel()
	k := newKafka(t, 1, table)
	b := k.open("a")
	p := k.publisher(b)
	wrong := bus.Message{Topic: "map", Key: "a", Value: Sum{N: 9}}
	publish(t, p, item("a", 1), wrong)
	c := bus.NewCompacted[Item](b, "map")
	start(t, c)
	publish(t, p, wrong, item("end", 1))
	if err := c.AwaitKey(t.Context(), "end", func(_ Item, ok bool) bool { return ok }); err != nil {
		t.Fatal(err)
	}
	if got, ok := c.Get("a"); !ok || got.N != 1 {
		t.Errorf("Get(a) = %v, %v; want the value before", got, ok)
	}
}

func TestAwaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	k := newKafka(t, 1, table)
	c := bus.NewCompacted[Item](k.open("a"), "map")
	start(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := c.AwaitKey(ctx, "x", func(_ Item, ok bool) bool { return ok }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("AwaitKey = %v, want %v", err, context.DeadlineExceeded)
	}
}

// TestLargeValues: 5 MB among records of other keys, read at the start and later, replaced by a small one, and deleted.
func TestLargeValues(t *testing.T) {
	t.Parallel()
	k := newKafka(t, 1, table)
	b := k.open("a")
	p := k.publisher(b)
	big := Item{N: 5, Text: large(5 << 20)}
	publish(t, p, item("a", 1), bus.Message{Topic: "map", Key: "big", Value: big}, item("b", 1))
	c := bus.NewCompacted[Item](b, "map")
	start(t, c)
	if got, _ := c.Get("big"); got != big {
		t.Fatalf("at the start: %d bytes, want %d", len(got.Text), len(big.Text))
	}
	big.N = 6
	publish(t, p, item("a", 2), bus.Message{Topic: "map", Key: "big", Value: big}, item("b", 2))
	if err := c.AwaitKey(t.Context(), "big", func(v Item, _ bool) bool { return v == big }); err != nil {
		t.Fatal(err)
	}
	publish(t, p, item("big", 7))
	if err := c.AwaitKey(t.Context(), "big", func(v Item, _ bool) bool { return v == Item{N: 7} }); err != nil {
		t.Fatal(err)
	}
	publish(t, p, bus.Message{Topic: "map", Key: "big", Value: big}, gone("big"), item("end", 1))
	again := bus.NewCompacted[Item](b, "map")
	start(t, again)
	if got := slices.Sorted(maps.Keys(again.All())); !slices.Equal(got, []string{"a", "b", "end"}) {
		t.Errorf("keys %v, want the large one to be gone", got)
	}
}

// TestLargeValuesThroughDurable holds later records back, and loses none.
func TestLargeValuesThroughDurable(t *testing.T) {
	t.Parallel()
	k := newKafka(t, 1, inOut...)
	b := k.open("a")
	out := hear(t, b, "out")
	other, err := k.open("b").NewPublisher(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	start(t, b.Durable(bus.DurableConfig{Group: "g", Topic: "in"}, func(ctx context.Context, batch []bus.Record) ([]bus.Message, error) {
		var msgs []bus.Message
		for _, r := range batch {
			i, err := bus.Decode[Item](r)
			if err != nil {
				return nil, err
			}
			msgs = append(msgs, bus.Message{Topic: "out", Key: r.Key, Value: i})
		}
		return msgs, nil
	}))
	p := k.publisher(b)
	text := large(5 << 20)
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := range 5 {
			publish(t, p, bus.Message{Topic: "in", Key: "big", Value: Item{N: n, Text: text}})
		}
	})
	wg.Go(func() {
		for n := range 200 {
			publish(t, other, bus.Message{Topic: "in", Key: "small", Value: Item{N: n}})
		}
	})
	wg.Wait()
	next := map[string]int{}
	for _, r := range out.await(205) {
		i, err := bus.Decode[Item](r)
		if err != nil {
			t.Fatal(err)
		}
		if i.N != next[r.Key] || r.Key == "big" && i.Text != text {
			t.Errorf("%s: number %d with %d bytes, want number %d", r.Key, i.N, len(i.Text), next[r.Key])
		}
		next[r.Key]++
	}
}
