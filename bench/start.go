package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/client"
)

const startLimit = 2.5 // times the bare start

// measureStart holds `cordage up` against PostgreSQL and Kafka alone, in turns, so that what else the machine does weighs
// on both.
func measureStart(ctx context.Context, b *bench, s *section) error {
	if err := b.purge(ctx); err != nil { // a sandbox at work would slow both down
		return err
	}
	servers := filepath.Join(b.dir, "process.test")
	if _, err := output(exec.CommandContext(ctx, "go", "test", "-c", "-o", servers, "github.com/cordage-sandbox/cordage/sandbox/process")); err != nil {
		return err
	}
	if err := b.warm(ctx); err != nil {
		return err
	}
	bare, first, second := &sample{unit: "s"}, &sample{unit: "s"}, &sample{unit: "s"}
	var profile sandbox.Profile
	for round := range b.pick(7, 1) {
		b.say("start: round %d", round+1)
		took, err := bareStart(ctx, servers)
		if err != nil {
			return err
		}
		bare.add(took.Seconds())
		if took, err = b.timeUp(ctx); err != nil {
			return err
		}
		if first.add(took.Seconds()); first.median() == took.Seconds() || len(profile.Critical) == 0 {
			if profile, err = b.profile(ctx); err != nil {
				return err
			}
		}
		if err := b.cordage(ctx, "down"); err != nil {
			return err
		}
		if took, err = b.timeUp(ctx); err != nil {
			return err
		}
		second.add(took.Seconds())
		if err := b.purge(ctx); err != nil {
			return err
		}
	}
	s.plain("bare PostgreSQL (initdb, start) and Kafka (start) side by side", bare, "1 ×")
	s.atMost("`cordage up` from nothing to the first virtual node creatable", first, startLimit*bare.median(),
		fmt.Sprintf("%.1f × bare", startLimit), times(first.median()/bare.median())+" bare")
	s.atMost("`cordage up` on existing data", second, first.median(), "as from nothing", times(second.median()/bare.median())+" bare")
	s.note("The critical path of one start from nothing (`cordage up --profile`):\n\n%s", critical(profile))
	return nil
}

// warm fills the cache: artefacts, the prepared data directory and the archive of Kafka's classes.
func (b *bench) warm(ctx context.Context) error {
	if err := b.cordage(ctx, "up", "--runtime", "process"); err != nil {
		return err
	}
	return b.purge(ctx)
}

// timeUp times the command, which returns when a virtual node can be created.
func (b *bench) timeUp(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	err := b.cordage(ctx, "up", "--offline", "--runtime", "process")
	return time.Since(began), err
}

func (b *bench) profile(ctx context.Context) (sandbox.Profile, error) {
	d, err := sandbox.Locate(b.name)
	if err != nil {
		return sandbox.Profile{}, err
	}
	c := client.Open(d)
	defer c.Close()
	return c.Profile(ctx)
}

// critical writes the critical path as a table.
func critical(p sandbox.Profile) string {
	var b strings.Builder
	b.WriteString("| step | waited | took | since start |\n|---|---|---|---|\n")
	var at time.Duration
	for _, s := range p.Critical {
		at += s.Wait + s.Took
		fmt.Fprintf(&b, "| %s | %.2f s | %.2f s | %.2f s |\n", s.Step, s.Wait.Seconds(), s.Took.Seconds(), at.Seconds())
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// bareLine is what the benchmark prints: its name, rounds and time of a round.
var bareLine = regexp.MustCompile(`(?m)^BenchmarkBareStart\S*\s+1\s+(\d+) ns/op`)

// bareStart runs one round of the benchmark in the tests of package process, which can start the servers alone.
func bareStart(ctx context.Context, servers string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, servers, "-test.run", "^$", "-test.bench", "^BenchmarkBareStart$", "-test.benchtime", "1x")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Dir = filepath.Dir(servers)
	out, err := output(cmd)
	if err != nil {
		return 0, err
	}
	m := bareLine.FindStringSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("the benchmark of the bare start printed no time, but\n%s", out)
	}
	ns, err := strconv.ParseInt(m[1], 10, 64)
	return time.Duration(ns), err
}
