package uniqueness

import (
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// writeBatch is the pipeline that stores decisions: transactions, rejections, outputs, then the locks on references, then
// the inputs. Each statement's rows are sorted by key.
func writeBatch(decisions []decision) (*pgx.Batch, error) {
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
	queueStates(b, decisions)
	return b, nil
}

// queueStates adds the locks on references and the consumption of inputs of the accepted transactions.
//
// A reference that stays unspent within the group is locked against being spent by another checker before this
// transaction commits. Corda 5.0 does not: there, two checkers can accept both of two transactions that each spend
// what the other one references.
func queueStates(b *pgx.Batch, decisions []decision) {
	type input struct {
		ref StateRef
		by  TxID
	}
	var inputs []input
	spent := map[StateRef]bool{}
	references := map[StateRef]bool{}
	for _, d := range decisions {
		if d.Kind != Success {
			continue
		}
		for _, ref := range d.inputs {
			inputs = append(inputs, input{ref, d.tx})
		}
		for _, ref := range d.references {
			references[ref] = true
		}
	}
	if len(references) > 0 {
		for _, in := range inputs {
			spent[in.ref] = true
		}
		var locks []StateRef
		for ref := range references {
			if !spent[ref] { // a spent one is locked, and checked, by the update below
				locks = append(locks, ref)
			}
		}
		slices.SortFunc(locks, StateRef.compare)
		var refs columns
		for _, ref := range locks {
			refs.addRef(ref)
		}
		if len(locks) > 0 {
			b.Queue(lockReferences, refs.algos, refs.ids, refs.numbers, int64(len(locks)))
		}
	}
	if len(inputs) == 0 {
		return
	}
	slices.SortFunc(inputs, func(a, b input) int { return a.ref.compare(b.ref) })
	var refs, by columns
	refs.grow(len(inputs))
	by.grow(len(inputs))
	for _, in := range inputs {
		refs.addRef(in.ref)
		by.addTx(in.by)
	}
	b.Queue(consumeInputs, refs.algos, refs.ids, refs.numbers, by.algos, by.ids, int64(len(inputs)))
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
