package uniqueness_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/cordage-sandbox/cordage/workers/clock"
	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/uniqueness"
)

func holderOf(n int) ident.HoldingIdentity {
	return ident.HoldingIdentity{X500Name: fmt.Sprintf("O=Node %d, L=London, C=GB", n), GroupID: notary.GroupID}
}

// by is the request made by another virtual node.
func by(h ident.HoldingIdentity, r uniqueness.Request) uniqueness.Request {
	r.Holder = h
	return r
}

func TestU40OneSessionForEachNode(t *testing.T) {
	t.Parallel()
	a, b, c := holderOf(1), holderOf(2), holderOf(3)
	s := newSuite(t, a, b, c)
	s.kinds(s.check(by(a, tx(nil, nil)), by(b, tx(nil, nil)), by(a, tx(nil, nil)), by(c, tx(nil, nil)), by(b, tx(nil, nil))),
		success, success, success, success, success)
	want := map[ident.HoldingIdentity]int{a: 1, b: 1, c: 1}
	if diff := cmp.Diff(want, s.nodes.sessions()); diff != "" {
		t.Errorf("sessions by node, -want +got:\n%s", diff)
	}
}

func TestU41OrderOfNodesVaries(t *testing.T) {
	t.Parallel()
	a, b, c := holderOf(1), holderOf(2), holderOf(3)
	s := newSuite(t, a, b, c)
	order := &inOrder{Stores: s.nodes}
	s.checker = uniqueness.New(uniqueness.Config{Stores: order, Clock: s.clock, Chance: clock.NewChance(0), Connections: 1})
	first := map[ident.HoldingIdentity]int{} // which node was decided first, how often
	for range 60 {
		order.asked = nil
		s.check(by(a, tx(nil, nil)), by(b, tx(nil, nil)), by(c, tx(nil, nil)))
		first[order.asked[0]]++
	}
	if len(first) != 3 { // by chance once in 10^10 runs
		t.Errorf("of three nodes, these were decided first: %v; want each of them at times", first)
	}
}

// inOrder takes down in which order nodes are decided, by a checker that decides one at a time.
type inOrder struct {
	uniqueness.Stores
	asked []ident.HoldingIdentity
}

func (o *inOrder) Uniqueness(ctx context.Context, holder ident.HoldingIdentity) (uniqueness.DB, error) {
	o.asked = append(o.asked, holder)
	return o.Stores.Uniqueness(ctx, holder)
}

func TestNodesDoNotMeet(t *testing.T) {
	t.Parallel()
	a, b := holderOf(1), holderOf(2)
	s := newSuite(t, a, b)

	issue := tx(nil, nil) // U42
	spend := tx(outputsOf(issue), nil)
	s.kinds(s.check(by(a, issue), by(b, issue)), success, success)
	s.kinds(s.check(by(a, spend), by(b, spend)), success, success)

	states := s.issueFor(a, 1) // U43
	s.names(s.check(by(b, tx(states, nil)))[0], inputUnknown, unknown(states[0]))
	s.kinds(s.check(by(a, tx(states, nil))), success)
}

func TestD01NodeWithoutDatabase(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	got := s.check(by(holderOf(9), tx(nil, nil)))[0]
	s.kinds([]uniqueness.Result{got}, exception)
	if got.ErrorType != "DatabaseConfiguration" || !strings.Contains(got.Text, string(holderOf(9).ShortHash())) {
		t.Errorf("the error is %q: %q, want a database configuration error that names the node", got.ErrorType, got.Text)
	}
	if n := s.nodes.sessions()[holderOf(9)]; n != 1 {
		t.Errorf("the node's database was looked for %d times, want once", n)
	}
}

func TestD02OthersAreServed(t *testing.T) {
	t.Parallel()
	a, none, c := holderOf(1), holderOf(2), holderOf(3)
	s := newSuite(t, a, c)
	bad := by(none, tx(nil, nil))
	bad.Outputs = -1
	s.kinds(s.check(by(a, tx(nil, nil)), by(none, tx(nil, nil)), by(c, tx(nil, nil)), by(none, tx(nil, nil)), by(a, tx(nil, nil)), bad),
		success, exception, success, exception, success, malformed)
}

// A schema that lost its tables fails its own group, and says which.
func TestS21TablesMissing(t *testing.T) {
	t.Parallel()
	a := holderOf(1)
	s := newSuite(t, a)
	db := newNode(t)
	if _, err := db.Exec(t.Context(), "DROP TABLE uniqueness_rejected_txs"); err != nil {
		t.Fatal(err)
	}
	s.nodes.dbs[a] = db
	results := s.check(by(a, tx(nil, nil)), tx(nil, nil))
	s.kinds(results, exception, success)
	if results[0].ErrorType != "DatabaseError" || !strings.Contains(results[0].Text, "uniqueness_rejected_txs") {
		t.Errorf("the error is %q: %q, want one of the database that names the table", results[0].ErrorType, results[0].Text)
	}
}

// A context that ends ends the check with its cause: nothing is answered.
func TestContextEnds(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	states := s.issue(1)
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := fmt.Errorf("the worker stops")
	s.nodes.dbs[notary] = intercept{s.nodes.dbs[notary], func(_ int, _ *pgx.Batch) { cancel(stop) }, new(int)}
	results, err := s.checker.Check(ctx, []uniqueness.Request{tx(states, nil)})
	if results != nil || !errors.Is(err, stop) {
		t.Errorf("Check gave %v, %v; want no results and the error %q", results, err, stop)
	}
	deadline, release := context.WithDeadline(t.Context(), time.Now().Add(-time.Hour))
	defer release()
	if _, err := s.checker.Check(deadline, []uniqueness.Request{tx(states, nil)}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Check with a deadline in the past gave the error %v", err)
	}
}

// intercept calls before with the number of each round trip, from 1, before it is made.
type intercept struct {
	uniqueness.DB
	before func(n int, b *pgx.Batch)
	n      *int
}

func (i intercept) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	*i.n++
	i.before(*i.n, b)
	return i.DB.SendBatch(ctx, b)
}
