// Package probe asks whether something is ready, in its own protocol: PostgreSQL a query, Kafka its metadata, a worker
// an HTTP answer. Readiness is a value that says what is awaited, so that a start that takes too long can be explained.
// Workers must not import it.
package probe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Interval is the pause between two questions.
const Interval = 25 * time.Millisecond

// Probe is one question.
type Probe interface {
	// Ask returns nil if the answer is yes, and otherwise why not. It returns soon: within a second.
	Ask(ctx context.Context) error
	// String says what is awaited: "PostgreSQL on port 5432 to answer a query".
	String() string
}

// Watched is what is started while it is probed: when it ends there is nothing left to wait for.
type Watched struct {
	Done <-chan struct{} // closed when it has ended; nil: never
	Why  func() error    // after Done: how it ended, with its last log lines
}

// Wait asks p every [Interval] until the answer is yes.
//
// Errors: *DeadError as soon as w has ended, *TimeoutError after limit, or the cause of ctx's end.
func Wait(ctx context.Context, p Probe, limit time.Duration, w Watched) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(Interval)
	defer tick.Stop()
	answers := make(chan error, 1)
	var last error
	for {
		go func() { answers <- ask(ctx, p) }()
		select {
		case err := <-answers:
			if err == nil {
				return nil
			}
			last = err
		case <-w.Done:
			return &DeadError{Awaited: p.String(), Err: w.why()}
		case <-deadline.C:
			return &TimeoutError{Awaited: p.String(), Limit: limit, Err: last}
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", p, context.Cause(ctx))
		}
		select {
		case <-tick.C:
		case <-w.Done:
			return &DeadError{Awaited: p.String(), Err: w.why()}
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", p, context.Cause(ctx))
		}
	}
}

const askLimit = time.Second

func ask(ctx context.Context, p Probe) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	return p.Ask(ctx)
}

func (w Watched) why() error {
	if w.Why == nil {
		return errors.New("the process ended")
	}
	return w.Why()
}

// DeadError says that what was awaited ended instead.
type DeadError struct {
	Awaited string
	Err     error
}

func (e *DeadError) Error() string { return fmt.Sprintf("wait for %s: it ended: %v", e.Awaited, e.Err) }
func (e *DeadError) Unwrap() error { return e.Err }

// TimeoutError says that an answer did not come in time.
type TimeoutError struct {
	Awaited string
	Limit   time.Duration
	Err     error // the last answer
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("wait for %s: not within %v; the last answer: %v", e.Awaited, e.Limit, e.Err)
}
func (e *TimeoutError) Unwrap() error { return e.Err }

// All is ready when every one of its probes is.
type All []Probe

// Ask asks in order and returns the first no.
func (a All) Ask(ctx context.Context) error {
	for _, p := range a {
		if err := p.Ask(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (a All) String() string {
	s := make([]string, len(a))
	for i, p := range a {
		s[i] = p.String()
	}
	return strings.Join(s, " and ")
}
