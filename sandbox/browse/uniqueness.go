package browse

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/store"
)

// Uniqueness reads what the uniqueness checker remembers of a virtual node. Errors: *NotFoundError, *BadRequestError.
func (b *Browser) Uniqueness(ctx context.Context, vnode string, f sandbox.UniquenessFilter) (sandbox.Uniqueness, error) {
	hash, err := ident.ParseShortHash(vnode)
	if err != nil {
		return sandbox.Uniqueness{}, &BadRequestError{err.Error()}
	}
	q, err := newQuestion(f)
	if err != nil {
		return sandbox.Uniqueness{}, err
	}
	s, err := b.source()
	if err != nil {
		return sandbox.Uniqueness{}, err
	}
	owners, err := b.owners(ctx, s)
	if err != nil {
		return sandbox.Uniqueness{}, err
	}
	u := sandbox.Uniqueness{
		VNode: string(hash), Owner: owners[string(hash)], States: []sandbox.UniqueState{}, Transactions: []sandbox.UniqueTx{},
	}
	q.patience = b.walk
	q.schema = store.QuoteIdent(store.Uniqueness.SchemaName(hash))
	err = b.read(ctx, s.Databases[nodes].Database, func(ctx context.Context, tx pgx.Tx) error {
		if err := hasSchema(ctx, tx, "of a virtual node "+string(hash), store.Uniqueness.SchemaName(hash)); err != nil {
			return err
		}
		if err := q.totals(ctx, tx, &u.Totals); err != nil {
			return err
		}
		if q.transactions {
			return q.readTransactions(ctx, tx, &u)
		}
		return q.readStates(ctx, tx, &u)
	})
	return u, err
}

// question is a filter made ready.
type question struct {
	schema       string // quoted
	transactions bool   // else states
	only         string // result (A, R) of transactions; spent, unspent of states; empty: all
	algo         string // of transactions that are looked for; empty: any
	low, high    []byte // ids that are looked for: low ≤ id < high, or ≤ high where there is nothing above; nil: all
	limit        int
	patience     time.Duration // see Browser.walk
	after        position
}

func newQuestion(f sandbox.UniquenessFilter) (q question, err error) {
	switch f.Show {
	case "", "states":
	case "unspent", "spent":
		q.only = f.Show
	case "transactions":
		q.transactions = true
	case "accepted":
		q.transactions, q.only = true, "A"
	case "rejected":
		q.transactions, q.only = true, "R"
	default:
		return q, &BadRequestError{fmt.Sprintf("show is %q; it is states, unspent, spent, transactions, accepted or rejected", f.Show)}
	}
	if q.limit, err = limitOf(f.Page); err != nil {
		return q, err
	}
	if q.after, err = decodePosition(f.After); err != nil {
		return q, err
	}
	return q, q.find(f.Find)
}

// find reads the beginning of a transaction's id.
func (q *question) find(text string) error {
	if text = strings.TrimSpace(text); text == "" {
		return nil
	}
	digits := text
	if algo, rest, ok := strings.Cut(text, ":"); ok {
		q.algo, digits = algo, rest
		digits, _, _ = strings.Cut(digits, ":") // a state's index
	}
	low, high := digits, digits
	if len(digits)%2 == 1 {
		low, high = digits+"0", digits+"f"
	}
	var err1, err2 error
	q.low, err1 = hex.DecodeString(low)
	q.high, err2 = hex.DecodeString(high)
	if err1 != nil || err2 != nil || !storable(q.algo) {
		return &BadRequestError{fmt.Sprintf("find is %q; it is the beginning of an id in hexadecimal digits, with ALGORITHM: before it or not", text)}
	}
	const longest = 64 // bytes of an id; all that begin with high are below it with these behind
	for len(q.high) < longest {
		q.high = append(q.high, 0xff)
	}
	return nil
}

