package client_test

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/uniqueness"
	"github.com/cordage-sandbox/cordage/workers/uniqueness/client"
	"github.com/cordage-sandbox/cordage/workers/uniqueness/load"
)

// The tests' own PostgreSQL does not sync to the disk; see the flag of the same name in package uniqueness.
var server = flag.String("postgres", "", "`URL` of an empty PostgreSQL database to use in benchmarks in place of the tests' own server")

// BenchmarkOverKafka tells checks per second (2 inputs, 2 outputs) through Kafka, and by the same SQL directly, with
// 1,000,000 states stored before.
//
//	go test -run '^$' -bench OverKafka -benchtime 60000x ./workers/uniqueness/client
func BenchmarkOverKafka(b *testing.B) {
	pool := benchNode(b)
	if err := load.Fill(b.Context(), pool, 1_000_000); err != nil {
		b.Fatal(err)
	}
	const filled = 2_500 // transactions of each source
	sources := 0
	source := func() *load.Source {
		s := load.NewSource(notary, sources, sources*filled, (sources+1)*filled)
		sources++
		return s
	}
	for _, connections := range []int{1, 2} {
		for _, size := range []int{500, 1000} {
			b.Run(fmt.Sprintf("sql/connections=%d/batch=%d", connections, size), func(b *testing.B) {
				todo := make([][]*uniqueness.Direct, connections)
				for i := range todo {
					s := source()
					for n := 0; n < b.N/connections; n += size {
						d, err := uniqueness.NewDirect(s.Next(size))
						if err != nil {
							b.Fatal(err)
						}
						todo[i] = append(todo[i], d)
					}
				}
				b.ResetTimer()
				inParallel(b, connections, func(i int) error {
					for _, d := range todo[i] {
						if err := d.Run(b.Context(), pool); err != nil {
							return err
						}
					}
					return nil
				})
			})
		}
	}
	for _, partitions := range []int{1, 3} {
		for _, callers := range []int{1, 4, 8} {
			c := newCluster(b, partitions, client.Options{})
			c.host("database-1", 0, pool)
			b.Run(fmt.Sprintf("kafka/partitions=%d/callers=%d/batch=500", partitions, callers), func(b *testing.B) {
				todo := make([][][]record.UniquenessCheckRequest, callers)
				for i := range todo {
					s := source()
					for n := 0; n < b.N/callers; n += 500 {
						var batch []record.UniquenessCheckRequest
						for _, r := range s.Next(500) {
							batch = append(batch, load.Record(r))
						}
						todo[i] = append(todo[i], batch)
					}
				}
				b.ResetTimer()
				inParallel(b, callers, func(i int) error {
					for _, batch := range todo[i] {
						answers, err := c.client.Check(c.ctx, notary, batch)
						if err != nil {
							return err
						}
						for _, a := range answers {
							if a.Result != record.ResultSuccess {
								return fmt.Errorf("unexpected verdict %+v", a)
							}
						}
					}
					return nil
				})
			})
		}
	}
}

func inParallel(b *testing.B, n int, work func(i int) error) {
	b.Helper()
	began := time.Now()
	var g errgroup.Group
	for i := range n {
		g.Go(func() error { return work(i) })
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "checks/s")
}

func benchNode(b *testing.B) *pgxpool.Pool {
	b.Helper()
	if *server == "" {
		return newNode(b)
	}
	pool, err := pgxpool.New(context.Background(), *server)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	migrate(b, pool)
	return pool
}

// BenchmarkLatency tells how long one check takes over Kafka when 100 are asked each second.
//
//	go test -run '^$' -bench Latency -benchtime 500x ./workers/uniqueness/client
func BenchmarkLatency(b *testing.B) {
	pool := benchNode(b)
	if err := load.Fill(b.Context(), pool, 100_000); err != nil {
		b.Fatal(err)
	}
	c := newCluster(b, 3, client.Options{})
	c.host("database-1", 0, pool)
	source := load.NewSource(notary, 0, 0, 50_000)
	b.Run("rate=100", func(b *testing.B) {
		requests := source.Next(b.N)
		took := make([]time.Duration, b.N)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		b.ResetTimer()
		var g errgroup.Group
		for i := range requests {
			<-tick.C
			g.Go(func() error {
				began := time.Now()
				answers, err := c.client.Check(c.ctx, notary, []record.UniquenessCheckRequest{load.Record(requests[i])})
				if err == nil && answers[0].Result != record.ResultSuccess {
					err = fmt.Errorf("unexpected verdict %+v", answers[0])
				}
				took[i] = time.Since(began)
				return err
			})
		}
		if err := g.Wait(); err != nil {
			b.Fatal(err)
		}
		slices.Sort(took)
		b.ReportMetric(took[len(took)/2].Seconds()*1000, "p50-ms")
		b.ReportMetric(took[len(took)*99/100].Seconds()*1000, "p99-ms")
	})
}
