package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/workers/clock"
)

func (a *app) newClockCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "clock",
		Short: "Show the sandbox's clock, freeze it or move it",
		Long: `The clock of a sandbox is what its workers judge time windows and certificates by. It is the machine's clock until it is
frozen or moved. A change returns when every running worker has confirmed it. Times are RFC 3339, such as
2026-05-01T12:00:00Z; a date alone means its midnight in UTC.`,
		Example: "  cordage clock\n  cordage clock freeze 2026-05-01T12:00:00Z\n  cordage clock advance 90m\n  cordage clock resume",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.showClock(cmd.Context()) },
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "show", Short: "Show the clock", Example: "  cordage clock show --json", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return a.showClock(cmd.Context()) },
		},
		a.clockAt("freeze TIME", "Make the clock stand still at a time", "  cordage clock freeze 2026-05-01"),
		a.clockAt("set TIME", "Let the clock run on from a time", "  cordage clock set 2026-05-01T12:00:00+02:00"),
		&cobra.Command{
			Use: "advance DURATION", Short: "Move the clock forward, or backward by a negative duration; frozen or running, it stays so",
			Example: "  cordage clock advance 24h\n  cordage clock advance -- -15m", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				if _, err := time.ParseDuration(args[0]); err != nil {
					return &usageError{fmt.Errorf("%q is no duration: write it as 90s, 15m or 1h30m", args[0])}
				}
				return a.changeClock(cmd.Context(), sandbox.ClockChange{Action: "advance", By: args[0]})
			},
		},
		&cobra.Command{
			Use: "resume", Short: "Give the clock back to the machine", Example: "  cordage clock resume", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return a.changeClock(cmd.Context(), sandbox.ClockChange{Action: "resume"})
			},
		},
	)
	return cmd
}

func (a *app) clockAt(use, short, example string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Example: example, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := parseTime(args[0])
			if err != nil {
				return &usageError{err}
			}
			return a.changeClock(cmd.Context(), sandbox.ClockChange{Action: cmd.Name(), Time: t})
		},
	}
}

// parseTime reads RFC 3339, or a date alone.
func parseTime(text string) (time.Time, error) {
	for _, form := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(form, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: write it as 2026-05-01T12:00:00Z or 2026-05-01", text)
}

func (a *app) showClock(ctx context.Context) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	s, err := c.Clock(ctx)
	if err != nil {
		return err
	}
	return a.printClock(s)
}

func (a *app) changeClock(ctx context.Context, change sandbox.ClockChange) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	s, err := c.SetClock(ctx, change)
	if err != nil {
		return err
	}
	return a.printClock(s)
}

func (a *app) printClock(s clock.Setting) error {
	if s.Mode == "" {
		s.Mode = clock.Machine
	}
	now := s.Now(time.Now())
	return a.answer(struct {
		clock.Setting
		Now time.Time `json:"now"`
	}{s, now}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s  (%s)\n", now.Format(time.RFC3339Nano), s)
		return err
	})
}
