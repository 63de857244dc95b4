package uniqueness

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"
)

const (
	maxAttempts = 10 // Source: Corda 5.0, JPABackingStoreImpl.kt

	// A group is decided in transactions of no more than this, one after the other, so that neither a statement nor a
	// transaction grows without bounds. One request is never split.
	maxTransactionRequests = 4_000
	maxTransactionStates   = 100_000
)

// decideGroup decides the group over at most that many connections. Its error is that of ctx.
func (c *Checker) decideGroup(ctx context.Context, g *group, connections int) error {
	start := time.Now()
	ctx, span := c.Tracer.Start(ctx, "uniqueness group", trace.WithAttributes(
		attribute.String("cordage.virtual_node", g.node), attribute.Int("cordage.requests", len(g.queries))))
	defer span.End()
	parts, partsCtx := errgroup.WithContext(ctx)
	for _, part := range g.split(connections) {
		parts.Go(func() error { return c.decideInOrder(partsCtx, part) })
	}
	if err := parts.Wait(); err != nil {
		return err
	}
	for _, r := range g.results {
		c.metrics.result(g.node, r)
	}
	c.metrics.group(g.node, time.Since(start), len(g.queries))
	return nil
}

// decideInOrder decides the group in as many transactions as its size takes, one after the other.
func (c *Checker) decideInOrder(ctx context.Context, g *group) error {
	for from := 0; from < len(g.queries); {
		to := from + fitting(g.queries[from:])
		if err := c.decide(ctx, g, from, to); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// fitting is the number of queries from the start, one or more, that fit one transaction.
func fitting(queries []*query) int {
	states := 0
	for i, q := range queries {
		states += q.states()
		if i > 0 && (i == maxTransactionRequests || states > maxTransactionStates) {
			return i
		}
	}
	return len(queries)
}

// decide decides the queries from..to in one transaction, again and again while others decide over the same rows.
func (c *Checker) decide(ctx context.Context, g *group, from, to int) error {
	start := time.Now()
	patient := false
	for attempt := 1; ; attempt++ {
		err := c.attempt(ctx, g, from, to, patient)
		if err == nil {
			c.metrics.transaction(g.node, time.Since(start), attempt)
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		why := causeOf(err)
		c.metrics.failure(g.node, why)
		if why == causeOther || attempt == maxAttempts {
			c.fail(ctx, g, from, to, attempt, why, err)
			return nil
		}
		c.Log.DebugContext(ctx, "uniqueness: the group is read and decided again",
			"virtualNode", g.node, "attempt", attempt, "cause", string(why), "error", err)
		patient = patient || why == causeHeld
		if err := c.pause(ctx, attempt, why); err != nil {
			return err
		}
	}
}

// attempt reads, evaluates and stores once. Results are set only when all is stored.
func (c *Checker) attempt(ctx context.Context, g *group, from, to int, patient bool) error {
	db, err := c.Stores.Uniqueness(ctx, g.holder)
	if err != nil {
		return &storeError{g.node, err}
	}
	queries := g.queries[from:to]
	k, err := read(ctx, db, queries, func(operation string, took time.Duration) { c.metrics.read(g.node, operation, took) })
	if err != nil {
		return err
	}

	decisions := make([]decision, 0, len(queries))
	verdicts := make([]Result, len(queries))
	for i, q := range queries {
		v, earlier := k.evaluate(q, c.Clock.Now)
		verdicts[i] = Result{*v, earlier}
		if !earlier {
			decisions = append(decisions, decision{q, v})
		}
	}
	if len(decisions) > 0 {
		began := time.Now()
		if err := write(ctx, db, decisions, patient); err != nil {
			return err
		}
		c.metrics.write(g.node, time.Since(began))
	}
	for i, r := range verdicts {
		*g.results[from+i] = r
	}
	return nil
}

// pause waits before the next attempt: a little and at random after a race; longer and longer, about four seconds in
// all, while the database is away.
func (c *Checker) pause(ctx context.Context, attempt int, why cause) error {
	limit := time.Duration(attempt) * 2 * time.Millisecond
	var base time.Duration
	if why == causeLost {
		base = min(10*time.Millisecond<<attempt, time.Second)
		limit = base / 4
	}
	timer := time.NewTimer(base + time.Duration(c.Chance.IntN(int(limit/time.Microsecond)))*time.Microsecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// storeError is a failure to find the node's database.
type storeError struct {
	node string
	err  error
}

func (e *storeError) Error() string {
	return fmt.Sprintf("find the uniqueness database of virtual node %s: %v", e.node, e.err)
}

func (e *storeError) Unwrap() error { return e.err }

// fail answers the queries from..to with the error.
func (c *Checker) fail(ctx context.Context, g *group, from, to, attempts int, why cause, err error) {
	v := Verdict{Kind: UnhandledException, ErrorType: errorType(why, err), Text: err.Error()}
	if attempts == maxAttempts {
		v.Text = fmt.Sprintf("given up after %d attempts: %v", attempts, err)
	}
	for _, r := range g.results[from:to] {
		*r = Result{Verdict: v}
	}
	span := trace.SpanFromContext(ctx)
	span.RecordError(err)
	span.SetStatus(codes.Error, v.ErrorType)
	c.Log.ErrorContext(ctx, "uniqueness: requests could not be decided",
		"virtualNode", g.node, "requests", to-from, "attempts", attempts, "errorType", v.ErrorType, "error", err)
}

// errorType names a failure for programs.
func errorType(why cause, err error) string {
	if _, ok := errors.AsType[*IntegrityError](err); ok {
		return "IntegrityError"
	}
	switch why {
	case causeRace, causeHeld, causeDeadlock:
		return "TooManyConflicts"
	case causeLost:
		return "DatabaseUnavailable"
	case causeOther:
	}
	if _, ok := errors.AsType[*storeError](err); ok {
		return "DatabaseConfiguration"
	}
	return "DatabaseError"
}
