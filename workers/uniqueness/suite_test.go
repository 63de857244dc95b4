package uniqueness_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cordage-sandbox/cordage/workers/clock"
	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/uniqueness"
)

// The codes U01 to U52, D01 and D02, S and B in names of tests are those of the cases of Corda 5.0's own test suites for its
// uniqueness checker (unit, database integration, backing store), in their order there.

var (
	far    = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC) // upper bound where a test does not care
	notary = ident.HoldingIdentity{X500Name: "O=Notary, L=London, C=GB", GroupID: "5cab6bdd-2d3c-4a3b-9b5a-1c6f9b6b0a01"}
)

// tickingClock moves on by a second with each reading, from the epoch.
type tickingClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *tickingClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Second)
	return c.now
}

// peek is the time of the last reading.
func (c *tickingClock) peek() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *tickingClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// nodes finds databases, and counts how often it was asked.
type nodes struct {
	mu    sync.Mutex
	dbs   map[ident.HoldingIdentity]uniqueness.DB
	asked map[ident.HoldingIdentity]int
}

func (n *nodes) Uniqueness(_ context.Context, holder ident.HoldingIdentity) (uniqueness.DB, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked[holder]++
	if db := n.dbs[holder]; db != nil {
		return db, nil
	}
	return nil, fmt.Errorf("there is no connection row for it")
}

func (n *nodes) sessions() map[ident.HoldingIdentity]int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.asked)
}

// suite is a checker with nodes that have a schema each on the real database.
type suite struct {
	testing.TB
	checker *uniqueness.Checker
	clock   *tickingClock
	nodes   *nodes
}

func newSuite(tb testing.TB, holders ...ident.HoldingIdentity) *suite {
	tb.Helper()
	s := &suite{
		TB: tb, clock: &tickingClock{now: time.Unix(0, 0).UTC()},
		nodes: &nodes{dbs: map[ident.HoldingIdentity]uniqueness.DB{}, asked: map[ident.HoldingIdentity]int{}},
	}
	for _, h := range append(holders, notary) {
		s.nodes.dbs[h] = newNode(tb)
	}
	s.checker = uniqueness.New(uniqueness.Config{Stores: s.nodes, Clock: s.clock, Chance: clock.NewChance(0)})
	return s
}

// check asks in one batch.
func (s *suite) check(requests ...uniqueness.Request) []uniqueness.Result {
	s.Helper()
	results, err := s.checker.Check(s.Context(), requests)
	if err != nil {
		s.Fatalf("Check: %v", err)
	}
	if len(results) != len(requests) {
		s.Fatalf("Check gave %d results for %d requests", len(results), len(requests))
	}
	return results
}

// checkEach asks in a batch for each request.
func (s *suite) checkEach(requests ...uniqueness.Request) []uniqueness.Result {
	s.Helper()
	var results []uniqueness.Result
	for _, r := range requests {
		results = append(results, s.check(r)...)
	}
	return results
}

// issue makes unspent states.
func (s *suite) issue(outputs int) []string {
	s.Helper()
	return s.issueFor(notary, outputs)
}

func (s *suite) issueFor(holder ident.HoldingIdentity, outputs int) []string {
	s.Helper()
	r := tx(nil, nil)
	r.Holder, r.Outputs = holder, outputs
	s.kinds(s.check(r), uniqueness.Success)
	return outputsOf(r)
}

// kinds fails unless the results are of these kinds.
func (s *suite) kinds(results []uniqueness.Result, want ...uniqueness.Kind) {
	s.Helper()
	got := make([]uniqueness.Kind, len(results))
	for i, r := range results {
		got[i] = r.Kind
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.Fatalf("kinds of verdict, -want +got:\n%s\nall: %+v", diff, results)
	}
}

// names fails unless the verdict is of the kind and names exactly these states, with their consumers.
func (s *suite) names(got uniqueness.Result, kind uniqueness.Kind, want ...uniqueness.State) {
	s.Helper()
	if diff := cmp.Diff(kind, got.Kind); diff != "" {
		s.Fatalf("kind, -want +got:\n%s\n%+v", diff, got)
	}
	if diff := cmp.Diff(want, got.States); diff != "" {
		s.Fatalf("states, -want +got:\n%s", diff)
	}
}

// same fails unless all verdicts are equal, and all but the first are earlier ones.
func (s *suite) same(results ...uniqueness.Result) {
	s.Helper()
	if results[0].Earlier {
		s.Errorf("the first verdict is told to be an earlier one: %+v", results[0])
	}
	for _, r := range results[1:] {
		if diff := cmp.Diff(results[0].Verdict, r.Verdict); diff != "" {
			s.Errorf("a repeat got another verdict, -first +repeat:\n%s", diff)
		}
		if !r.Earlier {
			s.Errorf("the repeat's verdict is not told to be an earlier one: %+v", r)
		}
	}
}

func (s *suite) distinctTimes(results []uniqueness.Result) {
	s.Helper()
	seen := map[time.Time]bool{}
	for _, r := range results {
		if seen[r.At] {
			s.Errorf("two verdicts have the time %v", r.At)
		}
		seen[r.At] = true
	}
}

// eachWay runs a case with its requests in one batch, and with a batch for each; the codes are those of the two forms.
func eachWay(t *testing.T, oneBatch, batches, title string, run func(s *suite, ask func(...uniqueness.Request) []uniqueness.Result)) {
	t.Helper()
	t.Run(oneBatch+" "+title+", one batch", func(t *testing.T) {
		t.Parallel()
		s := newSuite(t)
		run(s, s.check)
	})
	t.Run(batches+" "+title+", several batches", func(t *testing.T) {
		t.Parallel()
		s := newSuite(t)
		run(s, s.checkEach)
	})
}

// once runs a case that has one form.
func once(t *testing.T, title string, run func(s *suite)) {
	t.Helper()
	t.Run(title, func(t *testing.T) {
		t.Parallel()
		run(newSuite(t))
	})
}

// tx is a transaction of a fresh id with one output.
func tx(inputs, references []string) uniqueness.Request {
	return uniqueness.Request{
		Holder: notary, TxID: newTxID("SHA-256"), Originator: "O=Alice, L=London, C=GB",
		Inputs: inputs, References: references, Outputs: 1, Upper: far,
	}
}

func newTxID(algo string) string {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	return uniqueness.TxID{Algo: algo, Bytes: string(raw)}.String()
}

func outputsOf(r uniqueness.Request) []string {
	refs := make([]string, r.Outputs)
	for i := range refs {
		refs[i] = fmt.Sprintf("%s:%d", r.TxID, i)
	}
	return refs
}

func ref(text string) uniqueness.StateRef {
	r, err := uniqueness.ParseStateRef(text)
	if err != nil {
		panic(err)
	}
	return r
}

// unknown is a state in a rejection that nobody issued.
func unknown(text string) uniqueness.State { return uniqueness.State{Ref: ref(text)} }

// consumed is a state in a rejection, and the transaction that has it.
func consumed(text string, by uniqueness.Request) uniqueness.State {
	id, err := uniqueness.ParseTxID(by.TxID)
	if err != nil {
		panic(err)
	}
	return uniqueness.State{Ref: ref(text), Consumer: id}
}

// fresh is a state that was never issued.
func fresh() string { return newTxID("SHA-256") + ":0" }
