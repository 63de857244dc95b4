package screen

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
)

// Feed reads a stream in the background and hands it to Update in batches, so that a thousand elements a second are a few
// messages. If the stream ends or fails it is opened again, with growing pauses, until Close.
//
//	v.feed = screen.Follow(screen.FeedOptions{Most: 1000}, v.source.Messages)   // in a command's stead: it does not block
//	return v, v.feed.Next()
//	case screen.FeedMsg[sandbox.Message]:
//		if msg.Feed != v.feed { return v, nil }   // of a feed that has been closed
//		…
//		return v, v.feed.Next()
type Feed[T any] struct {
	cancel context.CancelFunc
	wake   chan struct{}
	done   chan struct{}

	mu      sync.Mutex
	items   []T
	dropped int
	opened  bool // the stream was opened anew since the last batch
	err     error
	most    int
	every   time.Duration
	last    time.Time // of a batch; only Next's commands use it, one after the other
}

// FeedOptions bound a feed.
type FeedOptions struct {
	Most  int           // elements kept until the next batch; older ones are dropped and counted; 0: 2,000
	Every time.Duration // least time between batches; 0: 50 ms
}

// FeedMsg is a batch.
type FeedMsg[T any] struct {
	Feed    *Feed[T]
	Items   []T
	Dropped int   // elements lost because more came than are kept
	Opened  bool  // the stream begins anew before these items: what it gave before may come again
	Err     error // why the stream broke, after these items: ErrEnded if it ended by itself; nil while it goes on
}

// Streamed marks messages of feeds, which are followed by others without end.
func (FeedMsg[T]) Streamed() {}

// ErrEnded says that a stream has ended by itself: what it came from has, or it was all.
var ErrEnded = errors.New("the stream has ended")

// Pauses between attempts to open a stream.
const (
	firstPause = 200 * time.Millisecond
	mostPause  = 2 * time.Second
)

// Follow starts a feed of what open gives.
func Follow[T any](o FeedOptions, open func(ctx context.Context) iter.Seq2[T, error]) *Feed[T] {
	ctx, cancel := context.WithCancel(context.Background())
	f := &Feed[T]{cancel: cancel, wake: make(chan struct{}, 1), done: make(chan struct{}), most: o.Most, every: o.Every}
	if f.most <= 0 {
		f.most = 2000
	}
	if f.every <= 0 {
		f.every = 50 * time.Millisecond
	}
	go f.run(ctx, open)
	return f
}

// Close ends the feed; a command that waits for its next batch returns nil.
func (f *Feed[T]) Close() {
	if f != nil {
		f.cancel()
	}
}

// Next waits for the next batch. A nil feed has none.
func (f *Feed[T]) Next() tea.Cmd {
	if f == nil {
		return nil
	}
	return func() tea.Msg {
		select {
		case <-f.wake:
		case <-f.done:
			return nil
		}
		if wait := f.every - time.Since(f.last); wait > 0 { // let more arrive
			select {
			case <-time.After(wait):
			case <-f.done:
				return nil
			}
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.last = time.Now()
		m := FeedMsg[T]{Feed: f, Items: f.items, Dropped: f.dropped, Opened: f.opened, Err: f.err}
		f.items, f.dropped, f.opened, f.err = nil, 0, false, nil
		return m
	}
}

func (f *Feed[T]) run(ctx context.Context, open func(ctx context.Context) iter.Seq2[T, error]) {
	defer close(f.done)
	for pause := firstPause; ; pause = min(2*pause, mostPause) {
		first, broken := true, false
		for item, err := range open(ctx) {
			if err == nil {
				f.put(item, first)
				first, pause = false, firstPause
			} else if ctx.Err() == nil {
				f.fail(err)
				broken = true
				break
			}
			if ctx.Err() != nil {
				return
			}
		}
		if !broken && ctx.Err() == nil {
			f.fail(ErrEnded)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

func (f *Feed[T]) put(item T, first bool) {
	f.mu.Lock()
	if first {
		f.items, f.opened, f.err = nil, true, nil
	}
	if len(f.items) >= f.most {
		drop := max(1, f.most/10) // not one by one: each moves all
		f.items = append(f.items[:0], f.items[drop:]...)
		f.dropped += drop
	}
	f.items = append(f.items, item)
	f.mu.Unlock()
	f.signal()
}

func (f *Feed[T]) fail(err error) {
	f.mu.Lock()
	f.err = err
	f.mu.Unlock()
	f.signal()
}

func (f *Feed[T]) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}
