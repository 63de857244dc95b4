package uniqueness_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"golang.org/x/sync/errgroup"

	"github.com/cordage-sandbox/cordage/workers/clock"
	"github.com/cordage-sandbox/cordage/workers/uniqueness"
)

// history collects every answer given to every transaction.
type history struct {
	mu       sync.Mutex
	requests map[string]uniqueness.Request
	answers  map[string][]uniqueness.Result
}

func (h *history) add(batch []uniqueness.Request, results []uniqueness.Result) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, r := range batch {
		h.requests[r.TxID] = r
		h.answers[r.TxID] = append(h.answers[r.TxID], results[i])
	}
}

// accepted gives the verdict on each transaction, after checking that all its askers got the same.
func (h *history) verdicts(t *testing.T) map[string]uniqueness.Verdict {
	t.Helper()
	all := map[string]uniqueness.Verdict{}
	for id, answers := range h.answers {
		all[id] = answers[0].Verdict
		first := 0
		for _, a := range answers {
			if diff := cmp.Diff(answers[0].Verdict, a.Verdict); diff != "" {
				t.Errorf("transaction %s has two verdicts:\n%s", id, diff)
			}
			if a.Kind == exception {
				t.Errorf("transaction %s: %s", id, a.Text)
			}
			if !a.Earlier {
				first++
			}
		}
		if first != 1 {
			t.Errorf("transaction %s was decided first %d times, want once", id, first)
		}
	}
	return all
}

// verify holds the verdicts against what one notary could have decided, one transaction after the other.
func (h *history) verify(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	verdicts := h.verdicts(t)
	consumer := map[uniqueness.StateRef]string{}
	for id, v := range verdicts {
		if v.Kind != success {
			continue
		}
		for _, text := range h.requests[id].Inputs {
			if other, twice := consumer[ref(text)]; twice {
				t.Errorf("state %s was consumed by %s and by %s", text, other, id)
			}
			consumer[ref(text)] = id
		}
	}
	before := map[string][]string{} // accepted transaction → accepted ones that consumed what it referenced: it must precede them
	for id, v := range verdicts {
		for _, s := range v.States {
			if !s.Consumer.IsZero() && s.Consumer.String() != consumer[s.Ref] {
				t.Errorf("%s was told that %s consumed %s; it was %q", id, s.Consumer, s.Ref, consumer[s.Ref])
			}
		}
		if v.Kind != success {
			continue
		}
		for _, text := range h.requests[id].References {
			if by, ok := consumer[ref(text)]; ok && by != id {
				before[id] = append(before[id], by)
			}
		}
		for _, text := range h.requests[id].Inputs { // it must follow the one that issued what it consumes
			issuer := ref(text).Tx.String()
			if _, ours := verdicts[issuer]; ours {
				before[issuer] = append(before[issuer], id)
			}
		}
	}
	if loop := cycle(before); loop != nil {
		t.Errorf("no order of the accepted transactions explains their verdicts: %v", loop)
	}
	h.compareTables(t, pool, consumer)
}

// compareTables fails unless the tables say what the answers said.
func (h *history) compareTables(t *testing.T, pool *pgxpool.Pool, consumer map[uniqueness.StateRef]string) {
	t.Helper()
	rows, err := pool.Query(t.Context(), `SELECT issue_tx_id_algo, issue_tx_id, issue_tx_output_idx, consuming_tx_id_algo, consuming_tx_id
		FROM uniqueness_state_details WHERE consuming_tx_id IS NOT NULL`)
	if err != nil {
		t.Fatal(err)
	}
	stored := map[uniqueness.StateRef]string{}
	for rows.Next() {
		var algo, byAlgo string
		var id, byID []byte
		var index int32
		if err := rows.Scan(&algo, &id, &index, &byAlgo, &byID); err != nil {
			t.Fatal(err)
		}
		stored[uniqueness.StateRef{Tx: uniqueness.TxID{Algo: algo, Bytes: string(id)}, Index: index}] =
			uniqueness.TxID{Algo: byAlgo, Bytes: string(byID)}.String()
	}
	if diff := cmp.Diff(consumer, stored); rows.Err() != nil || diff != "" {
		t.Errorf("consumed states (%v), -answered +stored:\n%s", rows.Err(), diff)
	}
}

// cycle finds a loop in the graph, if there is one.
func cycle(edges map[string][]string) []string {
	const open, done = 1, 2
	state := map[string]int{}
	var path []string
	var visit func(string) []string
	visit = func(n string) []string {
		switch state[n] {
		case done:
			return nil
		case open:
			return append(path, n)
		}
		state[n], path = open, append(path, n)
		for _, next := range edges[n] {
			if loop := visit(next); loop != nil {
				return loop
			}
		}
		state[n], path = done, path[:len(path)-1]
		return nil
	}
	for n := range edges {
		if loop := visit(n); loop != nil {
			return loop
		}
	}
	return nil
}

