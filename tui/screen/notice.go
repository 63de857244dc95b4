package screen

import (
	"errors"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// Notice is something the user is told, and finds again in the list of notifications.
type Notice struct {
	Time     time.Time // zero: now
	Severity sandbox.Severity
	Node     string
	Text     string
	Hint     string // the way out
	Log      []string
}

// Done is a notice of something that went as wished.
func Done(text string) Notice { return Notice{Severity: sandbox.Notice, Text: text} }

// Failure is a notice of an error, with its hint if it has one.
func Failure(attempt string, err error) Notice {
	n := Notice{Severity: sandbox.Fault, Text: err.Error()}
	if attempt != "" {
		n.Text = attempt + ": " + n.Text
	}
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		n.Hint = h.Hint()
	}
	return n
}
