package database

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/telemetry"
)

// entry is what the database holds under one key of a compacted topic.
type entry[V any] struct {
	key     string
	deleted bool
	// current tells whether what is published says what the database says.
	current func(published V) bool
	// value reads what is to be published; it is called only where the topic differs.
	value func(ctx context.Context) (V, error)
}

// reconciler brings a compacted topic in line with the database, which is the truth: at start, in intervals, and when it
// is woken. Every database worker runs all reconcilers; what two of them publish twice does no harm.
//
// A round that fails marks the component DOWN and is tried again. Source of the rule what to publish: Corda 5.0,
// ReconcilerEventHandler.kt; there a failed round ends the reconciler.
type reconciler[V any] struct {
	name      string // of the component
	topic     string
	published *bus.Compacted[V]
	publisher *bus.Publisher
	entries   func(ctx context.Context) ([]entry[V], error)
	// exclusive: keys on the topic that the database does not hold are removed. Otherwise they are left alone.
	exclusive bool
	interval  func() time.Duration
	wake      chan struct{} // see newWake
	log       *slog.Logger
	status    telemetry.Mark
}

// newWake makes a channel that remembers one wake-up; wakeUp never blocks.
func newWake() chan struct{} { return make(chan struct{}, 1) }

func wakeUp(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

const (
	reconcileRetryFirst = 100 * time.Millisecond
	reconcileRetryLast  = 5 * time.Second
	reconcileBatch      = 200 // records of one transaction
)

// Run reconciles until ctx ends. It is ready after the first round.
func (r *reconciler[V]) Run(ctx context.Context, ready func()) error {
	retry := reconcileRetryFirst
	for {
		wait := r.interval()
		if err := r.round(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			r.status.Down(err.Error())
			r.log.WarnContext(ctx, "reconciliation failed; it is tried again", "reconciler", r.name, "error", err, "again", retry.String())
			wait, retry = retry, min(2*retry, reconcileRetryLast)
		} else {
			ready()
			r.status.Up()
			retry = reconcileRetryFirst
		}
		if !pauseUntil(ctx, wait, r.wake) {
			return nil
		}
	}
}

// round compares once, and publishes the differences. The topic's content is taken before the database is read, so that a
// row which another worker publishes in between is never taken for one that is gone.
func (r *reconciler[V]) round(ctx context.Context) error {
	published := r.published.All()
	entries, err := r.entries(ctx)
	if err != nil {
		return fmt.Errorf("read what belongs on %s: %w", r.topic, err)
	}
	var messages []bus.Message
	flush := func() error {
		if len(messages) == 0 {
			return nil
		}
		if err := r.publisher.Publish(ctx, messages...); err != nil {
			return fmt.Errorf("publish %d records on %s: %w", len(messages), r.topic, err)
		}
		r.log.DebugContext(ctx, "brought the topic in line", "reconciler", r.name, "topic", r.topic, "records", len(messages))
		messages = messages[:0]
		return nil
	}
	for _, e := range entries {
		there, isThere := published[e.key]
		delete(published, e.key)
		switch {
		case e.deleted && !isThere, !e.deleted && isThere && e.current(there):
			continue
		case e.deleted:
			messages = append(messages, bus.Message{Topic: r.topic, Key: e.key})
		default:
			value, err := e.value(ctx)
			if err != nil {
				return fmt.Errorf("read %s for %s: %w", e.key, r.topic, err)
			}
			messages = append(messages, bus.Message{Topic: r.topic, Key: e.key, Value: value})
		}
		if len(messages) >= reconcileBatch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if r.exclusive {
		for key := range published {
			messages = append(messages, bus.Message{Topic: r.topic, Key: key})
		}
	}
	return flush()
}
