package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/rest/lenient"
)

// failure is an error that a client is told, in the one form that errors have.
type failure struct {
	status  int
	title   string
	details map[string]string
	header  http.Header // beside the usual ones
}

func (f *failure) Error() string { return f.title }

// fail makes a failure without details.
func fail(status int, format string, args ...any) *failure {
	return &failure{status: status, title: fmt.Sprintf(format, args...)}
}

// with adds a detail.
func (f *failure) with(key, value string) *failure {
	if f.details == nil {
		f.details = map[string]string{}
	}
	f.details[key] = value
	return f
}

// badInput is 400 for a named parameter.
func badInput(parameter, format string, args ...any) *failure {
	f := fail(http.StatusBadRequest, format, args...)
	return f.with(parameter, f.title)
}

// asFailure is what a client is told of an error. What is not meant for clients becomes a 500 without its text, and is
// logged: it could quote what the client may not see.
func asFailure(ctx context.Context, log *slog.Logger, err error) *failure {
	var f *failure
	var unread *lenient.Error
	var late *bus.TimeoutError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &unread):
		return fail(http.StatusBadRequest, "Unable to parse parameter '%s'", unread.Parameter).
			with("cause", string(unread.Cause)).with("reason", unread.Reason)
	case errors.As(err, &tooLarge):
		return fail(http.StatusRequestEntityTooLarge, "Payload Too Large").
			with("maximum", fmt.Sprint(tooLarge.Limit))
	case errors.As(err, &late), errors.Is(err, context.DeadlineExceeded):
		log.ErrorContext(ctx, "another worker does not answer", "error", err)
		return fail(http.StatusInternalServerError, "Timeout occurred while processing operation.")
	}
	log.ErrorContext(ctx, "operation failed", "error", err)
	return fail(http.StatusInternalServerError, "Unexpected error occurred.").
		with("cause", "Internal").with("reason", "the log of the REST worker tells more")
}

// remote is what a client is told when another worker refuses or fails to do something: 500 that begins with what was
// attempted. Errors of this worker stay as they are.
func remote(err error, attempted string) error {
	if refused, ok := errors.AsType[*bus.RemoteError](err); ok {
		return fail(http.StatusInternalServerError, "Could not %s: %s", attempted, refused.Message)
	}
	return fmt.Errorf("%s: %w", attempted, err)
}

// late adds what was attempted to an error of the bus.
func late(err error, attempted string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", attempted, err)
}
