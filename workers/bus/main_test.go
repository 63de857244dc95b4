package bus_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/fixtures/servers"
	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/telemetry/telemetrytest"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		os.Exit(runChild(role))
	}
	servers.Main(m, servers.Kafka)
}

// limit is how long a test waits for what must happen; it is reached only when it does not.
const limit = 60 * time.Second

// kafka is what a test has of Kafka: topics of its own, by a prefix of its own.
type kafka struct {
	t       testing.TB
	brokers []string
	prefix  string
}

func newKafka(t testing.TB, partitions int, topics ...record.Topic) *kafka {
	t.Helper()
	k := &kafka{t, servers.Brokers(t), servers.Unique(t) + "."}
	k.create(partitions, topics...)
	return k
}

func (k *kafka) create(partitions int, topics ...record.Topic) {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), limit)
	defer cancel()
	if err := bus.CreateTopics(ctx, k.config("admin"), topics, partitions, 1); err != nil {
		k.t.Fatal(err)
	}
}

func (k *kafka) config(node string) bus.Config {
	return bus.Config{Brokers: k.brokers, TopicPrefix: k.prefix, Node: node, Telemetry: telemetrytest.ForTest(k.t)}
}

// open gives a bus for a worker of that name.
func (k *kafka) open(node string) *bus.Bus {
	k.t.Helper()
	return k.openWith(k.config(node))
}

func (k *kafka) openWith(c bus.Config) *bus.Bus {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), limit)
	defer cancel()
	b, err := bus.Open(ctx, c)
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() {
		if err := b.Close(); err != nil {
			k.t.Error(err)
		}
	})
	return b
}

// runner is a subscription.
type runner interface {
	Run(ctx context.Context, ready func()) error
}

// start runs a subscription until the test, or the function that it gives, ends it. It returns when it is ready.
func start(t testing.TB, r runner) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- r.Run(ctx, func() { close(ready) }) }()
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("%T: %v", r, err)
		}
	}
	t.Cleanup(stop)
	select {
	case <-ready:
	case err := <-done:
		ended = true
		t.Fatalf("%T ended before it was ready: %v", r, err)
	case <-time.After(limit):
		t.Fatalf("%T is not ready after %v", r, limit)
	}
	return stop
}

func (k *kafka) publisher(b *bus.Bus) *bus.Publisher {
	k.t.Helper()
	p, err := b.NewPublisher(k.t.Context(), "test")
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { p.Close() })
	return p
}

func publish(t testing.TB, p *bus.Publisher, msgs ...bus.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if err := p.Publish(ctx, msgs...); err != nil {
		t.Fatal(err)
	}
}

// Item is a record of these tests.
type Item struct {
	N    int    `json:"n"`
	Text string `json:"text,omitempty"`
}

// Sum is what is made of an [Item].
type Sum struct {
	N  int    `json:"n"`
	By string `json:"by,omitempty"`
}
