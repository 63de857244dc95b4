package uniqueness_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cordage-sandbox/cordage/workers/clock"
	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/uniqueness"
)

// meddle lets a function run between the round trips of a suite's checker, on the same database.
func (s *suite) meddle(before func(n int, b *pgx.Batch)) *int {
	trips := new(int)
	s.nodes.dbs[notary] = intercept{s.nodes.dbs[notary], before, trips}
	return trips
}

// rival is another checker on the same data.
func (s *suite) rival() *suite {
	other := *s
	other.nodes = &nodes{dbs: map[ident.HoldingIdentity]uniqueness.DB{notary: s.nodes.dbs[notary]}, asked: map[ident.HoldingIdentity]int{}}
	other.checker = uniqueness.New(uniqueness.Config{Stores: other.nodes, Clock: s.clock, Chance: clock.NewChance(0)})
	return &other
}

// Round trips: 1 read, 2 write, 3 read again, 4 write again.

func TestLostRaces(t *testing.T) {
	t.Parallel()
	once(t, "S14 a state consumed between read and write", func(s *suite) {
		st := s.issue(3)
		winner, loser, neighbour := tx(st[:1], nil), tx(st[:2], nil), tx(st[2:], nil)
		rival := s.rival()
		trips := s.meddle(func(n int, _ *pgx.Batch) {
			if n == 2 {
				rival.kinds(rival.check(winner), success)
			}
		})
		results := s.check(loser, neighbour)
		s.kinds(results, inputConflict, success)
		s.names(results[0], inputConflict, consumed(st[0], winner))
		if *trips != 4 {
			s.Errorf("%d round trips, want 4", *trips)
		}
		s.same(results[0], s.check(loser)[0])
	})
	once(t, "the same new transaction, decided by two", func(s *suite) {
		r := tx(s.issue(1), nil)
		rival := s.rival()
		var theirs []uniqueness.Result
		s.meddle(func(n int, _ *pgx.Batch) {
			if n == 2 {
				theirs = rival.check(r)
			}
		})
		ours := s.check(r)
		s.kinds(ours, success)
		s.same(theirs[0], ours[0])
	})
	once(t, "the same new transaction, rejected by two", func(s *suite) {
		r := tx([]string{fresh()}, nil)
		rival := s.rival()
		var theirs []uniqueness.Result
		s.meddle(func(n int, _ *pgx.Batch) {
			if n == 2 {
				theirs = rival.check(r)
			}
		})
		ours := s.check(r)
		s.kinds(ours, inputUnknown)
		s.same(theirs[0], ours[0])
	})
	once(t, "a reference consumed between read and write", func(s *suite) {
		// Corda 5.0 accepts both, though each needs the state that the other consumes.
		st := s.issue(2)
		ours, theirs := tx(st[:1], st[1:]), tx(st[1:], st[:1])
		rival := s.rival()
		s.meddle(func(n int, _ *pgx.Batch) {
			if n == 2 {
				rival.kinds(rival.check(theirs), success)
			}
		})
		s.names(s.check(ours)[0], referenceConflict, consumed(st[1], theirs))
	})
	once(t, "a reference that another is about to consume is waited for", func(s *suite) {
		st := s.issue(2)
		theirs := tx(st[1:], nil)
		pool := s.nodes.dbs[notary].(*pgxpool.Pool)
		var other pgx.Tx
		ended := make(chan error, 1)
		trips := s.meddle(func(n int, _ *pgx.Batch) {
			switch n {
			case 2:
				other = s.consuming(pool, theirs)
			case 4: // the patient write is about to wait
				go func() {
					defer close(ended)
					if err := awaitBlocked(s.Context(), pool); err != nil {
						ended <- err
					}
					if err := other.Commit(s.Context()); err != nil {
						ended <- err
					}
				}()
			}
		})
		s.names(s.check(tx(st[:1], st[1:]))[0], referenceConflict, consumed(st[1], theirs))
		for err := range ended {
			s.Error(err)
		}
		if *trips != 6 {
			s.Errorf("%d round trips, want 6: read, write that finds it held, read, write that waits, read, write", *trips)
		}
	})
	once(t, "S16 a state that is gone", func(s *suite) {
		st := s.issue(1)
		pool := s.nodes.dbs[notary].(*pgxpool.Pool)
		s.meddle(func(n int, _ *pgx.Batch) {
			if n == 2 {
				if _, err := pool.Exec(s.Context(), "DELETE FROM uniqueness_state_details"); err != nil {
					s.Error(err)
				}
			}
		})
		s.names(s.check(tx(st, nil))[0], inputUnknown, unknown(st[0]))
	})
	once(t, "what a lost race wrote is rolled back", func(s *suite) {
		st := s.issue(1)
		loser := tx(st, nil)
		rival := s.rival()
		s.meddle(func(n int, _ *pgx.Batch) {
			if n == 2 {
				rival.kinds(rival.check(tx(st, nil)), success)
			}
		})
		s.kinds(s.check(loser), inputConflict)
		s.kinds(s.check(tx(outputsOf(loser), nil)), inputUnknown)
	})
}

