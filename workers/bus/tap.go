package bus

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"
)

// TapConfig says what a [Tap] hears.
type TapConfig struct {
	Topics []string // without prefix
	Last   int      // so many of the latest records of each partition come first, or somewhat fewer or more
}

// Tap hears the records of several topics for people who look at them. Like [Tail] it is in no group, and remembers no
// position. A large value is heard when its last chunk has come.
type Tap struct {
	b      *Bus
	c      TapConfig
	client string
	hear   func(Record)
}

// Tap makes the subscription. hear is called in order for each partition, at the same time for different ones.
func (b *Bus) Tap(c TapConfig, hear func(Record)) *Tap {
	return &Tap{b, c, clientID("TAP", b.c.Node, "*"), hear}
}

// Run hears records until ctx ends. It calls ready when those that were there at the start have been heard.
func (t *Tap) Run(ctx context.Context, ready func()) error {
	var behind sync.WaitGroup // one for each partition that is not at its end yet
	g, ctx := errgroup.WithContext(ctx)
	for _, topic := range t.c.Topics {
		from, end, err := t.span(ctx, topic)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("tap %s: %w", topic, err)
		}
		for p := range end {
			behind.Add(1)
			//nolint:gosec // a partition
			g.Go(func() error { return t.follow(ctx, topic, int32(p), from[p], end[p], sync.OnceFunc(behind.Done)) })
		}
	}
	g.Go(func() error {
		behind.Wait()
		if ctx.Err() == nil {
			ready()
		}
		return nil
	})
	if err := g.Wait(); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// span is where to read each partition of a topic from, and where its end is.
func (t *Tap) span(ctx context.Context, topic string) (from, end []int64, err error) {
	if end, err = t.b.k.Latest(ctx, t.b.topic(topic)); err != nil {
		return nil, nil, err
	}
	if t.c.Last <= 0 {
		return end, end, nil
	}
	if from, err = t.b.k.Earliest(ctx, t.b.topic(topic)); err != nil {
		return nil, nil, err
	}
	for p := range min(len(from), len(end)) {
		// A transaction of one record, the most common one, has two offsets: the other is that of its marker.
		from[p] = max(from[p], end[p]-2*int64(t.c.Last))
	}
	return from[:min(len(from), len(end))], end[:min(len(from), len(end))], nil
}

func (t *Tap) follow(ctx context.Context, topic string, partition int32, from, end int64, there func()) (err error) {
	defer there()
	r := t.b.newReader(topic, partition, from, t.client, false)
	defer func() { r.close() }()
	for {
		if r.next >= end {
			there()
		}
		err := r.wait(ctx)
		if isRange(err) { // its beginning was deleted meanwhile
			if from, err = t.b.earliest(ctx, topic, partition); err == nil {
				r.close()
				r = t.b.newReader(topic, partition, from, t.client, false)
				continue
			}
		}
		if err != nil {
			return fmt.Errorf("tap %s: %w", topic, err)
		}
		for _, rec := range r.pop(len(r.queue)) {
			t.hear(rec)
		}
	}
}

// Headers are the record's headers but for its type and its trace.
func (r Record) Headers() map[string]string {
	headers := make(map[string]string, len(r.headers))
	for _, h := range r.headers {
		headers[h.key] = string(h.value)
	}
	return headers
}

// TraceID is the id of the trace that the record belongs to, 32 hex digits; empty if there is none.
func (r Record) TraceID() string {
	if !r.trace.HasTraceID() {
		return ""
	}
	return r.trace.TraceID().String()
}

// Broken says why Value is not what was sent: chunks of it are missing. It is nil for all others.
func (r Record) Broken() error { return r.broken }
