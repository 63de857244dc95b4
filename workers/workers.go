// Package workers has the table of worker types, and runs one worker as a process: what cordage worker does. It imports
// every worker type; only the command line and tests import it.
package workers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cordage-sandbox/cordage/workers/balance"
	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/clock"
	"github.com/cordage-sandbox/cordage/workers/crypto"
	"github.com/cordage-sandbox/cordage/workers/database"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/rest"
	"github.com/cordage-sandbox/cordage/workers/role"
	"github.com/cordage-sandbox/cordage/workers/telemetry"
)

// constructors is the table: one constructor for each worker type.
func constructors() map[string]func(role.Env) (role.Worker, error) {
	return map[string]func(role.Env) (role.Worker, error){
		role.Balancer.Name: balance.New,
		role.Crypto.Name:   crypto.New,
		role.Database.Name: database.New,
		role.REST.Name:     rest.New,
	}
}

// New makes the worker that the boot parameters in env name.
func New(env role.Env) (role.Worker, error) {
	construct, ok := constructors()[env.Boot.Role]
	if !ok {
		return nil, fmt.Errorf("there is no worker type %q", env.Boot.Role)
	}
	return construct(env)
}

// Main runs the worker of the boot file until ctx ends, and returns nil then. Logs go to stderr, one JSON object a line.
// After SIGHUP the file is read again for the workers that heed it.
func Main(ctx context.Context, bootPath string, stderr io.Writer) error {
	boot, err := role.ReadBoot(bootPath)
	if err != nil {
		return err
	}
	hangUp := make(chan os.Signal, 1)
	signal.Notify(hangUp, syscall.SIGHUP)
	defer signal.Stop(hangUp)
	return run(ctx, boot, stderr, func(ctx context.Context, log *slog.Logger) <-chan role.Boot {
		return reread(ctx, log, bootPath, boot, hangUp)
	})
}

// reread gives the boot file's content each time somebody asks for it. A file that cannot be used is logged.
func reread(ctx context.Context, log *slog.Logger, path string, first role.Boot, ask <-chan os.Signal) <-chan role.Boot {
	again := make(chan role.Boot)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-ask:
			}
			boot, err := role.ReadBoot(path)
			if err == nil && (boot.Role != first.Role || boot.Node != first.Node) {
				err = fmt.Errorf("it is now that of %s %s", boot.Role, boot.Node)
			}
			if err != nil {
				log.ErrorContext(ctx, "the boot file is not read again", "file", path, "error", err)
				continue
			}
			log.InfoContext(ctx, "the boot file is read again", "file", path)
			select {
			case again <- boot:
			case <-ctx.Done():
				return
			}
		}
	}()
	return again
}

// flushLimit is how long the last spans may take to leave a worker that ends.
const flushLimit = 2 * time.Second

// Run is Main with the boot parameters in hand, which are not read again.
func Run(ctx context.Context, boot role.Boot, stderr io.Writer) error {
	return run(ctx, boot, stderr, func(context.Context, *slog.Logger) <-chan role.Boot { return nil })
}

// run runs a worker.
//
// The monitor answers from the first moment, with 503 until the worker is ready. The sandbox's clock is set before the
// worker begins to work: nothing is ever judged by a clock that is not the sandbox's.
func run(ctx context.Context, boot role.Boot, stderr io.Writer, reload func(context.Context, *slog.Logger) <-chan role.Boot) (err error) {
	limitMemory()
	r, ok := role.ByName(boot.Role)
	if !ok {
		return fmt.Errorf("there is no worker type %q", boot.Role)
	}
	config := telemetry.Config{Role: r.Name, MetricRole: r.Metric, Node: boot.Node, Sandbox: boot.Sandbox, LogLevel: boot.LogLevel, LogTo: stderr}
	if boot.Traces != nil {
		config.TracesEndpoint, config.TracesToken = boot.Traces.Endpoint, boot.Traces.Token
	}
	tel, flush, err := telemetry.New(ctx, config)
	if err != nil {
		return fmt.Errorf("worker %s: %w", boot.Node, err)
	}
	defer func() {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushLimit)
		defer cancel()
		if flushErr := flush(limited); flushErr != nil {
			tel.Log.Debug("the last spans are lost", "error", flushErr)
		}
	}()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go paceGarbage(ctx)
	env := role.Env{Boot: boot, Clock: &clock.Clock{}, Chance: clock.NewChance(boot.Seed), Telemetry: tel, Reload: reload(ctx, tel.Log)}
	w, err := New(env)
	if err != nil {
		return err
	}
	start := time.Now()
	ready := func() {
		tel.Log.Info("the worker is ready", "took", time.Since(start).Round(time.Millisecond).String())
		releaseStart()
	}
	tel.Log.Info("the worker starts", "monitor", boot.Monitor)
	if err := role.RunAll(ctx, tel.Status, ready, components(env, w)...); err != nil {
		tel.Log.Error("the worker failed", "error", err)
		return fmt.Errorf("worker %s: %w", boot.Node, err)
	}
	tel.Log.Info("the worker ends")
	return nil
}

