package uniqueness_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
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

// BenchmarkInsert compares the two set-based ways to store a batch's outputs, in states per second: decision 0030.
func BenchmarkInsert(b *testing.B) {
	const transactions, outputs = 1000, 2
	pool := newNode(b)
	if err := load.Fill(b.Context(), pool, filled); err != nil {
		b.Fatal(err)
	}
	batch := func() (algos []string, ids [][]byte, counts []int32) {
		for range transactions {
			id, err := uniqueness.ParseTxID(newTxID("SHA-256"))
			if err != nil {
				b.Fatal(err)
			}
			algos, ids, counts = append(algos, id.Algo), append(ids, []byte(id.Bytes)), append(counts, outputs)
		}
		slices.SortFunc(ids, bytes.Compare)
		return algos, ids, counts
	}
	report := func(b *testing.B) {
		b.ReportMetric(float64(b.N*transactions*outputs)/b.Elapsed().Seconds(), "states/s")
	}
	b.Run("unnest", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			algos, ids, counts := batch()
			b.StartTimer()
			if _, err := pool.Exec(b.Context(), `INSERT INTO uniqueness_state_details SELECT q.algo, q.id, o.idx
				FROM unnest($1::text[], $2::bytea[], $3::int[]) q(algo, id, n), generate_series(0, q.n - 1) o(idx)`, algos, ids, counts); err != nil {
				b.Fatal(err)
			}
		}
		report(b)
	})
	b.Run("copy", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			algos, ids, counts := batch()
			rows := make([][]any, 0, transactions*outputs)
			for i := range ids {
				for n := range counts[i] {
					rows = append(rows, []any{algos[i], ids[i], n})
				}
			}
			b.StartTimer()
			if _, err := pool.CopyFrom(b.Context(), pgx.Identifier{"uniqueness_state_details"},
				[]string{"issue_tx_id_algo", "issue_tx_id", "issue_tx_output_idx"}, pgx.CopyFromRows(rows)); err != nil {
				b.Fatal(err)
			}
		}
		report(b)
	})
}
