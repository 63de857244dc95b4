package uniqueness_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cordage-sandbox/cordage/workers/uniqueness"
)

// row is what the tables say of a transaction.
type row struct {
	Originator string
	Expiry, At time.Time
	Result     string
	Detail     *string
}

func (s *suite) row(r uniqueness.Request) row {
	s.Helper()
	id, err := uniqueness.ParseTxID(r.TxID)
	if err != nil {
		s.Fatal(err)
	}
	var got row
	err = s.nodes.dbs[notary].(*pgxpool.Pool).QueryRow(s.Context(), `
		SELECT originator_x500_name, expiry_datetime, commit_timestamp, result, convert_from(error_details, 'UTF8')
		FROM uniqueness_tx_details LEFT JOIN uniqueness_rejected_txs USING (tx_id_algo, tx_id) WHERE tx_id_algo = $1 AND tx_id = $2`,
		id.Algo, []byte(id.Bytes)).Scan(&got.Originator, &got.Expiry, &got.At, &got.Result, &got.Detail)
	if err != nil {
		s.Fatal(err)
	}
	return got
}

func (s *suite) exec(sql string, args ...any) {
	s.Helper()
	if _, err := s.nodes.dbs[notary].(*pgxpool.Pool).Exec(s.Context(), sql, args...); err != nil {
		s.Fatal(err)
	}
}

func TestStoredRows(t *testing.T) {
	t.Parallel()
	once(t, "S04 accepted", func(s *suite) {
		r := tx(nil, nil)
		r.Upper = time.Date(2100, 1, 1, 2, 0, 0, 123_999_999, time.FixedZone("", 2*3600)) // UTC and milliseconds are stored
		got := s.check(r)[0]
		want := row{Originator: r.Originator, Expiry: time.Date(2100, 1, 1, 0, 0, 0, 123_000_000, time.UTC), At: got.At, Result: "A"}
		if diff := cmp.Diff(want, s.row(r)); diff != "" {
			s.Errorf("-want +got:\n%s", diff)
		}
	})
	once(t, "S08 rejected", func(s *suite) {
		state := fresh()
		r := tx(nil, []string{state})
		got := s.check(r)[0]
		detail := fmt.Sprintf(`{"type":"refStateUnknownImpl","unknownStates":[{"type":"uniquenessStateRefImpl","txHash":"%s","stateIndex":0}]}`,
			strings.TrimSuffix(state, ":0"))
		want := row{Originator: r.Originator, Expiry: far, At: got.At, Result: "R", Detail: &detail}
		if diff := cmp.Diff(want, s.row(r)); diff != "" {
			s.Errorf("-want +got:\n%s", diff)
		}
	})
	once(t, "S12 S13 states", func(s *suite) {
		st := s.issue(2)
		spend := tx(st[1:], nil)
		spend.Outputs = 0
		s.kinds(s.check(spend), success)
		rows, err := s.nodes.dbs[notary].(*pgxpool.Pool).Query(s.Context(), `SELECT issue_tx_id_algo || ':' || upper(encode(issue_tx_id, 'hex'))
			|| ':' || issue_tx_output_idx, coalesce(consuming_tx_id_algo || ':' || upper(encode(consuming_tx_id, 'hex')), '') FROM uniqueness_state_details`)
		if err != nil {
			s.Fatal(err)
		}
		got := map[string]string{}
		for rows.Next() {
			var state, by string
			if err := rows.Scan(&state, &by); err != nil {
				s.Fatal(err)
			}
			got[state] = by
		}
		if diff := cmp.Diff(map[string]string{st[0]: "", st[1]: spend.TxID}, got); rows.Err() != nil || diff != "" {
			s.Errorf("%v, -want +got:\n%s", rows.Err(), diff)
		}
	})
	once(t, "nothing is stored of what is malformed", func(s *suite) {
		bad := tx([]string{"x"}, nil)
		s.kinds(s.check(bad), malformed)
		var n int
		if err := s.nodes.dbs[notary].(*pgxpool.Pool).QueryRow(s.Context(), "SELECT count(*) FROM uniqueness_tx_details").Scan(&n); err != nil || n != 0 {
			s.Errorf("%d rows are stored (%v), want none", n, err)
		}
	})
}

