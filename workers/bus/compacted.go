package bus

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Compacted is a compacted topic as a map: of each key the latest value. It reads all partitions, outside of any group, and
// anew from the beginning each time it is run. Safe for concurrent use.
//
// A record that cannot be read as a V is logged, counted and skipped: the earlier value stays. (Corda 5.0 takes it for
// a deletion.)
type Compacted[V any] struct {
	b      *Bus
	topic  string
	client string
	hear   []func(ctx context.Context, key string, old, new *V)
	apply  sync.Mutex // held while a change is made and heard, so that they are heard one at a time

	mu      sync.RWMutex
	all     map[string]V
	changed chan struct{} // closed, and made anew, at each change
}

// NewCompacted makes the map of a topic, whose records are Vs.
func NewCompacted[V any](b *Bus, topic string) *Compacted[V] {
	return &Compacted[V]{
		b: b, topic: topic, client: clientID(patternCompacted, b.c.Node, topic),
		all: map[string]V{}, changed: make(chan struct{}),
	}
}

// Get is the value of a key.
func (c *Compacted[V]) Get(key string) (V, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	v, ok := c.all[key]
	return v, ok
}

// All is a copy of the map.
func (c *Compacted[V]) All() map[string]V {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return maps.Clone(c.all)
}

// Len is the number of keys.
func (c *Compacted[V]) Len() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.all)
}

// OnChange adds a function that is called, one call at a time, for each key that is there at the start (old is nil), and
// then for each change, in order for each key: old is nil for a new key, new is nil for one that is deleted. What the
// start has is heard before ready. The map shows the change already. It must be called before Run.
func (c *Compacted[V]) OnChange(f func(ctx context.Context, key string, old, new *V)) {
	c.hear = append(c.hear, f)
}

// Await waits until cond holds. cond is asked at once and after changes, under a lock: it must be quick, and not keep or
// change the map, or call c. The error is ctx's.
func (c *Compacted[V]) Await(ctx context.Context, cond func(all map[string]V) bool) error {
	for {
		c.mu.RLock()
		ok, changed := cond(c.all), c.changed
		c.mu.RUnlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for a record on %s: %w", c.topic, context.Cause(ctx))
		}
	}
}

// AwaitKey waits until cond holds for the value of a key; see [Compacted.Await].
func (c *Compacted[V]) AwaitKey(ctx context.Context, key string, cond func(v V, ok bool) bool) error {
	return c.Await(ctx, func(all map[string]V) bool { v, ok := all[key]; return cond(v, ok) })
}

// Run reads the topic until ctx ends. It calls ready when all that was there at the start has been read.
func (c *Compacted[V]) Run(ctx context.Context, ready func()) error {
	if err := c.run(ctx, ready); err != nil && ctx.Err() == nil {
		return fmt.Errorf("compacted subscription to %s: %w", c.topic, err)
	}
	return nil
}

func (c *Compacted[V]) run(ctx context.Context, ready func()) error {
	from, err := c.b.k.Earliest(ctx, c.b.topic(c.topic))
	if err != nil {
		return err
	}
	end, err := c.b.k.Latest(ctx, c.b.topic(c.topic))
	if err != nil {
		return err
	}
	written, err := c.b.k.Written(ctx, c.b.topic(c.topic))
	if err != nil {
		return err
	}
	readers := make([]*reader, len(from))
	for p := range from {
		readers[p] = c.b.newReader(c.topic, int32(p), from[p], c.client, false) //nolint:gosec // a partition
		defer func() { readers[p].close() }()
	}
	start := map[string]V{}
	if err := c.loadUntil(ctx, start, readers, end); err != nil {
		return err
	}
	// Publish returns when the commit is decided; it is to be seen some milliseconds later. What was published before must
	// be there when the map is ready. A transaction that stays open, because its sender was killed, is not waited for.
	patient, cancel := context.WithTimeout(ctx, snapshotPatience)
	defer cancel()
	if err := c.loadUntil(patient, start, readers, written); err != nil && patient.Err() == nil {
		return err
	}
	for _, r := range readers {
		r.chunks.dropAll() // values are sent in one transaction: what is not complete now never will be
	}
	c.begin(ctx, start)
	ready()
	g, ctx := errgroup.WithContext(ctx)
	for p := range readers {
		g.Go(func() error { return c.follow(ctx, &readers[p]) })
	}
	return g.Wait()
}

