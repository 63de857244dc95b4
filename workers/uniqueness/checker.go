// Package uniqueness is the notary's uniqueness checker: it decides whether a transaction may have the states it asks
// for, and remembers every decision for ever. The database worker hosts it; it knows PostgreSQL and nothing of Kafka.
//
// A batch is grouped by virtual node. A group is read in one round trip, decided in memory in the order given, and stored
// in one round trip and one transaction, with statements over arrays. A large group is split before into parts that have
// nothing to do with each other, for two connections at a time. Nothing is remembered between batches: any number of
// checkers, in this process and others, may work on one node's data at the same time. What protects the data is the
// write itself: it fails when a row it rests on has changed since the read, and then the group is read and decided again.
//
// Only a worker and the program's benchmarks may import it; what asks over the bus is in the package client.
package uniqueness

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"golang.org/x/sync/errgroup"

	"github.com/cordage-sandbox/cordage/workers/ident"
)

// Stores finds the database of a virtual node. Its errors are answered to the node's requests of the batch.
type Stores interface {
	Uniqueness(ctx context.Context, holder ident.HoldingIdentity) (DB, error)
}

// Clock tells the business time; *clock.Clock is one.
type Clock interface{ Now() time.Time }

// Chance is the randomness that shapes behaviour: the order of groups and the jitter of repetitions. *clock.Chance is one.
type Chance interface {
	IntN(n int) int
	Shuffle(n int, swap func(i, j int))
}

// Config is what a checker works with. Stores, Clock and Chance are needed; the rest has defaults.
type Config struct {
	Stores Stores
	Clock  Clock
	Chance Chance

	Log     *slog.Logger          // default: nothing is logged
	Metrics prometheus.Registerer // default: nothing is counted
	Tracer  trace.Tracer          // default: no spans

	Connections int // that one batch uses at the same time, for groups or for parts of a group; default 2
	MaxOutputs  int // outputs of one transaction; more are malformed; default 1,000,000
}

const (
	defaultConnections = 2
	defaultMaxOutputs  = 1_000_000
)

// Checker decides batches of requests. It is safe for concurrent use.
type Checker struct {
	Config
	metrics *metrics
}

// New makes a checker. It registers its metrics once; a second checker on the same registerer shares them.
func New(c Config) *Checker {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Tracer == nil {
		c.Tracer = noop.NewTracerProvider().Tracer("")
	}
	if c.Connections <= 0 {
		c.Connections = defaultConnections
	}
	if c.MaxOutputs <= 0 {
		c.MaxOutputs = defaultMaxOutputs
	}
	return &Checker{Config: c, metrics: newMetrics(c.Metrics)}
}

// Check decides the batch and gives the results in its order. Requests of one virtual node are decided in the order
// given; nodes take their turns in random order, and do not affect each other: what fails for one node is answered
// with [UnhandledException] to that node's requests, except those that are malformed in themselves.
//
// The error is that of ctx, and nothing else. Then verdicts may have been stored that were not returned: asking again
// returns them.
func (c *Checker) Check(ctx context.Context, batch []Request) ([]Result, error) {
	start := time.Now()
	results := make([]Result, len(batch))
	groups := c.group(batch, results)
	c.Chance.Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })

	work, workCtx := errgroup.WithContext(ctx)
	work.SetLimit(c.Connections)
	for _, g := range groups {
		work.Go(func() error { return c.decideGroup(workCtx, g, c.Connections/len(groups)) })
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	c.metrics.batch(time.Since(start), len(batch))
	return results, nil
}

// group is the requests of one virtual node that passed stage A, in the order given.
type group struct {
	holder  ident.HoldingIdentity
	node    string // short hash of the holder
	queries []*query
	results []*Result // where the results of the queries go
}

// group parses the batch, answers what is malformed, and puts the rest into groups.
func (c *Checker) group(batch []Request, results []Result) []*group {
	byHolder := map[ident.HoldingIdentity]*group{}
	var groups []*group
	for i := range batch {
		holder := batch[i].Holder
		g := byHolder[holder]
		if g == nil {
			g = &group{holder: holder, node: string(holder.ShortHash())}
			byHolder[holder] = g
			groups = append(groups, g)
		}
		q, err := batch[i].parse(c.MaxOutputs)
		if err != nil {
			results[i].Verdict = Verdict{Kind: Malformed, Text: err.Error()}
			c.metrics.result(g.node, &results[i])
			continue
		}
		g.queries, g.results = append(g.queries, q), append(g.results, &results[i])
	}
	return groups
}
