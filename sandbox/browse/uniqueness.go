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

// countLimit bounds how many rows are counted: a total beyond it is told as this number and one.
const countLimit = 1_000_000

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
	const parts = 3 // of a position: algorithm, id and index, or time, algorithm and id
	if q.after.Key != nil && len(q.after.Key) != parts {
		return q, &BadRequestError{"after is not what a page has as its next"}
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
	if err1 != nil || err2 != nil {
		return &BadRequestError{fmt.Sprintf("find is %q; it is the beginning of an id in hexadecimal digits, with ALGORITHM: before it or not", text)}
	}
	const longest = 64 // bytes of an id; all that begin with high are below it with these behind
	for len(q.high) < longest {
		q.high = append(q.high, 0xff)
	}
	return nil
}

func (q *question) totals(ctx context.Context, tx pgx.Tx, t *sandbox.UniquenessTotals) error {
	err := tx.QueryRow(ctx, fmt.Sprintf(`
		SELECT count(*) FILTER (WHERE consuming_tx_id IS NULL), count(*) FILTER (WHERE consuming_tx_id IS NOT NULL)
		FROM (SELECT consuming_tx_id FROM %s.uniqueness_state_details LIMIT %d) AS s`, q.schema, countLimit+1)).Scan(&t.Unspent, &t.Spent)
	if err != nil {
		return err
	}
	return tx.QueryRow(ctx, fmt.Sprintf(`
		SELECT count(*) FILTER (WHERE result = 'A'), count(*) FILTER (WHERE result = 'R')
		FROM (SELECT result FROM %s.uniqueness_tx_details LIMIT %d) AS t`, q.schema, countLimit+1)).Scan(&t.Accepted, &t.Rejected)
}

// readStates reads a page of states, in the order of their references; with an id, those that this transaction made or
// consumed.
func (q *question) readStates(ctx context.Context, tx pgx.Tx, u *sandbox.Uniqueness) error {
	algo, id, index := "", []byte(nil), -1
	if k := q.after.Key; k != nil {
		var err error
		algo = k[0]
		id, err = hex.DecodeString(k[1])
		if err == nil {
			index, err = strconv.Atoi(k[2])
		}
		if err != nil {
			return &BadRequestError{"after is not what a page has as its next"}
		}
	}
	rows, err := tx.Query(ctx, `
		SELECT issue_tx_id_algo, issue_tx_id, issue_tx_output_idx, coalesce(consuming_tx_id_algo, ''), consuming_tx_id
		FROM `+q.schema+`.uniqueness_state_details
		WHERE (issue_tx_id_algo, issue_tx_id, issue_tx_output_idx) > ($1::text, $2::bytea, $3::int)
			AND ($4 = '' OR (consuming_tx_id IS NULL) = ($4 = 'unspent'))
			AND ($5::bytea IS NULL OR issue_tx_id BETWEEN $5 AND $6 AND $7 IN ('', issue_tx_id_algo)
				OR consuming_tx_id BETWEEN $5 AND $6 AND $7 IN ('', consuming_tx_id_algo))
		ORDER BY 1, 2, 3 LIMIT $8`, algo, notNil(id), index, q.only, q.low, q.high, q.algo, q.limit+1)
	if err != nil {
		return err
	}
	var byAlgo string
	var by []byte
	var last []string
	_, err = pgx.ForEachRow(rows, []any{&algo, &id, &index, &byAlgo, &by}, func() error {
		if len(u.States) == q.limit {
			u.Next = position{Key: last}.encode()
			return nil
		}
		state := sandbox.UniqueState{Ref: txID(algo, id) + ":" + strconv.Itoa(index)}
		if by != nil {
			state.SpentBy = txID(byAlgo, by)
		}
		u.States = append(u.States, state)
		last = []string{algo, hex.EncodeToString(id), strconv.Itoa(index)}
		return nil
	})
	return err
}

// readTransactions reads a page of transactions, the latest first.
func (q *question) readTransactions(ctx context.Context, tx pgx.Tx, u *sandbox.Uniqueness) error {
	before, algo, id := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), "", []byte(nil)
	if k := q.after.Key; k != nil {
		var err error
		algo = k[1]
		before, err = time.Parse(time.RFC3339Nano, k[0])
		if err == nil {
			id, err = hex.DecodeString(k[2])
		}
		if err != nil {
			return &BadRequestError{"after is not what a page has as its next"}
		}
	}
	rows, err := tx.Query(ctx, `
		SELECT t.tx_id_algo, t.tx_id, t.originator_x500_name, t.result, t.commit_timestamp, t.expiry_datetime, r.error_details
		FROM `+q.schema+`.uniqueness_tx_details t LEFT JOIN `+q.schema+`.uniqueness_rejected_txs r USING (tx_id_algo, tx_id)
		WHERE (t.commit_timestamp, t.tx_id_algo, t.tx_id) < ($1::timestamp, $2::text, $3::bytea)
			AND $4 IN ('', t.result::text)
			AND ($5::bytea IS NULL OR t.tx_id BETWEEN $5 AND $6 AND $7 IN ('', t.tx_id_algo))
		ORDER BY t.commit_timestamp DESC, t.tx_id_algo DESC, t.tx_id DESC LIMIT $8`,
		before, algo, notNil(id), q.only, q.low, q.high, q.algo, q.limit+1)
	if err != nil {
		return err
	}
	var t sandbox.UniqueTx
	var result string
	var details []byte
	var last []string
	_, err = pgx.ForEachRow(rows, []any{&algo, &id, &t.Originator, &result, &t.Committed, &t.Expires, &details}, func() error {
		if len(u.Transactions) == q.limit {
			u.Next = position{Key: last}.encode()
			return nil
		}
		t.ID, t.Result, t.Error = txID(algo, id), "accepted", ""
		if result != "A" {
			t.Result, t.Error = "rejected", string(details)
		}
		u.Transactions = append(u.Transactions, t)
		last = []string{t.Committed.Format(time.RFC3339Nano), algo, hex.EncodeToString(id)}
		return nil
	})
	return err
}

func txID(algo string, id []byte) string { return algo + ":" + strings.ToUpper(hex.EncodeToString(id)) }

// notNil makes an empty bytea of nil, which would be NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
