package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/cordage-sandbox/cordage/workers/bus/wire"
)

// DurableConfig is a durable subscription.
type DurableConfig struct {
	Group    string // without prefix
	Topic    string
	MaxBatch int           // records that the handler is given at once, at most; 0 means 500
	Linger   time.Duration // how long a batch that is not full waits for more; 0: not at all
	Patience time.Duration // how long a batch whose handling fails is tried again; 0 means 2 min
}

const (
	defaultBatch    = 500
	defaultPatience = 2 * time.Minute
	maxBatchBytes   = 4 << 20 // a batch that has as much takes no more records

	firstPause = 20 * time.Millisecond // before a failed batch is tried again; then longer
	lastPause  = 2 * time.Second
)

// Handler handles records of one partition, in order, and gives the records to be sent in answer. When it returns an
// error it is called again with the same records after a while. When ctx ends it should return: the partition is not
// this worker's any more, and what it gives is not sent.
type Handler func(ctx context.Context, batch []Record) ([]Message, error)

// Durable consumes a topic in a group and sends what the handler gives exactly once: that, and the group's position, are
// committed in one transaction. The handler's other effects must bear to be repeated: what it has written to a database
// stays, although the transaction in Kafka may fail.
//
// Each partition has a goroutine, and a transactional id of its own, so that whoever gets a partition ends the
// transaction of whoever had it.
type Durable struct {
	b *Bus
	c DurableConfig
	h Handler

	client string
}

// Durable makes the subscription.
func (b *Bus) Durable(c DurableConfig, h Handler) *Durable {
	c.MaxBatch = cmp.Or(c.MaxBatch, defaultBatch)
	c.Patience = cmp.Or(c.Patience, defaultPatience)
	return &Durable{b, c, h, clientID(patternDurable, c.Group, c.Topic)}
}

// Run consumes until ctx ends, and lets the batch in hand be finished then. It calls ready when this member of the group
// has its partitions, which may be none, and knows where to read on. It fails when a batch cannot be handled within
// its patience.
func (d *Durable) Run(ctx context.Context, ready func()) error {
	err := d.b.k.RunGroup(ctx, d.b.groupConfig(d.c.Group, d.c.Topic), d.work, ready)
	if err != nil {
		return fmt.Errorf("durable subscription of %s to %s: %w", d.c.Group, d.c.Topic, err)
	}
	return nil
}

func (b *Bus) groupConfig(group, topic string) wire.GroupConfig {
	g := wire.GroupConfig{Group: b.c.TopicPrefix + group, Topic: b.topic(topic)}
	if b.c.Node != "" {
		g.Instance = b.c.TopicPrefix + b.c.Node + "--" + topic
	}
	return g
}

// work consumes one partition until its claim ends.
func (d *Durable) work(ctx context.Context, claim *wire.Claim) error {
	id := fmt.Sprintf("%s%s-%s-%d", d.b.c.TopicPrefix, d.c.Group, d.c.Topic, claim.Partition)
	// First the producer: with it ends what the partition's last owner may still be doing. Then the position is final.
	producer, err := d.b.k.NewProducer(ctx, id)
	if err != nil {
		return err
	}
	from, err := d.b.position(ctx, claim, d.c.Topic)
	if err != nil {
		return err
	}
	claim.Ready()
	idle, cancel := untilEnding(ctx, claim)
	defer cancel()
	for {
		from, err = d.consume(ctx, idle, claim, producer, from)
		switch {
		case errors.Is(err, errEnding), idle.Err() != nil && !isLost(err):
			return nil
		case !isRange(err):
			return err
		}
		d.b.c.Telemetry.Log.Error("the group's position is not in the log; reading on at its beginning",
			"group", d.c.Group, "topic", d.c.Topic, "partition", claim.Partition, "position", from)
		if from, err = d.b.earliest(ctx, d.c.Topic, claim.Partition); err != nil {
			return err
		}
	}
}

// errSuspended keeps a process that was suspended from working on what others may have by now. Kafka would not commit its
// transaction, but what a handler writes to a database would stay.
var errSuspended = fmt.Errorf("%w: the coordinator has not heard of this process for too long", wire.ErrLost)

// errEnding is what is left undone because the claim is ending.
var errEnding = errors.New("the partition is given up")

func isLost(err error) bool {
	return errors.Is(err, wire.ErrFenced) || errors.Is(err, wire.ErrLost) || errors.Is(err, wire.ErrInstanceFenced)
}

// untilEnding is a context that ends when the claim is ending.
func untilEnding(ctx context.Context, claim *wire.Claim) (context.Context, context.CancelFunc) {
	idle, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-claim.Ending:
			cancel()
		case <-idle.Done():
		}
	}()
	return idle, cancel
}

