package bus

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// Tail hears every record that is sent to a topic from the moment it is ready. It is in no group, and remembers no
// position: what is sent while it does not run is not heard.
type Tail struct {
	b      *Bus
	topic  string
	client string
	hear   func(Record)
}

// Tail makes the subscription. hear is called in order for each key, at the same time for different partitions.
func (b *Bus) Tail(topic string, hear func(Record)) *Tail {
	return &Tail{b, topic, clientID(patternTail, b.c.Node, topic), hear}
}

// Run hears records until ctx ends.
func (t *Tail) Run(ctx context.Context, ready func()) error {
	end, err := t.b.k.Latest(ctx, t.b.topic(t.topic))
	if err == nil {
		g, ctx := errgroup.WithContext(ctx)
		for p := range end {
			g.Go(func() error { return t.follow(ctx, int32(p), end[p]) }) //nolint:gosec // a partition
		}
		ready()
		err = g.Wait()
	}
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("subscription to %s: %w", t.topic, err)
	}
	return nil
}

func (t *Tail) follow(ctx context.Context, partition int32, from int64) error {
	r := t.b.newReader(t.topic, partition, from, t.client, false)
	defer func() { r.close() }()
	for {
		err := r.wait(ctx)
		if isRange(err) {
			if from, err = t.b.earliest(ctx, t.topic, partition); err == nil {
				r.close()
				r = t.b.newReader(t.topic, partition, from, t.client, false)
				continue
			}
		}
		if err != nil {
			return err
		}
		for _, rec := range r.pop(len(r.queue)) {
			t.hear(rec)
		}
	}
}
