package tuitest

import (
	"fmt"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// Large is a sandbox of 50 nodes and 200 topics, all at work: its state, and what is observed of it.
func Large() (sandbox.Event, sandbox.Topology) {
	const workers, topics, brokers = 45, 200, 3
	info := sandbox.Info{Name: "large", Runtime: "process", Phase: sandbox.PhaseReady, Supervisor: 1, Started: Now().Add(-time.Hour), Spec: sandbox.DefaultSpec("large")}
	var nodes []sandbox.Node
	add := func(name string, kind sandbox.Kind, role string) {
		nodes = append(nodes, sandbox.Node{
			Name: name, Kind: kind, Role: role, State: sandbox.Ready, Instance: fmt.Sprint(1000 + len(nodes)), Ports: map[string]int{"monitor": 7000 + len(nodes)},
			Started: Now().Add(-time.Hour), Took: time.Second, RSS: 60 << 20, CPU: time.Minute,
		})
	}
	add("postgres", sandbox.PostgreSQL, "")
	for i := range brokers {
		add(fmt.Sprintf("kafka-%d", i+1), sandbox.Kafka, "")
	}
	add("lb-1", sandbox.Worker, "lb")
	t := sandbox.Topology{Time: Now()}
	for i := range workers {
		role := []string{"database", "crypto", "rest"}[i%3]
		name := fmt.Sprintf("%s-%d", role, i/3+1)
		add(name, sandbox.Worker, role)
		if role == "rest" {
			t.Edges = append(t.Edges, sandbox.Edge{From: "lb-1", To: name, Kind: sandbox.EdgeRoutes, What: "/api/v1", Rate: 20, Up: true})
		} else {
			t.Edges = append(t.Edges, sandbox.Edge{From: name, To: "postgres", Kind: sandbox.EdgeQueries, What: []string{"config", "crypto", "rbac"}[i%3], Count: 4, Rate: 50, Up: true})
		}
		for k := range topics / 10 {
			topic := fmt.Sprintf("topic.number.%03d", (i*7+k*11)%topics)
			kind := []sandbox.EdgeKind{sandbox.EdgeConsumes, sandbox.EdgeProduces, sandbox.EdgeReads}[(i+k)%3]
			t.Edges = append(t.Edges, sandbox.Edge{From: name, To: "kafka-1", Kind: kind, What: topic, Count: 4, Rate: 10, Lag: int64(k % 2), Up: true})
		}
	}
	for i := range topics {
		t.Topics = append(t.Topics, sandbox.TopicInfo{Name: fmt.Sprintf("topic.number.%03d", i), Partitions: 4, Cleanup: "delete", Records: 1000, Rate: 30})
	}
	return sandbox.Event{Seq: 1, Time: Now(), State: &sandbox.Snapshot{Sandbox: info, Nodes: nodes}}, t
}

// Bustle is a second's worth of n events in the large sandbox, from seq on: samples of usage mostly, and every tenth a node
// that changes its state.
func Bustle(full sandbox.Event, n int, seq uint64) []sandbox.Event {
	nodes := full.State.Nodes
	events := make([]sandbox.Event, 0, n)
	for i := range n {
		node := nodes[i%len(nodes)]
		node.CPU += time.Duration(seq+uint64(i)) * time.Millisecond
		if i%10 == 0 {
			node.State = []sandbox.State{sandbox.Ready, sandbox.Degraded}[(i/10)%2]
		}
		at := Now().Add(time.Duration(seq+uint64(i)) * time.Second / time.Duration(n))
		events = append(events, sandbox.Event{Seq: seq + uint64(i), Time: at, Node: &node})
	}
	return events
}
