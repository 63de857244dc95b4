package database_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/cordage-sandbox/cordage/fixtures/cluster"
	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/packaging"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/role"
	"github.com/cordage-sandbox/cordage/workers/store"
)

// flow hears the answers on flow.event, as a flow worker would, and counts them.
type flow struct {
	*client
	events *bus.Compacted[record.ExternalEventResponse]
	mu     sync.Mutex
	counts map[string]int // answers by flow id
}

func newFlow(t testing.TB, k *client) *flow {
	t.Helper()
	f := &flow{client: k, events: bus.NewCompacted[record.ExternalEventResponse](k.bus, record.TopicFlowEvent), counts: map[string]int{}}
	f.events.OnChange(func(_ context.Context, key string, _, event *record.ExternalEventResponse) {
		if event != nil {
			f.mu.Lock()
			f.counts[key]++
			f.mu.Unlock()
		}
	})
	run(t, f.events.Run)
	return f
}

func txID(text string) string {
	sum := sha256.Sum256([]byte(text))
	return packaging.Checksum(sum[:])
}

func check(holder ident.HoldingIdentity, tx string, outputs int, inputs ...string) record.UniquenessCheckRequest {
	return record.UniquenessCheckRequest{
		HoldingIdentity: holder, Context: record.ExternalEventContext{RequestID: uuid.NewString(), FlowID: uuid.NewString()},
		TxID: txID(tx), Originator: "O=Originator, L=Leeds, C=GB", Inputs: inputs, Outputs: outputs, UpperBound: time.Now().UTC().Add(time.Hour),
	}
}

func state(tx string, n int) string { return fmt.Sprintf("%s:%d", txID(tx), n) }

// send sends requests in one transaction.
func (f *flow) send(t testing.TB, all ...record.UniquenessCheckRequest) {
	t.Helper()
	messages := make([]bus.Message, len(all))
	for i, q := range all {
		messages[i] = bus.Message{Topic: record.TopicUniquenessCheck, Key: q.Context.FlowID, Value: q}
	}
	f.publish(t, messages...)
}

// event awaits the answer to a request.
func (f *flow) event(t testing.TB, q record.UniquenessCheckRequest) (event record.ExternalEventResponse) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*limit)
	defer cancel()
	err := f.events.AwaitKey(ctx, q.Context.FlowID, func(e record.ExternalEventResponse, ok bool) bool {
		event = e
		return ok && e.RequestID == q.Context.RequestID
	})
	if err != nil {
		t.Fatalf("no answer to the check of %s: %v", q.TxID, err)
	}
	return event
}

