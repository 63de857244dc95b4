package uniqueness

import "time"

// Kind says how a request ended. Its text is the short name used on the bus, in metrics and on the command line.
type Kind string

// The kinds of verdict, in the order in which they are decided. The first six are stored for ever; a malformed request
// and an unhandled exception are forgotten, so the same transaction can be asked again.
//
// Source: Corda 5.0, UniquenessCheckResponseAvro.
const (
	Success            Kind = "success"
	InputUnknown       Kind = "inputStateUnknown"
	ReferenceUnknown   Kind = "referenceStateUnknown"
	InputConflict      Kind = "inputStateConflict"
	ReferenceConflict  Kind = "referenceStateConflict"
	OutOfTimeWindow    Kind = "timeWindowOutOfBounds"
	Malformed          Kind = "malformedRequest"
	UnhandledException Kind = "unhandledException"
)

// State is a state that a rejection names.
type State struct {
	Ref      StateRef
	Consumer TxID // the transaction that consumed it; zero where the state is unknown
}

// Verdict is the answer to one request. All times are UTC with millisecond precision, as on the wire and in the tables,
// so that a repeat gets exactly the first answer.
type Verdict struct {
	Kind   Kind
	At     time.Time // when it was decided; zero for Malformed and UnhandledException
	States []State   // the unknown or conflicting states, all of them, in request order

	Evaluated time.Time  // OutOfTimeWindow: what the clock showed
	Lower     *time.Time // OutOfTimeWindow: the request's bounds
	Upper     time.Time

	Text      string // Malformed: what is wrong. UnhandledException: the message of the error
	ErrorType string // UnhandledException: the type of the error
}

// Result is the verdict on one request of a batch.
type Result struct {
	Verdict
	Earlier bool // the verdict had been reached before: in an earlier batch, earlier in this one, or by another checker
}
