package browse

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// The tables of the uniqueness checker hold millions of rows and have one index each, on transaction id (and output): the
// layout is Corda 5.0's. Pages are read in two ways that take as long for the last row as for the first: along that index
// (keyed), or along the table itself (walk).

// errAfter refuses a position that no page has told.
func errAfter() error { return &BadRequestError{"after is not what a page has as its next"} }

// keyed is a selection in the order of the index.
type keyed struct {
	from, columns, where string
	algo, id, index      string // expressions of the key; the last is 0::int where there is none
	into                 []any  // of the columns
	take                 func() // takes what is in into
	key                  func() (algo string, id []byte, index int)
}

const keyedParts = 3 // of a position: algorithm, id, index

// readKeyed reads a page of what the question looks for, of all algorithms one after the other.
func (q *question) readKeyed(ctx context.Context, tx pgx.Tx, k keyed, next *string) error {
	algo, id, index := "", []byte{}, int64(-1)
	if after := q.after.Key; after != nil {
		var err1, err2 error
		if len(after) != keyedParts {
			return errAfter()
		}
		algo = after[0]
		id, err1 = hex.DecodeString(after[1])
		index, err2 = strconv.ParseInt(after[2], 10, 32)
		if errors.Join(err1, err2) != nil {
			return errAfter()
		}
	}
	n := 0
	if q.algo != "" {
		if algo != q.algo && algo != "" {
			return errAfter()
		}
		return q.readAlgorithm(ctx, tx, k, q.algo, id, index, &n, next)
	}
	for {
		if algo != "" {
			if err := q.readAlgorithm(ctx, tx, k, algo, id, index, &n, next); err != nil || *next != "" {
				return err
			}
		}
		err := tx.QueryRow(ctx, fmt.Sprintf("SELECT %[1]s FROM %[2]s WHERE %[1]s > $1::text ORDER BY %[1]s LIMIT 1", k.algo, k.from), algo).Scan(&algo)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		id, index = []byte{}, -1
	}
}

// readAlgorithm reads what the page has room for of one algorithm, after an id and index.
func (q *question) readAlgorithm(ctx context.Context, tx pgx.Tx, k keyed, algo string, id []byte, index int64, n *int, next *string) error {
	sql := fmt.Sprintf("SELECT %s FROM %s WHERE %s = $1 AND (%s, %s) > ($2::bytea, $3::int) AND %s", k.columns, k.from, k.algo, k.id, k.index, k.where)
	args := []any{algo, id, index}
	if q.low != nil {
		sql += fmt.Sprintf(" AND %s BETWEEN $4 AND $5", k.id)
		args = append(args, q.low, q.high)
	}
	sql += fmt.Sprintf(" ORDER BY %s, %s LIMIT %d", k.id, k.index, q.limit-*n+1)
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	var last position
	_, err = pgx.ForEachRow(rows, k.into, func() error {
		if *n == q.limit {
			*next = last.encode()
			return nil
		}
		*n++
		k.take()
		algo, id, index := k.key()
		last.Key = []string{algo, hex.EncodeToString(id), strconv.Itoa(index)}
		return nil
	})
	return err
}

// walk is a selection in the order in which PostgreSQL stores rows, the latest first: rows are added at a table's end. (A
// row that is changed stays in its page if it can, and moves to the end if it cannot; the room of one that was rolled back
// is used again.)
type walk struct {
	from, columns, where string
	table, alias         string // that is walked
	args                 []any  // of where
	into                 []any  // of the columns
	take                 func() // takes what is in into
}

// tid is the place of a row: page of the table, and number in it, from 1.
type tid struct{ page, row int64 }

const walkParts = 2 // of a position: page and row

// How many pages of a table are looked at first, and at most at once when little is found: 64 MiB.
const (
	firstStride = 32
	lastStride  = 8192
)

// walk reads up to limit rows. It goes through the table by strides of pages, which PostgreSQL reads without the rest.
func (q *question) walk(ctx context.Context, tx pgx.Tx, w walk, limit int, next *string) error {
	end, err := q.walkFrom(ctx, tx, w)
	if err != nil {
		return err
	}
	began, found := time.Now(), 0
	for stride := int64(firstStride); end != (tid{}); stride = min(2*stride, lastStride) {
		begin := tid{page: max(0, end.page-stride)}
		last, more, err := w.read(ctx, tx, begin, end, limit-found, &found)
		switch {
		case err != nil:
			return err
		case more:
			*next = last.encode()
			return nil
		case begin.page > 0 && time.Since(began) > q.patience:
			*next = begin.encode()
			return nil
		}
		end = begin
	}
	return nil
}

