package main

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordage-sandbox/cordage/sandbox/container/handover"
)

// newReceiveCmd is what runs first in a worker's container, which has no shell.
func newReceiveCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "receive DIR [-- PROGRAM ARGUMENT...]",
		Short: "Receive files on standard input and run a program (used in containers)",
		Long: `Read files from standard input as JSON (contents in base64 by name), keep them in a directory, readable by this user
only, and become another program if one is given. The container runtime hands workers their boot parameters this way.`,
		Example: "  cordage receive /run/cordage -- /cordage worker crypto --boot /run/cordage/boot.json",
		Args:    cobra.MinimumNArgs(1),
		Hidden:  true,
		RunE:    func(cmd *cobra.Command, args []string) error { return handover.Main(args, cmd.InOrStdin()) },
	}
}

// newHealthCmd is what the engine asks a worker's container by.
func newHealthCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "health URL",
		Short:   "Ask a worker whether it is healthy (used in containers)",
		Long:    "Ask a worker's monitor whether it is healthy. The exit code is 0 if it answers 200.",
		Example: "  cordage health http://127.0.0.1:7000/isHealthy",
		Args:    cobra.ExactArgs(1),
		Hidden:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			const limit = 4 * time.Second
			client := http.Client{Timeout: limit}
			req, err := http.NewRequestWithContext(cmd.Context(), http.MethodGet, args[0], nil)
			if err != nil {
				return err
			}
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // what it says does not count
			if resp.StatusCode != http.StatusOK {
				return fmt.Errorf("ask %s: it answers %s", args[0], resp.Status)
			}
			return nil
		},
	}
}