// snapshotPatience is how long a start waits for transactions that are being committed.
const snapshotPatience = time.Second

// loadUntil reads each partition up to its end.
func (c *Compacted[V]) loadUntil(ctx context.Context, start map[string]V, readers []*reader, end []int64) error {
	for p := range readers {
		for readers[p].next < end[p] {
			err := readers[p].wait(ctx)
			if isRange(err) { // its beginning was deleted meanwhile
				readers[p], err = c.again(ctx, readers[p])
			}
			if err != nil {
				return err
			}
			c.load(start, readers[p])
		}
	}
	return nil
}

// again reads a partition from its beginning.
func (c *Compacted[V]) again(ctx context.Context, r *reader) (*reader, error) {
	r.close()
	from, err := c.b.earliest(ctx, c.topic, r.partition)
	return c.b.newReader(c.topic, r.partition, from, c.client, false), err
}

// load takes what a reader has into a map that nobody sees yet.
func (c *Compacted[V]) load(start map[string]V, r *reader) {
	for _, rec := range r.pop(len(r.queue)) {
		if rec.Value == nil && rec.broken == nil {
			delete(start, rec.Key)
		} else if v, err := Decode[V](rec); err != nil {
			c.skip(err)
		} else {
			start[rec.Key] = v
		}
	}
}

func (c *Compacted[V]) skip(err error) {
	c.b.m.unreadable.WithLabelValues(c.client).Inc()
	c.b.c.Telemetry.Log.Error("skip a record of a compacted topic; the earlier value stays", "topic", c.topic, "error", err)
}

// begin shows what was read at the start. When it is not the first start, what is gone is heard as deleted.
func (c *Compacted[V]) begin(ctx context.Context, start map[string]V) {
	c.apply.Lock()
	defer c.apply.Unlock()
	c.mu.Lock()
	before := c.all
	c.all = start
	c.mu.Unlock()
	c.show()
	if len(c.hear) == 0 {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(before)) {
		if _, still := start[key]; !still {
			old := before[key]
			c.tell(ctx, key, &old, nil)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(start)) {
		now := start[key]
		if old, was := before[key]; was {
			c.tell(ctx, key, &old, &now)
		} else {
			c.tell(ctx, key, nil, &now)
		}
	}
}

func (c *Compacted[V]) tell(ctx context.Context, key string, old, now *V) {
	for _, f := range c.hear {
		f(ctx, key, old, now)
	}
}

// follow takes each further record of a partition.
func (c *Compacted[V]) follow(ctx context.Context, at **reader) error {
	for {
		r := *at
		for _, rec := range r.pop(len(r.queue)) {
			c.change(ctx, rec)
		}
		err := r.wait(ctx)
		if isRange(err) {
			*at, err = c.again(ctx, r)
		}
		if err != nil {
			return err
		}
	}
}

func (c *Compacted[V]) change(ctx context.Context, rec Record) {
	var now *V
	if rec.Value != nil || rec.broken != nil {
		v, err := Decode[V](rec)
		if err != nil {
			c.skip(err)
			return
		}
		now = &v
	}
	c.apply.Lock()
	defer c.apply.Unlock()
	var old *V
	c.mu.Lock()
	if v, was := c.all[rec.Key]; was {
		old = &v
	}
	if now != nil {
		c.all[rec.Key] = *now
	} else {
		delete(c.all, rec.Key)
	}
	c.mu.Unlock()
	c.show()
	if old != nil || now != nil {
		c.tell(rec.Context(ctx), rec.Key, old, now)
	}
}

// show wakes those that wait for a change.
func (c *Compacted[V]) show() {
	c.mu.Lock()
	close(c.changed)
	c.changed = make(chan struct{})
	n := len(c.all)
	c.mu.Unlock()
	c.b.m.compacted.WithLabelValues(patternCompacted, c.client).Set(float64(n))
}
