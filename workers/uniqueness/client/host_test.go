package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace/noop"
	"golang.org/x/sync/errgroup"

	"github.com/cordage-sandbox/cordage/fixtures/servers"
	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/clock"
	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/telemetry"
	"github.com/cordage-sandbox/cordage/workers/uniqueness"
	"github.com/cordage-sandbox/cordage/workers/uniqueness/client"
)

func TestMain(m *testing.M) { servers.Main(m, servers.PostgreSQL, servers.Kafka) }

var notary = ident.HoldingIdentity{X500Name: "O=Notary, L=London, C=GB", GroupID: "g"}

// cluster is a Kafka namespace of one test, with a client on it.
type cluster struct {
	testing.TB
	prefix string
	tasks  *errgroup.Group
	ctx    context.Context // ends with the test
	client *client.Client
	traced *telemetry.Telemetry // of all parts, where the test looks at spans
	close  []func() error       // to be called when the tasks have ended, the last one first
}

func newCluster(tb testing.TB, partitions int, o client.Options) *cluster {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	tasks, ctx := errgroup.WithContext(ctx)
	c := &cluster{TB: tb, prefix: servers.Unique(tb) + ".", ctx: ctx, tasks: tasks, traced: o.Telemetry}
	topics := []record.Topic{{Name: record.TopicUniquenessCheck}, {Name: record.TopicFlowEvent}}
	if err := bus.CreateTopics(ctx, c.config("admin"), topics, partitions, 1); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		cancel()
		err := tasks.Wait()
		for _, end := range slices.Backward(c.close) {
			err = errors.Join(err, end())
		}
		if err != nil {
			tb.Error(err)
		}
	})
	b := c.open("client")
	publisher, err := b.NewPublisher(ctx, "requests")
	if err != nil {
		tb.Fatal(err)
	}
	c.close = append(c.close, publisher.Close)
	c.client = client.New(publisher, func(topic string, heard func(bus.Record)) client.Listener { return b.Tail(topic, heard) }, o)
	c.run(c.client.Run)
	return c
}

func (c *cluster) config(node string) bus.Config {
	tel := &telemetry.Telemetry{
		Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(), Status: &telemetry.Status{},
		Tracer: noop.NewTracerProvider().Tracer(""),
	}
	if c.traced != nil {
		tel.Tracer = c.traced.Tracer
	}
	return bus.Config{Brokers: servers.Brokers(c.TB), TopicPrefix: c.prefix, Node: node, Chance: clock.NewChance(0), Telemetry: tel}
}

func (c *cluster) open(node string) *bus.Bus {
	c.Helper()
	b, err := bus.Open(c.ctx, c.config(node))
	if err != nil {
		c.Fatal(err)
	}
	c.close = append(c.close, b.Close)
	return b
}

// run starts a task of the test and waits until it is ready.
func (c *cluster) run(task func(ctx context.Context, ready func()) error) {
	c.Helper()
	ready := make(chan struct{})
	once := sync.OnceFunc(func() { close(ready) })
	c.tasks.Go(func() error { return task(c.ctx, once) })
	select {
	case <-ready:
	case <-c.ctx.Done():
		c.Fatal("a task ended before it was ready")
	}
}

// answerer serves requests on the bus with a function from a batch to its answers; nil answers are not sent.
func (c *cluster) answerer(node string, maxBatch int, answer func(context.Context, []record.UniquenessCheckRequest) ([]*record.ExternalEventResponse, error)) {
	c.Helper()
	sub := c.open(node).Durable(bus.DurableConfig{Group: "uniqueness.checker", Topic: record.TopicUniquenessCheck, MaxBatch: maxBatch},
		func(ctx context.Context, batch []bus.Record) ([]bus.Message, error) {
			requests := make([]record.UniquenessCheckRequest, len(batch))
			for i, r := range batch {
				var err error
				if requests[i], err = bus.Decode[record.UniquenessCheckRequest](r); err != nil {
					return nil, err
				}
			}
			answers, err := answer(ctx, requests)
			if err != nil {
				return nil, err
			}
			var out []bus.Message
			for i, a := range answers {
				if a != nil {
					out = append(out, bus.Message{Topic: record.TopicFlowEvent, Key: batch[i].Key, Value: *a}.Continue(batch[i].Context(ctx)))
				}
			}
			return out, nil
		})
	c.run(sub.Run)
}

// host serves requests with a checker on a database.
func (c *cluster) host(node string, maxBatch int, db *pgxpool.Pool) {
	c.Helper()
	checker := uniqueness.New(uniqueness.Config{Stores: only{db}, Clock: &clock.Clock{}, Chance: clock.NewChance(0)})
	c.answerer(node, maxBatch, func(ctx context.Context, requests []record.UniquenessCheckRequest) ([]*record.ExternalEventResponse, error) {
		batch := make([]uniqueness.Request, len(requests))
		for i, r := range requests {
			batch[i] = uniqueness.Request{
				Holder: r.HoldingIdentity, TxID: r.TxID, Originator: r.Originator, Inputs: r.Inputs, References: r.References,
				Outputs: r.Outputs, Lower: r.LowerBound, Upper: r.UpperBound,
			}
		}
		results, err := checker.Check(ctx, batch)
		if err != nil {
			return nil, err
		}
		answers := make([]*record.ExternalEventResponse, len(results))
		for i := range results {
			answers[i] = answerTo(&requests[i], &results[i])
		}
		return answers, nil
	})
}

type only struct{ db *pgxpool.Pool }

func (o only) Uniqueness(context.Context, ident.HoldingIdentity) (uniqueness.DB, error) {
	return o.db, nil
}

func answerTo(q *record.UniquenessCheckRequest, r *uniqueness.Result) *record.ExternalEventResponse {
	if r.Kind == uniqueness.UnhandledException {
		return failure(*q, r.ErrorType, r.Text)
	}
	answer := record.UniquenessCheckResponse{TxID: q.TxID, Result: record.UniquenessResult(r.Kind), Earlier: r.Earlier, ErrorText: r.Text}
	if !r.At.IsZero() {
		answer.CommitTimestamp = &r.At
	}
	for _, s := range r.States {
		if s.Consumer.IsZero() {
			answer.UnknownStates = append(answer.UnknownStates, s.Ref.String())
			continue
		}
		answer.ConflictingStates = append(answer.ConflictingStates, s.Ref.String())
		answer.ConsumingTx = append(answer.ConsumingTx, record.ConsumedState{State: s.Ref.String(), ConsumingTx: s.Consumer.String()})
	}
	if r.Kind == uniqueness.OutOfTimeWindow {
		answer.EvaluationTimestamp, answer.LowerBound, answer.UpperBound = &r.Evaluated, r.Lower, &r.Upper
	}
	return payload(*q, answer)
}

func payload(q record.UniquenessCheckRequest, answer record.UniquenessCheckResponse) *record.ExternalEventResponse {
	raw, err := json.Marshal(answer)
	if err != nil {
		panic(err)
	}
	return &record.ExternalEventResponse{RequestID: q.Context.RequestID, Type: record.TypeOf(answer), Payload: raw}
}

func failure(q record.UniquenessCheckRequest, kind, message string) *record.ExternalEventResponse {
	return &record.ExternalEventResponse{
		RequestID: q.Context.RequestID,
		Error:     &record.ExternalEventError{Kind: "PLATFORM", Failure: record.Failure{Type: kind, Message: message}},
	}
}
