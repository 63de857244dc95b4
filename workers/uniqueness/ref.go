package uniqueness

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Limits of what the tables can hold. Source: Corda 5.0, changelog vnode-uniqueness v1.0 (varchar(8), varbinary(64)).
const (
	maxAlgorithm = 8  // characters of an algorithm's name
	maxHash      = 64 // bytes of a hash
)

// ErrSyntax is wrapped by every error of [ParseTxID] and [ParseStateRef].
var ErrSyntax = errors.New("not in the form that is needed")

// TxID names a transaction: a hash and the algorithm that made it. The same bytes under two algorithms are two
// transactions. Values are comparable; the zero value names none.
type TxID struct {
	Algo  string // printable ASCII without space and colon, as given: "SHA-256" and "sha-256" differ
	Bytes string // the raw bytes of the hash, never empty in a parsed value
}

// IsZero tells whether t names no transaction.
func (t TxID) IsZero() bool { return t == TxID{} }

// String is the canonical text, `ALGO:HEX` with upper-case digits. ParseTxID(t.String()) is t.
func (t TxID) String() string {
	return string(t.append(make([]byte, 0, len(t.Algo)+1+2*len(t.Bytes))))
}

func (t TxID) append(b []byte) []byte {
	const digits = "0123456789ABCDEF"
	b = append(b, t.Algo...)
	b = append(b, ':')
	for i := range len(t.Bytes) {
		b = append(b, digits[t.Bytes[i]>>4], digits[t.Bytes[i]&0x0F])
	}
	return b
}

// compare orders ids by algorithm, then bytes: the order in which rows are locked and written.
func (t TxID) compare(u TxID) int {
	if c := cmp.Compare(t.Algo, u.Algo); c != 0 {
		return c
	}
	return cmp.Compare(t.Bytes, u.Bytes)
}

// ParseTxID reads `ALGO:HEX`: the name of the algorithm before the first colon, an even number of hex digits of either
// case after it, at least one byte. Errors wrap [ErrSyntax] and quote the text, cut if it is long.
//
// Source: Corda 5.0, SecureHashImpl.kt (parseSecureHash). Names with control characters, spaces or non-ASCII
// characters, which 5.0 lets pass to the database, are refused here.
func ParseTxID(text string) (TxID, error) {
	algo, digits, found := strings.Cut(text, ":")
	if !found {
		return TxID{}, syntaxError(text, "there is no colon between algorithm and hash")
	}
	if algo == "" {
		return TxID{}, syntaxError(text, "the name of the algorithm is missing")
	}
	for i := range len(algo) {
		if algo[i] <= ' ' || algo[i] > '~' {
			return TxID{}, syntaxError(text, "the name of the algorithm may hold printable ASCII characters only")
		}
	}
	if digits == "" {
		return TxID{}, syntaxError(text, "the hash is missing")
	}
	if len(digits)%2 != 0 {
		return TxID{}, syntaxError(text, "the hash has an odd number of hex digits")
	}
	raw, err := hex.DecodeString(digits)
	if err != nil {
		return TxID{}, syntaxError(text, "the hash holds characters that are no hex digits")
	}
	return TxID{Algo: algo, Bytes: string(raw)}, nil
}

// StateRef names a state: the transaction that issued it, and its place among that transaction's outputs.
type StateRef struct {
	Tx    TxID
	Index int32 // a negative index parses, and is a state that nobody ever issued
}

// String is the canonical text, `ALGO:HEX:INDEX` with upper-case digits.
func (r StateRef) String() string {
	b := r.Tx.append(make([]byte, 0, len(r.Tx.Algo)+2*len(r.Tx.Bytes)+13))
	b = append(b, ':')
	return string(strconv.AppendInt(b, int64(r.Index), 10))
}

func (r StateRef) compare(s StateRef) int {
	if c := r.Tx.compare(s.Tx); c != 0 {
		return c
	}
	return cmp.Compare(r.Index, s.Index)
}

// ParseStateRef reads `ALGO:HEX:INDEX`: all before the last colon is the transaction, after it a decimal 32-bit number,
// with or without a sign. Errors wrap [ErrSyntax] and quote the text.
//
// Source: Corda 5.0, StateRef.kt (parse).
func ParseStateRef(text string) (StateRef, error) {
	at := strings.LastIndexByte(text, ':')
	if at < 0 {
		return StateRef{}, syntaxError(text, "there is no colon before the index")
	}
	index, err := strconv.ParseInt(text[at+1:], 10, 32)
	if err != nil {
		return StateRef{}, syntaxError(text, "the index after the last colon is not a 32-bit number")
	}
	tx, err := ParseTxID(text[:at])
	if err != nil {
		return StateRef{}, err
	}
	return StateRef{Tx: tx, Index: int32(index)}, nil
}

func syntaxError(text, why string) error {
	return fmt.Errorf("%s is %w: %s", quote(text), ErrSyntax, why)
}

// quote shows a text that came from outside, with no more than its first 160 bytes: an answer must not carry a request back.
func quote(text string) string {
	const limit = 160
	if len(text) > limit {
		return strconv.Quote(text[:limit]) + "…"
	}
	return strconv.Quote(text)
}
