package bus

import "context"

// Compacted is a compacted topic as a map; safe for concurrent use.
type Compacted[V any] struct{}

// NewCompacted makes the map of a topic, whose records are Vs.
func NewCompacted[V any](b *Bus, topic string) *Compacted[V] { return &Compacted[V]{} }

// Run reads the topic until ctx ends. It calls ready when all that was there at the start has been read.
func (c *Compacted[V]) Run(ctx context.Context, ready func()) error { return errSoon }

// Get is the value of a key.
func (c *Compacted[V]) Get(key string) (V, bool) { var v V; return v, false }

// All is a copy of the map.
func (c *Compacted[V]) All() map[string]V { return nil }

// Len is the number of keys.
func (c *Compacted[V]) Len() int { return 0 }

// OnChange adds a function that is called for each change, in order for each key, from the first record on: old is nil
// for a new key, new is nil for one that is deleted. It must be called before Run.
func (c *Compacted[V]) OnChange(f func(ctx context.Context, key string, old, new *V)) {}

// Await waits until cond holds. cond is asked at once and after each change; it must not keep or change the map.
func (c *Compacted[V]) Await(ctx context.Context, cond func(all map[string]V) bool) error {
	return errSoon
}

// AwaitKey waits until cond holds for the value of a key.
func (c *Compacted[V]) AwaitKey(ctx context.Context, key string, cond func(v V, ok bool) bool) error {
	return errSoon
}
