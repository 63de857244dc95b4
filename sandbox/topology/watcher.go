package topology

import (
	"context"
	"sync"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// Watcher observes as long as somebody listens: one observer for all. Safe for concurrent use.
type Watcher struct {
	source func() Source

	mu        sync.Mutex
	listeners map[chan sandbox.Topology]struct{}
	stop      context.CancelFunc // of the observer that runs
	ended     chan struct{}      // closed when that observer has ended
	latest    *sandbox.Topology
}

// NewWatcher makes a watcher; source is asked for each observation.
func NewWatcher(source func() Source) *Watcher {
	return &Watcher{source: source, listeners: map[chan sandbox.Topology]struct{}{}}
}

// Follow gives what is observed about once a second, until ctx ends or each fails. A listener that is too slow misses
// observations.
func (w *Watcher) Follow(ctx context.Context, each func(sandbox.Topology) error) error {
	mine := make(chan sandbox.Topology, 1)
	w.join(mine)
	defer w.leave(mine)
	for {
		select {
		case t := <-mine:
			if err := each(t); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// Once is what is observed now; while somebody follows, what they got last.
func (w *Watcher) Once(ctx context.Context) sandbox.Topology {
	w.mu.Lock()
	latest := w.latest
	w.mu.Unlock()
	if latest != nil {
		return *latest
	}
	return Observe(ctx, w.source())
}

func (w *Watcher) join(mine chan sandbox.Topology) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listeners[mine] = struct{}{}
	if w.latest != nil {
		mine <- *w.latest
	}
	if w.stop != nil {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	before, ended := w.ended, make(chan struct{})
	w.stop, w.ended = stop, ended
	go func() {
		defer close(ended)
		if before != nil {
			<-before // the one before is closing its connections
		}
		w.observe(ctx)
	}()
}

func (w *Watcher) leave(mine chan sandbox.Topology) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.listeners, mine)
	if len(w.listeners) == 0 {
		w.stop()
		w.stop, w.latest = nil, nil
	}
}

// gentle is how many times as long as a look took is at least between it and the next: what is slow, because there is much of
// it, is looked at more seldom.
const gentle = 4

// firstLimit is how long the first observation waits for parts that are slow.
const firstLimit = time.Second

// observe looks at each part in a goroutine of its own, and tells the listeners once a second.
func (w *Watcher) observe(ctx context.Context) {
	o := newObserver()
	var g sync.WaitGroup
	looked := make(chan struct{}, 1)
	for _, p := range o.parts() {
		g.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				found := o.look(ctx, p, w.source())
				select {
				case looked <- struct{}{}:
				default:
				}
				took := time.Since(began)
				rest := p.every - took
				if found {
					rest = max(rest, took*gentle)
				}
				pause(ctx, rest)
			}
		})
	}
	patience := time.After(firstLimit)
	for waiting := true; waiting && !o.complete(); {
		select {
		case <-looked:
		case <-patience:
			waiting = false
		case <-ctx.Done():
			waiting = false
		}
	}
	for ctx.Err() == nil {
		w.tell(ctx, o.compose(w.source()))
		pause(ctx, lookEvery)
	}
	g.Wait()
	o.close()
}

// tell gives an observation to all listeners, in the place of one that they have not taken.
func (w *Watcher) tell(ctx context.Context, t sandbox.Topology) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ctx.Err() != nil {
		return // nobody listens any more, or another observer does this
	}
	w.latest = &t
	for l := range w.listeners {
		select {
		case <-l:
		default:
		}
		l <- t
	}
}

// pause waits, at least for a moment.
func pause(ctx context.Context, d time.Duration) {
	const least = 50 * time.Millisecond
	timer := time.NewTimer(max(least, d))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
