package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/uniqueness"
	"github.com/cordage-sandbox/cordage/workers/uniqueness/load"
)

// shape is a way to send batches to PostgreSQL directly.
type shape struct{ size, connections int }

func (c *checks) shapes() (all []shape) {
	sizes := []int{100, 200, 500, 1000, 2000}
	if c.b.quick {
		sizes = []int{500, 1000}
	}
	for _, connections := range []int{1, 2} {
		for _, size := range sizes {
			all = append(all, shape{size, connections})
		}
	}
	return all
}

// directly gives the checks per second that the SQL alone reaches. Batches are made and parsed beforehand.
func (c *checks) directly(ctx context.Context, sh shape) (float64, error) {
	total := c.b.pick(40_000, 4_000)
	n := c.notaries[0]
	todo := make([][]*uniqueness.Direct, sh.connections)
	for i := range todo {
		for range total / sh.connections / sh.size {
			d, err := uniqueness.NewDirect(n.sources[i].Next(sh.size))
			if err != nil {
				return 0, err
			}
			todo[i] = append(todo[i], d)
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for _, batches := range todo {
		g.Go(func() error {
			for _, d := range batches {
				if err := d.Run(ctx, n.pool); err != nil {
					return fmt.Errorf("batch of %d directly: %w", sh.size, err)
				}
			}
			return nil
		})
	}
	err := g.Wait()
	return float64(sh.connections*len(todo[0])*sh.size) / time.Since(began).Seconds(), err
}

// overKafka gives the checks per second that the workers reach with that many flows, spread over the virtual nodes.
func (c *checks) overKafka(ctx context.Context, notaries []*notary, flows int) (float64, error) {
	return c.run(ctx, notaries, flows, c.b.pick(40_000, 8_000), flowBatch)
}

// run has about total checks decided: each flow asks its next batch when the one before is answered.
func (c *checks) run(ctx context.Context, notaries []*notary, flows, total, size int) (float64, error) {
	todo := make([][][]record.UniquenessCheckRequest, flows)
	count := 0
	for i := range todo {
		for range max(1, total/flows/size) {
			n := notaries[i%len(notaries)]
			todo[i] = append(todo[i], records(n.sources[i/len(notaries)], size))
			count += size
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for i, batches := range todo {
		g.Go(func() error {
			for _, batch := range batches {
				if err := c.ask(ctx, notaries[i%len(notaries)], batch); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := g.Wait()
	return float64(count) / time.Since(began).Seconds(), err
}

func records(s *load.Source, n int) []record.UniquenessCheckRequest {
	batch := make([]record.UniquenessCheckRequest, 0, n)
	for _, r := range s.Next(n) {
		batch = append(batch, load.Record(r))
	}
	return batch
}

// ask fails unless every request succeeds.
func (c *checks) ask(ctx context.Context, n *notary, batch []record.UniquenessCheckRequest) error {
	answers, err := c.asker.Check(ctx, n.holder, batch)
	if err != nil {
		return err
	}
	for _, a := range answers {
		if a.Result != record.ResultSuccess {
			return fmt.Errorf("check of %s: unexpected verdict %s %s", a.TxID, a.Result, a.ErrorText)
		}
	}
	return nil
}

// latency sends single requests at a steady rate, whether or not the ones before are answered.
func (c *checks) latency(ctx context.Context, s *section) error {
	const rate = 100 // requests a second
	count := c.b.pick(20, 2) * rate
	took := &sample{unit: "ms"}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	tick := time.NewTicker(time.Second / rate)
	defer tick.Stop()
	n := c.notaries[0]
	for range count {
		var due time.Time
		select {
		case due = <-tick.C:
		case <-ctx.Done():
			return g.Wait()
		}
		request := records(n.sources[0], 1)
		g.Go(func() error {
			if err := c.ask(ctx, n, request); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			took.add(milliseconds(time.Since(due)))
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, q := range []float64{0.5, 0.99} {
		at := &sample{unit: "ms", values: []float64{took.quantile(q)}}
		s.plain(fmt.Sprintf("single requests at %d/s, p%.0f of %d", rate, q*100, count), at, "")
	}
	return nil
}
