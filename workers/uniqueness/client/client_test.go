package client_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/cordage-sandbox/cordage/fixtures/servers"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/uniqueness/client"
)

func newNode(tb testing.TB) *pgxpool.Pool {
	tb.Helper()
	pool, err := pgxpool.New(context.Background(), servers.Database(tb).URL())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(pool.Close)
	migrate(tb, pool)
	return pool
}

func migrate(tb testing.TB, pool *pgxpool.Pool) {
	tb.Helper()
	files, err := filepath.Glob("../../store/migrations/uniqueness/*.sql")
	if err != nil || len(files) == 0 {
		tb.Fatalf("migrations of the uniqueness schema: %v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := pool.Exec(context.Background(), string(text)); err != nil {
			tb.Fatalf("%s: %v", file, err)
		}
	}
}

func newTxID() string {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	return "SHA-256:" + strings.ToUpper(hex.EncodeToString(raw))
}

func tx(inputs, references []string) record.UniquenessCheckRequest {
	return record.UniquenessCheckRequest{
		TxID: newTxID(), Originator: "O=Alice, L=London, C=GB", Inputs: inputs, References: references, Outputs: 1,
		UpperBound: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

func (c *cluster) check(batch ...record.UniquenessCheckRequest) []record.UniquenessCheckResponse {
	c.Helper()
	answers, err := c.client.Check(c.ctx, notary, batch)
	if err != nil {
		c.Fatal(err)
	}
	if len(answers) != len(batch) {
		c.Fatalf("%d answers to %d requests", len(answers), len(batch))
	}
	for i := range answers {
		if answers[i].TxID != batch[i].TxID {
			c.Errorf("answer %d is to %s, want %s", i, answers[i].TxID, batch[i].TxID)
		}
	}
	return answers
}

func kinds(answers []record.UniquenessCheckResponse) []record.UniquenessResult {
	all := make([]record.UniquenessResult, len(answers))
	for i, a := range answers {
		all[i] = a.Result
	}
	return all
}

// The codes M01 to M06, C01 and C02 are those of the cases of Corda 5.0's suites for the bus and for the client service.
func TestOverTheBus(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, client.Options{})
	c.host("database-1", 0, newNode(t))

	issue := tx(nil, nil)
	issue.Outputs = 3
	st := []string{issue.TxID + ":0", issue.TxID + ":1", issue.TxID + ":2"}
	spend, double, unknown := tx(st[:1], nil), tx(st[:1], nil), tx([]string{newTxID() + ":0"}, nil)
	unknownRef, spentRef, early, late := tx(nil, unknown.Inputs), tx(nil, st[:1]), tx(st[1:2], nil), tx(st[1:2], nil)
	lower := time.Date(2199, 1, 1, 0, 0, 0, 0, time.UTC)
	early.LowerBound = &lower
	late.UpperBound = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	bad := tx(st[2:], st[2:])

	batch := []record.UniquenessCheckRequest{issue, spend, double, unknown, unknownRef, spentRef, early, late, bad, spend}
	answers := c.check(batch...)
	want := []record.UniquenessResult{
		record.ResultSuccess, record.ResultSuccess, // C01, M01
		record.ResultInputConflict, record.ResultInputUnknown, // M03, M02
		record.ResultReferenceUnknown, record.ResultReferenceConflict, // M04, M05
		record.ResultTimeWindow, record.ResultTimeWindow, // M06
		record.ResultMalformed, record.ResultSuccess, // C02, a repeat
	}
	if diff := cmp.Diff(want, kinds(answers)); diff != "" {
		t.Fatalf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]record.ConsumedState{{State: st[0], ConsumingTx: spend.TxID}}, answers[2].ConsumingTx); diff != "" {
		t.Errorf("consuming transactions, -want +got:\n%s", diff)
	}
	if !answers[6].LowerBound.Equal(lower) || answers[6].EvaluationTimestamp == nil || answers[7].LowerBound != nil {
		t.Errorf("time windows: %+v, %+v", answers[6], answers[7])
	}
	if answers[1].Earlier || !answers[9].Earlier || !answers[9].CommitTimestamp.Equal(*answers[1].CommitTimestamp) {
		t.Errorf("the repeat %+v differs from %+v in more than being one", answers[9], answers[1])
	}
	if again := c.check(batch...); cmp.Diff(kinds(answers), kinds(again)) != "" {
		t.Errorf("asked again: %v, want %v", kinds(again), kinds(answers))
	}
	if none, err := c.client.Check(c.ctx, notary, nil); len(none) != 0 || err != nil {
		t.Errorf("an empty batch has the answers %v, %v", none, err)
	}
}

// M07: an exception is an error of the platform on the bus; asked by the client it is an answer like others.
func TestExceptions(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, client.Options{})
	c.answerer("database-1", 0, func(_ context.Context, requests []record.UniquenessCheckRequest) ([]*record.ExternalEventResponse, error) {
		answers := []*record.ExternalEventResponse{failure(requests[0], "DatabaseError", "no"), payload(requests[1], record.UniquenessCheckResponse{})}
		answers[1].Type = "Other"
		return answers, nil
	})
	answers := c.check(tx(nil, nil), tx(nil, nil))
	if diff := cmp.Diff([]record.UniquenessResult{record.ResultException, record.ResultException}, kinds(answers)); diff != "" {
		t.Fatal(diff)
	}
	if want := (record.Failure{Type: "DatabaseError", Message: "no"}); *answers[0].Exception != want {
		t.Errorf("the exception is %+v, want %+v", *answers[0].Exception, want)
	}
	if got := *answers[1].Exception; got.Type != "MalformedAnswer" || !strings.Contains(got.Message, `"Other"`) {
		t.Errorf("the exception is %+v, want one about the type of the answer", got)
	}
}

