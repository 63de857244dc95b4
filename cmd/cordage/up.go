package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/signal"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/client"
	"github.com/cordage-sandbox/cordage/sandbox/supervisor"
)

// wishFlags are what commands are told of what a sandbox is to be.
type wishFlags struct {
	replicas   []string
	ports      []string
	runtime    string
	databases  string
	partitions int
	brokers    int
	logLevel   string
	seed       uint64
	images     sandbox.Images
}

// upFlags are what "cordage up" is told.
type upFlags struct {
	wishFlags

	offline    bool
	foreground bool
	profile    bool
	noTUI      bool
}

func (a *app) newUpCmd() *cobra.Command {
	var f upFlags
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the sandbox, and return when the cluster is ready",
		Long: `Start PostgreSQL, Kafka and the workers, and return when a virtual node can be created. The sandbox stays in the
background until "cordage down". What is not given, neither here nor in the sandbox file, stays as it was at the last start; a
running sandbox is left as it is.

In a terminal the terminal UI shows the start and then the cluster; leaving it (q) leaves the sandbox running. With
--no-tui, --foreground, --profile or --json, in a pipe and in CI it prints lines instead.

Nodes run as processes or in containers. If that is left open, containers are taken where a container engine answers and has
the images; a sandbox that has data keeps its runtime.

Ports are free ones and are kept for the next start. --port takes rest, postgres and kafka, or NODE/PURPOSE as "cordage
status" shows them; 0 means a free one again.`,
		Example: "  cordage up\n  cordage up --runtime container\n  cordage up --replicas rest=2 --port rest=8888\n  cordage up --name ci --foreground",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			asked, err := f.wish()
			if err != nil {
				return &usageError{err}
			}
			asked.Offline = f.offline
			wish, err := a.wish(asked)
			if err != nil {
				return err
			}
			ctx, stop := withHangUp(cmd.Context())
			defer stop()
			if !f.noTUI && !f.foreground && !f.profile && a.interactive() {
				return a.upInTUI(ctx, wish)
			}
			if f.foreground {
				return a.upForeground(ctx, wish, f.profile)
			}
			return a.up(ctx, wish, f.profile)
		},
	}
	flags := cmd.Flags()
	f.register(flags)
	flags.BoolVar(&f.offline, "offline", false, "fetch nothing: fail if something is missing in the cache")
	flags.BoolVar(&f.foreground, "foreground", false, "stay, and stop everything on Ctrl-C or SIGTERM")
	flags.BoolVar(&f.noTUI, "no-tui", false, "print lines also in a terminal, and return when the cluster is ready")
	flags.BoolVar(&f.profile, "profile", false, "print how the start spent its time")
	return cmd
}

func (f *wishFlags) register(flags *pflag.FlagSet) {
	f.registerRuntime(flags)
	flags.StringSliceVar(&f.replicas, "replicas", nil, "number of workers of a type, as `TYPE=N`; may be repeated")
	flags.StringSliceVar(&f.ports, "port", nil, "port to listen on, as `PURPOSE=N`; may be repeated")
	flags.StringVar(&f.databases, "databases", "", "`shared` (one database, a schema for each logical database) or separate")
	flags.IntVar(&f.brokers, "brokers", 0,
		fmt.Sprintf("Kafka brokers, 1 or %d: with %[1]d every record is kept on each of them, and one may fail (default 1)", sandbox.Replication))
	flags.IntVar(&f.partitions, "partitions", 0, fmt.Sprintf("partitions of each topic that workers share (default %d)", sandbox.DefaultPartitions))
	flags.StringVar(&f.logLevel, "log-level", "", "`level` of the workers' logs: debug, info, warn or error (default info)")
	flags.Uint64Var(&f.seed, "seed", 0, "seed of chance that shapes the workers' behaviour (default: another each time)")
}

// registerRuntime registers the flags of how nodes run, which leave open what they are.
func (f *wishFlags) registerRuntime(flags *pflag.FlagSet) {
	flags.StringVar(&f.runtime, "runtime", "", "how nodes run: process, container, or `auto` for whichever can be had (default auto)")
	flags.StringVar(&f.images.Postgres, "postgres-image", "", "container `image` of PostgreSQL")
	flags.StringVar(&f.images.Kafka, "kafka-image", "", "container `image` of Kafka")
	flags.StringVar(&f.images.Base, "base-image", "", "container `image` on which those of PostgreSQL and Kafka are built where none can be pulled")
}

