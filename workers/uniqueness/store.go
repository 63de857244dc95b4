package uniqueness

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// DB is a node's uniqueness schema, reached with its DML user; its search path finds the three tables. *pgxpool.Pool and
// *pgx.Conn are one. It must send a batch as one pipeline, which PostgreSQL treats as one transaction.
type DB interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// setPlanner makes every look-up go through the primary key, whatever the statistics of the moment say: a plan made while
// a table is small, and kept, would read the table from end to end when it has grown. It holds for one transaction.
const setPlanner = `SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
	set_config('enable_mergejoin', 'off', true), set_config('enable_bitmapscan', 'off', true),
	set_config('plan_cache_mode', 'force_generic_plan', true), set_config('jit', 'off', true)`

const selectDecided = `
SELECT q.n, t.result, t.commit_timestamp, r.error_details
FROM unnest($1::text[], $2::bytea[]) WITH ORDINALITY AS q(algo, id, n)
JOIN uniqueness_tx_details t ON t.tx_id_algo = q.algo AND t.tx_id = q.id
LEFT JOIN uniqueness_rejected_txs r ON r.tx_id_algo = t.tx_id_algo AND r.tx_id = t.tx_id`

const selectStates = `
SELECT q.n, s.consuming_tx_id_algo, s.consuming_tx_id
FROM unnest($1::text[], $2::bytea[], $3::int[]) WITH ORDINALITY AS q(algo, id, idx, n)
JOIN uniqueness_state_details s ON s.issue_tx_id_algo = q.algo AND s.issue_tx_id = q.id AND s.issue_tx_output_idx = q.idx`

const insertDecided = `
INSERT INTO uniqueness_tx_details (tx_id_algo, tx_id, originator_x500_name, expiry_datetime, commit_timestamp, result)
SELECT * FROM unnest($1::text[], $2::bytea[], $3::text[], $4::timestamp[], $5::timestamp[], $6::text[])`

const insertRejected = `
INSERT INTO uniqueness_rejected_txs (tx_id_algo, tx_id, error_details)
SELECT * FROM unnest($1::text[], $2::bytea[], $3::bytea[])`

const insertOutputs = `
INSERT INTO uniqueness_state_details (issue_tx_id_algo, issue_tx_id, issue_tx_output_idx)
SELECT q.algo, q.id, o.idx
FROM unnest($1::text[], $2::bytea[], $3::int[]) AS q(algo, id, outputs), generate_series(0, q.outputs - 1) AS o(idx)`

// lockStates takes all rows that the verdicts rest on, in order, and waits for whoever has them.
const lockStates = `
SELECT FROM unnest($1::text[], $2::bytea[], $3::int[]) AS q(algo, id, idx)
JOIN uniqueness_state_details s ON s.issue_tx_id_algo = q.algo AND s.issue_tx_id = q.id AND s.issue_tx_output_idx = q.idx
FOR NO KEY UPDATE OF s`

// The guards fail their statement, and with it the transaction, when a row that the verdicts rest on is not as it was
// read. What is cast to a number is the message that PostgreSQL logs. SQLSTATE 22P02.

const holdReferences = `
WITH held AS (
	SELECT 1 FROM unnest($1::text[], $2::bytea[], $3::int[]) AS q(algo, id, idx)
	JOIN uniqueness_state_details s ON s.issue_tx_id_algo = q.algo AND s.issue_tx_id = q.id AND s.issue_tx_output_idx = q.idx
	WHERE s.consuming_tx_id IS NULL
	FOR SHARE OF s NOWAIT)
SELECT CASE WHEN count(*) = $4 THEN count(*) ELSE
	('uniqueness check: ' || $4 - count(*) || ' reference states were consumed meanwhile; the batch is checked again')::bigint END
FROM held`

const consumeInputs = `
WITH held AS (
	UPDATE uniqueness_state_details s SET consuming_tx_id_algo = q.by_algo, consuming_tx_id = q.by_id
	FROM unnest($1::text[], $2::bytea[], $3::int[], $4::text[], $5::bytea[]) AS q(algo, id, idx, by_algo, by_id)
	WHERE s.issue_tx_id_algo = q.algo AND s.issue_tx_id = q.id AND s.issue_tx_output_idx = q.idx
	AND s.consuming_tx_id IS NULL
	RETURNING 1)
SELECT CASE WHEN count(*) = $6 THEN count(*) ELSE
	('uniqueness check: ' || $6 - count(*) || ' input states were consumed meanwhile; the batch is checked again')::bigint END
FROM held`

// read loads what the queries need to know, in one round trip. It reports how long each of its two parts took.
func read(ctx context.Context, db DB, queries []*query, report func(operation string, took time.Duration)) (*known, error) {
	var txs, refs columns
	for _, q := range queries {
		txs.addTx(q.tx)
		for _, ref := range q.inputs {
			refs.addRef(ref)
		}
		for _, ref := range q.references {
			refs.addRef(ref)
		}
	}
	k := newKnown(len(txs.ids), len(refs.ids))
	b := &pgx.Batch{}
	began := time.Now()
	lap := func(operation string) {
		now := time.Now()
		report(operation, now.Sub(began))
		began = now
	}
	b.Queue(setPlanner)
	b.Queue(selectDecided, txs.algos, txs.ids).Query(func(rows pgx.Rows) error {
		defer lap("getTransactionDetails")
		return k.readDecided(rows, &txs)
	})
	if len(refs.ids) > 0 {
		b.Queue(selectStates, refs.algos, refs.ids, refs.numbers).Query(func(rows pgx.Rows) error {
			defer lap("getStateDetails")
			return k.readStates(rows, &refs)
		})
	}
	if err := db.SendBatch(ctx, b).Close(); err != nil {
		return nil, fmt.Errorf("read %d transactions and %d states: %w", len(txs.ids), len(refs.ids), err)
	}
	return k, nil
}

func (k *known) readDecided(rows pgx.Rows, txs *columns) error {
	var (
		n       int64
		result  string
		at      time.Time
		details []byte
	)
	_, err := pgx.ForEachRow(rows, []any{&n, &result, &at, &details}, func() error {
		tx := txs.tx(n)
		switch {
		case result == "A":
			k.decided[tx] = &Verdict{Kind: Success, At: at}
		case result == "R" && details != nil:
			v, err := decodeDetail(details, at)
			if err != nil {
				return &IntegrityError{Tx: tx, Why: err.Error()}
			}
			k.decided[tx] = v
		case result == "R":
			return &IntegrityError{Tx: tx, Why: "it is rejected, but there is no row of its error in uniqueness_rejected_txs"}
		default:
			return &IntegrityError{Tx: tx, Why: fmt.Sprintf("its result is %q, neither A nor R", result)}
		}
		return nil
	})
	return err
}

func (k *known) readStates(rows pgx.Rows, refs *columns) error {
	var (
		n    int64
		algo *string
		id   []byte
	)
	_, err := pgx.ForEachRow(rows, []any{&n, &algo, &id}, func() error {
		var by TxID
		if algo != nil {
			by = TxID{Algo: *algo, Bytes: string(id)}
		}
		k.states[refs.ref(n)] = by
		return nil
	})
	return err
}

// decision is a new verdict, to be stored.
type decision struct {
	*query
	*Verdict
}

// write stores the decisions in one round trip and one transaction.
func write(ctx context.Context, db DB, decisions []decision, patient bool) error {
	b, err := writeBatch(decisions, patient)
	if err != nil {
		return err
	}
	if err := db.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("store %d verdicts: %w", len(decisions), err)
	}
	return nil
}
