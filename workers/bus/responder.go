package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cordage-sandbox/cordage/workers/bus/wire"
	"github.com/cordage-sandbox/cordage/workers/record"
)

// Responder answers what callers ask on a topic. Its replicas share the partitions of the topic; the requests of one
// partition are handled one after the other.
//
// The group's position is committed after each answer. So a request waits for a responder while there is none, until its
// deadline; and one whose responder dies while handling it is handled again by the next: a handler must bear that. A
// request whose deadline has passed is not begun, and its position is given up. (Corda 5.0 commits no positions, and such
// requests vanish.)
type Responder[Req, Resp any] struct {
	b      *Bus
	topic  string
	group  string
	client string
	h      func(ctx context.Context, req Req) (Resp, error)
}

// NewResponder makes a responder. An error of h is answered as a failure, with the type of a [record.Failure] in it.
func NewResponder[Req, Resp any](b *Bus, topic, group string, h func(ctx context.Context, req Req) (Resp, error)) *Responder[Req, Resp] {
	return &Responder[Req, Resp]{b, topic, group, clientID("RPC_RESPONDER", group, topic), h}
}

// Run answers until ctx ends, and lets the request in hand be answered then.
func (r *Responder[Req, Resp]) Run(ctx context.Context, ready func()) error {
	if err := r.run(ctx, ready); err != nil && ctx.Err() == nil {
		return fmt.Errorf("responder of %s on %s: %w", r.group, r.topic, err)
	}
	return nil
}

func (r *Responder[Req, Resp]) run(ctx context.Context, ready func()) error {
	producer, err := r.b.k.NewProducer(ctx, "")
	if err != nil {
		return err
	}
	answers := newSender(r.b.count)
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx)) // answers are sent after ctx has ended, too
	defer cancel()
	var g errgroup.Group
	g.Go(func() error { answers.run(sending, producer); return nil })
	err = r.b.k.RunGroup(ctx, r.b.groupConfig(r.group, r.topic), func(ctx context.Context, claim *wire.Claim) error {
		return r.work(ctx, claim, answers)
	}, ready)
	cancel()
	return errors.Join(err, g.Wait())
}

// work answers the requests of one partition until its claim ends.
func (r *Responder[Req, Resp]) work(ctx context.Context, claim *wire.Claim, answers *sender) error {
	from, err := r.b.position(ctx, claim, r.topic)
	if err != nil {
		return err
	}
	claim.Ready()
	idle, cancel := untilEnding(ctx, claim)
	defer cancel()
	done := newRecent(recentRequests)
	for {
		err := r.consume(ctx, idle, claim, answers, from, done)
		switch {
		case idle.Err() != nil && !isLost(err):
			return nil
		case !isRange(err):
			return err
		}
		if from, err = r.b.earliest(ctx, r.topic, claim.Partition); err != nil {
			return err
		}
	}
}

func (r *Responder[Req, Resp]) consume(ctx, idle context.Context, claim *wire.Claim, answers *sender, from int64, done *recent) error {
	in := r.b.newReader(r.topic, claim.Partition, from, r.client, false)
	defer in.close()
	for {
		for len(in.queue) == 0 {
			if err := in.wait(idle); err != nil {
				return err
			}
		}
		rec := in.pop(1)[0]
		if err := r.one(ctx, claim, answers, rec, done); err != nil {
			return err
		}
		if idle.Err() != nil {
			return nil
		}
	}
}

// one answers one request, and commits its position.
func (r *Responder[Req, Resp]) one(ctx context.Context, claim *wire.Claim, answers *sender, rec Record, done *recent) error {
	if !claim.Alive() {
		return errSuspended
	}
	if id := rec.header(headerCorrelation); id == "" || done.add(id) {
		if err := r.answer(ctx, answers, rec); err != nil {
			return err
		}
	}
	began := time.Now()
	err := r.b.k.Commit(ctx, wire.Offset{
		Member: claim.Member, Topic: r.b.topic(r.topic), Partition: claim.Partition, Next: rec.next,
	})
	r.b.m.commit.WithLabelValues(patternRPC, r.client).Observe(time.Since(began).Seconds())
	return err
}

