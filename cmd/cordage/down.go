package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/client"
	"github.com/cordage-sandbox/cordage/sandbox/supervisor"
)

func (a *app) newDownCmd() *cobra.Command {
	var purge, all bool
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Stop the sandbox; its data stay unless --purge is given",
		Long: `Stop every node of the sandbox in the order that loses nothing, then its supervisor. What a killed supervisor left
behind is stopped as well. Data, ports and passwords are kept for the next "cordage up", unless --purge is given.`,
		Example: "  cordage down\n  cordage down --purge\n  cordage down --all",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !all {
				return a.down(cmd.Context(), purge)
			}
			dirs, err := sandbox.All()
			if err != nil {
				return err
			}
			var faults []error
			for _, d := range dirs {
				a.name = d.Name
				faults = append(faults, a.down(cmd.Context(), purge))
			}
			return errors.Join(faults...)
		},
	}
	cmd.Flags().BoolVar(&purge, "purge", false, "remove the data, logs and passwords too")
	cmd.Flags().BoolVar(&all, "all", false, "every sandbox of this user")
	return cmd
}

// downLimit is what all stops together may take; each node has a limit of its own, after which it is killed.
const downLimit = 4 * time.Minute

// down stops the sandbox, whoever runs it, and returns when nothing of it runs any more, the supervisor included.
func (a *app) down(ctx context.Context, purge bool) error {
	d, err := a.dir()
	if err != nil {
		return err
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, downLimit)
	defer cancel()
	stopped, err := a.stopSandbox(ctx, d, purge)
	if err != nil {
		return fmt.Errorf("stop sandbox %s: %w", d.Name, err)
	}
	result := struct {
		Name    string        `json:"name"`
		Stopped bool          `json:"stopped"`
		Purged  bool          `json:"purged"`
		Took    time.Duration `json:"tookNs"`
	}{d.Name, stopped, purge, time.Since(began)}
	return a.answer(result, func(w io.Writer) error {
		var text string
		switch {
		case stopped && purge:
			text = fmt.Sprintf("sandbox %s is stopped and removed (%s)", d.Name, seconds(result.Took))
		case stopped:
			text = fmt.Sprintf("sandbox %s is stopped (%s); its data are kept", d.Name, seconds(result.Took))
		case purge:
			text = fmt.Sprintf("sandbox %s was not running; it is removed", d.Name)
		default:
			text = fmt.Sprintf("sandbox %s was not running", d.Name)
		}
		_, err := fmt.Fprintln(w, text)
		return err
	})
}

// stopSandbox stops what runs; the first result tells whether anything did.
func (a *app) stopSandbox(ctx context.Context, d sandbox.Dir, purge bool) (stopped bool, err error) {
	lock, err := d.OpenLock() // before the stop: a purge removes its name
	switch {
	case errors.Is(err, fs.ErrNotExist) && purge: // its directory may have been removed by hand
		return purgeLeft(ctx, d)
	case errors.Is(err, fs.ErrNotExist):
		return false, nil // there is no such sandbox
	}
	if err != nil {
		return false, err
	}
	defer lock.Close()
	c := client.Open(d)
	defer c.Close()
	err = c.Stop(ctx, purge)
	if _, gone := errors.AsType[*sandbox.NotRunningError](err); err != nil && !gone {
		return false, err
	}
	stopped = err == nil
	// When the lock is ours the supervisor's process has ended, and nobody else can start one.
	if err := until(ctx, downLimit, "the supervisor to end", lock.Try); err != nil || !lock.Current() {
		return stopped, err
	}
	r, err := newRuntime(ctx, d, "", onlyLook())
	if err != nil {
		return stopped, err
	}
	orphans, err := supervisor.StopOrphans(ctx, d, r, purge)
	if len(orphans) > 0 {
		a.note("stopped %d nodes that a killed supervisor had left", len(orphans))
	}
	if err == nil && purge {
		_, err = purgeLeft(ctx, d)
	}
	return stopped || len(orphans) > 0, err
}
