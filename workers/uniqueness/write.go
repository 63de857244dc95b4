package uniqueness

import (
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// writeBatch is the pipeline that stores decisions: transactions, rejections and outputs are inserted, then the inputs
// are consumed, then the references are held until the commit.
//
// Checkers do not deadlock. Each statement takes its rows in the order of their keys, which is one order for all; and the
// last one, which would take references out of that order, does not wait: it fails if another transaction is about to
// consume one. The attempt that follows is a patient one: it first takes all inputs and references in order.
func writeBatch(decisions []decision, patient bool) (*pgx.Batch, error) {
	decisions = slices.Clone(decisions)
	slices.SortFunc(decisions, func(a, b decision) int { return a.tx.compare(b.tx) })

	var txs, rejected, outputs columns
	txs.grow(len(decisions))
	outputs.grow(len(decisions))
	originators := make([]string, len(decisions))
	expiries, times := make([]time.Time, len(decisions)), make([]time.Time, len(decisions))
	results := make([]string, len(decisions))
	var details [][]byte
	for i, d := range decisions {
		txs.addTx(d.tx)
		originators[i], expiries[i], times[i], results[i] = d.originator, storableTime(d.upper), d.At, "A"
		if d.Kind != Success {
			text, err := encodeDetail(d.Verdict)
			if err != nil {
				return nil, err
			}
			rejected.addTx(d.tx)
			details, results[i] = append(details, text), "R"
			continue
		}
		if d.outputs > 0 {
			outputs.addTx(d.tx)
			outputs.numbers = append(outputs.numbers, d.outputs)
		}
	}

	b := &pgx.Batch{}
	b.Queue(setPlanner)
	b.Queue(insertDecided, txs.algos, txs.ids, originators, expiries, times, results)
	if len(details) > 0 {
		b.Queue(insertRejected, rejected.algos, rejected.ids, details)
	}
	if len(outputs.ids) > 0 {
		b.Queue(insertOutputs, outputs.algos, outputs.ids, outputs.numbers)
	}
	queueStates(b, decisions, patient)
	return b, nil
}

// input is a state to be consumed.
type input struct {
	ref StateRef
	by  TxID
}

// queueStates adds the consumption of inputs, and the hold on references, of the accepted transactions.
//
// A reference is held, so that no other checker consumes it before this transaction has committed. Corda 5.0 does not: two
// of its checkers can accept both of two transactions that each spend what the other one references.
func queueStates(b *pgx.Batch, decisions []decision, patient bool) {
	inputs, references := touched(decisions)
	if patient && len(references) > 0 {
		all := slices.Clone(references)
		for _, in := range inputs {
			all = append(all, in.ref)
		}
		slices.SortFunc(all, StateRef.compare)
		var refs columns
		for _, ref := range all {
			refs.addRef(ref)
		}
		b.Queue(lockStates, refs.algos, refs.ids, refs.numbers)
	}
	if len(inputs) > 0 {
		var refs, by columns
		refs.grow(len(inputs))
		by.grow(len(inputs))
		for _, in := range inputs {
			refs.addRef(in.ref)
			by.addTx(in.by)
		}
		b.Queue(consumeInputs, refs.algos, refs.ids, refs.numbers, by.algos, by.ids, int64(len(inputs)))
	}
	if len(references) > 0 {
		var refs columns
		for _, ref := range references {
			refs.addRef(ref)
		}
		b.Queue(holdReferences, refs.algos, refs.ids, refs.numbers, int64(len(references)))
	}
}

// touched is what the accepted transactions consume, and what they reference and none of them consumes; both sorted.
func touched(decisions []decision) (inputs []input, references []StateRef) {
	for _, d := range decisions {
		if d.Kind != Success {
			continue
		}
		for _, ref := range d.inputs {
			inputs = append(inputs, input{ref, d.tx})
		}
		references = append(references, d.references...)
	}
	slices.SortFunc(inputs, func(a, b input) int { return a.ref.compare(b.ref) })
	slices.SortFunc(references, StateRef.compare)
	references = slices.Compact(references)
	references = slices.DeleteFunc(references, func(ref StateRef) bool {
		_, spent := slices.BinarySearchFunc(inputs, ref, func(in input, ref StateRef) int { return in.ref.compare(ref) })
		return spent
	})
	return inputs, references
}

// columns are the arrays of one statement's keys.
type columns struct {
	algos   []string
	ids     [][]byte
	numbers []int32 // index of the state, or number of outputs; empty where only transactions are meant
}

func (c *columns) grow(n int) {
	c.algos, c.ids, c.numbers = slices.Grow(c.algos, n), slices.Grow(c.ids, n), slices.Grow(c.numbers, n)
}

func (c *columns) addTx(t TxID) {
	c.algos = append(c.algos, t.Algo)
	c.ids = append(c.ids, []byte(t.Bytes))
}

func (c *columns) addRef(r StateRef) {
	c.addTx(r.Tx)
	c.numbers = append(c.numbers, r.Index)
}

// tx is the transaction of row n, counted from 1.
func (c *columns) tx(n int64) TxID { return TxID{Algo: c.algos[n-1], Bytes: string(c.ids[n-1])} }

func (c *columns) ref(n int64) StateRef { return StateRef{Tx: c.tx(n), Index: c.numbers[n-1]} }

// storableTime moves a time into what a PostgreSQL timestamp can hold. Only the expiry, which nothing reads back, can
// lie outside.
func storableTime(t time.Time) time.Time {
	first := time.Date(-4712, 1, 1, 0, 0, 0, 0, time.UTC)
	last := time.Date(294276, 12, 31, 0, 0, 0, 0, time.UTC)
	switch {
	case t.Before(first):
		return first
	case t.After(last):
		return last
	}
	return t
}
