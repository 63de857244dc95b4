// Package topology observes how the parts of a sandbox talk: consumer groups and their lag (Kafka's admin API), what workers
// count of their own traffic (their /metrics), sessions of the database (pg_stat_activity), upstreams of the load balancer
// (its /status). Nothing is drawn from what is meant to be: if a worker stops consuming, its edge goes. Workers must not
// import it.
package topology

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// Source is where to look.
type Source struct {
	Nodes      []sandbox.Node
	Brokers    string // host:port, several with commas between
	Prefix     string // of topics and groups
	PostgreSQL sandbox.PostgresCredentials
	Names      Names // of the server nodes

	// Databases lists the logical databases; nil: none are known. It is asked seldom.
	Databases func(context.Context) ([]sandbox.DatabaseInfo, error)
}

// Names are the nodes that edges lead to.
type Names struct{ PostgreSQL, Kafka string }

// observeLimit bounds one observation of one part: a part that is down must not hold up the rest.
const observeLimit = 3 * time.Second

// Observe looks at everything once. What could not be observed is told in Faults; the rest is there all the same. Rates
// take two looks: they are zero.
func Observe(ctx context.Context, s Source) sandbox.Topology {
	o := newObserver()
	defer o.close()
	var g sync.WaitGroup
	for _, p := range o.parts() {
		g.Go(func() { o.look(ctx, p, s) })
	}
	g.Wait()
	return o.compose(s)
}

// observer keeps what the parts have found. Each part is looked at by one goroutine at a time.
type observer struct {
	kafka    *kafkaPart
	postgres *postgresPart
	workers  *workersPart
	sizes    *sizesPart

	mu     sync.Mutex
	seen   map[string]bool   // parts that have been looked at
	faults map[string]string // of parts
}

// part is something that is looked at.
type part struct {
	name  string
	every time.Duration
	look  func(ctx context.Context, s Source) (keep func(), err error) // keep is called under the observer's lock
	limit time.Duration
}

func newObserver() *observer {
	return &observer{
		kafka: &kafkaPart{}, postgres: &postgresPart{}, workers: newWorkersPart(), sizes: &sizesPart{},
		seen: map[string]bool{}, faults: map[string]string{},
	}
}

// Pauses between two looks at a part. Sizes take the server longer, and change slowly.
const (
	lookEvery  = time.Second
	sizesEvery = 10 * time.Second
)

func (o *observer) parts() []part {
	return []part{
		{"consumers", lookEvery, o.kafka.look, observeLimit},
		{"database sessions", lookEvery, o.postgres.look, observeLimit},
		{"workers", lookEvery, o.workers.look, observeLimit},
		{"databases", sizesEvery, o.sizes.look, 2 * observeLimit},
	}
}

// look looks at one part, keeps what it finds, and tells whether it found all. What was found before stays when it cannot be
// looked at.
func (o *observer) look(ctx context.Context, p part, s Source) bool {
	limited, cancel := context.WithTimeoutCause(ctx, p.limit, fmt.Errorf("no answer within %v", p.limit))
	defer cancel()
	keep, err := p.look(limited, s)
	if err != nil && ctx.Err() == nil && limited.Err() != nil {
		err = fmt.Errorf("%w: %w", context.Cause(limited), err)
	}
	if ctx.Err() != nil {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen[p.name] = true
	delete(o.faults, p.name)
	if err != nil {
		o.faults[p.name] = err.Error()
	}
	if keep != nil {
		keep()
	}
	return err == nil
}

func (o *observer) close() {
	o.kafka.close()
	o.postgres.close()
	o.workers.close()
}

// complete tells whether every part has been looked at.
func (o *observer) complete() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.seen) == len(o.parts())
}

// compose puts together what has been found.
func (o *observer) compose(s Source) sandbox.Topology {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := sandbox.Topology{Time: time.Now().UTC(), Nodes: s.Nodes, Edges: []sandbox.Edge{}, Brokers: []sandbox.Broker{}}
	t.Edges = slices.Concat(t.Edges, o.kafka.edges, o.postgres.edges)
	t.Edges = o.workers.add(t.Edges, s)
	markDown(t.Edges, s.Nodes)
	t.Brokers = append(t.Brokers, o.kafka.brokers...)
	t.Topics = withGroups(o.kafka.topics, t.Edges)
	t.Databases = withSessions(o.sizes.databases, o.postgres.edges)
	for name, fault := range o.faults {
		t.Faults = append(t.Faults, name+": "+fault)
	}
	slices.Sort(t.Faults)
	slices.SortFunc(t.Edges, func(a, b sandbox.Edge) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.What, b.What), cmp.Compare(a.To, b.To),
			cmp.Compare(a.Group, b.Group))
	})
	return t
}

// markDown marks edges of nodes that do not work at present: Kafka keeps a member that died until its session ends or it is
// back, and what a worker counted last is kept until then.
func markDown(edges []sandbox.Edge, nodes []sandbox.Node) {
	states := map[string]sandbox.State{}
	for _, n := range nodes {
		states[n.Name] = n.State
	}
	for i := range edges {
		e := &edges[i]
		for _, end := range []string{e.From, e.To} {
			if state, known := states[end]; known && state != sandbox.Ready && state != sandbox.Degraded {
				e.Up, e.Rate, e.Note = false, 0, fmt.Sprintf("%s is %s", end, state)
			}
		}
	}
}

// withSessions adds the sessions of workers to their databases.
func withSessions(databases []sandbox.DatabaseInfo, edges []sandbox.Edge) []sandbox.DatabaseInfo {
	out := make([]sandbox.DatabaseInfo, 0, len(databases))
	for _, d := range databases {
		for _, e := range edges {
			if e.What == d.Name || (d.Name == "config" && e.What == configReads) {
				d.Sessions += e.Count
			}
		}
		out = append(out, d)
	}
	return out
}

// sizesPart looks at the logical databases.
type sizesPart struct{ databases []sandbox.DatabaseInfo }

func (p *sizesPart) look(ctx context.Context, s Source) (func(), error) {
	if s.Databases == nil {
		return nil, nil
	}
	found, err := s.Databases(ctx)
	if err != nil {
		return nil, err
	}
	return func() { p.databases = found }, nil
}
