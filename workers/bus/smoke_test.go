package bus_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/record"
)

func TestSmoke(t *testing.T) {
	k := newKafka(t, 3, record.Topic{Name: "in"}, record.Topic{Name: "out", Compacted: true}, record.Topic{Name: "q"}, record.Topic{Name: "q.resp"})
	b := k.open("a")
	p := k.publisher(b)
	d := b.Durable(bus.DurableConfig{Group: "g", Topic: "in"}, func(ctx context.Context, batch []bus.Record) ([]bus.Message, error) {
		var out []bus.Message
		for _, r := range batch {
			i, err := bus.Decode[Item](r)
			if err != nil {
				return nil, err
			}
			out = append(out, bus.Message{Topic: "out", Key: r.Key, Value: Sum{N: 2 * i.N}})
		}
		return out, nil
	})
	start(t, d)
	c := bus.NewCompacted[Sum](b, "out")
	start(t, c)
	for i := range 10 {
		publish(t, p, bus.Message{Topic: "in", Key: fmt.Sprint("k", i), Value: Item{N: i}})
	}
	if err := c.Await(t.Context(), func(all map[string]Sum) bool { return len(all) == 10 }); err != nil {
		t.Fatal(err)
	}
	t.Log(c.All())
	start(t, bus.NewResponder(b, "q", "qg", func(ctx context.Context, i Item) (Sum, error) { return Sum{N: i.N + 1}, nil }))
	call := bus.NewCaller[Item, Sum](b, "q", "cg", bus.CallerOptions{})
	start(t, call)
	for i := range 5 {
		s, err := call.Call(t.Context(), Item{N: i})
		t.Log(s, err)
	}
}
