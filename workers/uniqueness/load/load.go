// Package load makes uniqueness checks by the thousand, for benchmarks: an endless, valid stream of transactions with two
// inputs and two outputs each, over a node whose tables were filled before. Nothing but benchmarks may import it.
package load

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/uniqueness"
)

// Execer runs SQL in a node's uniqueness schema; *pgxpool.Pool is one.
type Execer interface {
	Exec(ctx context.Context, sql string, arguments ...any) (pgconn.CommandTag, error)
}

const fill = `
WITH tx AS (SELECT sha256(int8send(n)) AS id FROM generate_series(0, $1::bigint - 1) AS n),
	decided AS (INSERT INTO uniqueness_tx_details SELECT 'SHA-256', id, 'CN=load, O=Load, L=London, C=GB',
		timestamp '2200-01-01', timestamp '2023-01-01', 'A' FROM tx)
INSERT INTO uniqueness_state_details (issue_tx_id_algo, issue_tx_id, issue_tx_output_idx)
SELECT 'SHA-256', id, output FROM tx, generate_series(0, 1) AS output`

// Fill stores that many unspent states, two from each transaction, and lets PostgreSQL take stock of them.
func Fill(ctx context.Context, db Execer, states int) error {
	if _, err := db.Exec(ctx, fill, states/2); err != nil {
		return fmt.Errorf("fill the uniqueness tables with %d states: %w", states, err)
	}
	for _, table := range []string{"uniqueness_state_details", "uniqueness_tx_details"} {
		if _, err := db.Exec(ctx, "VACUUM ANALYZE "+table); err != nil {
			return fmt.Errorf("vacuum %s: %w", table, err)
		}
	}
	return nil
}

// Source gives transactions that spend the states of Fill, then each other's outputs. It is not safe for concurrent use:
// share the states of one Fill among sources by giving each its own range of transactions.
type Source struct {
	Holder     ident.HoldingIdentity
	Originator string

	next  uint64 // number of the next transaction of this source
	spend uint64 // number of the transaction whose two outputs are spent next
	first uint64 // number of the first own transaction
	last  uint64 // end of the range of Fill
}

// NewSource spends the outputs of the filled transactions from..to; id, below 1,000, tells its own transactions from those
// of other sources.
func NewSource(holder ident.HoldingIdentity, id, from, to int) *Source {
	first := uint64(id+1) << 48
	return &Source{Holder: holder, Originator: "CN=load, O=Load, L=London, C=GB", next: first, first: first,
		spend: uint64(from), last: uint64(to)}
}

// Next is the next n requests. A request spends what was created long before it, so that one batch stays one
// of independent requests as long as batches have fewer requests than the source has filled transactions.
func (s *Source) Next(n int) []uniqueness.Request {
	requests := make([]uniqueness.Request, n)
	upper := time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range requests {
		if s.spend == s.last {
			s.spend = s.first
		}
		spent := txID(s.spend)
		requests[i] = uniqueness.Request{
			Holder: s.Holder, TxID: txID(s.next).String(), Originator: s.Originator, Outputs: 2, Upper: upper,
			Inputs: []string{uniqueness.StateRef{Tx: spent}.String(), uniqueness.StateRef{Tx: spent, Index: 1}.String()},
		}
		s.next++
		s.spend++
	}
	return requests
}

func txID(n uint64) uniqueness.TxID {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, n))
	return uniqueness.TxID{Algo: "SHA-256", Bytes: string(sum[:])}
}

// Record is a request as it crosses the bus.
func Record(r uniqueness.Request) record.UniquenessCheckRequest {
	return record.UniquenessCheckRequest{
		HoldingIdentity: r.Holder, TxID: r.TxID, Originator: r.Originator, Inputs: r.Inputs, References: r.References,
		Outputs: r.Outputs, LowerBound: r.Lower, UpperBound: r.Upper,
	}
}