// walkFrom is the place before which a page of rows begins.
func (q *question) walkFrom(ctx context.Context, tx pgx.Tx, w walk) (at tid, err error) {
	after := q.after.Key
	if after == nil {
		at.page, err = pagesOf(ctx, tx, w.table)
		return at, err
	}
	if len(after) != walkParts {
		return at, errAfter()
	}
	const most = 1<<32 - 1 // pages of a table; rows of a page are fewer
	var err1, err2 error
	at.page, err1 = strconv.ParseInt(after[0], 10, 64)
	at.row, err2 = strconv.ParseInt(after[1], 10, 64)
	if errors.Join(err1, err2) != nil || at.page < 0 || at.page > most || at.row < 0 || at.row > 1<<16-1 {
		return at, errAfter()
	}
	return at, nil
}

// read reads the rows from begin up to end, of which it takes so many. last is the last that was taken, more that there are others.
func (w walk) read(ctx context.Context, tx pgx.Tx, begin, end tid, limit int, found *int) (last tid, more bool, err error) {
	sql := fmt.Sprintf("SELECT %[1]s.ctid::text, %[2]s FROM %[3]s WHERE %[1]s.ctid >= '%[4]s' AND %[1]s.ctid < '%[5]s' AND %[6]s ORDER BY %[1]s.ctid DESC LIMIT %[7]d",
		w.alias, w.columns, w.from, begin, end, w.where, limit+1)
	rows, err := tx.Query(ctx, sql, w.args...)
	if err != nil {
		return last, false, err
	}
	var at string
	taken := 0
	last = end // where there was room for none
	_, err = pgx.ForEachRow(rows, slices.Concat([]any{&at}, w.into), func() error {
		if taken == limit {
			more = true
			return nil
		}
		w.take()
		taken++
		_, err := fmt.Sscanf(at, "(%d,%d)", &last.page, &last.row)
		return err
	})
	*found += taken
	return last, more, err
}

func (t tid) String() string { return fmt.Sprintf("(%d,%d)", t.page, t.row) }

func (t tid) encode() string {
	return position{Key: []string{strconv.FormatInt(t.page, 10), strconv.FormatInt(t.row, 10)}}.encode()
}

// countPages is how large a table may be for its rows to be counted: 16 MiB. Of a larger one so many pages, chosen at
// random but always the same ones, are counted, and stand for the rest.
const countPages = 2048

// totals counts what there is.
func (q *question) totals(ctx context.Context, tx pgx.Tx, t *sandbox.UniquenessTotals) error {
	var states, all int64
	for _, c := range []struct {
		table, where string
		rows, some   *int64 // of the table, and those where something is so
	}{
		{"uniqueness_state_details", "consuming_tx_id IS NOT NULL", &states, &t.Spent},
		{"uniqueness_tx_details", "true", &all, &all},
		{"uniqueness_rejected_txs", "true", &t.Rejected, &t.Rejected}, // by itself: there may be few among many
	} {
		name := q.schema + "." + c.table
		pages, err := pagesOf(ctx, tx, name)
		if err != nil {
			return err
		}
		sample, share := "", 1.0
		if pages > countPages {
			share = countPages / float64(pages)
			sample = fmt.Sprintf(" TABLESAMPLE SYSTEM (%g) REPEATABLE (0)", 100*share)
			t.Estimated = true
		}
		var rows, some float64
		if err := tx.QueryRow(ctx, "SELECT count(*)::float8, (count(*) FILTER (WHERE "+c.where+"))::float8 FROM "+name+sample).Scan(&rows, &some); err != nil {
			return err
		}
		*c.rows, *c.some = int64(math.Round(rows/share)), int64(math.Round(some/share))
	}
	t.Unspent, t.Accepted = states-t.Spent, max(0, all-t.Rejected)
	return nil
}

// pagesOf is the size of a table.
func pagesOf(ctx context.Context, tx pgx.Tx, table string) (pages int64, err error) {
	err = tx.QueryRow(ctx, "SELECT pg_relation_size($1::regclass) / current_setting('block_size')::int", table).Scan(&pages)
	return pages, err
}
