package bus_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/fixtures/cluster"
	"github.com/cordage-sandbox/cordage/fixtures/servers"
	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/record"
)

// TestKafkaKilled kills the broker twice while every pattern is at work, and starts it again on its data. Each part goes on
// by itself; each call that was answered was right; of the calls that failed none was handled twice.
func TestKafkaKilled(t *testing.T) {
	t.Parallel()
	server, address := cluster.OwnKafka(t)
	k := &kafka{t, []string{address}, servers.Unique(t) + "."}
	k.create(2, record.Topic{Name: "in"}, record.Topic{Name: "out"}, table, record.Topic{Name: "q"}, record.Topic{Name: "q.resp"})
	b := k.open("a")
	out := hear(t, b, "out")
	c := bus.NewCompacted[Item](b, "map")
	start(t, c)
	start(t, b.Durable(bus.DurableConfig{Group: "g", Topic: "in", MaxBatch: 10}, double("a")))
	var mu sync.Mutex
	handled := map[int]int{}
	start(t, bus.NewResponder(k.open("r"), "q", "answers", func(ctx context.Context, i Item) (Sum, error) {
		mu.Lock()
		handled[i.N]++
		mu.Unlock()
		return addOne(ctx, i)
	}))
	call := bus.NewCaller[Item, Sum](b, "q", "c", bus.CallerOptions{Timeout: 5 * time.Second})
	start(t, call)
	p := k.publisher(b)

	const rounds = 3
	var published, calls int
	late := 0
	for round := range rounds {
		stop := make(chan struct{})
		var work sync.WaitGroup
		work.Go(func() {
			for { // publishes until told to stop; Publish waits for the broker
				publish(t, p, append(numbered("in", published, published+5, 9), item("n", published))...)
				published += 5
				select {
				case <-stop:
					return
				case <-t.Context().Done():
					return
				default:
				}
			}
		})
		work.Go(func() {
			for t.Context().Err() == nil {
				s, err := call.Call(t.Context(), Item{N: calls})
				switch {
				case errors.As(err, new(*bus.TimeoutError)):
					late++
				case err != nil && t.Context().Err() == nil:
					t.Errorf("call %d: %v", calls, err)
				case s.N != calls+1:
					t.Errorf("call %d: answer %d", calls, s.N)
				}
				calls++
				select {
				case <-stop:
					return
				case <-t.Context().Done():
					return
				default:
				}
			}
		})
		out.await(len(out.await(0)) + 50)
		if round < rounds-1 {
			server.Kill(t)
			server.Start(t)
		}
		out.await(len(out.await(0)) + 50)
		close(stop)
		work.Wait()
	}
	checkOnce(t, out.await(published), published)
	if err := c.AwaitKey(t.Context(), "n", func(v Item, _ bool) bool { return v.N == published-5 }); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for n, times := range handled {
		if times > 1 {
			t.Errorf("call %d was handled %d times", n, times)
		}
	}
	t.Logf("%s", fmt.Sprint(published, " records, ", calls, " calls, of which ", late, " were not answered in time"))
}
