package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// logs prints one node's log. Logs are kept when the sandbox is down, and can be read then.
func (a *app) logs(ctx context.Context, node string, tail int, follow bool) error {
	r, err := a.openLogs(ctx, node, tail, follow)
	if err != nil {
		return err
	}
	defer r.Close()
	out := &plain{w: a.out}
	_, err = io.Copy(out, r)
	err = errors.Join(err, out.flush())
	if ctx.Err() != nil {
		return nil // interrupted: that is how -f ends
	}
	return err
}

func (a *app) openLogs(ctx context.Context, node string, tail int, follow bool) (io.ReadCloser, error) {
	c, err := a.connect(ctx)
	if err == nil {
		return c.Logs(ctx, node, tail, follow)
	}
	gone, ok := errors.AsType[*sandbox.NotRunningError](err)
	if !ok {
		return nil, err
	}
	d, err := a.dir()
	if err != nil {
		return nil, err
	}
	if !d.Exists() {
		return nil, gone
	}
	r, err := newRuntime(ctx, d, "", onlyLook())
	if err != nil {
		return nil, err
	}
	a.note("%v; this is the log of its last run", gone)
	return r.Logs(ctx, node, tail, false)
}

// allLogs prints the ends of all nodes' logs, each line with its node.
func (a *app) allLogs(ctx context.Context, tail int, follow bool) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var g sync.WaitGroup
	faults := make([]error, len(nodes))
	for i, n := range nodes {
		print := func() {
			r, err := c.Logs(ctx, n.Name, tail, follow)
			if err != nil {
				faults[i] = err
				return
			}
			defer r.Close()
			scan := bufio.NewScanner(r)
			const longest = 4 << 20
			scan.Buffer(nil, longest)
			for scan.Scan() {
				mu.Lock()
				fmt.Fprintf(a.out, "%-12s %s\n", n.Name, shown(scan.Text()))
				mu.Unlock()
			}
			faults[i] = scan.Err()
		}
		if follow {
			g.Go(print)
		} else {
			print() // node after node
		}
	}
	g.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return errors.Join(faults...)
}
