package sandbox

import (
	"context"
	"io"
	"time"
)

// Runtime starts and stops nodes: as processes, or in containers. Its implementations behave alike; package runtimetest
// is the definition of how. Safe for concurrent use on different nodes.
type Runtime interface {
	// Name is "process" or "container".
	Name() string

	// Prepare makes sure that everything needed to start nodes is there (artefacts or images), telling progress.
	Prepare(ctx context.Context, progress func(Progress)) error

	// Start starts a node and returns once it runs (not: is ready). A node of that name must not be running.
	// What the node kept from an earlier start is used again.
	Start(ctx context.Context, spec NodeSpec) (Instance, error)

	// Route tells how nodes reach each other.
	Route(ctx context.Context) (Routes, error)

	// Find lists the sandbox's nodes that run now, whoever started them, an earlier and killed supervisor included.
	Find(ctx context.Context) ([]Instance, error)

	// Logs gives the node's log: the last tail lines (all when negative), and what follows when follow is set.
	Logs(ctx context.Context, node string, tail int, follow bool) (io.ReadCloser, error)

	// Purge removes everything that the sandbox keeps: data, logs, networks. All nodes must be stopped.
	Purge(ctx context.Context) error
}

// Instance is one running node.
type Instance interface {
	Node() string          // its name
	ID() string            // pid or container id
	SpecHash() string      // of the NodeSpec it was started with, without Files' content
	Started() time.Time    //
	Done() <-chan struct{} // closed when it has ended
	Exit() Exit            // valid after Done

	// Stop asks the node to stop in the way that loses nothing, and returns when it has ended. When ctx ends first the
	// node is killed, and that is an error.
	Stop(ctx context.Context) error
	// Kill ends the node at once.
	Kill(ctx context.Context) error
	// Pause freezes the node (SIGSTOP, or the engine's pause); Unpause lets it go on.
	Pause(ctx context.Context) error
	Unpause(ctx context.Context) error
	// Signal sends a signal by name without SIG: HUP makes the load balancer read its upstreams again.
	Signal(ctx context.Context, name string) error
	// Usage is the memory and CPU it uses now.
	Usage(ctx context.Context) (Usage, error)
}

// Exit tells how an instance ended.
type Exit struct {
	Code   int    // exit code, -1 when ended by a signal or unknown (an adopted process)
	Signal string // name of the signal, if one ended it
	Why    string // what ended it, where more is known than code and signal: "it needed more memory than its limit, 64 MiB"
	Log    string // last log lines
}

// Usage of an instance.
type Usage struct {
	RSS int64         // bytes
	CPU time.Duration // used so far
}

// Progress of a long step, for people.
type Progress struct {
	Step  string  // what is being done: "fetch Kafka 3.2.0"
	Done  float64 // 0…1; negative where it is not known
	Notes string  // one line more
}
