package uniqueness

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// IntegrityError tells that a node's stored verdict cannot be: someone has changed its tables.
type IntegrityError struct {
	Tx  TxID
	Why string
}

func (e *IntegrityError) Error() string {
	return fmt.Sprintf("read the stored verdict of transaction %s: %s", e.Tx, e.Why)
}

// cause says what kind of failure an attempt ended with.
type cause string

const (
	causeRace     cause = "race"       // another checker decided over the same rows meanwhile
	causeHeld     cause = "held"       // another checker is about to consume a reference
	causeDeadlock cause = "deadlock"   // cannot be, unless others than checkers write to the tables
	causeLost     cause = "connection" // the database is away: whether the transaction was committed is not known
	causeOther    cause = "other"      // a repetition would fail in the same way
)

// causeOf tells whether reading again and evaluating again can help.
//
// Source: Corda 5.0 repeats on entity-exists, rollback and optimistic-lock errors; 5.2 on data and transient ones.
func causeOf(err error) cause {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch pg.Code {
		case "23505", // unique_violation: the transaction id, or an output, was stored by another
			"40001", // serialization_failure
			"22P02": // invalid_text_representation: a guard of the write, see consumeInputs
			return causeRace
		case "55P03": // lock_not_available, see holdReferences
			return causeHeld
		case "40P01": // deadlock_detected
			return causeDeadlock
		case "57P01", "57P02", "57P03", // admin_shutdown, crash_shutdown, cannot_connect_now
			"53300", // too_many_connections
			"40003": // statement_completion_unknown
			return causeLost
		}
		if strings.HasPrefix(pg.Code, "08") { // connection exceptions
			return causeLost
		}
		return causeOther
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return causeLost
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return causeLost
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		pgconn.SafeToRetry(err) {
		return causeLost
	}
	return causeOther
}
