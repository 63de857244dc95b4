// Package client asks the uniqueness checker over the bus, as a flow worker does for a notary's flow. The command line and
// scenarios use it; workers must not import it.
package client

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/telemetry"
)

// Publisher sends messages in one transaction; *bus.Publisher is one.
type Publisher interface {
	Publish(ctx context.Context, msgs ...bus.Message) error
}

// Listener hears the records that are sent to a topic from the moment it is ready; *bus.Tail is one.
type Listener interface {
	Run(ctx context.Context, ready func()) error
}

// Options of a client.
type Options struct {
	Resend  time.Duration // unanswered requests are sent again after this; 0 means 10 s
	Timeout time.Duration // of a batch; 0 means 60 s

	Telemetry *telemetry.Telemetry // of whoever asks: where the spans of batches go; nil: requests are in no trace
}

// Client asks batches; safe for concurrent use. Each batch is a flow of its own.
type Client struct {
	o      Options
	pub    Publisher
	listen Listener
	tracer trace.Tracer

	started chan struct{} // closed when answers are heard
	ended   chan struct{} // closed when they are heard no more
	mu      sync.Mutex
	flows   map[string]*flow
}

// flow is a batch that waits for answers.
type flow struct {
	index   map[string]int // by request id
	answers []record.UniquenessCheckResponse
	open    int
	done    chan struct{}

	asked    trace.SpanContext // of the batch
	received trace.Span        // from the first answer to the last; nil before the first
}

// New makes a client. listen makes the listener that calls heard with each record of the topic, in order for each key.
func New(pub Publisher, listen func(topic string, heard func(bus.Record)) Listener, o Options) *Client {
	if o.Resend <= 0 {
		o.Resend = 10 * time.Second
	}
	if o.Timeout <= 0 {
		o.Timeout = time.Minute
	}
	c := &Client{o: o, pub: pub, started: make(chan struct{}), ended: make(chan struct{}), flows: map[string]*flow{}}
	c.tracer = noop.NewTracerProvider().Tracer("")
	if o.Telemetry != nil {
		c.tracer = o.Telemetry.Tracer
	}
	c.listen = listen(record.TopicFlowEvent, c.heard)
	return c
}

// Run hears answers until ctx ends. It may be called once.
func (c *Client) Run(ctx context.Context, ready func()) error {
	defer close(c.ended)
	return c.listen.Run(ctx, func() {
		close(c.started)
		ready()
	})
}

// Check asks for a virtual node: the requests are sent in one transaction and decided in their order. The answers are in
// that order too; what the checker could not decide is answered with [record.ResultException]. Requests' holding
// identities and contexts are set by Check.
//
// Requests without answer are sent again, which is safe: the checker remembers what it decided. An answer that was lost
// on the way then comes with Earlier set. After the timeout the error is a [*TimeoutError].
//
// A batch is a span, of the trace of ctx or else of its own; what is done for it, up to the answers, is below it.
func (c *Client) Check(ctx context.Context, holder ident.HoldingIdentity, batch []record.UniquenessCheckRequest) (
	answers []record.UniquenessCheckResponse, err error,
) {
	if len(batch) == 0 {
		return nil, nil
	}
	ctx, span := c.tracer.Start(ctx, "uniqueness check", trace.WithAttributes(
		attribute.String("cordage.virtual_node", string(holder.ShortHash())), attribute.Int("cordage.requests", len(batch))))
	defer func() { end(span, answers, err) }()
	limit := &TimeoutError{Operation: fmt.Sprintf("check uniqueness for %s", holder.ShortHash()), Limit: c.o.Timeout, Asked: len(batch)}
	ctx, cancel := context.WithTimeoutCause(ctx, c.o.Timeout, limit)
	defer cancel()
	if err := c.awaitStart(ctx); err != nil {
		return nil, err
	}
	id := uuid.NewString()
	f, messages := c.begin(id, span.SpanContext(), holder, batch)
	defer c.forget(id)
	if err := c.await(ctx, f, messages); err != nil {
		limit.Answered = c.answered(f)
		return nil, err
	}
	return f.answers, nil
}

