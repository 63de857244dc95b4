package main

import (
	"context"
	"fmt"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
)

const (
	megabyte    = 1e6 // bytes
	workerLimit = 40  // MB
)

// usageAge is how old the supervisor's word on a node's memory and processor time may be, and a bit: it looks every 5 s.
const usageAge = 6 * time.Second

// rest waits until nothing that the supervisor tells is older than the call.
func rest(ctx context.Context) error {
	timer := time.NewTimer(usageAge)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// measureMemory reads the resident memory of each process of a sandbox of which nothing is asked: after the start, and
// again after it has worked, since a process that has just started has not yet touched all that it will keep.
func measureMemory(ctx context.Context, b *bench, s *section) error {
	r, err := b.up(ctx)
	if err != nil {
		return err
	}
	if err := b.addMemory(ctx, r, s, "after the start"); err != nil {
		return err
	}
	if err := b.upload(ctx, r); err != nil {
		return err
	}
	nodes := b.pick(20, 2)
	for range nodes {
		if _, err := b.create(ctx, r, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return b.addMemory(ctx, r, s, fmt.Sprintf("after a CPI and %d virtual nodes", nodes))
}

// addMemory looks each time the supervisor has looked, after a while in which what the work before has left behind can be
// collected.
func (b *bench) addMemory(ctx context.Context, r *running, s *section, when string) error {
	settle, looks := b.pick(4, 0), b.pick(5, 1)
	resident := map[string]*sample{}
	var nodes []sandbox.Node
	var err error
	for i := range settle + looks {
		if err := rest(ctx); err != nil {
			return err
		}
		if i < settle {
			continue
		}
		if nodes, err = r.supervisor.Nodes(ctx); err != nil {
			return err
		}
		for _, n := range nodes {
			if n.RSS == 0 {
				return fmt.Errorf("the memory of node %s is not known", n.Name)
			}
			if resident[n.Name] == nil {
				resident[n.Name] = &sample{unit: "MB"}
			}
			resident[n.Name].add(float64(n.RSS) / megabyte)
		}
	}
	for _, n := range nodes {
		figure := fmt.Sprintf("`%s`, %s", n.Name, when)
		if n.Kind == sandbox.Worker {
			s.atMost(figure, resident[n.Name], workerLimit, "", "")
		} else {
			s.plain(figure, resident[n.Name], "")
		}
	}
	return nil
}