// answer handles a request and sends the answer. A request that cannot be answered is logged and passed over.
func (r *Responder[Req, Resp]) answer(ctx context.Context, answers *sender, rec Record) (err error) {
	deadline := r.deadline(rec)
	if time.Now().After(deadline) {
		r.b.c.Telemetry.Log.Warn("pass over a request whose caller waits no more", "topic", r.topic,
			"correlation", rec.header(headerCorrelation), "deadline", deadline)
		return nil
	}
	reply, err := r.replyTo(ctx, rec)
	if err != nil {
		r.b.m.unreadable.WithLabelValues(r.client).Inc()
		r.b.c.Telemetry.Log.Error("pass over a request that cannot be answered", "topic", r.topic, "partition", rec.Partition,
			"offset", rec.Offset, "error", err)
		return nil
	}
	batch := []Record{rec}
	ctx, end := r.b.startProcess(ctx, r.topic, r.group, batch)
	defer func() { end(err) }()
	r.fill(ctx, &reply, batch[0], deadline)
	outs, err := r.b.encode(ctx, r.client, []Message{reply})
	if err != nil { // the handler's answer cannot be written
		failed := failureOf(err)
		reply.Value, reply.headers[0].value = failed, []byte(statusFailed)
		if outs, err = r.b.encode(ctx, r.client, []Message{reply}); err != nil {
			return err
		}
	}
	// The caller waits until its deadline: after that the answer is of no use.
	limited, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	if err := answers.send(limited, outs); err != nil {
		if ctx.Err() != nil {
			return err
		}
		r.b.c.Telemetry.Log.ErrorContext(ctx, "an answer could not be sent", "topic", r.topic,
			"correlation", rec.header(headerCorrelation), "error", err)
	}
	return nil
}

// fill lets the handler make the answer.
func (r *Responder[Req, Resp]) fill(ctx context.Context, reply *Message, rec Record, deadline time.Time) {
	status := statusFailed
	if req, err := Decode[Req](rec); err != nil {
		reply.Value = record.Failure{Type: "UnreadableRequestException", Message: err.Error()}
	} else {
		limited, cancel := context.WithDeadline(ctx, deadline)
		began := time.Now()
		resp, err := r.h(limited, req)
		r.b.m.process.WithLabelValues(patternRPC, r.client, "rpcResponder").Observe(time.Since(began).Seconds())
		cancel()
		if err != nil {
			reply.Value = failureOf(err)
		} else {
			reply.Value, status = resp, statusOK
		}
	}
	reply.headers = append([]header{{headerStatus, []byte(status)}}, reply.headers...)
}

// errNoReply is a request that cannot be answered.
var errNoReply = errors.New("it does not tell where to answer")

// replyTo is an answer that is still empty.
func (r *Responder[Req, Resp]) replyTo(ctx context.Context, rec Record) (Message, error) {
	topic, ok := strings.CutPrefix(rec.header(headerReplyTopic), r.b.c.TopicPrefix)
	if !ok || topic == "" {
		return Message{}, errNoReply
	}
	n, err := strconv.ParseInt(rec.header(headerReplyPartition), 10, 32)
	if err != nil {
		return Message{}, errNoReply
	}
	partitions, err := r.b.k.Partitions(ctx, r.b.topic(topic))
	if err != nil {
		return Message{}, err
	}
	if n < 0 || n >= int64(partitions) {
		return Message{}, fmt.Errorf("it is to be answered on partition %d of %s, which has %d", n, topic, partitions)
	}
	partition := int32(n)
	return Message{Topic: topic, Key: rec.header(headerCorrelation), partition: &partition, headers: []header{
		{headerCorrelation, []byte(rec.header(headerCorrelation))},
		{headerSender, []byte(rec.header(headerSender))},
	}}, nil
}

// deadline of a request; one that does not tell has Corda's default.
func (r *Responder[Req, Resp]) deadline(rec Record) time.Time {
	if ms, err := strconv.ParseInt(rec.header(headerDeadline), 10, 64); err == nil {
		return time.UnixMilli(ms)
	}
	return rec.Timestamp.Add(defaultTimeout)
}

// recentRequests is how many correlation ids a responder remembers for each partition: a caller that has sent a request
// twice, because the broker went away in between, has it handled once.
const recentRequests = 1_000

// recent is a set of the last n strings.
type recent struct {
	in   map[string]struct{}
	ring []string
	next int
}

func newRecent(n int) *recent { return &recent{map[string]struct{}{}, make([]string, n), 0} }

// add tells whether s is new.
func (r *recent) add(s string) bool {
	if _, known := r.in[s]; known {
		return false
	}
	delete(r.in, r.ring[r.next])
	r.ring[r.next] = s
	r.in[s] = struct{}{}
	r.next = (r.next + 1) % len(r.ring)
	return true
}
