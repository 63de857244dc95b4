package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/client"
	"github.com/cordage-sandbox/cordage/sandbox/supervisor"
)

func (a *app) newStatusCmd() *cobra.Command {
	return a.supervisorCmd(cobra.Command{
		Use:     "status",
		Short:   "Show the sandbox, its nodes and where they are reached",
		Example: "  cordage status\n  cordage status --json | jq '.nodes[] | {name, state}'",
		Args:    cobra.NoArgs,
	}, func(ctx context.Context, c *client.Client, _ []string) error {
		info, err := c.Sandbox(ctx)
		if err != nil {
			return err
		}
		nodes, err := c.Nodes(ctx)
		if err != nil {
			return err
		}
		return a.answer(struct {
			Sandbox sandbox.Info   `json:"sandbox"`
			Nodes   []sandbox.Node `json:"nodes"`
		}{info, nodes}, func(w io.Writer) error { return printStatus(w, info, nodes) })
	})
}

func printStatus(w io.Writer, info sandbox.Info, nodes []sandbox.Node) error {
	fmt.Fprintf(w, "sandbox %s: %s, up for %s, runtime %s\n", info.Name, info.Phase, seconds(time.Since(info.Started)), info.Runtime)
	if info.RuntimeWhy != "" {
		fmt.Fprintf(w, "  %s\n", info.RuntimeWhy)
	}
	if info.Adopted > 0 {
		fmt.Fprintf(w, "  its supervisor has adopted %d running nodes\n", info.Adopted)
	}
	fmt.Fprintf(w, "  REST API    %s\n  Kafka       %s\n  PostgreSQL  %s\n  clock       %s\n  kept in     %s\n\n",
		info.Endpoints.REST, info.Endpoints.Kafka, info.Endpoints.PostgreSQL, info.Clock, info.Dir)
	return printNodes(w, nodes)
}

func printNodes(w io.Writer, nodes []sandbox.Node) error {
	rows := [][]string{{"NODE", "STATE", "PROCESS", "UP FOR", "START", "MEMORY", "CPU", "RESTARTS", "PORTS"}}
	var reasons []string
	for _, n := range nodes {
		up := ""
		if n.State.Runs() {
			up = seconds(time.Since(n.Started))
		}
		rows = append(rows, []string{
			n.Name, sign(n.State) + " " + string(n.State), n.Instance, up, seconds(n.Took), size(n.RSS), seconds(n.CPU),
			fmt.Sprint(n.Restarts), portList(n.Ports),
		})
		if n.Reason != "" && n.State != sandbox.Ready {
			reasons = append(reasons, fmt.Sprintf("%s: %s", n.Name, n.Reason))
		}
	}
	if err := table(w, rows); err != nil {
		return err
	}
	for _, r := range reasons {
		fmt.Fprintln(w, "  "+r)
	}
	return nil
}

// sign is a mark for a state, beside its name.
func sign(s sandbox.State) string {
	switch s {
	case sandbox.Ready:
		return "●"
	case sandbox.Starting, sandbox.Stopping, sandbox.Backoff:
		return "◐"
	case sandbox.Degraded, sandbox.Crashed:
		return "✗"
	default:
		return "○"
	}
}

func portList(ports map[string]int) string {
	var list []string
	for _, purpose := range slices.Sorted(maps.Keys(ports)) {
		list = append(list, fmt.Sprintf("%s=%d", purpose, ports[purpose]))
	}
	return strings.Join(list, " ")
}

func (a *app) newListCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the sandboxes of this user",
		Example: "  cordage list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			entries, err := a.sandboxes(cmd.Context())
			if err != nil {
				return err
			}
			return answerList(a, entries, []string{"NAME", "STATE", "REST API", "KEPT IN"}, func(e entry) []string {
				return []string{e.Name, e.State, e.REST, e.Dir}
			})
		},
	}
}

// entry is a sandbox in the list.
type entry struct {
	Name  string `json:"name"`
	State string `json:"state"` // a phase, "orphaned" (nodes without a supervisor), "stopped", "failed" or "damaged"
	REST  string `json:"rest,omitempty"`
	Dir   string `json:"dir"`
}

// sandboxes lists all sandboxes. It does not change any, not even an orphaned one.
func (a *app) sandboxes(ctx context.Context) ([]entry, error) {
	dirs, err := sandbox.All()
	if err != nil {
		return nil, err
	}
	entries := []entry{}
	for _, d := range dirs {
		e := entry{Name: d.Name, State: "stopped", Dir: d.Path}
		c := client.Open(d)
		info, err := c.Sandbox(ctx)
		c.Close()
		if err == nil {
			e.State, e.REST = string(info.Phase), info.Endpoints.REST
		} else if _, gone := errors.AsType[*sandbox.NotRunningError](err); gone {
			e.State = a.stoppedState(ctx, d)
		} else {
			e.State = err.Error()
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func (a *app) stoppedState(ctx context.Context, d sandbox.Dir) string {
	state, err := supervisor.ReadState(d)
	if err != nil {
		return "damaged"
	}
	if found, err := a.orphans(ctx, d); err == nil && len(found) > 0 {
		return "orphaned"
	}
	if state.Failure != nil {
		return "failed"
	}
	return "stopped"
}