// S10: Corda 5.0 fails the group of a request whose rejection takes more than 1,024 bytes, every time it is asked.
func TestS10LongRejections(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	st := s.issue(3000)
	spend := tx(st, nil)
	s.kinds(s.check(spend), success)
	var conflicts, unknowns []uniqueness.State
	for _, text := range st {
		conflicts = append(conflicts, consumed(text, spend))
	}
	var missing []string
	for range 3000 {
		missing = append(missing, fresh())
		unknowns = append(unknowns, unknown(missing[len(missing)-1]))
	}
	double, wrong, neighbour := tx(st, nil), tx(nil, missing), tx(nil, nil)
	for _, results := range [][]uniqueness.Result{s.check(double, wrong, neighbour), s.check(double, wrong, neighbour)} {
		s.names(results[0], inputConflict, conflicts...)
		s.names(results[1], referenceUnknown, unknowns...)
		s.kinds(results[2:], success)
	}
	if n := len(*s.row(double).Detail); n < 500_000 {
		t.Errorf("the stored rejection has %d bytes: the test tests little", n)
	}
}

// What Corda 5.0 stored is answered as it stands.
func TestStoredByCorda(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	r := tx(nil, nil)
	hash := strings.TrimPrefix(r.TxID, "SHA-256:")
	s.exec(`INSERT INTO uniqueness_tx_details VALUES ('SHA-256', decode($1, 'hex'), 'O=Alice', '2023-05-01', '2023-04-01 10:00:00.123456', 'R')`, hash)
	s.exec(`INSERT INTO uniqueness_rejected_txs VALUES ('SHA-256', decode($1, 'hex'), convert_to($2, 'UTF8'))`, hash,
		`{"type":"timeWindowOobImpl","evaluationTimestamp":1680343200.111222333,"timeWindowLowerBound":null,"timeWindowUpperBound":1680343100.000000000}`)
	got := s.check(r)[0]
	want := uniqueness.Result{Earlier: true, Verdict: uniqueness.Verdict{
		Kind: outOfWindow, At: time.Date(2023, 4, 1, 10, 0, 0, 123_456_000, time.UTC),
		Evaluated: time.Unix(1680343200, 111_222_333), Upper: time.Unix(1680343100, 0),
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestIntegrity(t *testing.T) {
	t.Parallel()
	for title, damage := range map[string]string{
		"B11 a rejection without its row": "DELETE FROM uniqueness_rejected_txs",
		"a rejection that is no JSON":     "UPDATE uniqueness_rejected_txs SET error_details = 'x'",
		"a result that is neither":        "UPDATE uniqueness_tx_details SET result = 'X'",
		"a rejection of an unknown sort":  `UPDATE uniqueness_rejected_txs SET error_details = '{"type":"x"}'`,
		"a rejection with a broken state": `UPDATE uniqueness_rejected_txs SET error_details = '{"type":"inputStateUnknownImpl","unknownStates":[{"txHash":""}]}'`,
	} {
		once(t, title, func(s *suite) {
			r := tx([]string{fresh()}, nil)
			s.kinds(s.check(r), inputUnknown)
			s.exec(damage)
			got := s.check(r)[0]
			s.kinds([]uniqueness.Result{got}, exception)
			if got.ErrorType != "IntegrityError" || !strings.Contains(got.Text, r.TxID) {
				s.Errorf("the error is %q: %q, want an integrity error that names the transaction", got.ErrorType, got.Text)
			}
		})
	}
	once(t, "B12 a stored malformed rejection", func(s *suite) {
		r := tx([]string{fresh()}, nil)
		s.kinds(s.check(r), inputUnknown)
		s.exec(`UPDATE uniqueness_rejected_txs SET error_details = '{"type":"malformedReqImpl","errorText":"of old"}'`)
		got := s.check(r)[0]
		if got.Kind != malformed || got.Text != "of old" || !got.Earlier {
			s.Errorf("got %+v, want the stored text", got)
		}
	})
}
