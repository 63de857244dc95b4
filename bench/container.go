package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/client"
)

// Limits of sandboxes in containers.
const (
	handLimit  = 1.5 // times the same containers by hand
	imageLimit = 40  // MB
	buildLimit = 5   // s, after the first
)

// measureContainers holds `cordage up` in containers against the same containers, on the same data, started with the
// engine's own command line; weighs the workers' image; and holds the memory of the cluster against that of processes. It
// needs an engine with the images of the servers, or CORDAGE_BASE_IMAGE to build them on, and root: what workers are handed
// is read from their memory disks, which nobody else can.
func measureContainers(ctx context.Context, b *bench, s *section) error {
	if err := b.purge(ctx); err != nil {
		return err
	}
	c := *b
	c.name += "-c"
	c.running = nil
	defer func() { _ = c.purge(context.WithoutCancel(ctx)) }() // removed below; this is for a failure
	if err := c.measureImage(ctx, s); err != nil {
		return err
	}
	upArgs := upIn(sandbox.Containers)
	first, again, hand := &sample{unit: "s"}, &sample{unit: "s"}, &sample{unit: "s"}
	if err := c.cordage(ctx, upArgs...); err != nil { // pulls or builds what is missing
		return err
	}
	if err := c.purge(ctx); err != nil {
		return err
	}
	for round := range b.pick(5, 1) {
		b.say("containers: round %d", round+1)
		took, err := timed(func() error { return c.cordage(ctx, upArgs...) })
		if err != nil {
			return err
		}
		first.add(took)
		cluster, err := c.record(ctx)
		if err != nil {
			return err
		}
		if err := c.cordage(ctx, "down"); err != nil {
			return err
		}
		if took, err = cluster.byHand(ctx, c.dir); err != nil {
			return err
		}
		hand.add(took)
		if took, err = timed(func() error { return c.cordage(ctx, upArgs...) }); err != nil {
			return err
		}
		again.add(took)
		if err := c.purge(ctx); err != nil {
			return err
		}
	}
	s.plain("the same containers on existing data, with the engine's command line", hand, "1 ×")
	s.atMost("`cordage up` in containers on existing data", again, handLimit*hand.median(), fmt.Sprintf("%.1f × by hand", handLimit),
		times(again.median()/hand.median())+" by hand")
	s.plain("`cordage up` in containers from nothing", first, times(first.median()/hand.median())+" by hand")
	return c.compareMemory(ctx, b, s)
}

// upIn is the command that starts a sandbox in a runtime.
func upIn(runtime string) []string {
	return []string{"up", "--runtime", runtime, "--base-image", os.Getenv("CORDAGE_BASE_IMAGE")}
}

func timed(do func() error) (seconds float64, err error) {
	began := time.Now()
	err = do()
	return time.Since(began).Seconds(), err
}

// measureImage builds the workers' image of this program, and of a program that differs.
func (b *bench) measureImage(ctx context.Context, s *section) error {
	took, size := &sample{unit: "s"}, &sample{unit: "MB"}
	for round := range b.pick(5, 1) {
		other := filepath.Join(b.dir, fmt.Sprintf("cordage-%d", round))
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", fmt.Sprintf("-s -w -buildid=bench-%d-%d", os.Getpid(), round),
			"-o", other, "github.com/cordage-sandbox/cordage/cmd/cordage")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if _, err := output(build); err != nil {
			return err
		}
		seconds, err := timed(func() error {
			_, err := output(exec.CommandContext(ctx, other, "images", "build", "worker"))
			return err
		})
		if err != nil {
			return err
		}
		took.add(seconds)
		bytes, name, err := workerImage(ctx, other)
		if err != nil {
			return err
		}
		size.add(float64(bytes) / megabyte)
		if _, err := output(exec.CommandContext(ctx, "docker", "rmi", name)); err != nil {
			return err
		}
	}
	s.atMost("build of the workers' image of a program that has changed", took, buildLimit, "", "")
	s.atMost("size of the workers' image", size, imageLimit, "", "")
	return nil
}

// compareMemory sums up the memory of all nodes at rest, as the engine and as the system tells it.
func (b *bench) compareMemory(ctx context.Context, processes *bench, s *section) error {
	sums := map[string]*sample{}
	for _, runtime := range []string{sandbox.Containers, sandbox.Processes} {
		at := b
		if runtime == sandbox.Processes {
			at = processes
		}
		if err := at.cordage(ctx, upIn(runtime)...); err != nil {
			return err
		}
		sum, err := at.sumMemory(ctx)
		if err != nil {
			return err
		}
		sums[runtime] = sum
		if err := at.purge(ctx); err != nil {
			return err
		}
	}
	process := sums[sandbox.Processes]
	s.plain("memory of the whole cluster as processes, at rest", process, "1 ×")
	s.plain("memory of the whole cluster in containers, at rest", sums[sandbox.Containers],
		times(sums[sandbox.Containers].median()/process.median())+" processes")
	return nil
}

func (b *bench) sumMemory(ctx context.Context) (*sample, error) {
	d, err := sandbox.Locate(b.name)
	if err != nil {
		return nil, err
	}
	c := client.Open(d)
	defer c.Close()
	sum := &sample{unit: "MB"}
	settle, looks := b.pick(3, 0), b.pick(5, 1)
	for i := range settle + looks {
		if err := rest(ctx); err != nil {
			return nil, err
		}
		if i < settle {
			continue
		}
		nodes, err := c.Nodes(ctx)
		if err != nil {
			return nil, err
		}
		total := int64(0)
		for _, n := range nodes {
			total += n.RSS
		}
		if total == 0 {
			return nil, errors.New("the memory of no node is known")
		}
		sum.add(float64(total) / megabyte)
	}
	return sum, nil
}
