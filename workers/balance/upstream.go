package balance

import (
	"context"
	"sync"
	"time"

	"github.com/cordage-sandbox/cordage/workers/role"
)

// upstream is one REST worker as the balancer sees it.
type upstream struct {
	role.Upstream

	mu       sync.Mutex
	ready    bool
	reason   string // why it is not ready
	inFlight int
	served   uint64
	gone     context.Context // ends when the upstream stops answering its monitor; a new one begins when it answers again
	leave    context.CancelFunc
}

func newUpstream(u role.Upstream) *upstream {
	up := &upstream{Upstream: u, reason: "not asked yet"}
	up.gone, up.leave = context.WithCancel(context.Background())
	return up
}

// view is an upstream in /status.
type view struct {
	Node     string `json:"node"`
	Address  string `json:"address"`
	Ready    bool   `json:"ready"`
	Reason   string `json:"reason"`
	InFlight int    `json:"inFlight"`
	Served   uint64 `json:"served"` // requests answered
}

func (u *upstream) view() view {
	u.mu.Lock()
	defer u.mu.Unlock()
	return view{u.Node, u.Address, u.ready, u.reason, u.inFlight, u.served}
}

// load is the number of requests in flight, and whether the upstream may get more.
func (u *upstream) load() (inFlight int, ready bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.inFlight, u.ready
}

// begin counts a request; lost ends when the upstream is found not to answer any more.
func (u *upstream) begin() (lost context.Context) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.inFlight++
	return u.gone
}

func (u *upstream) end(answered bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.inFlight--
	if answered {
		u.served++
	}
}

// setReady notes that the upstream is ready, or why it is not; it tells whether that is news.
func (u *upstream) setReady(ready bool, reason string) (changed bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	changed = u.ready != ready
	u.ready, u.reason = ready, reason
	if ready && u.gone.Err() != nil {
		u.gone, u.leave = context.WithCancel(context.Background())
	}
	return changed
}

// drop ends what waits for an answer of the upstream and can be tried elsewhere.
func (u *upstream) drop() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.leave()
}

// pool holds the upstreams; safe for concurrent use.
type pool struct {
	mu      sync.Mutex
	all     []*upstream
	turn    int           // breaks ties, so that idle upstreams take turns
	changed chan struct{} // closed and made anew when an upstream becomes ready, or the list changes
}

func newPool() *pool { return &pool{changed: make(chan struct{})} }

// list is a copy of the list.
func (p *pool) list() []*upstream {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*upstream(nil), p.all...)
}

// replace makes the list new. Upstreams that stay keep their state; it gives those that are new, and those that went.
func (p *pool) replace(wanted []role.Upstream) (added, removed []*upstream) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := map[role.Upstream]*upstream{}
	for _, u := range p.all {
		old[u.Upstream] = u
	}
	p.all = nil
	for _, w := range wanted {
		u, stays := old[w]
		if !stays {
			u = newUpstream(w)
			added = append(added, u)
		}
		delete(old, w)
		p.all = append(p.all, u)
	}
	for _, u := range old {
		removed = append(removed, u)
	}
	p.wakeLocked()
	return added, removed
}

// wake lets those look again who wait for an upstream.
func (p *pool) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wakeLocked()
}

func (p *pool) wakeLocked() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// pick gives the ready upstream with the fewest requests in flight, of those that were not tried yet if there is one. It
// waits for one at most for patience.
func (p *pool) pick(ctx context.Context, tried map[*upstream]bool, patience time.Duration) (*upstream, error) {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		u, changed := p.best(tried)
		if u != nil {
			return u, nil
		}
		select {
		case <-changed:
		case <-timeout.C:
			return nil, errNoneReady
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (p *pool) best(tried map[*upstream]bool) (*upstream, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn++
	var best *upstream
	bestTried, least := true, 0
	for i := range p.all {
		u := p.all[(p.turn+i)%len(p.all)]
		inFlight, ready := u.load()
		if !ready {
			continue
		}
		if best == nil || bestTried && !tried[u] || bestTried == tried[u] && inFlight < least {
			best, bestTried, least = u, tried[u], inFlight
		}
	}
	return best, p.changed
}
