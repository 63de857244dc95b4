package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/client"
)

func (a *app) newRestartCmd() *cobra.Command {
	return a.control("restart NODE|TYPE|all", "Stop nodes in order, start them again, and wait until they are ready",
		"  cordage restart rest-1\n  cordage restart database\n  cordage restart postgres", "restarted", (*client.Client).Restart)
}

func (a *app) newKillCmd() *cobra.Command {
	return a.control("kill NODE|TYPE|all", "End nodes with SIGKILL; the supervisor starts them again",
		"  cordage kill crypto-1\n  cordage kill kafka", "killed", (*client.Client).Kill)
}

func (a *app) newPauseCmd() *cobra.Command {
	return a.control("pause NODE|TYPE|all", "Freeze nodes, like a machine that hangs",
		"  cordage pause rest-2", "paused", (*client.Client).Pause)
}

func (a *app) newUnpauseCmd() *cobra.Command {
	return a.control("unpause NODE|TYPE|all", "Let paused nodes go on",
		"  cordage unpause rest-2", "unpaused", (*client.Client).Unpause)
}

// control makes a command that does something to the nodes that are meant.
func (a *app) control(use, short, example, done string,
	do func(*client.Client, context.Context, string) ([]sandbox.Node, error),
) *cobra.Command {
	return a.supervisorCmd(cobra.Command{
		Use: use, Short: short, Example: example, Args: cobra.ExactArgs(1),
	}, func(ctx context.Context, c *client.Client, args []string) error {
		nodes, err := do(c, ctx, args[0])
		if err != nil {
			return err
		}
		return a.answer(nodes, func(w io.Writer) error {
			var names []string
			for _, n := range nodes {
				names = append(names, n.Name)
			}
			_, err := fmt.Fprintf(w, "%s %s\n", done, strings.Join(names, ", "))
			return err
		})
	})
}

func (a *app) newScaleCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "scale TYPE=N | TYPE N",
		Short:   "Set the number of workers of a type, and wait until they are ready",
		Example: "  cordage scale rest=3\n  cordage scale database 2",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, number, _ := strings.Cut(strings.Join(args, "="), "=")
			n, err := strconv.Atoi(number)
			if err != nil {
				return &usageError{fmt.Errorf("scale %s: write it as TYPE=NUMBER, such as rest=2", strings.Join(args, " "))}
			}
			if err := sandbox.CheckReplicas(name, n); err != nil {
				return &usageError{err}
			}
			c, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			nodes, err := c.Scale(cmd.Context(), name, n)
			if err != nil {
				return err
			}
			return a.answer(nodes, func(w io.Writer) error { return printNodes(w, nodes) })
		},
	}
}

func (a *app) newLogsCmd() *cobra.Command {
	var follow bool
	var tail int
	cmd := &cobra.Command{
		Use:     "logs [NODE]",
		Short:   "Print a node's log, or the end of all of them",
		Long:    "Print a node's log, or the last lines of all nodes' logs, each line with its node. NODE \"supervisor\" is the supervisor itself.",
		Example: "  cordage logs rest-1\n  cordage logs -f database-1\n  cordage logs --tail 50 kafka-1\n  cordage logs -f",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return a.logs(cmd.Context(), args[0], tail, follow)
			}
			if !cmd.Flags().Changed("tail") {
				tail = 10
			}
			return a.allLogs(cmd.Context(), tail, follow)
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until interrupted")
	cmd.Flags().IntVar(&tail, "tail", -1, "only the last `N` lines (default all of a node, 10 of each without one)")
	return cmd
}
