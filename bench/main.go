// Command bench measures Cordage's speed and size on this machine and prints each figure beside its limit, as Markdown
// tables; with --write it keeps them in docs/benchmarks.md. A figure beyond its limit is printed and is no failure: what
// is measured depends on the machine, and so is never a test. Nothing imports it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// measurement is a part of the report.
type measurement struct {
	name  string
	title string
	run   func(ctx context.Context, b *bench, s *section) error
}

// measurements lists them in the order in which they are made: what is to find a sandbox at rest comes first.
func measurements() []measurement {
	return []measurement{
		{"startup", "The program itself", measureStartup},
		{"start", "Starting a sandbox", measureStart},
		{"memory", "Memory at rest", measureMemory},
		{"tui", "The terminal UI", measureTUI},
		{"vnode", "Virtual nodes", measureVNodes},
		{"uniqueness", "Uniqueness checks", measureUniqueness},
		{"container", "Containers", measureContainers},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := flags.String("only", "", "make these measurements only, `NAMES` apart by commas: "+strings.Join(names(), ", "))
	quick := flags.Bool("quick", false, "small numbers: to try the program, not to measure")
	write := flags.Bool("write", false, "replace what is measured in "+docsFile)
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	b, err := open(ctx, *quick)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close(context.WithoutCancel(ctx))) }()
	where, err := describeMachine(ctx)
	if err != nil {
		return err
	}
	if *quick {
		where += "; quick, with numbers too small to mean anything"
	}
	fmt.Println(where)
	for _, m := range chosen {
		b.say("measuring %s", m.name)
		s := section{name: m.name, title: m.title, where: where}
		if err := m.run(ctx, b, &s); err != nil {
			return fmt.Errorf("measure %s: %w", m.name, err)
		}
		fmt.Print("\n", s.markdown())
		if !*write {
			continue
		}
		if err := keep(docsFile, s); err != nil {
			return err
		}
	}
	return nil
}

func names() (all []string) {
	for _, m := range measurements() {
		all = append(all, m.name)
	}
	return all
}

func choose(only string) ([]measurement, error) {
	all := measurements()
	if only == "" {
		return all, nil
	}
	wanted := strings.Split(only, ",")
	for _, name := range wanted {
		if !slices.Contains(names(), name) {
			return nil, fmt.Errorf("--only %s: there is no such measurement; there are %s", name, strings.Join(names(), ", "))
		}
	}
	return slices.DeleteFunc(all, func(m measurement) bool { return !slices.Contains(wanted, m.name) }), nil
}