// Several checkers decide over the same few states at once: double spends, repeats, references to what others spend,
// chains. Whatever happens must look as if one had decided all, one after the other.
func TestRacingCheckers(t *testing.T) {
	t.Parallel()
	const checkers, rounds = 4, 25
	s := newSuite(t)
	registry := prometheus.NewRegistry()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for _, form := range []struct{ connections, size, spread int }{{1, 12, 12}, {2, 80, 60}} {
		connections, size, spread := form.connections, form.size, form.spread
		states := s.issue(checkers * rounds)
		h := &history{requests: map[string]uniqueness.Request{}, answers: map[string][]uniqueness.Result{}}
		var g errgroup.Group
		pools := s.nodes.dbs[notary].(*pgxpool.Pool)
		shared := make([]uniqueness.Request, rounds*4) // the same new transactions, asked by all
		r := rand.New(rand.NewPCG(seed, 0))
		pick := func(r *rand.Rand, round, n int) []string { // around the same place for all, so that they meet
			var some []string
			for _, i := range r.Perm(spread)[:n] {
				some = append(some, states[(round*3+i)%len(states)])
			}
			return some
		}
		for i := range shared {
			some := pick(r, i/4, 3)
			shared[i] = tx(some[:2], some[2:])
		}
		for id := range checkers {
			checker := uniqueness.New(uniqueness.Config{
				Stores: s.nodes, Clock: &clock.Clock{}, Chance: clock.NewChance(0), Connections: connections,
				Metrics: registry,
			})
			r := rand.New(rand.NewPCG(seed, uint64(id)+1))
			g.Go(func() error {
				for round := range rounds {
					var batch []uniqueness.Request
					for range size {
						some := pick(r, round, 4)
						n := r.IntN(3)
						batch = append(batch, tx(some[:n], some[n:n+r.IntN(2)]))
					}
					batch = append(batch, shared[round*4:round*4+4]...)
					chain := tx(outputsOf(batch[0]), nil)
					batch = append(batch, chain, tx(outputsOf(chain), pick(r, round, 1)), batch[r.IntN(size)])
					tail := batch[1:]
					r.Shuffle(len(tail), func(i, j int) { tail[i], tail[j] = tail[j], tail[i] })
					results, err := checker.Check(context.Background(), batch)
					if err != nil {
						return fmt.Errorf("checker %d: %w", id, err)
					}
					h.add(batch, results)
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		h.verify(t, pools)
		kinds := map[uniqueness.Kind]int{}
		for _, answers := range h.answers {
			kinds[answers[0].Kind]++
		}
		for _, kind := range []uniqueness.Kind{success, inputConflict, referenceConflict} {
			if kinds[kind] < 10 {
				t.Errorf("only %d verdicts are %s: the test tests little (%v)", kinds[kind], kind, kinds)
			}
		}
		if _, err := pools.Exec(t.Context(), "TRUNCATE uniqueness_state_details"); err != nil {
			t.Fatal(err)
		}
	}
	failures := map[string]float64{} // of attempts, by cause
	for _, m := range gathered(t, registry, "corda_uniqueness_backingstore_transaction_error_count") {
		failures[m.GetLabel()[0].GetValue()] += m.GetCounter().GetValue()
	}
	t.Logf("failed attempts: %v", failures)
	if failures["race"] == 0 || failures["deadlock"] > 0 {
		t.Errorf("failed attempts by cause are %v; want races, and no deadlock", failures)
	}
}

func gathered(t *testing.T, r *prometheus.Registry, name string) []*dto.Metric {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()
		}
	}
	return nil
}

// Two checkers, each with one of two transactions that spend what the other references: one must lose, every time.
func TestU30RacingCheckers(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	for range 50 {
		st := s.issue(2)
		pair := []uniqueness.Request{tx(st[:1], st[1:]), tx(st[1:], st[:1])}
		answers := make([]uniqueness.Result, 2)
		var g errgroup.Group
		for i := range pair {
			g.Go(func() error {
				results, err := s.rival().checker.Check(context.Background(), pair[i:i+1])
				if err == nil {
					answers[i] = results[0]
				}
				return err
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		won, lost := 0, 1
		if answers[1].Kind == success {
			won, lost = 1, 0
		}
		s.kinds([]uniqueness.Result{answers[won], answers[lost]}, success, referenceConflict)
		s.names(answers[lost], referenceConflict, consumed(pair[won].Inputs[0], pair[won]))
	}
}

// Backends are killed under the checkers all the time: every request still ends in one verdict.
func TestBackendsKilled(t *testing.T) {
	t.Parallel()
	const checkers, rounds = 2, 15
	s := newSuite(t)
	pool := s.nodes.dbs[notary].(*pgxpool.Pool)
	states := s.issue(rounds)
	h := &history{requests: map[string]uniqueness.Request{}, answers: map[string][]uniqueness.Result{}}
	working, stop := context.WithCancel(t.Context())
	var killer, g errgroup.Group
	killed := 0
	admin := newPool(t, "")
	progress := make(chan struct{}, checkers*rounds)
	killer.Go(func() error {
		for working.Err() == nil {
			var n int
			err := admin.QueryRow(t.Context(), `SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
				WHERE state <> 'idle' AND pid <> pg_backend_pid() AND application_name = $1`, applicationOf(pool)).Scan(&n)
			if err != nil {
				return err
			}
			killed += n
			if n > 0 { // however slow the machine is, it gets on
				select {
				case <-progress:
				case <-working.Done():
				}
			}
		}
		return nil
	})
	for range checkers {
		checker := s.rival().checker
		g.Go(func() error {
			for round := range rounds {
				batch := []uniqueness.Request{tx(states[round:round+1], nil), tx(nil, states[round:round+1])}
				for { // what could not be decided is asked again, as a flow does
					results, err := checker.Check(context.Background(), batch)
					if err != nil {
						return err
					}
					if results[0].Kind != exception {
						h.add(batch, results)
						progress <- struct{}{}
						break
					}
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := killer.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d backends killed", killed)
	if killed == 0 {
		t.Error("no backend was killed: the test tests nothing")
	}
	pool.Reset()                // some of its connections are dead
	for id := range h.answers { // a verdict whose answer was lost is an earlier one when it is asked for again
		h.answers[id][0].Earlier = false
	}
	h.verify(t, pool)
}
