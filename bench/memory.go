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

// measureMemory reads the resident memory of each process of a sandbox to which nothing is asked: once a second, after a
// while in which what the start has left behind can be collected.
func measureMemory(ctx context.Context, b *bench, s *section) error {
	r, err := b.up(ctx)
	if err != nil {
		return err
	}
	settle, looks := b.pick(20, 1), b.pick(10, 2)
	second := time.NewTicker(time.Second)
	defer second.Stop()
	resident := map[string]*sample{}
	var nodes []sandbox.Node
	for i := range settle + looks {
		select {
		case <-second.C:
		case <-ctx.Done():
			return context.Cause(ctx)
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
		if n.Kind == sandbox.Worker {
			s.atMost("`"+n.Name+"`", resident[n.Name], workerLimit, "", "")
		} else {
			s.plain("`"+n.Name+"`", resident[n.Name], "")
		}
	}
	return nil
}
