// Package topology observes how the parts of a sandbox talk: consumer groups and their lag (Kafka's admin API), sessions
// of the database (pg_stat_activity), upstreams of the load balancer (its /status). Nothing is drawn from what is meant to
// be: if a worker stops consuming, its edge goes. Workers must not import it.
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
}

// Names are the nodes that edges lead to.
type Names struct{ PostgreSQL, Kafka string }

// observeLimit bounds one observation: a part that is down must not hold up the rest.
const observeLimit = 3 * time.Second

// Observe asks all observers at once. What could not be observed is told in Faults; the rest is there all the same.
func Observe(ctx context.Context, s Source) sandbox.Topology {
	ctx, cancel := context.WithTimeout(ctx, observeLimit)
	defer cancel()
	t := sandbox.Topology{Nodes: s.Nodes, Edges: []sandbox.Edge{}}
	var mu sync.Mutex
	var g sync.WaitGroup
	for name, observe := range map[string]func(context.Context, Source) ([]sandbox.Edge, error){
		"consumers": consumers, "database sessions": sessions, "load balancer": routes,
	} {
		g.Go(func() {
			edges, err := observe(ctx, s)
			mu.Lock()
			defer mu.Unlock()
			t.Edges = append(t.Edges, edges...)
			if err != nil {
				t.Faults = append(t.Faults, fmt.Sprintf("%s: %v", name, err))
			}
		})
	}
	g.Wait()
	slices.SortFunc(t.Edges, func(a, b sandbox.Edge) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.What, b.What), cmp.Compare(a.To, b.To))
	})
	slices.Sort(t.Faults)
	return t
}
