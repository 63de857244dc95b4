package balance

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// How often an upstream's monitor is asked, and how long it may take. An upstream that refuses connections is also found
// by the first request that meets it.
const (
	askEvery   = 250 * time.Millisecond
	askTimeout = time.Second
	// deadAfter so many questions without any answer, what waits for the upstream and can be tried elsewhere is.
	deadAfter = 2
)

// health watches the upstreams' monitors.
type health struct {
	pool    *pool
	client  *http.Client
	metrics *metrics
	news    func(u *upstream, ready bool, reason string) // called when an upstream becomes ready, or is not any more
}

// watch asks an upstream's monitor until ctx ends.
func (h *health) watch(ctx context.Context, u *upstream) {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for silent := 0; ; {
		answered, reason := h.ask(ctx, u.Monitor)
		if ctx.Err() != nil {
			return
		}
		h.note(u, reason == "", reason)
		if answered {
			silent = 0
		} else if silent++; silent == deadAfter {
			u.drop()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// note enters what was found out about an upstream.
func (h *health) note(u *upstream, ready bool, reason string) {
	if !u.setReady(ready, reason) {
		return
	}
	h.metrics.setReady(u.Node, ready)
	h.news(u, ready, reason)
	if ready {
		h.pool.wake()
	}
}

// ask gives an empty reason if the worker is ready; answered tells whether its monitor answered at all.
func (h *health) ask(ctx context.Context, monitor string) (answered bool, reason string) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+monitor+"/status", nil)
	if err != nil {
		return false, err.Error()
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return false, "its monitor does not answer: " + err.Error()
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16)) //nolint:errcheck // only the status matters; reading on keeps the connection
	if resp.StatusCode != http.StatusOK {
		return true, fmt.Sprintf("its monitor answers %d", resp.StatusCode)
	}
	return true, ""
}

// watchers are the goroutines that watch, one for each upstream.
type watchers struct {
	health *health
	wait   sync.WaitGroup
	stop   map[*upstream]context.CancelFunc // used by the goroutine that reloads only
}

func (w *watchers) start(ctx context.Context, u *upstream) {
	ctx, cancel := context.WithCancel(ctx)
	w.stop[u] = cancel
	w.wait.Go(func() { w.health.watch(ctx, u) })
}

func (w *watchers) end(u *upstream) {
	w.stop[u]()
	delete(w.stop, u)
	w.health.metrics.forget(u.Node)
}