// verdict awaits the verdict on a request.
func (f *flow) verdict(t testing.TB, q record.UniquenessCheckRequest) (v record.UniquenessCheckResponse) {
	t.Helper()
	event := f.event(t, q)
	if event.Error != nil || event.Type != "UniquenessCheckResponse" {
		t.Fatalf("the answer to the check of %s is %+v, want a verdict", q.TxID, event)
	}
	if err := json.Unmarshal(event.Payload, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestUniqueness(t *testing.T) {
	t.Parallel()
	c := cluster.New(t)
	c.Start(t, role.Database)
	c.Start(t, role.Crypto)
	k := newClient(t, c)
	p := k.stored(t)
	one, two := creation(node(t, p.GroupID, 1), p.Checksum), creation(node(t, p.GroupID, 2), p.Checksum)
	k.created(t, one, two)
	f := newFlow(t, k)
	a, b := one.Create.HoldingIdentity, two.Create.HoldingIdentity

	issue, other := check(a, "issue", 2), check(b, "issue", 1)
	f.send(t, issue, other)
	for _, q := range []record.UniquenessCheckRequest{issue, other} {
		if v := f.verdict(t, q); v.Result != record.ResultSuccess || v.TxID != q.TxID || v.CommitTimestamp == nil || v.Earlier {
			t.Errorf("verdict is %+v, want success", v)
		}
	}
	spend := check(a, "spend", 1, state("issue", 0))
	f.send(t, spend)
	if v := f.verdict(t, spend); v.Result != record.ResultSuccess {
		t.Errorf("verdict is %+v, want success", v)
	}
	again := check(a, "again", 1, state("issue", 0), state("issue", 1))
	f.send(t, again)
	v := f.verdict(t, again)
	if v.Result != record.ResultInputConflict || len(v.ConflictingStates) != 1 || v.ConflictingStates[0] != state("issue", 0) ||
		len(v.ConsumingTx) != 1 || v.ConsumingTx[0].ConsumingTx != txID("spend") {
		t.Errorf("verdict is %+v, want a conflict with the spending transaction", v)
	}
	repeat := check(a, "spend", 1, state("issue", 0))
	f.send(t, repeat)
	if v := f.verdict(t, repeat); v.Result != record.ResultSuccess || !v.Earlier {
		t.Errorf("verdict is %+v, want the earlier success", v)
	}
	foreign := check(b, "foreign", 1, state("spend", 0))
	f.send(t, foreign)
	if v := f.verdict(t, foreign); v.Result != record.ResultInputUnknown || len(v.UnknownStates) != 1 {
		t.Errorf("verdict is %+v, want an unknown state", v)
	}
	malformed := check(a, "malformed", -1)
	f.send(t, malformed)
	if v := f.verdict(t, malformed); v.Result != record.ResultMalformed || v.ErrorText == "" {
		t.Errorf("verdict is %+v, want malformed", v)
	}

	stranger := check(node(t, p.GroupID, 99), "stranger", 1)
	good := check(a, "beside a stranger", 1)
	f.send(t, stranger, good)
	if e := f.event(t, stranger); e.Error == nil || e.Error.Kind != "PLATFORM" || e.Error.Failure.Type != "DatabaseConfiguration" {
		t.Errorf("a node that does not exist is answered with %+v, want an error of the platform", e)
	}
	if v := f.verdict(t, good); v.Result != record.ResultSuccess {
		t.Errorf("verdict is %+v, want success", v)
	}
}

// A frozen clock decides time windows.
func TestUniquenessClock(t *testing.T) {
	t.Parallel()
	c := cluster.New(t)
	c.Start(t, role.Database)
	c.Start(t, role.Crypto)
	k := newClient(t, c)
	p := k.stored(t)
	q := creation(node(t, p.GroupID, 1), p.Checksum)
	k.created(t, q)
	f := newFlow(t, k)
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	k.setClock(t, at)
	var v record.UniquenessCheckResponse
	cluster.Eventually(t, limit, func() error {
		probe := check(q.Create.HoldingIdentity, uuid.NewString(), 1)
		f.send(t, probe) // its window ends today
		if v = f.verdict(t, probe); v.Result != record.ResultTimeWindow {
			return fmt.Errorf("verdict is %+v, want out of the time window", v)
		}
		return nil
	})
	if v.EvaluationTimestamp == nil || !v.EvaluationTimestamp.Equal(at) || v.UpperBound == nil {
		t.Errorf("verdict is %+v, want it evaluated at %v", v, at)
	}
	exact := check(q.Create.HoldingIdentity, uuid.NewString(), 1)
	exact.UpperBound = at
	inside := check(q.Create.HoldingIdentity, uuid.NewString(), 1)
	inside.UpperBound, inside.LowerBound = at.Add(time.Millisecond), &at
	f.send(t, exact, inside)
	if v := f.verdict(t, exact); v.Result != record.ResultTimeWindow {
		t.Errorf("at the upper bound the verdict is %+v, want out of the time window", v)
	}
	if v := f.verdict(t, inside); v.Result != record.ResultSuccess || !v.CommitTimestamp.Equal(at) {
		t.Errorf("at the lower bound the verdict is %+v, want success at %v", v, at)
	}
}

// Workers are killed at random while states are issued and spent, each twice by different transactions: every request has
// exactly one answer, one of each two spenders wins, and the answers are what the database says.
func TestUniquenessWhileWorkersDie(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel()
	c := cluster.New(t)
	k := newClient(t, c)
	killers := []*killer{newKiller(c, role.Database, c.Spawn(t, role.Database)), newKiller(c, role.Database, c.Spawn(t, role.Database))}
	c.Spawn(t, role.Crypto)
	p := k.stored(t)
	n := creation(node(t, p.GroupID, 1), p.Checksum)
	k.created(t, n)
	f := newFlow(t, k)
	holder := n.Create.HoldingIdentity

	seed := uint64(time.Now().UnixNano()) //nolint:gosec // a seed
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // chance
	const rounds, pairs = 30, 20
	type pair struct{ first, second record.UniquenessCheckRequest }
	var spends []pair
	var all []record.UniquenessCheckRequest
	for round := range rounds {
		source := fmt.Sprintf("issue %d", round)
		issue := check(holder, source, pairs)
		f.send(t, issue)
		if v := f.verdict(t, issue); v.Result != record.ResultSuccess {
			t.Fatalf("issue: %+v", v)
		}
		all = append(all, issue)
		var batch []record.UniquenessCheckRequest
		for i := range pairs {
			two := pair{check(holder, fmt.Sprintf("%d-%d-a", round, i), 1, state(source, i)), check(holder, fmt.Sprintf("%d-%d-b", round, i), 1, state(source, i))}
			spends, batch = append(spends, two), append(batch, two.first, two.second)
		}
		chance.Shuffle(len(batch), func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
		all = append(all, batch...)
		f.send(t, batch...)
		if round%4 == 0 {
			killers[chance.IntN(len(killers))].kill(t)
		}
	}
	pool := c.Pool(t, nodeConnection(t, c, holder))
	for _, two := range spends {
		a, b := f.verdict(t, two.first), f.verdict(t, two.second)
		winner, loser := a, b
		if b.Result == record.ResultSuccess {
			winner, loser = b, a
		}
		if winner.Result != record.ResultSuccess || loser.Result != record.ResultInputConflict {
			t.Fatalf("the verdicts on two spenders of %s are %s and %s, want success and conflict", two.first.Inputs[0], a.Result, b.Result)
		}
		if loser.ConsumingTx[0].ConsumingTx != winner.TxID {
			t.Errorf("the loser is told that %s won, not %s", loser.ConsumingTx[0].ConsumingTx, winner.TxID)
		}
	}
	for _, q := range all {
		f.mu.Lock()
		if got := f.counts[q.Context.FlowID]; got != 1 {
			t.Errorf("the check of %s was answered %d times", q.TxID, got)
		}
		f.mu.Unlock()
	}
	var accepted, consumed int
	err := pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM uniqueness_tx_details WHERE result = 'A'),
		(SELECT count(*) FROM uniqueness_state_details WHERE consuming_tx_id IS NOT NULL)`).Scan(&accepted, &consumed)
	if err != nil {
		t.Fatal(err)
	}
	if accepted != rounds+rounds*pairs || consumed != rounds*pairs {
		t.Errorf("%d transactions are accepted and %d states consumed, want %d and %d", accepted, consumed, rounds+rounds*pairs, rounds*pairs)
	}
}

// nodeConnection is the DML connection to a node's uniqueness database.
func nodeConnection(t testing.TB, c *cluster.Cluster, holder ident.HoldingIdentity) store.Connection {
	t.Helper()
	databases := store.NewConnections(c.Pool(t, c.Result.Config), c.Secrets, "test")
	defer databases.Close()
	connection, err := databases.ConnectionNamed(t.Context(), store.Uniqueness.SchemaName(holder.ShortHash()), store.DML)
	if err != nil {
		t.Fatal(err)
	}
	return connection
}