// withHangUp makes a closed terminal a wish to end, unless the user wants that ignored (nohup).
func withHangUp(ctx context.Context) (context.Context, context.CancelFunc) {
	if signal.Ignored(syscall.SIGHUP) {
		return context.WithCancel(ctx)
	}
	return signal.NotifyContext(ctx, syscall.SIGHUP)
}

func (f wishFlags) wish() (sandbox.Wish, error) {
	replicas, err1 := assignments("--replicas", f.replicas)
	ports, err2 := assignments("--port", f.ports)
	w := sandbox.Wish{
		Replicas: replicas, Ports: ports, Databases: sandbox.Databases(f.databases), Partitions: f.partitions, Brokers: f.brokers,
		LogLevel: f.logLevel, Seed: f.seed, Runtime: f.runtime, Images: f.images,
	}
	_, err3 := w.Apply(sandbox.DefaultSpec(sandbox.DefaultName), false)
	return w, errors.Join(err1, err2, err3)
}

// assignments reads NAME=NUMBER.
func assignments(flag string, texts []string) (map[string]int, error) {
	values := map[string]int{}
	for _, text := range texts {
		name, number, ok := strings.Cut(text, "=")
		n, err := strconv.Atoi(number)
		if !ok || err != nil {
			return nil, fmt.Errorf("%s %s: write it as NAME=NUMBER", flag, text)
		}
		values[name] = n
	}
	return values, nil
}

// up starts the sandbox in the background, or attaches to the one that runs.
func (a *app) up(ctx context.Context, wish sandbox.Wish, profile bool) error {
	d, err := a.dir()
	if err != nil {
		return err
	}
	c := client.Open(d)
	defer c.Close()
	began := time.Now()
	running, err := a.begin(ctx, d, c, wish)
	if err != nil {
		return err
	}
	if running {
		if err := a.tellDifference(ctx, c, wish); err != nil {
			return err
		}
	}
	return a.follow(ctx, c, began, running, profile)
}

// tellDifference says so when a running sandbox is not as it is asked for.
func (a *app) tellDifference(ctx context.Context, c *client.Client, wish sandbox.Wish) error {
	info, err := c.Sandbox(ctx)
	if err != nil {
		return err
	}
	asked, err := wish.Apply(info.Spec, true)
	if err != nil || !reflect.DeepEqual(asked, info.Spec) {
		a.note("sandbox %s is running and left as it is: what was asked for is not applied (for workers: cordage scale)", info.Name)
	}
	return nil
}

// begin makes sure that the sandbox has a supervisor that is not about to end. The result tells that it had one.
func (a *app) begin(ctx context.Context, d sandbox.Dir, c *client.Client, wish sandbox.Wish) (running bool, err error) {
	for {
		info, err := c.Sandbox(ctx)
		_, gone := errors.AsType[*sandbox.NotRunningError](err)
		switch {
		case err != nil && !gone:
			return false, err
		case err == nil && info.Phase != sandbox.PhaseStopping && info.Phase != sandbox.PhaseStopped && info.Phase != sandbox.PhaseFailed:
			return true, nil
		case gone:
			another, err := a.spawn(ctx, d, a.settleRuntime(ctx, d, wish))
			if err != nil || !another {
				return false, err
			}
		}
		// Another supervisor is about to serve, or about to end: one of the two will be seen.
		err = until(ctx, downLimit, "the other supervisor to serve or to end", func() (bool, error) {
			if info, err := c.Sandbox(ctx); err == nil && info.Phase != sandbox.PhaseStopping {
				return true, nil
			}
			held, err := lockHeld(d)
			return !held, err
		})
		if err != nil {
			return false, err
		}
	}
}

// follow shows the start until it is over. If the user interrupts a start of ours, what has been started is stopped.
func (a *app) follow(ctx context.Context, c *client.Client, began time.Time, running, profile bool) error {
	view := a.newProgress(began, running)
	err := view.show(c.Events(ctx))
	if ctx.Err() != nil && !running {
		a.note("interrupted: stopping what has been started")
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), downLimit)
		defer cancel()
		d, derr := a.dir()
		_, serr := a.stopSandbox(ctx, d, false)
		return errors.Join(context.Canceled, derr, serr)
	}
	_, failed := errors.AsType[*sandbox.StartError](err)
	_, gone := errors.AsType[*sandbox.NotRunningError](err)
	if failed || gone {
		return a.awaitEnd(ctx, err)
	}
	if err != nil {
		return err
	}
	return a.announce(ctx, c, running, profile)
}