// readStates reads a page of states. All are in the order of their references, and so are those that a transaction made
// which is looked for; after them come those that it consumed. Those, the spent and the unspent ones have no index, and
// are walked to.
func (q *question) readStates(ctx context.Context, tx pgx.Tx, u *sandbox.Uniqueness) error {
	table := q.schema + ".uniqueness_state_details"
	const columns = "t.issue_tx_id_algo, t.issue_tx_id, t.issue_tx_output_idx, coalesce(t.consuming_tx_id_algo, ''), t.consuming_tx_id"
	var algo, byAlgo string
	var id, by []byte
	var index int
	into := []any{&algo, &id, &index, &byAlgo, &by}
	take := func() {
		state := sandbox.UniqueState{Ref: txID(algo, id) + ":" + strconv.Itoa(index)}
		if by != nil {
			state.SpentBy = txID(byAlgo, by)
		}
		u.States = append(u.States, state)
	}
	w := walk{table: table, alias: "t", from: table + " t", columns: columns, into: into, take: take, where: "true"}
	switch q.only {
	case "spent":
		w.where = "t.consuming_tx_id IS NOT NULL"
	case "unspent":
		w.where = "t.consuming_tx_id IS NULL"
	}
	made := keyed{
		from: table + " t", columns: columns, into: into, take: take, where: w.where,
		algo: "t.issue_tx_id_algo", id: "t.issue_tx_id", index: "t.issue_tx_output_idx",
		key: func() (string, []byte, int) { return algo, id, index },
	}
	walking := q.low == nil && q.only != "" || len(q.after.Key) == walkParts
	if !walking {
		if err := q.readKeyed(ctx, tx, made, &u.Next); err != nil || u.Next != "" || q.low == nil {
			return err
		}
		q.after = position{}
	}
	if q.low != nil {
		if q.only == "unspent" {
			return nil // nothing has consumed them
		}
		w.where += " AND t.consuming_tx_id BETWEEN $1 AND $2 AND $3 IN ('', t.consuming_tx_id_algo)" +
			" AND NOT (t.issue_tx_id BETWEEN $1 AND $2 AND $3 IN ('', t.issue_tx_id_algo))" // which has been shown
		w.args = []any{q.low, q.high, q.algo}
	}
	return q.walk(ctx, tx, w, q.limit-len(u.States), &u.Next)
}

// readTransactions reads a page of transactions: the latest first, or, where one is looked for, in the order of their ids.
func (q *question) readTransactions(ctx context.Context, tx pgx.Tx, u *sandbox.Uniqueness) error {
	details, rejected := q.schema+".uniqueness_tx_details", q.schema+".uniqueness_rejected_txs"
	const columns = "d.tx_id_algo, d.tx_id, d.originator_x500_name, d.result, d.commit_timestamp, d.expiry_datetime, r.error_details"
	from, where := details+" d LEFT JOIN "+rejected+" r USING (tx_id_algo, tx_id)", "true"
	first, alias := details, "d"
	switch q.only {
	case "A":
		where = "d.result = 'A'"
	case "R": // of which there may be few among many
		from, first, alias = rejected+" r JOIN "+details+" d USING (tx_id_algo, tx_id)", rejected, "r"
	}
	var algo, result string
	var id, why []byte
	var t sandbox.UniqueTx
	into := []any{&algo, &id, &t.Originator, &result, &t.Committed, &t.Expires, &why}
	take := func() {
		t.ID, t.Result, t.Error = txID(algo, id), "accepted", ""
		if result != "A" {
			t.Result, t.Error = "rejected", string(why)
		}
		u.Transactions = append(u.Transactions, t)
	}
	if q.low != nil {
		return q.readKeyed(ctx, tx, keyed{
			from: from, columns: columns, into: into, take: take, where: where, algo: alias + ".tx_id_algo", id: alias + ".tx_id", index: "0::int",
			key: func() (string, []byte, int) { return algo, id, 0 },
		}, &u.Next)
	}
	return q.walk(ctx, tx, walk{table: first, alias: alias, from: from, columns: columns, into: into, take: take, where: where}, q.limit, &u.Next)
}

func txID(algo string, id []byte) string { return algo + ":" + strings.ToUpper(hex.EncodeToString(id)) }