// consuming is an open transaction that consumes the inputs of a request.
func (s *suite) consuming(pool *pgxpool.Pool, r uniqueness.Request) pgx.Tx {
	s.Helper()
	tx, err := pool.Begin(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	by := consumed(r.Inputs[0], r).Consumer
	for _, text := range r.Inputs {
		state := ref(text)
		tag, err := tx.Exec(s.Context(), `UPDATE uniqueness_state_details SET consuming_tx_id_algo = $1, consuming_tx_id = $2
			WHERE issue_tx_id_algo = $3 AND issue_tx_id = $4 AND issue_tx_output_idx = $5`,
			by.Algo, []byte(by.Bytes), state.Tx.Algo, []byte(state.Tx.Bytes), state.Index)
		if err != nil || tag.RowsAffected() != 1 {
			s.Fatalf("consume %s: %v, %v", text, tag, err)
		}
	}
	return tx
}

// awaitBlocked waits until a session of the pool waits for a lock.
func awaitBlocked(ctx context.Context, pool *pgxpool.Pool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		var waiting int
		err := pool.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'`,
			applicationOf(pool)).Scan(&waiting)
		if err != nil || waiting > 0 {
			return err
		}
	}
}

// failing makes the database itself answer a round trip with an error of the given SQLSTATE.
func failing(b *pgx.Batch, code string) {
	b.Queue("DO $$ BEGIN RAISE EXCEPTION 'on purpose' USING ERRCODE = '" + code + "'; END $$")
}

func TestRetries(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		title    string
		code     string
		fails    func(trip int) bool
		attempts int // as seen by the number of look-ups of the database
		want     uniqueness.Kind
		errType  string
	}{
		{"S01 every write finds a row there already", "23505", even, 10, exception, "TooManyConflicts"},
		{"S02 an error that repetition cannot help", "42501", even, 1, exception, "DatabaseError"},
		{"S03 serialization failures, twice", "40001", func(n int) bool { return n == 2 || n == 4 }, 3, success, ""},
		{"S17 a read that fails", "42501", odd, 1, exception, "DatabaseError"},
		{"S18 deadlocks", "40P01", even, 10, exception, "TooManyConflicts"},
		{"S18 serialization failures", "40001", even, 10, exception, "TooManyConflicts"},
		{"the server shuts down, once", "57P01", func(n int) bool { return n == 1 }, 2, success, ""},
		{"a connection is lost while writing, once", "08006", func(n int) bool { return n == 2 }, 2, success, ""},
	} {
		once(t, tc.title, func(s *suite) {
			r := tx(s.issue(1), nil)
			before := s.nodes.sessions()[notary]
			s.meddle(func(n int, b *pgx.Batch) {
				if tc.fails(n) {
					failing(b, tc.code)
				}
			})
			got := s.check(r)[0]
			s.kinds([]uniqueness.Result{got}, tc.want)
			if got.ErrorType != tc.errType {
				s.Errorf("error type %q, want %q (%s)", got.ErrorType, tc.errType, got.Text)
			}
			if tc.want == exception && !strings.Contains(got.Text, "on purpose") {
				s.Errorf("the error is %q, want the database's own words in it", got.Text)
			}
			if n := s.nodes.sessions()[notary] - before; n != tc.attempts {
				s.Errorf("%d attempts, want %d", n, tc.attempts)
			}
		})
	}
}

func even(n int) bool { return n%2 == 0 }
func odd(n int) bool  { return n%2 == 1 }

// The process dies, or the connection breaks, after the commit and before the answer: the repetition is answered with
// the verdict that was stored.
func TestAnswerLostAfterCommit(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	r := tx(s.issue(1), nil)
	rival := s.rival()
	var committed []uniqueness.Result
	s.meddle(func(n int, b *pgx.Batch) {
		if n == 2 {
			committed = rival.check(r) // stands for our own first write
			failing(b, "08006")
		}
	})
	s.same(committed[0], s.check(r)[0])
}

// U50: an error of one group is answered with its type, and not stored: the next attempt can succeed.
func TestU50ExceptionIsForgotten(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	r := tx(s.issue(1), nil)
	s.meddle(func(n int, b *pgx.Batch) {
		if n == 2 {
			failing(b, "0A000") // feature_not_supported
		}
	})
	s.kinds(s.check(r), exception)
	s.kinds(s.check(r), success)
}