// awaitEnd waits until the supervisor has ended, after a start that failed with err, and tells why it failed: a start may
// fail before anybody could follow it, and its reason is kept.
func (a *app) awaitEnd(ctx context.Context, err error) error {
	d, derr := a.dir()
	if derr != nil {
		return derr
	}
	werr := until(ctx, downLimit, "the supervisor to end", func() (bool, error) {
		held, err := lockHeld(d)
		return !held, err
	})
	if _, told := errors.AsType[*sandbox.StartError](err); !told {
		failure := sandbox.Failure{
			Part: "supervisor", Stage: "start the nodes", Cause: "it was killed", Logs: d.Path,
			Hint: "cordage up adopts what runs and goes on; cordage down stops it",
		}
		if state, rerr := supervisor.ReadState(d); rerr == nil && state.Failure != nil {
			failure = *state.Failure
		} else if rerr == nil && !state.Wanted {
			return errors.Join(err, werr) // somebody has stopped it
		}
		err = &sandbox.StartError{Sandbox: d.Name, Failure: failure}
	}
	return errors.Join(err, werr)
}

// announce prints what the user needs to go on.
func (a *app) announce(ctx context.Context, c *client.Client, running, profile bool) error {
	info, err := c.Sandbox(ctx)
	if err != nil {
		return err
	}
	if profile {
		p, err := c.Profile(ctx)
		if err != nil {
			return err
		}
		if a.json {
			return a.answer(p, nil)
		}
		if err := printProfile(a.err, p); err != nil {
			return err
		}
	}
	return a.answer(info, func(w io.Writer) error {
		state := "is ready"
		if running {
			state = "is running already"
			if info.Phase == sandbox.PhaseDegraded {
				state += ", but not all of its nodes are ready: cordage status" + nameFlag(info.Name)
			}
		}
		_, err := fmt.Fprintf(w, `sandbox %s %s
  REST API    %s  (login and password: cordage credentials%s)
  Kafka       %s
  PostgreSQL  %s
next: cordage status%[4]s, cordage topology%[4]s, cordage scenario list; stop it with: cordage down%[4]s
`, info.Name, state, info.Endpoints.REST, nameFlag(info.Name), info.Endpoints.Kafka, info.Endpoints.PostgreSQL)
		return err
	})
}

// printProfile prints the critical path of a start.
func printProfile(w io.Writer, p sandbox.Profile) error {
	rows := [][]string{{"CRITICAL PATH", "WAITED", "TOOK", "SINCE START"}}
	var at time.Duration
	for _, s := range p.Critical {
		at += s.Wait + s.Took
		rows = append(rows, []string{s.Step, seconds(s.Wait), seconds(s.Took), seconds(at)})
	}
	rows = append(rows, nil, []string{"ALL STEPS", "BEGAN", "TOOK", "ENDED"})
	for _, s := range p.Steps {
		rows = append(rows, []string{s.Name, seconds(s.Started), seconds(s.Took()), seconds(s.Ended)})
	}
	return table(w, rows)
}

// upForeground supervises the sandbox in this process. It stops everything when ctx ends.
func (a *app) upForeground(ctx context.Context, wish sandbox.Wish, profile bool) error {
	d, err := a.dir()
	if err != nil {
		return err
	}
	if err := d.Make(); err != nil {
		return err
	}
	log, err := openLog(d.SupervisorLog())
	if err != nil {
		return err
	}
	defer log.Close()
	c := client.Open(d)
	defer c.Close()
	began := time.Now()
	var view sync.WaitGroup
	var shown error
	err = a.supervise(ctx, d, a.settleRuntime(ctx, d, wish), slog.NewJSONHandler(log, nil), func() {
		view.Go(func() { shown = a.watch(context.WithoutCancel(ctx), c, began, profile) })
	})
	view.Wait()
	if running, ok := errors.AsType[*supervisor.RunningError](err); ok {
		return fmt.Errorf("%w; it cannot be taken to the foreground", running)
	}
	if _, failed := errors.AsType[*sandbox.StartError](err); failed {
		return err
	}
	if err == nil && ctx.Err() != nil {
		a.note("everything is stopped")
		return nil // a stop on request is what --foreground promises
	}
	if _, gone := errors.AsType[*sandbox.NotRunningError](shown); gone {
		shown = nil // it was stopped from outside while it started
	}
	return errors.Join(err, shown)
}

// watch shows the start of a sandbox that this process supervises.
func (a *app) watch(ctx context.Context, c *client.Client, began time.Time, profile bool) error {
	if err := a.newProgress(began, false).show(c.Events(ctx)); err != nil {
		return err
	}
	err := a.announce(ctx, c, false, profile)
	a.note("press Ctrl-C to stop everything")
	return err
}
