package uniqueness_test

import (
	"context"
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/cordage-sandbox/cordage/workers/clock"
	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/uniqueness"
	"github.com/cordage-sandbox/cordage/workers/uniqueness/load"
)

const filled = 1_000_000 // states stored before a benchmark starts

// BenchmarkChecks tells checks per second (2 inputs, 2 outputs): the SQL alone, and through the checker.
//
//	go test -run '^$' -bench Checks -benchtime 100000x ./workers/uniqueness
func BenchmarkChecks(b *testing.B) {
	pool := newNode(b)
	if err := load.Fill(b.Context(), pool, filled); err != nil {
		b.Fatal(err)
	}
	holder := ident.HoldingIdentity{X500Name: "O=Notary, L=London, C=GB", GroupID: "g"}
	checker := uniqueness.New(uniqueness.Config{
		Stores: store{pool}, Clock: &clock.Clock{}, Chance: clock.NewChance(1),
	})
	source := 0
	run := func(name string, connections, size int, do func(ctx context.Context, batch []uniqueness.Request) func() error) {
		b.Run(fmt.Sprintf("%s/connections=%d/batch=%d", name, connections, size), func(b *testing.B) {
			todo := make([][]func() error, connections)
			for i := range todo { // requests are made, and for SQL parsed, beforehand
				s := load.NewSource(holder, source, source%100*2500, source%100*2500+2500)
				source++
				for n := 0; n < b.N/connections; n += size {
					todo[i] = append(todo[i], do(b.Context(), s.Next(size)))
				}
			}
			b.ResetTimer()
			var g errgroup.Group
			for _, batches := range todo {
				g.Go(func() error {
					for _, batch := range batches {
						if err := batch(); err != nil {
							return err
						}
					}
					return nil
				})
			}
			if err := g.Wait(); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "checks/s")
		})
	}
	for _, connections := range []int{1, 2} {
		for _, size := range []int{100, 500, 1000, 2000} {
			run("sql", connections, size, func(ctx context.Context, batch []uniqueness.Request) func() error {
				direct, err := uniqueness.NewDirect(batch)
				if err != nil {
					b.Fatal(err)
				}
				return func() error { return direct.Run(ctx, pool) }
			})
			run("checker", connections, size, func(ctx context.Context, batch []uniqueness.Request) func() error {
				return func() error {
					results, err := checker.Check(ctx, batch)
					for _, r := range results {
						if r.Kind != uniqueness.Success {
							return fmt.Errorf("unexpected verdict %+v", r)
						}
					}
					return err
				}
			})
		}
	}
}

type store struct{ db uniqueness.DB }

func (s store) Uniqueness(context.Context, ident.HoldingIdentity) (uniqueness.DB, error) {
	return s.db, nil
}
