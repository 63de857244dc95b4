package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/role"
	"github.com/cordage-sandbox/cordage/workers/store"
	"github.com/cordage-sandbox/cordage/workers/uniqueness/client"
	"github.com/cordage-sandbox/cordage/workers/uniqueness/load"
)

const (
	overKafkaLimit = 0.5 // of the SQL alone
	flowsOfNode    = 16  // streams of transactions for each virtual node, each over its own share of the stored states
	flowBatch      = 500 // requests that a flow has in flight
)

// notary is a virtual node whose checker is asked.
type notary struct {
	holder  ident.HoldingIdentity
	pool    *pgxpool.Pool // its uniqueness schema
	sources []*load.Source
}

// checks is what the figures of uniqueness checks are made with.
type checks struct {
	b        *bench
	r        *running
	asker    *client.Dialled
	notaries []*notary
	states   int // stored before, for each notary
}

// measureUniqueness asks for checks of two inputs and two outputs: by the checker's SQL alone, and over Kafka.
func measureUniqueness(ctx context.Context, b *bench, s *section) (err error) {
	r, err := b.up(ctx)
	if err != nil {
		return err
	}
	c := &checks{b: b, r: r, states: b.pick(1_000_000, 100_000)}
	defer func() { err = errors.Join(err, c.close()) }()
	if c.asker, err = client.Dial(ctx, strings.Split(r.credentials.Kafka, ","), client.Options{}); err != nil {
		return err
	}
	if err := b.upload(ctx, r); err != nil {
		return err
	}
	for i := range 4 {
		b.say("uniqueness: storing %d states for virtual node %d of 4", c.states, i+1)
		if err := c.addNotary(ctx); err != nil {
			return err
		}
	}
	if err := c.durable(ctx, s); err != nil {
		return err
	}
	if err := c.compare(ctx, s); err != nil {
		return err
	}
	if err := c.latency(ctx, s); err != nil {
		return err
	}
	return c.growth(ctx, s)
}

func (c *checks) close() error {
	for _, n := range c.notaries {
		n.pool.Close()
	}
	if c.asker == nil {
		return nil
	}
	return c.asker.Close()
}

// addNotary creates a virtual node and stores states in its uniqueness database.
func (c *checks) addNotary(ctx context.Context) error {
	holder, err := c.b.create(ctx, c.r, 20*time.Millisecond)
	if err != nil {
		return err
	}
	n := &notary{holder: holder}
	if n.pool, err = store.Open(ctx, c.r.postgres(store.Uniqueness.SchemaName(holder.ShortHash()), 2), "bench"); err != nil {
		return err
	}
	c.notaries = append(c.notaries, n)
	if err := load.Fill(ctx, n.pool, c.states); err != nil {
		return err
	}
	share := c.states / 2 / flowsOfNode // transactions, of two states each
	for i := range flowsOfNode {
		n.sources = append(n.sources, load.NewSource(holder, i, i*share, (i+1)*share))
	}
	return nil
}

// durable makes sure that what is measured is durable, and says so.
func (c *checks) durable(ctx context.Context, s *section) error {
	var fsync, commit, version string
	err := c.notaries[0].pool.QueryRow(ctx, "SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('server_version')").
		Scan(&fsync, &commit, &version)
	if err != nil {
		return fmt.Errorf("ask PostgreSQL for its settings: %w", err)
	}
	s.note("A check has 2 inputs and 2 outputs; %d states were stored before for each virtual node. PostgreSQL %s with fsync %s and synchronous_commit %s.",
		c.states, version, fsync, commit)
	return nil
}

