package bus_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/record"
)

// items are n small records over many keys.
func items(topic string, n int) []bus.Message {
	msgs := make([]bus.Message, n)
	for i := range msgs {
		msgs[i] = bus.Message{Topic: topic, Key: fmt.Sprintf("key-%d", i%997), Value: Item{N: i, Text: strings.Repeat("x", 200)}}
	}
	return msgs
}

// BenchmarkPublish sends transactions of 500 records.
func BenchmarkPublish(b *testing.B) {
	k := newKafka(b, 3, record.Topic{Name: "in"})
	p := k.publisher(k.open("a"))
	batch := items("in", 500)
	for b.Loop() {
		publish(b, p, batch...)
	}
	b.ReportMetric(float64(b.N*len(batch))/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkPublishOne sends transactions of one record, one after the other.
func BenchmarkPublishOne(b *testing.B) {
	k := newKafka(b, 3, record.Topic{Name: "in"})
	p := k.publisher(k.open("a"))
	for b.Loop() {
		publish(b, p, items("in", 1)...)
	}
}

// BenchmarkDurable takes small records through a durable subscription that answers each with one.
func BenchmarkDurable(b *testing.B) {
	const n = 60_000
	k := newKafka(b, 3, record.Topic{Name: "in"}, record.Topic{Name: "out"})
	w := k.open("a")
	p := k.publisher(w)
	for range b.N {
		b.StopTimer()
		all := items("in", n)
		for len(all) > 0 {
			publish(b, p, all[:1000]...)
			all = all[1000:]
		}
		var done atomic.Int64
		finished := make(chan struct{})
		d := w.Durable(bus.DurableConfig{Group: "g", Topic: "in"}, func(ctx context.Context, batch []bus.Record) ([]bus.Message, error) {
			out := make([]bus.Message, len(batch))
			for i, r := range batch {
				item, err := bus.Decode[Item](r)
				if err != nil {
					return nil, err
				}
				out[i] = bus.Message{Topic: "out", Key: r.Key, Value: Sum{N: item.N}}.Continue(r.Context(ctx))
			}
			if done.Add(int64(len(batch))) == n {
				close(finished)
			}
			return out, nil
		})
		b.StartTimer()
		stop := start(b, d)
		<-finished
		stop()
	}
	b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkDurableLatency is the time from sending a lone record to reading its answer.
func BenchmarkDurableLatency(b *testing.B) {
	k := newKafka(b, 3, record.Topic{Name: "in"}, record.Topic{Name: "out"})
	w := k.open("a")
	p := k.publisher(w)
	start(b, w.Durable(bus.DurableConfig{Group: "g", Topic: "in"}, func(ctx context.Context, batch []bus.Record) ([]bus.Message, error) {
		return []bus.Message{{Topic: "out", Key: batch[0].Key, Value: Sum{}}}, nil
	}))
	answers := make(chan bus.Record, 1)
	start(b, w.Tail("out", func(r bus.Record) { answers <- r }))
	for b.Loop() {
		publish(b, p, items("in", 1)...)
		<-answers
	}
}

// BenchmarkCall is the time of one call.
func BenchmarkCall(b *testing.B) {
	k := newKafka(b, 3, record.Topic{Name: "q"}, record.Topic{Name: "q.resp"})
	start(b, bus.NewResponder(k.open("a"), "q", "g", func(_ context.Context, i Item) (Sum, error) { return Sum{N: i.N}, nil }))
	c := bus.NewCaller[Item, Sum](k.open("b"), "q", "g", bus.CallerOptions{})
	start(b, c)
	for b.Loop() {
		if _, err := c.Call(b.Context(), Item{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStart is the time in which a worker is ready that has a publisher, a durable subscription, a compacted map of
// 200 keys, a responder and a caller.
func BenchmarkStart(b *testing.B) {
	k := newKafka(b, 3, record.Topic{Name: "in"}, record.Topic{Name: "map", Compacted: true}, record.Topic{Name: "q"}, record.Topic{Name: "q.resp"})
	p := k.publisher(k.open("writer"))
	publish(b, p, items("map", 200)...)
	c := k.config("a")
	for b.Loop() {
		began := time.Now()
		w, err := bus.Open(b.Context(), c)
		if err != nil {
			b.Fatal(err)
		}
		opened := time.Since(began)
		pub, err := w.NewPublisher(b.Context(), "p")
		if err != nil {
			b.Fatal(err)
		}
		ready := make(chan struct{}, 4)
		ctx, cancel := context.WithCancel(b.Context())
		ended := make(chan error, 4)
		for _, r := range []runner{
			w.Durable(bus.DurableConfig{Group: "g", Topic: "in"}, func(context.Context, []bus.Record) ([]bus.Message, error) { return nil, nil }),
			bus.NewCompacted[Item](w, "map"),
			bus.NewResponder(w, "q", "qg", func(_ context.Context, i Item) (Sum, error) { return Sum{}, nil }),
			bus.NewCaller[Item, Sum](w, "q", "qg", bus.CallerOptions{}),
		} {
			go func() { ended <- r.Run(ctx, func() { ready <- struct{}{} }) }()
		}
		for range 4 {
			<-ready
		}
		b.ReportMetric(float64(opened.Microseconds())/1000, "ms-open")
		b.StopTimer()
		cancel()
		for range 4 {
			if err := <-ended; err != nil {
				b.Error(err)
			}
		}
		pub.Close()
		w.Close()
		b.StartTimer()
	}
}

// BenchmarkMemory is the memory of a process with 24 subscriptions that has handled 20,000 records four times, and its
// connections.
func BenchmarkMemory(b *testing.B) {
	k := newKafka(b, 3, append(inOut, append(questions, table)...)...)
	w := k.open("writer")
	p := k.publisher(w)
	publish(b, p, items("map", 200)...)
	out := hear(b, w, "out")
	for b.Loop() {
		c := k.child("everything", "a")
		c.await("ready")
		pid := c.cmd.Process.Pid
		memory(b, pid, "VmRSS", "MiB-ready")
		for range 20 {
			publish(b, p, items("in", 1000)...)
		}
		out.await(4 * 20_000)
		memory(b, pid, "VmRSS", "MiB-after")
		memory(b, pid, "VmHWM", "MiB-peak")
		files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			b.Fatal(err)
		}
		sockets := 0
		for _, f := range files {
			if to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, f.Name())); strings.HasPrefix(to, "socket:") {
				sockets++
			}
		}
		b.ReportMetric(float64(sockets), "sockets")
		c.kill()
	}
}

// memory reports a line of a process's status.
func memory(b *testing.B, pid int, line, unit string) {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Skip("no /proc")
	}
	for text := range strings.Lines(string(status)) {
		var kib float64
		if n, _ := fmt.Sscanf(text, line+": %f kB", &kib); n == 1 {
			b.ReportMetric(kib/1024, unit)
		}
	}
}
