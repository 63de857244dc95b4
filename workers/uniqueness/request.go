package uniqueness

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/cordage-sandbox/cordage/workers/ident"
)

// Request asks to consume the input states, to create outputs, and to witness that the references are unspent, all as one
// transaction. Texts are as they came; [Checker.Check] parses them.
type Request struct {
	Holder     ident.HoldingIdentity // the virtual node that asks: its data alone are read and written
	TxID       string                // `ALGO:HEX`
	Originator string                // X.500 name of the party that asked the notary; stored, never compared
	Inputs     []string              // `ALGO:HEX:INDEX` of the states to consume
	References []string              // states that must be unspent and stay so
	Outputs    int                   // number of states that the transaction creates
	Lower      *time.Time            // time window, inclusive; nil: open
	Upper      time.Time             // time window, exclusive; mandatory
}

// maxOriginator is the room in characters for the originator's name (varchar(1024)).
const maxOriginator = 1024

// query is a request that passed stage A.
type query struct {
	tx         TxID
	originator string
	inputs     []StateRef
	references []StateRef
	outputs    int32
	lower      *time.Time
	upper      time.Time
}

// states is the size of the query in states read and written.
func (q *query) states() int { return len(q.inputs) + len(q.references) + int(q.outputs) }

// parse is stage A: all that can be found wrong without the database. The error's text is for the answer malformedRequest.
// Refs are parsed before they are compared, so that two spellings of one state are a duplicate.
//
// Source: Corda 5.0, BatchedUniquenessCheckerImpl.kt (order of the checks); the checks against what the tables can hold
// are Cordage's own.
func (r *Request) parse(maxOutputs int) (*query, error) {
	if r.Outputs < 0 {
		return nil, fmt.Errorf("the number of output states is %d: it must not be negative", r.Outputs)
	}
	if r.Outputs > maxOutputs {
		return nil, fmt.Errorf("the number of output states is %d: at most %d are accepted", r.Outputs, maxOutputs)
	}
	inputs, err := parseRefs(r.Inputs, "input")
	if err != nil {
		return nil, err
	}
	references, err := parseRefs(r.References, "reference")
	if err != nil {
		return nil, err
	}
	if err := distinct(inputs, references); err != nil {
		return nil, err
	}
	tx, err := ParseTxID(r.TxID)
	if err != nil {
		return nil, fmt.Errorf("transaction id %w", err)
	}
	q := &query{tx: tx, originator: r.Originator, inputs: inputs, references: references, outputs: int32(r.Outputs)} //nolint:gosec // within maxOutputs
	q.upper = r.Upper.UTC().Truncate(time.Millisecond)
	if r.Lower != nil {
		lower := r.Lower.UTC().Truncate(time.Millisecond)
		q.lower = &lower
	}
	return q, q.fits()
}

// fits refuses what the tables cannot hold: left to the database it would fail the whole group.
func (q *query) fits() error {
	switch {
	case len(q.tx.Algo) > maxAlgorithm:
		return fmt.Errorf("transaction id %s: the algorithm's name has more than %d characters", quote(q.tx.String()), maxAlgorithm)
	case len(q.tx.Bytes) > maxHash:
		return fmt.Errorf("transaction id %s: the hash has more than %d bytes", quote(q.tx.String()), maxHash)
	case !utf8.ValidString(q.originator):
		return fmt.Errorf("originator %s is not valid UTF-8", quote(q.originator))
	case utf8.RuneCountInString(q.originator) > maxOriginator:
		return fmt.Errorf("originator %s has more than %d characters", quote(q.originator), maxOriginator)
	}
	for i := range len(q.originator) {
		if q.originator[i] == 0 {
			return fmt.Errorf("originator %s holds a zero byte", quote(q.originator))
		}
	}
	if q.upper.IsZero() {
		return fmt.Errorf("the upper bound of the time window is missing")
	}
	return nil
}

func parseRefs(texts []string, role string) ([]StateRef, error) {
	refs := make([]StateRef, len(texts))
	for i, text := range texts {
		ref, err := ParseStateRef(text)
		if err != nil {
			return nil, fmt.Errorf("%s state %d: %w", role, i+1, err)
		}
		refs[i] = ref
	}
	return refs, nil
}

// distinct refuses a state that is listed twice, in one list or in both.
func distinct(inputs, references []StateRef) error {
	const few = 16 // that are compared with each other faster than a map is made
	n := len(inputs) + len(references)
	at := func(i int) (ref StateRef, input bool) {
		if i < len(inputs) {
			return inputs[i], true
		}
		return references[i-len(inputs)], false
	}
	var index map[StateRef]int
	if n > few {
		index = make(map[StateRef]int, n)
	}
	for i := range n {
		ref, input := at(i)
		first := -1
		if index != nil {
			if j, ok := index[ref]; ok {
				first = j
			}
			index[ref] = i
		} else {
			for j := range i {
				if other, _ := at(j); other == ref {
					first = j
				}
			}
		}
		if first >= 0 {
			return twice(ref, input, first < len(inputs))
		}
	}
	return nil
}

func twice(ref StateRef, input, firstIsInput bool) error {
	switch {
	case input != firstIsInput:
		return fmt.Errorf("state %s is listed both as input and as reference", ref)
	case input:
		return fmt.Errorf("input state %s is listed more than once", ref)
	default:
		return fmt.Errorf("reference state %s is listed more than once", ref)
	}
}
