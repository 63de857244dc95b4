package main

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/cordage-sandbox/cordage/workers"
	"github.com/cordage-sandbox/cordage/workers/role"
)

// newWorkerCmd runs one worker in the foreground. The supervisor starts it; it is hidden, since the boot file that it
// needs is the supervisor's.
func newWorkerCmd() *cobra.Command {
	var names []string
	for _, r := range role.All() {
		names = append(names, r.Name)
	}
	var boot string
	cmd := &cobra.Command{
		Use:   "worker ROLE --boot FILE",
		Short: "Run one worker of a sandbox (used by the supervisor)",
		Long: "Run one worker of a sandbox until it is told to stop with SIGTERM. Its boot parameters, which hold secrets, come as a\n" +
			"file that only its user can read. Roles: " + strings.Join(names, ", ") + ".",
		Example:   "  cordage worker crypto --boot boot/crypto-1.json",
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: names,
		Hidden:    true,
		RunE: func(cmd *cobra.Command, args []string) error {
			parameters, err := role.ReadBoot(boot)
			if err != nil {
				return err
			}
			if parameters.Role != args[0] {
				return fmt.Errorf("boot file %s is for a %s worker, not for %s", boot, parameters.Role, args[0])
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return workers.Main(ctx, boot, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&boot, "boot", "", "`file` with the boot parameters of the worker, in JSON, readable by its user only")
	require(cmd, "boot")
	return cmd
}
