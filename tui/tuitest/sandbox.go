package tuitest

import (
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/workers/clock"
)

// UTC makes local times be shown in UTC. It is called in TestMain, before any test runs.
func UTC() { time.Local = time.UTC }

// Snapshot is the full state of a sandbox as a supervisor tells it: every worker type, two of rest, all ready.
func Snapshot(testing.TB) sandbox.Event {
	now := Now()
	spec := sandbox.DefaultSpec("default")
	spec.Replicas["rest"] = 2
	info := sandbox.Info{
		Name: "default", Runtime: "process", Phase: sandbox.PhaseReady, Dir: "/home/alice/.local/state/cordage/default",
		Endpoints:  sandbox.Endpoints{REST: "https://127.0.0.1:8888/api/v1", Kafka: "127.0.0.1:9092", PostgreSQL: "127.0.0.1:5432"},
		Versions:   map[string]string{"cordage": "v0.2.0", "postgres": "14.4", "kafka": "3.2.0", "java": "17.0.12"},
		Supervisor: 4101, Started: now.Add(-125 * time.Second), Took: 3200 * time.Millisecond,
		Clock: clock.Setting{Mode: clock.Machine}, Spec: spec,
	}
	node := func(name string, kind sandbox.Kind, role string, pid string, rss int64, ports map[string]int) sandbox.Node {
		return sandbox.Node{
			Name: name, Kind: kind, Role: role, State: sandbox.Ready, Instance: pid, Ports: ports, Started: now.Add(-124 * time.Second),
			Took: 640 * time.Millisecond, RSS: rss << 20, CPU: 3 * time.Second,
		}
	}
	monitor := func(port int) map[string]int { return map[string]int{"monitor": port} }
	nodes := []sandbox.Node{
		node("postgres", sandbox.PostgreSQL, "", "4120", 148, map[string]int{"sql": 5432}),
		node("kafka-1", sandbox.Kafka, "", "4131", 412, map[string]int{"broker": 9092, "controller": 9093}),
		node("database-1", sandbox.Worker, "database", "4150", 61, monitor(7001)),
		node("crypto-1", sandbox.Worker, "crypto", "4151", 48, monitor(7002)),
		node("rest-1", sandbox.Worker, "rest", "4152", 52, map[string]int{"rest": 8081, "monitor": 7003}),
		node("rest-2", sandbox.Worker, "rest", "4153", 51, map[string]int{"rest": 8082, "monitor": 7004}),
		node("lb-1", sandbox.Worker, "lb", "4154", 28, map[string]int{"rest": 8888, "monitor": 7005}),
	}
	return sandbox.Event{Seq: 1, Time: now, State: &sandbox.Snapshot{Sandbox: info, Nodes: nodes}}
}