// The whole batch is one transaction on one partition: it arrives in order, whatever else is asked.
func TestManyBatchesAtOnce(t *testing.T) {
	t.Parallel()
	const callers, rounds = 8, 5
	c := newCluster(t, 3, client.Options{})
	db := newNode(t)
	c.host("database-1", 40, db)
	c.host("database-2", 40, db)
	var g errgroup.Group
	for range callers {
		g.Go(func() error {
			for range rounds {
				issue := tx(nil, nil)
				issue.Outputs = 50
				batch := []record.UniquenessCheckRequest{issue}
				for i := range issue.Outputs {
					batch = append(batch, tx([]string{fmt.Sprintf("%s:%d", issue.TxID, i)}, nil))
				}
				answers, err := c.client.Check(c.ctx, notary, batch)
				if err != nil {
					return err
				}
				for i, a := range answers {
					if a.Result != record.ResultSuccess || a.TxID != batch[i].TxID {
						return fmt.Errorf("answer %d is %+v, want success for %s", i, a, batch[i].TxID)
					}
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

// Requests without an answer, and only those, are asked again: one is not answered before it is asked without the
// others. However slow the machine is, that comes.
func TestResend(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, client.Options{Resend: 50 * time.Millisecond})
	quick, slow := tx(nil, nil), tx(nil, nil)
	asked := map[string]int{} // how often, by transaction; batches of one partition come one after the other
	c.answerer("database-1", 0, func(_ context.Context, requests []record.UniquenessCheckRequest) ([]*record.ExternalEventResponse, error) {
		for _, r := range requests {
			asked[r.TxID]++
		}
		alone := asked[slow.TxID] > asked[quick.TxID]
		answers := make([]*record.ExternalEventResponse, len(requests))
		for i, r := range requests {
			if r.TxID == quick.TxID || alone {
				answers[i] = payload(r, record.UniquenessCheckResponse{TxID: r.TxID, Result: record.ResultSuccess, Earlier: alone})
			}
		}
		return answers, nil
	})
	answers := c.check(slow, quick)
	if answers[0].Result != record.ResultSuccess || !answers[0].Earlier {
		t.Errorf("the answer that came late is %+v", answers[0])
	}
	if answers[1].Earlier {
		t.Errorf("a later answer took the place of the first: %+v", answers[1])
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, client.Options{Timeout: 3 * time.Second})
	c.answerer("database-1", 0, func(_ context.Context, requests []record.UniquenessCheckRequest) ([]*record.ExternalEventResponse, error) {
		answers := make([]*record.ExternalEventResponse, len(requests))
		answers[0] = payload(requests[0], record.UniquenessCheckResponse{Result: record.ResultSuccess})
		return answers, nil
	})
	_, err := c.client.Check(c.ctx, notary, []record.UniquenessCheckRequest{tx(nil, nil), tx(nil, nil)})
	limit, ok := errors.AsType[*client.TimeoutError](err)
	if !ok || limit.Asked != 2 || limit.Answered != 1 || limit.Hint() == "" {
		t.Fatalf("the error is %v, want a TimeoutError for one of two requests", err)
	}
	want := "check uniqueness for " + string(notary.ShortHash()) + ": 1 of 2 requests were answered within 3s"
	if err.Error() != want {
		t.Errorf("the error says %q, want %q", err, want)
	}
}

func TestEnd(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, client.Options{})
	ctx, cancel := context.WithCancelCause(c.ctx)
	stop := errors.New("enough")
	asked := make(chan struct{}, 1)
	c.answerer("database-1", 0, func(_ context.Context, requests []record.UniquenessCheckRequest) ([]*record.ExternalEventResponse, error) {
		asked <- struct{}{}
		return make([]*record.ExternalEventResponse, len(requests)), nil
	})
	go func() { <-asked; cancel(stop) }()
	if _, err := c.client.Check(ctx, notary, []record.UniquenessCheckRequest{tx(nil, nil)}); !errors.Is(err, stop) {
		t.Errorf("the error of a check that is called off is %v, want %v", err, stop)
	}
}

// A request that is larger than one record may be, and an answer that is too.
func TestLargeRequests(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2, client.Options{})
	c.host("database-1", 0, newNode(t))
	issue := tx(nil, nil)
	issue.Outputs = 32767
	all := make([]string, issue.Outputs)
	for i := range all {
		all[i] = fmt.Sprintf("%s:%d", issue.TxID, i)
	}
	spend, double := tx(all, nil), tx(all, nil) // 2.6 MB each
	answers := c.check(issue, spend, double)
	want := []record.UniquenessResult{record.ResultSuccess, record.ResultSuccess, record.ResultInputConflict}
	if diff := cmp.Diff(want, kinds(answers)); diff != "" {
		t.Fatal(diff)
	}
	if diff := cmp.Diff(all, answers[2].ConflictingStates); diff != "" {
		t.Errorf("conflicting states: %.2000s", diff)
	}
}
