package bus_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/cordage-sandbox/cordage/fixtures/servers"
	"github.com/cordage-sandbox/cordage/sandbox/artefact"
	"github.com/cordage-sandbox/cordage/sandbox/port"
	"github.com/cordage-sandbox/cordage/sandbox/probe"
	"github.com/cordage-sandbox/cordage/sandbox/process"
	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/record"
)

// threeBrokers starts a Kafka cluster of three, and gives their processes and addresses.
func threeBrokers(t *testing.T) ([]*process.Child, []string) {
	t.Helper()
	cache, err := artefact.Open(artefact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	archive, err := process.KafkaArchive(t.Context(), cache)
	if err != nil {
		t.Fatal(err)
	}
	var voters []process.Voter
	for id := 1; id <= 3; id++ {
		voters = append(voters, process.Voter{ID: id, Port: freePort(t)})
	}
	dir := t.TempDir()
	children, addresses := make([]*process.Child, 3), make([]string, 3)
	var ready sync.WaitGroup
	for i := range 3 {
		k := process.Kafka{
			Node: fmt.Sprint("kafka-", i+1), ID: i + 1, Dir: filepath.Join(dir, fmt.Sprint(i)), Owner: dir, Port: freePort(t), Voters: voters,
			Brokers: len(voters),
			Log:     filepath.Join(dir, fmt.Sprint(i, ".log")), Archive: archive, DeathSignal: syscall.SIGKILL,
			Settings: map[string]string{"transaction.state.log.min.isr": "2"},
		}
		child, err := k.Start(t.Context(), cache)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = child.Kill() })
		children[i], addresses[i] = child, port.Address(k.Port)
		ready.Go(func() {
			if err := probe.Wait(t.Context(), probe.Kafka{Port: k.Port}, limit, probe.Watched{Done: child.Done(), Why: child.Err}); err != nil {
				t.Error(err)
			}
		})
	}
	if ready.Wait(); t.Failed() {
		t.FailNow()
	}
	return children, addresses
}

// TestLeadersMove kills one of three brokers, which leads some partitions and coordinates some groups and transactional
// ids, while calls are made. The others take over, and everything goes on through them. No transaction is open at that
// moment: the coordinators of Kafka 3.2.0 may then forget to complete it, whatever a client does.
func TestLeadersMove(t *testing.T) {
	if testing.Short() {
		t.Skip("starts three brokers")
	}
	t.Parallel()
	brokers, addresses := threeBrokers(t)
	k := &kafka{t, addresses, servers.Unique(t) + "."}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	topics := []record.Topic{{Name: "in"}, {Name: "out"}, {Name: "q"}, {Name: "q.resp"}}
	if err := bus.CreateTopics(ctx, k.config("admin"), topics, 6, 3); err != nil {
		t.Fatal(err)
	}
	b := k.open("a")
	out := hear(t, b, "out")
	start(t, b.Durable(bus.DurableConfig{Group: "g", Topic: "in"}, double("a")))
	start(t, bus.NewResponder(b, "q", "answers", addOne))
	call := bus.NewCaller[Item, Sum](b, "q", "c", bus.CallerOptions{Timeout: limit})
	start(t, call)
	p := k.publisher(b)
	ask := func(n int) {
		for i := range n {
			if s, err := call.Call(t.Context(), Item{N: i}); err != nil || s.N != i+1 {
				t.Errorf("Call(%d) = %d, %v", i, s.N, err)
			}
		}
	}
	publish(t, p, numbered("in", 0, 100, 17)...)
	ask(20)
	checkOnce(t, out.await(100), 100)
	if err := brokers[1].Kill(); err != nil {
		t.Fatal(err)
	}
	ask(100) // on every partition: those that the broker has led have other leaders now
	for n := 100; n < 400; n += 10 {
		publish(t, p, numbered("in", n, n+10, 17)...)
	}
	checkOnce(t, out.await(400), 400)
}
