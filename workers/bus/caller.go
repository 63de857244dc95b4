package bus

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"github.com/cordage-sandbox/cordage/workers/record"
)

// CallerOptions of a [Caller].
type CallerOptions struct {
	Timeout time.Duration // of a call; 0 means 12 s
}

// Caller asks on a topic, and hears the answers on its reply topic; safe for concurrent use. It reads one partition of
// that, chosen by chance, which it may share with other callers: answers are told apart by their correlation id.
//
// A request carries its deadline: a responder does not begin to handle it later.
type Caller[Req, Resp any] struct {
	b       *Bus
	topic   string
	client  string
	limit   time.Duration
	sender  *sender
	started chan struct{} // closed when answers are heard
	ended   chan struct{} // closed when they are heard no more

	partition int32 // of the reply topic; set before started is closed
	id        string

	mu      sync.Mutex
	waiting map[string]chan Record // by correlation id
}

// errNotRunning is a call through a caller that does not run any more.
var errNotRunning = errors.New("the caller does not run any more")

// NewCaller makes a caller. It may be run once.
func NewCaller[Req, Resp any](b *Bus, topic, group string, o CallerOptions) *Caller[Req, Resp] {
	return &Caller[Req, Resp]{
		b: b, topic: topic, client: clientID("RPC_SENDER", group, topic), id: uuid.NewString(), sender: newSender(b.count),
		limit: cmp.Or(o.Timeout, defaultTimeout), started: make(chan struct{}), ended: make(chan struct{}),
		waiting: map[string]chan Record{},
	}
}

// Run hears answers until ctx ends.
func (c *Caller[Req, Resp]) Run(ctx context.Context, ready func()) error {
	defer close(c.ended)
	if err := c.run(ctx, ready); err != nil && ctx.Err() == nil {
		return fmt.Errorf("caller on %s: %w", c.topic, err)
	}
	return nil
}

func (c *Caller[Req, Resp]) run(ctx context.Context, ready func()) error {
	replies := record.Reply(c.topic)
	end, err := c.b.k.Latest(ctx, c.b.topic(replies))
	if err != nil {
		return err
	}
	if _, err := c.b.k.Partitions(ctx, c.b.topic(c.topic)); err != nil {
		return err
	}
	producer, err := c.b.k.NewProducer(ctx, "")
	if err != nil {
		return err
	}
	c.partition = int32(c.b.c.Chance.IntN(len(end))) //nolint:gosec // a partition
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { c.sender.run(ctx, producer); return nil })
	g.Go(func() error { return c.listen(ctx, replies, end[c.partition]) })
	close(c.started)
	ready()
	return g.Wait()
}

// listen gives each answer to the call that waits for it.
func (c *Caller[Req, Resp]) listen(ctx context.Context, replies string, from int64) error {
	r := c.b.newReader(replies, c.partition, from, c.client, false)
	defer func() { r.close() }()
	for {
		err := r.wait(ctx)
		if isRange(err) {
			if from, err = c.b.earliest(ctx, replies, c.partition); err == nil {
				r.close()
				r = c.b.newReader(replies, c.partition, from, c.client, false)
				continue
			}
		}
		if err != nil {
			return err
		}
		for _, rec := range r.pop(len(r.queue)) {
			if rec.header(headerSender) == c.id {
				c.hear(rec)
			}
		}
	}
}

func (c *Caller[Req, Resp]) hear(rec Record) {
	c.mu.Lock()
	answer := c.waiting[rec.header(headerCorrelation)]
	delete(c.waiting, rec.header(headerCorrelation))
	c.mu.Unlock()
	if answer != nil {
		answer <- rec
	}
}

// Call asks, and waits for the answer; before the caller is ready, for that first. Errors: [*TimeoutError],
// [*RemoteError], ctx's, and what keeps the request from being sent.
func (c *Caller[Req, Resp]) Call(ctx context.Context, req Req) (resp Resp, err error) {
	ctx, span := c.b.c.Telemetry.Tracer.Start(ctx, "call "+c.topic, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("messaging.system", "kafka"), attribute.String("messaging.destination.name", c.topic)))
	defer func() { endSpan(span, err) }()
	began := time.Now()
	defer func() {
		c.b.m.process.WithLabelValues(patternRPC, c.client, "rpcSender").Observe(time.Since(began).Seconds())
	}()
	limited, cancel := context.WithDeadlineCause(ctx, began.Add(c.limit), &TimeoutError{c.topic, c.limit})
	defer cancel()
	select {
	case <-c.started:
	case <-c.ended:
		return resp, fmt.Errorf("call on %s: %w", c.topic, errNotRunning)
	case <-limited.Done():
		return resp, c.late(limited)
	}
	return c.ask(limited, req)
}

// late is why a call has no answer.
func (c *Caller[Req, Resp]) late(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.As(cause, new(*TimeoutError)) {
		return cause
	}
	return fmt.Errorf("call on %s: %w", c.topic, cause)
}

func (c *Caller[Req, Resp]) ask(ctx context.Context, req Req) (resp Resp, err error) {
	id := uuid.NewString()
	deadline, _ := ctx.Deadline()
	outs, err := c.b.encode(ctx, c.client, []Message{{Topic: c.topic, Key: id, Value: req, headers: []header{
		{headerCorrelation, []byte(id)},
		{headerSender, []byte(c.id)},
		{headerReplyTopic, []byte(c.b.topic(record.Reply(c.topic)))},
		{headerReplyPartition, strconv.AppendInt(nil, int64(c.partition), 10)},
		{headerDeadline, strconv.AppendInt(nil, deadline.UnixMilli(), 10)},
	}}})
	if err != nil {
		return resp, err
	}
	answer := make(chan Record, 1)
	c.mu.Lock()
	c.waiting[id] = answer
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.waiting, id)
		c.mu.Unlock()
	}()
	if err := c.sender.send(ctx, outs); err != nil {
		if ctx.Err() != nil {
			return resp, c.late(ctx)
		}
		return resp, fmt.Errorf("call on %s: %w", c.topic, err)
	}
	select {
	case rec := <-answer:
		return c.read(rec)
	case <-c.ended:
		return resp, fmt.Errorf("call on %s: %w", c.topic, errNotRunning)
	case <-ctx.Done():
		return resp, c.late(ctx)
	}
}

// read takes the answer out of its record.
func (c *Caller[Req, Resp]) read(rec Record) (resp Resp, err error) {
	switch status := rec.header(headerStatus); status {
	case statusOK:
		return Decode[Resp](rec)
	case statusFailed, statusCancelled:
		var f record.Failure
		if err := json.Unmarshal(rec.Value, &f); err != nil {
			return resp, &DecodeError{rec.Topic, rec.Partition, rec.Offset, record.TypeOf(f), err}
		}
		return resp, &RemoteError{f.Type, f.Message}
	default:
		return resp, &DecodeError{rec.Topic, rec.Partition, rec.Offset, record.TypeOf(resp), fmt.Errorf("its status is %q", status)}
	}
}
