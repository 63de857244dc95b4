package uniqueness

import "time"

// known is what a group needs to know of its node's data: read once, then carried on from request to request.
type known struct {
	decided map[TxID]*Verdict
	states  map[StateRef]TxID // states of earlier groups that exist; value: the consumer, zero while unspent
	issued  map[TxID]int32    // transactions that this group accepted, with their number of outputs
}

func newKnown(txs, states int) *known {
	return &known{
		decided: make(map[TxID]*Verdict, txs),
		states:  make(map[StateRef]TxID, states),
		issued:  make(map[TxID]int32, txs),
	}
}

// consumer tells whether a state exists, and which transaction consumed it (zero: none).
func (k *known) consumer(ref StateRef) (TxID, bool) {
	if by, ok := k.states[ref]; ok {
		return by, true
	}
	outputs := k.issued[ref.Tx] // none if it did not issue anything here
	return TxID{}, ref.Index >= 0 && ref.Index < outputs
}

// evaluate is stage B for one request: it finds the verdict and remembers its effects for the requests that follow. The
// clock is read once, for requests that were not decided before.
//
// Unknown comes before conflict across both lists; each rejection has one kind only, with every state of that kind.
// The time window is closed below and open above.
//
// Source: Corda 5.0, BatchedUniquenessCheckerImpl.kt.
func (k *known) evaluate(q *query, now func() time.Time) (v *Verdict, earlier bool) {
	if v, ok := k.decided[q.tx]; ok {
		return v, true
	}
	v = &Verdict{At: now().UTC().Truncate(time.Millisecond)}
	k.decided[q.tx] = v
	switch {
	case v.rejects(InputUnknown, k.unknown(q.inputs)):
	case v.rejects(ReferenceUnknown, k.unknown(q.references)):
	case v.rejects(InputConflict, k.consumed(q.inputs)):
	case v.rejects(ReferenceConflict, k.consumed(q.references)):
	case q.lower != nil && v.At.Before(*q.lower), !v.At.Before(q.upper):
		v.Kind, v.Evaluated, v.Lower, v.Upper = OutOfTimeWindow, v.At, q.lower, q.upper
	default:
		v.Kind = Success
		for _, ref := range q.inputs {
			k.states[ref] = q.tx
		}
		if q.outputs > 0 {
			k.issued[q.tx] = q.outputs
		}
	}
	return v, false
}

func (v *Verdict) rejects(kind Kind, states []State) bool {
	if len(states) == 0 {
		return false
	}
	v.Kind, v.States = kind, states
	return true
}

func (k *known) unknown(refs []StateRef) []State {
	var states []State
	for _, ref := range refs {
		if _, exists := k.consumer(ref); !exists {
			states = append(states, State{Ref: ref})
		}
	}
	return states
}

func (k *known) consumed(refs []StateRef) []State {
	var states []State
	for _, ref := range refs {
		if by, _ := k.consumer(ref); !by.IsZero() {
			states = append(states, State{Ref: ref, Consumer: by})
		}
	}
	return states
}
