// Package lenient reads request bodies and parameters as the clients of Corda 5.0 write them: bare or wrapped bodies,
// numbers and booleans as text, missing numbers, values that are encoded twice. What it makes of a body is strict JSON
// that fits the operation's schema. It knows schemas and bytes, nothing of HTTP or of any operation.
//
// Source: Corda 5.0, REST library (Javalin 4.6 and Jackson 2.15 as they are configured there).
package lenient

import "fmt"

// Cause is the stable name of what is wrong with a request; it is shown to clients as details.cause.
type Cause string

const (
	MalformedJSON   Cause = "MalformedJson"
	DuplicateMember Cause = "DuplicateMember"
	UnknownMember   Cause = "UnknownMember"
	MissingValue    Cause = "MissingValue"
	WrongType       Cause = "WrongType"
	TooDeep         Cause = "TooDeeplyNested"
)

// Error says what is wrong with a body or a parameter.
type Error struct {
	Parameter string // name of the body parameter
	Cause     Cause
	Reason    string // for people; quotes at most a few characters of the input
}

func (e *Error) Error() string { return fmt.Sprintf("parameter %s: %s", e.Parameter, e.Reason) }

// fault is an Error whose parameter is not known yet.
func fault(c Cause, format string, args ...any) *Error {
	return &Error{Cause: c, Reason: fmt.Sprintf(format, args...)}
}