// position is where a group reads on in a partition.
func (b *Bus) position(ctx context.Context, claim *wire.Claim, topic string) (int64, error) {
	from, err := b.k.Committed(ctx, claim.Member.Group, b.topic(topic), claim.Partition)
	if err == nil && from < 0 {
		return b.earliest(ctx, topic, claim.Partition)
	}
	return from, err
}

func (b *Bus) earliest(ctx context.Context, topic string, partition int32) (int64, error) {
	all, err := b.k.Earliest(ctx, b.topic(topic))
	if err != nil {
		return 0, err
	}
	return all[partition], nil
}

// consume handles batches from a position on, until idle ends or something fails. It gives the position behind the last
// one that was committed.
func (d *Durable) consume(ctx, idle context.Context, claim *wire.Claim, p *wire.Producer, from int64) (int64, error) {
	r := d.b.newReader(d.c.Topic, claim.Partition, from, d.client, true)
	defer r.close()
	size := d.b.m.batch.WithLabelValues(d.client, strconv.Itoa(int(claim.Partition)))
	for {
		batch, err := d.gather(idle, r)
		if err != nil {
			return from, err
		}
		if !claim.Alive() {
			return from, errSuspended
		}
		size.Observe(float64(len(batch)))
		if err := d.process(ctx, claim, p, batch); err != nil {
			return from, err
		}
		from = batch[len(batch)-1].next
		if idle.Err() != nil {
			return from, nil
		}
	}
}

// gather waits for records, and takes those that are there.
func (d *Durable) gather(idle context.Context, r *reader) ([]Record, error) {
	for len(r.queue) == 0 {
		if err := r.wait(idle); err != nil {
			return nil, err
		}
	}
	room := func() bool { return len(r.queue) < d.c.MaxBatch && bytesOf(r.queue) < maxBatchBytes }
	if d.c.Linger > 0 {
		patient, cancel := context.WithTimeout(idle, d.c.Linger)
		defer cancel()
		for room() && r.wait(patient) == nil { //nolint:revive // all is in the condition
		}
	}
	for room() && r.more() { //nolint:revive // all is in the condition
	}
	return r.pop(d.c.MaxBatch), nil
}

func bytesOf(records []Record) int {
	n := 0
	for i := range records {
		n += len(records[i].Value)
	}
	return n
}

// process handles a batch, and commits it with what the handler gives.
func (d *Durable) process(ctx context.Context, claim *wire.Claim, p *wire.Producer, batch []Record) (err error) {
	ctx, end := d.b.startProcess(ctx, d.c.Topic, d.c.Group, batch)
	defer func() { end(err) }()
	var outs []wire.Out
	err = d.patiently(ctx, "handle", claim, batch, func() error {
		began := time.Now()
		msgs, err := d.h(ctx, batch)
		d.b.m.process.WithLabelValues(patternDurable, d.client, "batchProcess").Observe(time.Since(began).Seconds())
		if err != nil {
			return err
		}
		outs, err = d.b.encode(ctx, d.client, msgs)
		return err
	})
	if err != nil {
		return err
	}
	offset := &wire.Offset{
		Member: claim.Member, Topic: d.b.topic(d.c.Topic), Partition: claim.Partition, Next: batch[len(batch)-1].next,
	}
	return d.patiently(ctx, "commit", claim, batch, func() error {
		began := time.Now()
		err := p.Transact(ctx, outs, offset)
		d.b.m.commit.WithLabelValues(patternDurable, d.client).Observe(time.Since(began).Seconds())
		if err == nil {
			d.b.count(outs)
		}
		return err
	})
}

// patiently tries again what fails, until the subscription's patience is at its end, or the partition is lost.
func (d *Durable) patiently(ctx context.Context, what string, claim *wire.Claim, batch []Record, try func() error) error {
	began := time.Now()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := try()
		if err == nil || isLost(err) || ctx.Err() != nil {
			return err
		}
		first := batch[0]
		log := d.b.c.Telemetry.Log.With("group", d.c.Group, "topic", d.c.Topic, "partition", first.Partition,
			"offset", first.Offset, "records", len(batch), "error", err)
		if time.Since(began) > d.c.Patience {
			return fmt.Errorf("%s records from %s/%d offset %d on, for %v: %w", what, d.c.Topic, first.Partition, first.Offset,
				d.c.Patience, err)
		}
		log.WarnContext(ctx, what+" records again", "in", pause)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-claim.Ending: // whoever has the partition next may do better
			timer.Stop()
			return errEnding
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}
