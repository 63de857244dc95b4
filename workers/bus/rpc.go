package bus

import (
	"context"
	"time"
)

// CallerOptions of a [Caller].
type CallerOptions struct {
	Timeout time.Duration // of a call; 0 means 12 s
}

// Caller asks on a topic, and hears the answers on its reply topic; safe for concurrent use.
type Caller[Req, Resp any] struct{}

// NewCaller makes a caller.
func NewCaller[Req, Resp any](b *Bus, topic, group string, o CallerOptions) *Caller[Req, Resp] {
	return &Caller[Req, Resp]{}
}

// Run hears answers until ctx ends.
func (c *Caller[Req, Resp]) Run(ctx context.Context, ready func()) error { return errSoon }

// Call asks, and waits for the answer. Errors: [*TimeoutError], [*RemoteError].
func (c *Caller[Req, Resp]) Call(ctx context.Context, req Req) (Resp, error) {
	var r Resp
	return r, errSoon
}

// Responder answers what callers ask on a topic.
type Responder[Req, Resp any] struct{}

// NewResponder makes a responder.
func NewResponder[Req, Resp any](b *Bus, topic, group string, h func(ctx context.Context, req Req) (Resp, error)) *Responder[Req, Resp] {
	return &Responder[Req, Resp]{}
}

// Run answers until ctx ends.
func (r *Responder[Req, Resp]) Run(ctx context.Context, ready func()) error { return errSoon }

// TimeoutError is a call that was not answered in time.
type TimeoutError struct {
	Topic string
	Limit time.Duration
}

func (e *TimeoutError) Error() string {
	return "no answer on " + e.Topic + " within " + e.Limit.String()
}

// RemoteError is a call that the responder answered with a failure.
type RemoteError struct {
	Type    string
	Message string
}

func (e *RemoteError) Error() string { return e.Message }