// components are the monitor, the clock and the worker itself.
func components(env role.Env, w role.Worker) []role.Component {
	monitor := telemetry.NewMonitor(env.Boot.Monitor, env.Telemetry, func() map[string]any { return info(env, w) })
	all := []role.Component{{Name: "monitor", Run: monitor.Run}}
	if env.Boot.Bus == nil { // without the bus there is no sandbox clock, and nothing that is judged by it
		return append(all, role.Component{Name: "worker", Run: w.Run})
	}
	set := make(chan struct{})
	return append(all,
		role.Component{Name: "sandbox clock", Run: func(ctx context.Context, ready func()) error {
			return followClock(ctx, env, func() { close(set); ready() })
		}},
		role.Component{Name: "worker", Run: func(ctx context.Context, ready func()) error {
			select {
			case <-set:
				return w.Run(ctx, ready)
			case <-ctx.Done():
				return nil
			}
		}})
}

// info is what /status shows beside the components.
func info(env role.Env, w role.Worker) map[string]any {
	all := map[string]any{}
	if i, ok := w.(role.Informer); ok {
		maps.Copy(all, i.Info())
	}
	all["node"], all["role"] = env.Boot.Node, env.Boot.Role
	if env.Boot.Bus != nil {
		setting := env.Clock.Setting()
		all["clock"] = clockInfo{Version: setting.Version, Mode: setting.Mode, Now: env.Clock.Now()}
	}
	return all
}

// clockInfo shows in /status what the worker's clock shows.
type clockInfo struct {
	Version int64      `json:"version"`
	Mode    clock.Mode `json:"mode"`
	Now     time.Time  `json:"now"`
}

// followClock applies the sandbox's clock until ctx ends, and shows whether Kafka answers. It is ready when what was set
// before is applied.
func followClock(ctx context.Context, env role.Env, ready func()) (err error) {
	kafka := env.Telemetry.Status.Component("kafka")
	kafka.Down("connecting")
	b, err := bus.Open(ctx, bus.ConfigFrom(env))
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("connect to Kafka: %w", err)
	}
	kafka.Up()
	defer func() { err = errors.Join(err, b.Close()) }()
	settings := bus.NewCompacted[record.Clock](b, record.TopicClock)
	settings.OnChange(func(ctx context.Context, _ string, _, set *record.Clock) {
		if set != nil {
			env.Clock.Apply(set.Setting)
			env.Telemetry.Log.InfoContext(ctx, "the clock is set", "version", set.Setting.Version, "to", set.Setting.String())
		}
	})
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error { return settings.Run(ctx, ready) })
	work.Go(func() error {
		watch(ctx, kafka, b.Ping)
		return nil
	})
	return work.Wait()
}

// Rests between two tests of Kafka.
const (
	pingEvery     = 10 * time.Second
	pingWhileDown = 500 * time.Millisecond
	pingLimit     = 3 * time.Second
)

// watch keeps a component's state true until ctx ends: DOWN while ping fails.
func watch(ctx context.Context, mark telemetry.Mark, ping func(context.Context) error) {
	for wait := pingEvery; ; {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		limited, cancel := context.WithTimeout(ctx, pingLimit)
		err := ping(limited)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			wait = pingWhileDown
			mark.Down(err.Error())
		default:
			wait = pingEvery
			mark.Up()
		}
	}
}