// compare finds the best batch size of the SQL, and holds one database worker against it in turns.
func (c *checks) compare(ctx context.Context, s *section) error {
	if err := c.workers(ctx, 1); err != nil {
		return err
	}
	direct := map[shape]*sample{}
	over := map[int]*sample{}
	shapes, flows := c.shapes(), []int{4, 8, 16}
	for round := range c.b.pick(3, 1) {
		c.b.say("uniqueness: round %d of SQL and Kafka", round+1)
		for _, sh := range shapes {
			if err := c.collect(direct, sh, func() (float64, error) { return c.directly(ctx, sh) }); err != nil {
				return err
			}
		}
		for _, n := range flows {
			if over[n] == nil {
				over[n] = &sample{unit: "/s"}
			}
			rate, err := c.overKafka(ctx, c.notaries[:1], n)
			if err != nil {
				return err
			}
			over[n].add(rate)
		}
	}
	var best shape
	for _, sh := range shapes {
		if best.size == 0 || direct[sh].median() > direct[best].median() {
			best = sh
		}
	}
	for _, sh := range shapes {
		ratio := times(direct[sh].median() / direct[best].median())
		s.plain(fmt.Sprintf("SQL alone, batches of %d on %d connection(s)", sh.size, sh.connections), direct[sh], ratio)
	}
	most, flowsAtMost := bestOf(over)
	sql := direct[best].median()
	s.atLeast(fmt.Sprintf("**over Kafka, one database worker**, %d flows of %d in flight (best of 4, 8, 16)", flowsAtMost, flowBatch),
		most, overKafkaLimit*sql, fmt.Sprintf("%.1f × the best SQL", overKafkaLimit), times(most.median()/sql)+" the best SQL")
	return c.processors(ctx, s, flowsAtMost)
}

// processors tells in one more run over Kafka whose work it is: what all take together shares the machine's cores.
func (c *checks) processors(ctx context.Context, s *section, flows int) error {
	before, err := c.used(ctx)
	if err != nil {
		return err
	}
	rate, err := c.overKafka(ctx, c.notaries[:1], flows)
	if err != nil {
		return err
	}
	after, err := c.used(ctx)
	if err != nil {
		return err
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if took := after[name] - before[name]; took > 0 {
			parts = append(parts, fmt.Sprintf("%s %.1f s", name, took.Seconds()))
		}
	}
	s.note("Processor time of a run over Kafka at %s: %s.", quantity(rate, "/s"), strings.Join(parts, ", "))
	return nil
}

// used is the processor time of each node so far, and of this program.
func (c *checks) used(ctx context.Context) (map[string]time.Duration, error) {
	if err := rest(ctx); err != nil {
		return nil, err
	}
	nodes, err := c.r.supervisor.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string]time.Duration{}
	for _, n := range nodes {
		all[n.Name] = n.CPU
	}
	var self syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &self); err != nil {
		return nil, fmt.Errorf("ask for the processor time of this program: %w", err)
	}
	all["the program that asks"] = time.Duration(self.Utime.Nano() + self.Stime.Nano())
	return all, nil
}

func (c *checks) collect(all map[shape]*sample, sh shape, measure func() (float64, error)) error {
	rate, err := measure()
	if err != nil {
		return err
	}
	if all[sh] == nil {
		all[sh] = &sample{unit: "/s"}
	}
	all[sh].add(rate)
	return nil
}

// growth tells how throughput changes with the number of virtual nodes and database workers.
func (c *checks) growth(ctx context.Context, s *section) error {
	var base float64
	for _, workers := range []int{1, 2} {
		if err := c.workers(ctx, workers); err != nil {
			return err
		}
		for _, nodes := range []int{1, 2, 4} {
			c.b.say("uniqueness: %d virtual nodes, %d database workers", nodes, workers)
			rates := &sample{unit: "/s"}
			for range c.b.pick(3, 1) {
				rate, err := c.overKafka(ctx, c.notaries[:nodes], flowsOfNode)
				if err != nil {
					return err
				}
				rates.add(rate)
			}
			if base == 0 {
				base = rates.median()
			}
			s.plain(fmt.Sprintf("over Kafka, %d virtual node(s), %d database worker(s)", nodes, workers), rates, times(rates.median()/base))
		}
	}
	return c.workers(ctx, 1)
}

// workers sets the number of database workers, and has each partition asked once: then each has its worker.
func (c *checks) workers(ctx context.Context, n int) error {
	if _, err := c.r.supervisor.Scale(ctx, role.Database.Name, n); err != nil {
		return err
	}
	_, err := c.run(ctx, c.notaries, flowsOfNode, flowsOfNode*10, 10)
	return err
}
