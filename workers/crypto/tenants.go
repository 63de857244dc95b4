package crypto

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/record"
)

// tenants sees to the wrapping keys that nobody asks for: those of the cluster's own tenants, and those of every virtual
// node that is published. A node whose database is away is tried again for as long as it takes.
type tenants struct {
	hsm *softHSM
	log *slog.Logger

	mu      sync.Mutex
	waiting map[string]record.VirtualNodeInfo // by key of virtual.node.info
	more    chan struct{}
}

func newTenants(hsm *softHSM, nodes *bus.Compacted[record.VirtualNodeInfo], log *slog.Logger) *tenants {
	t := &tenants{hsm: hsm, log: log, waiting: map[string]record.VirtualNodeInfo{}, more: make(chan struct{}, 1)}
	nodes.OnChange(func(_ context.Context, key string, old, node *record.VirtualNodeInfo) {
		if node != nil && node.CryptoDML != "" && (old == nil || old.CryptoDML != node.CryptoDML) {
			t.put(key, *node)
		}
	})
	return t
}

func (t *tenants) put(key string, node record.VirtualNodeInfo) {
	t.mu.Lock()
	t.waiting[key] = node
	t.mu.Unlock()
	select {
	case t.more <- struct{}{}:
	default:
	}
}

// take empties the list.
func (t *tenants) take() map[string]record.VirtualNodeInfo {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.waiting
	t.waiting = map[string]record.VirtualNodeInfo{}
	return all
}

// Rests between attempts, and the number of nodes at work at the same time.
const (
	retryFirst = 100 * time.Millisecond
	retryLast  = 5 * time.Second
	atATime    = 2
)

// runCluster makes the keys of the cluster's tenants for all categories, then rests. It is ready when they are there.
//
// Source: Corda 5.0, which gives up after seven attempts.
func (t *tenants) runCluster(ctx context.Context, ready func()) error {
	return t.hsm.masters.behind(func(ctx context.Context, ready func()) error {
		for wait := retryFirst; ; wait = min(2*wait, retryLast) {
			err := t.cluster(ctx)
			if err == nil {
				ready()
				<-ctx.Done()
				return nil
			}
			if ctx.Err() == nil {
				t.log.WarnContext(ctx, "the cluster's wrapping keys cannot be made yet", "error", err, "again", wait.String())
			}
			if !pause(ctx, wait) {
				return nil
			}
		}
	})(ctx, ready)
}

func (t *tenants) cluster(ctx context.Context) error {
	db, err := t.hsm.cluster(ctx)
	if err != nil {
		return err
	}
	for _, tenant := range clusterTenants {
		if _, err := t.hsm.assign(ctx, tenant, db, categories...); err != nil {
			return err
		}
	}
	return nil
}

// Run makes the keys of virtual nodes until ctx ends. Those that failed do not keep new ones waiting.
func (t *tenants) Run(ctx context.Context, ready func()) error {
	ready()
	return t.hsm.masters.behind(t.makeAll)(ctx, ready)
}

func (t *tenants) makeAll(ctx context.Context, _ func()) error {
	failed := map[string]record.VirtualNodeInfo{}
	wait := retryFirst
	for {
		var again <-chan time.Time
		if len(failed) > 0 {
			again, wait = time.After(wait), min(2*wait, retryLast)
		} else {
			wait = retryFirst
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.more:
			maps.Copy(failed, t.nodes(ctx, t.take()))
		case <-again:
			failed = t.nodes(ctx, failed)
		}
	}
}

// nodes makes the keys of some nodes, and gives those for which it failed.
func (t *tenants) nodes(ctx context.Context, all map[string]record.VirtualNodeInfo) map[string]record.VirtualNodeInfo {
	var mu sync.Mutex
	failed := map[string]record.VirtualNodeInfo{}
	var work errgroup.Group
	work.SetLimit(atATime)
	for key, node := range all {
		work.Go(func() error {
			if _, err := t.hsm.assignNode(ctx, node); err != nil && ctx.Err() == nil {
				t.log.WarnContext(ctx, "a virtual node's wrapping key cannot be made yet", "virtualNode", node.HoldingIdentity.ShortHash(), "error", err)
				mu.Lock()
				failed[key] = node
				mu.Unlock()
			}
			return nil
		})
	}
	_ = work.Wait() // none of them fails
	return failed
}
