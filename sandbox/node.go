package sandbox

import (
	"time"
)

// Kind of a node.
type Kind string

const (
	PostgreSQL Kind = "postgres"
	Kafka      Kind = "kafka"
	Worker     Kind = "worker"
)

// NodeSpec is what a runtime needs to start a node. It is plain data: two equal specs are the same node.
type NodeSpec struct {
	Name string // unique in the sandbox: postgres, kafka-1, database-1, rest-2, lb-1
	Kind Kind
	Role string // worker type, for Kind Worker

	// Ports the node listens on, by purpose: "sql", "broker", "controller", "rest", "monitor". The number is the one on
	// 127.0.0.1 by which everybody reaches it.
	Ports map[string]int

	// Files are handed to the node in a directory that only it can read, by base name: boot.json of a worker, the
	// superuser's password of PostgreSQL. They never appear in arguments, environment, labels or logs.
	Files map[string][]byte `json:"-"`

	// Settings of the server by its own names: postgresql.conf and server.properties entries over the defaults.
	Settings map[string]string

	// Peers of a Kafka node: every node of its cluster, itself included, by name, with the port of its controller, 0 for a
	// node that has none and is a broker only. None: the node is alone.
	Peers map[string]int `json:",omitempty"`

	MemoryLimit int64   // bytes; 0 for none (only where the runtime can enforce it)
	CPULimit    float64 `json:",omitempty"` // cores; 0 for no limit (only where the runtime can enforce it)
}

// State of a node.
type State string

const (
	Pending  State = "pending"  // wanted, not yet started
	Starting State = "starting" // runs, does not yet answer
	Ready    State = "ready"    // answers its own protocol, or /status is UP
	Degraded State = "degraded" // runs, but /status is DOWN
	Backoff  State = "backoff"  // died, will be started again
	Crashed  State = "crashed"  // died again and again; given up until somebody restarts it
	Stopping State = "stopping"
	Stopped  State = "stopped"
)

// Node is a node as seen from outside.
type Node struct {
	Name     string         `json:"name"`
	Kind     Kind           `json:"kind"`
	Role     string         `json:"role,omitempty"`
	State    State          `json:"state"`
	Reason   string         `json:"reason,omitempty"`   // why it is not ready: the last failure, with its last log lines
	Instance string         `json:"instance,omitempty"` // pid or container id
	Ports    map[string]int `json:"ports,omitempty"`    // by purpose, on 127.0.0.1
	Restarts int            `json:"restarts"`           // since the supervisor started
	Started  time.Time      `json:"started,omitzero"`   // of the present instance
	Took     time.Duration  `json:"tookNs,omitempty"`   // from start to ready
	RSS      int64          `json:"rssBytes,omitempty"` // resident memory
	CPU      time.Duration  `json:"cpuNs,omitempty"`    // used so far
}
