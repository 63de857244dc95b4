package role

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/cordage-sandbox/cordage/workers/clock"
	"github.com/cordage-sandbox/cordage/workers/telemetry"
)

// Env is all that enters a worker: its boot parameters, its clock and source of chance, and where it logs, counts
// and traces. A worker reads no other global state.
type Env struct {
	Boot      Boot
	Clock     *clock.Clock
	Chance    *clock.Chance
	Telemetry *telemetry.Telemetry
	Reload    <-chan Boot // the boot file read again, after SIGHUP; nil: it is not read again
}

// Component is a named part of a worker; its state is shown in /status under its name.
type Component struct {
	Name string
	Run  func(ctx context.Context, ready func()) error
}

// RunAll runs the components together until ctx ends or one of them fails, which ends the others. It calls ready once all
// of them are ready. A component that is running but not ready is DOWN in /status; one that failed is ERROR.
func RunAll(ctx context.Context, status *telemetry.Status, ready func(), components ...Component) error {
	g, ctx := errgroup.WithContext(ctx)
	up := make(chan struct{}, len(components)) // one token for each component that is ready
	for _, c := range components {
		mark := status.Component(c.Name)
		mark.Down("starting")
		once := sync.OnceFunc(func() { mark.Up(); up <- struct{}{} })
		g.Go(func() error {
			err := c.Run(ctx, once)
			switch {
			case err != nil:
				mark.Error(err.Error())
				return fmt.Errorf("%s: %w", c.Name, err)
			case ctx.Err() == nil:
				mark.Error("ended by itself")
				return fmt.Errorf("%s: ended although nobody asked it to", c.Name)
			}
			mark.Down("stopped")
			return nil
		})
	}
	g.Go(func() error {
		for range components {
			select {
			case <-up:
			case <-ctx.Done():
				return nil
			}
		}
		ready()
		return nil
	})
	return g.Wait()
}
