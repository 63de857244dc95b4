package bus

import (
	"errors"
	"fmt"
	"time"

	"github.com/cordage-sandbox/cordage/workers/record"
)

// Statuses of an answer, in its header.
const (
	statusOK        = "OK"
	statusFailed    = "FAILED"
	statusCancelled = "CANCELLED"
)

// defaultTimeout is that of Corda 5.0's REST worker, endpoint.timeoutMs.
const defaultTimeout = 12 * time.Second

// TimeoutError is a call that was not answered in time. It is not known whether the request has been, or will be, handled;
// it will not be begun after the limit.
type TimeoutError struct {
	Topic string
	Limit time.Duration
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("no answer to a request on %s within %v", e.Topic, e.Limit)
}

// RemoteError is a call that the responder answered with a failure.
type RemoteError struct {
	Type    string // a stable name
	Message string
}

func (e *RemoteError) Error() string { return e.Message }

// failureOf is the failure that tells a caller of err. A [record.Failure] or [*RemoteError] in err gives its type; any
// other error's type says nothing to the other side, and is called UnhandledException.
func failureOf(err error) record.Failure {
	if f, ok := errors.AsType[record.Failure](err); ok {
		return record.Failure{Type: f.Type, Message: err.Error()}
	}
	if f, ok := errors.AsType[*record.Failure](err); ok && f != nil {
		return record.Failure{Type: f.Type, Message: err.Error()}
	}
	if f, ok := errors.AsType[*RemoteError](err); ok {
		return record.Failure{Type: f.Type, Message: err.Error()}
	}
	return record.Failure{Type: "UnhandledException", Message: err.Error()}
}