func (c *Client) awaitStart(ctx context.Context) error {
	select {
	case <-c.started:
		return nil
	case <-c.ended:
		return errEnded
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// begin registers the batch as a flow and makes its messages.
func (c *Client) begin(id string, asked trace.SpanContext, holder ident.HoldingIdentity, batch []record.UniquenessCheckRequest) (*flow, []bus.Message) {
	f := &flow{
		index: make(map[string]int, len(batch)), open: len(batch), done: make(chan struct{}), asked: asked,
		answers: make([]record.UniquenessCheckResponse, len(batch)),
	}
	messages := make([]bus.Message, len(batch))
	for i, r := range batch {
		r.HoldingIdentity = holder
		r.Context = record.ExternalEventContext{RequestID: fmt.Sprintf("%s-%d", id, i), FlowID: id}
		f.answers[i].TxID = r.TxID
		f.index[r.Context.RequestID] = i
		messages[i] = bus.Message{Topic: record.TopicUniquenessCheck, Key: id, Value: r}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flows[id] = f
	return f, messages
}

// await sends, and sends again, until all is answered.
func (c *Client) await(ctx context.Context, f *flow, messages []bus.Message) error {
	again := time.NewTicker(c.o.Resend)
	defer again.Stop()
	for {
		if err := c.pub.Publish(ctx, c.unanswered(f, messages)...); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return fmt.Errorf("send %d uniqueness checks: %w", len(messages), err)
		}
		select {
		case <-f.done:
			return nil
		case <-again.C:
		case <-c.ended:
			return errEnded
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// unanswered are the messages whose requests have no answer yet.
func (c *Client) unanswered(f *flow, messages []bus.Message) []bus.Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.open == len(messages) {
		return messages
	}
	waiting := make([]bool, len(messages))
	for _, i := range f.index {
		waiting[i] = true
	}
	rest := slices.Clone(messages[:0:0])
	for i, m := range messages {
		if waiting[i] {
			rest = append(rest, m)
		}
	}
	return rest
}

func (c *Client) answered(f *flow) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(f.answers) - f.open
}

func (c *Client) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.flows[id]; f.received != nil {
		f.received.SetAttributes(attribute.Int("messaging.batch.message_count", len(f.answers)-f.open))
		f.received.End()
	}
	delete(c.flows, id)
}

// end ends the span of a batch.
func end(span trace.Span, answers []record.UniquenessCheckResponse, err error) {
	count := map[record.UniquenessResult]int{}
	for _, a := range answers {
		count[a.Result]++
	}
	for result, n := range count {
		span.SetAttributes(attribute.Int("cordage.results."+string(result), n))
	}
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	} else if n := count[record.ResultException]; n > 0 {
		span.SetStatus(codes.Error, fmt.Sprintf("%d of %d requests could not be decided", n, len(answers)))
	}
	span.End()
}

// receive begins the span of hearing answers with the first of them, below the span that sent it.
func (c *Client) receive(f *flow, first bus.Record) {
	if f.received != nil {
		return
	}
	ctx := first.Context(context.Background())
	if trace.SpanContextFromContext(ctx).TraceID() != f.asked.TraceID() {
		ctx = trace.ContextWithSpanContext(ctx, f.asked)
	}
	_, f.received = c.tracer.Start(ctx, "receive "+first.Topic, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.String("messaging.system", "kafka"),
		attribute.String("messaging.operation.type", "receive"),
		attribute.String("messaging.destination.name", first.Topic),
		attribute.String("messaging.kafka.message.key", first.Key),
	))
}

// heard takes an answer. Records for other flows, and what is no answer, are passed over.
func (c *Client) heard(r bus.Record) {
	c.mu.Lock()
	ours := c.flows[r.Key] != nil
	c.mu.Unlock()
	if !ours {
		return
	}
	event, err := bus.Decode[record.ExternalEventResponse](r)
	if err != nil {
		return
	}
	answer, err := read(event)
	if err != nil {
		answer = exception("MalformedAnswer", err.Error())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.flows[r.Key]
	if f == nil {
		return
	}
	i, waiting := f.index[event.RequestID]
	if !waiting {
		return // a second answer, to a request that was sent twice
	}
	c.receive(f, r)
	delete(f.index, event.RequestID)
	answer.TxID = f.answers[i].TxID
	f.answers[i] = answer
	f.open--
	if f.open == 0 {
		close(f.done)
	}
}

// read is the checker's verdict in an answer.
func read(event record.ExternalEventResponse) (record.UniquenessCheckResponse, error) {
	if event.Error != nil {
		return exception(event.Error.Failure.Type, event.Error.Failure.Message), nil
	}
	var answer record.UniquenessCheckResponse
	if want := record.TypeOf(answer); event.Type != want {
		return answer, fmt.Errorf("the answer to request %s is of type %q, want %q", event.RequestID, event.Type, want)
	}
	if err := json.Unmarshal(event.Payload, &answer); err != nil {
		return answer, fmt.Errorf("read the answer to request %s: %w", event.RequestID, err)
	}
	return answer, nil
}

func exception(kind, message string) record.UniquenessCheckResponse {
	return record.UniquenessCheckResponse{
		Result: record.ResultException, Exception: &record.Failure{Type: kind, Message: message},
	}
}
