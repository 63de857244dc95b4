package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/cordage-sandbox/cordage/workers/bus/wire"
)

// Publisher sends records in transactions; safe for concurrent use.
type Publisher struct {
	b      *Bus
	client string
	txID   string
	jobs   chan *job
	closed chan struct{}
	end    sync.Once
	done   chan struct{}
}

// job is one call of Publish.
type job struct {
	ctx  context.Context //nolint:containedctx // the caller's
	outs []wire.Out
	done chan error // has room for the outcome
}

// ErrClosed is the error of a call to a publisher that has been closed.
var ErrClosed = errors.New("the publisher is closed")

// NewPublisher makes the publisher of that name, which must be unique within the worker. It ends the transactions of an
// earlier one of the same worker and name.
func (b *Bus) NewPublisher(ctx context.Context, name string) (*Publisher, error) {
	p := &Publisher{
		b: b, client: patternPublisher + "--" + name, txID: b.c.TopicPrefix + b.c.Node + "-" + name,
		jobs: make(chan *job), closed: make(chan struct{}), done: make(chan struct{}),
	}
	producer, err := b.k.NewProducer(ctx, p.txID)
	if err != nil {
		return nil, fmt.Errorf("publisher %s: %w", name, err)
	}
	go p.run(producer)
	return p, nil
}

// Publish sends the messages, all or none, and returns when they are committed: in order for each key. Calls at the same
// time may share a transaction. While Kafka cannot be reached it goes on trying until ctx ends; then it is not known
// whether the messages have been sent, unless the call was still waiting for its turn.
func (p *Publisher) Publish(ctx context.Context, msgs ...Message) (err error) {
	if len(msgs) == 0 {
		return nil
	}
	ctx, span := p.b.startProduce(ctx, msgs)
	defer func() { endSpan(span, err) }()
	outs, err := p.b.encode(ctx, p.client, msgs)
	if err != nil {
		return err
	}
	j := &job{ctx, outs, make(chan error, 1)}
	select {
	case p.jobs <- j:
	case <-p.closed:
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("publish to %s: %w", msgs[0].Topic, context.Cause(ctx))
	}
	select {
	case err = <-j.done:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("publish to %s: %w", msgs[0].Topic, err)
	}
	return nil
}

// Close waits for the calls in hand.
func (p *Publisher) Close() error {
	p.end.Do(func() { close(p.closed) })
	<-p.done
	return nil
}

// maxShared bounds the records of calls that share a transaction.
const maxShared = 2_000

// run is the goroutine that has the producer.
func (p *Publisher) run(producer *wire.Producer) {
	defer close(p.done)
	for {
		var shared []*job
		select {
		case j := <-p.jobs:
			shared = append(shared, j)
		case <-p.closed:
			return
		}
		for records, more := len(shared[0].outs), true; more && records < maxShared; {
			select {
			case j := <-p.jobs:
				shared = append(shared, j)
				records += len(j.outs)
			default:
				more = false
			}
		}
		producer = p.transact(producer, shared)
	}
}

// transact sends what the calls have brought, in one transaction; should that fail for good, each in its own, so that no
// call suffers from another's.
func (p *Publisher) transact(producer *wire.Producer, shared []*job) *wire.Producer {
	ctx, cancel := whileAny(shared)
	defer cancel()
	began := time.Now()
	var outs []wire.Out
	for _, j := range shared {
		outs = append(outs, j.outs...)
	}
	err := producer.Transact(ctx, outs, nil)
	if errors.Is(err, wire.ErrFenced) { // it took too long, because Kafka was away; or this is a worker's double
		p.b.c.Telemetry.Log.Warn("publish again: the transaction was aborted", "publisher", p.txID, "reason", err)
		again, fault := p.b.k.NewProducer(ctx, p.txID)
		if fault == nil {
			producer = again
			err = producer.Transact(ctx, outs, nil)
		}
	}
	p.b.m.commit.WithLabelValues(patternPublisher, p.client).Observe(time.Since(began).Seconds())
	if err != nil && len(shared) > 1 && ctx.Err() == nil {
		for _, j := range shared {
			producer = p.transact(producer, []*job{j})
		}
		return producer
	}
	if err == nil {
		p.b.count(outs)
	}
	for _, j := range shared {
		j.done <- err
	}
	return producer
}

// whileAny is a context that ends when those of all calls have ended.
func whileAny(jobs []*job) (context.Context, context.CancelFunc) {
	if len(jobs) == 1 {
		return context.WithCancel(jobs[0].ctx)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(jobs[0].ctx))
	var left atomic.Int64
	left.Store(int64(len(jobs)))
	stops := make([]func() bool, len(jobs))
	for i, j := range jobs {
		stops[i] = context.AfterFunc(j.ctx, func() {
			if left.Add(-1) == 0 {
				cancel()
			}
		})
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel()
	}
}

// startProduce begins the span of sending messages.
func (b *Bus) startProduce(ctx context.Context, msgs []Message) (context.Context, trace.Span) {
	return b.c.Telemetry.Tracer.Start(ctx, "publish "+msgs[0].Topic, trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithAttributes(
			attribute.String("messaging.system", "kafka"),
			attribute.String("messaging.operation.type", "send"),
			attribute.String("messaging.destination.name", msgs[0].Topic),
			attribute.String("messaging.kafka.message.key", msgs[0].Key),
			attribute.Int("messaging.batch.message_count", len(msgs)),
		))
}

func endSpan(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}
