package database

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/clock"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/store"
)

// virtualNodes works on virtual.node.async.request. A request may come again at any time (a worker was killed, partitions
// moved), so creation is idempotent: it goes on where an earlier attempt ended, and reports success for what is done.
// Every request ends in exactly one final status. Upgrades are not covered.
//
// Different from Corda 5.0, which logs and drops a request whose worker died, and reports a repeat as a failure.
type virtualNodes struct {
	creator   *creator
	publisher *bus.Publisher
	clock     *clock.Clock
	log       *slog.Logger
	tracer    trace.Tracer
	limit     *semaphore.Weighted // creations at work at the same time
}

// concurrentCreations bounds the creations at work in one worker. Each takes one connection to the config database, and
// for a short time one to each of the three new databases.
const concurrentCreations = 4

// creationBatch is small, because a worker that is told to stop finishes the batch in hand.
const creationBatch = 8

// handle works on a batch of one partition: the requests of one node in order, different nodes at the same time. After
// an error (of the bus, a database that is away, a worker that stops) the batch comes again.
func (v *virtualNodes) handle(ctx context.Context, batch []bus.Record) ([]bus.Message, error) {
	var order []string
	byKey := map[string][]bus.Record{}
	for _, r := range batch {
		if byKey[r.Key] == nil {
			order = append(order, r.Key)
		}
		byKey[r.Key] = append(byKey[r.Key], r)
	}
	dead := make([][]bus.Message, len(order))
	var work errgroup.Group // one that fails does not end the others
	for i, key := range order {
		work.Go(func() error {
			if err := v.limit.Acquire(ctx, 1); err != nil {
				return err
			}
			defer v.limit.Release(1)
			for _, r := range byKey[key] {
				letter, err := v.one(ctx, r)
				if err != nil {
					return err
				}
				dead[i] = append(dead[i], letter...)
			}
			return nil
		})
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	var letters []bus.Message
	for _, d := range dead {
		letters = append(letters, d...)
	}
	return letters, nil
}

// one works on one request. What cannot be read becomes a dead letter.
func (v *virtualNodes) one(ctx context.Context, r bus.Record) ([]bus.Message, error) {
	ctx, span := v.tracer.Start(r.Context(ctx), "virtual node creation", trace.WithAttributes(attribute.String("cordage.virtual_node", r.Key)))
	defer span.End()
	q, err := bus.Decode[record.VirtualNodeRequest](r)
	if err != nil {
		v.log.ErrorContext(ctx, "a request for a virtual node cannot be read", "key", r.Key, "error", err)
		return []bus.Message{bus.DeadLetter(r, err)}, nil
	}
	start := time.Now()
	err = v.attempts(ctx, r.Key, q)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	state, refused := record.OperationCompleted, (*creationError)(nil)
	if err != nil {
		if !errors.As(err, &refused) {
			span.RecordError(err)
			return nil, err
		}
		state = refused.state
		span.RecordError(err)
		span.SetStatus(codes.Error, string(state))
	}
	log := v.log.With("virtualNode", q.RequestID, "state", state, "took", time.Since(start).Round(time.Millisecond).String())
	if err != nil {
		log = log.With("error", err)
	}
	log.InfoContext(ctx, "virtual node creation ended")
	return nil, v.publishStatus(ctx, q, state, refused)
}

// publishStatus tells how far the request is.
func (v *virtualNodes) publishStatus(ctx context.Context, q record.VirtualNodeRequest, state record.OperationState, refused *creationError) error {
	status := record.VirtualNodeOperationStatus{RequestID: q.RequestID, State: state, Timestamp: q.Timestamp, LatestUpdate: v.clock.Now()}
	if state == record.OperationCompleted {
		status.ResourceID = &q.RequestID
	}
	if refused != nil {
		reason := refused.Error()
		status.FailureReason = &reason
	}
	err := v.publisher.Publish(ctx, bus.Message{Topic: record.TopicVirtualNodeStatus, Key: q.RequestID, Value: status})
	if err != nil {
		return fmt.Errorf("publish status %s of virtual node %s: %w", state, q.RequestID, err)
	}
	return nil
}

// creationError is why a request is refused; it is final.
type creationError struct {
	state record.OperationState
	err   error
}

func (e *creationError) Error() string { return e.err.Error() }
func (e *creationError) Unwrap() error { return e.err }

func isFinal(err error) bool {
	_, ok := errors.AsType[*creationError](err)
	return ok
}

func invalid(format string, args ...any) error {
	return &creationError{record.OperationValidationFailed, fmt.Errorf(format, args...)}
}

// maxCreationAttempts bounds attempts that fail for other reasons than a database that is away.
const maxCreationAttempts = 3

// transientLimit is how long a database that is away is waited for here. Then the bus gives the batch again, to this worker
// or to another.
const transientLimit = 2 * time.Second

// attempts creates the node, again and again where another attempt may go better: the database was away, or a worker that
// was killed left statements behind that finished late.
func (v *virtualNodes) attempts(ctx context.Context, key string, q record.VirtualNodeRequest) error {
	wait, began := 50*time.Millisecond, time.Now()
	progress := func() error { return v.publishStatus(ctx, q, record.OperationInProgress, nil) }
	for attempt := 1; ; {
		err := v.creator.create(ctx, key, q, progress)
		if final, ok := errors.AsType[*creationError](err); ok {
			err = v.creator.settle(ctx, q, final)
		}
		if err == nil || ctx.Err() != nil || isFinal(err) || isBusError(err) {
			return err
		}
		if store.IsTransient(err) {
			if time.Since(began) > transientLimit {
				return err
			}
		} else {
			if attempt == maxCreationAttempts {
				return v.giveUp(ctx, q, err)
			}
			attempt++
		}
		v.log.WarnContext(ctx, "virtual node creation is tried again", "virtualNode", q.RequestID, "attempt", attempt, "after", wait.String(), "error", err)
		if !pause(ctx, wait) {
			return context.Cause(ctx)
		}
		wait = min(2*wait, time.Second)
	}
}

// giveUp removes what the attempts made.
func (v *virtualNodes) giveUp(ctx context.Context, q record.VirtualNodeRequest, why error) error {
	if err := v.creator.cleanUp(ctx, q); err != nil {
		v.log.ErrorContext(ctx, "what a failed virtual node creation made could not be removed", "virtualNode", q.RequestID, "error", err)
	}
	return v.creator.settle(ctx, q, &creationError{record.OperationUnexpectedFailure, why})
}
