package main

import (
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/client"
	"github.com/cordage-sandbox/cordage/sandbox/trace"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

func (a *app) newTopologyCmd() *cobra.Command {
	return a.supervisorCmd(cobra.Command{
		Use:   "topology",
		Short: "Show who talks to whom in the sandbox, as observed",
		Long: `Show the nodes of the sandbox and the edges between them as they are observed at this moment: routes of the load
balancer, consumer groups of Kafka with their lag, topics that are written and read, sessions of PostgreSQL. What does not
talk has no edge.`,
		Example: "  cordage topology\n  cordage topology --json | jq '.edges[] | select(.kind == \"consumes\")'",
		Args:    cobra.NoArgs,
	}, func(ctx context.Context, c *client.Client, _ []string) error {
		t, err := c.Topology(ctx)
		if err != nil {
			return err
		}
		return a.answer(t, func(w io.Writer) error { return printTopology(w, t) })
	})
}

// printTopology prints each node with what leads away from it.
func printTopology(w io.Writer, t sandbox.Topology) error {
	nodes := slices.Clone(t.Nodes)
	slices.Reverse(nodes) // from the user inwards: load balancer, rest, …, servers
	for _, n := range nodes {
		fmt.Fprintf(w, "%s %s  %s%s\n", sign(n.State), n.Name, n.State, reasonOf(n))
		lines := edgeLines(t.Edges, n.Name)
		for i, line := range lines {
			branch := "├─"
			if i == len(lines)-1 {
				branch = "└─"
			}
			fmt.Fprintf(w, "  %s %s\n", branch, line)
		}
	}
	for _, f := range t.Faults {
		fmt.Fprintf(w, "not observed: %s\n", f)
	}
	return nil
}

func reasonOf(n sandbox.Node) string {
	if n.Reason == "" || n.State == sandbox.Ready {
		return ""
	}
	return ": " + n.Reason
}

// edgeLines are the edges that leave a node, those of one kind and target in a group of consumers on one line each.
func edgeLines(edges []sandbox.Edge, node string) (lines []string) {
	for _, e := range edges {
		if e.From != node {
			continue
		}
		switch e.Kind {
		case sandbox.EdgeRoutes:
			state := "● ready"
			if !e.Up {
				state = "✗ not ready"
			}
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("routes to %s  %s  %s", e.To, state, e.Note)))
		case sandbox.EdgeConsumes:
			lag := "up to date"
			if e.Lag > 0 {
				lag = fmt.Sprintf("%d behind", e.Lag)
			}
			lines = append(lines, fmt.Sprintf("consumes %s from %s  %s, %s%s", e.What, e.To, screen.Plural(e.Count, "partition"), lag, downNote(e)))
		case sandbox.EdgeQueries:
			lines = append(lines, fmt.Sprintf("queries %s in %s  %s, %s", e.What, e.To, screen.Plural(e.Count, "session"), e.Note))
		default:
			way := "to"
			if e.Kind == sandbox.EdgeReads {
				way = "from"
			}
			lines = append(lines, fmt.Sprintf("%s %s %s %s  %s so far%s", e.Kind, e.What, way, e.To, screen.Plural(int(e.Total), "record"), downNote(e)))
		}
	}
	return lines
}

// downNote says why an edge is not usable at present.
func downNote(e sandbox.Edge) string {
	if e.Up {
		return ""
	}
	return ", " + e.Note
}

func (a *app) newTopicsCmd() *cobra.Command {
	var all bool
	cmd := a.supervisorCmd(cobra.Command{
		Use:     "topics [TOPIC]...",
		Short:   "List the topics with their records, readers and lag",
		Long:    "List the topics with their records, readers and lag, or only those that are named. * stands for any letters.",
		Example: "  cordage topics\n  cordage topics --all\n  cordage topics uniqueness.check 'virtual.node.*'",
	}, func(ctx context.Context, c *client.Client, args []string) error {
		topics, err := c.Topics(ctx)
		if err != nil {
			return err
		}
		if topics, err = chosenTopics(topics, args); err != nil {
			return err
		}
		return a.answer(topics, func(w io.Writer) error { return printTopics(w, topics, all || len(args) > 0) })
	})
	cmd.Flags().BoolVar(&all, "all", false, "those without records and readers too")
	return cmd
}

// chosenTopics are the topics that patterns mean; all without one.
func chosenTopics(topics []sandbox.TopicInfo, patterns []string) ([]sandbox.TopicInfo, error) {
	if len(patterns) == 0 {
		return topics, nil
	}
	chosen := map[string]bool{}
	for _, pattern := range patterns {
		found := false
		for _, t := range topics {
			matches, err := path.Match(pattern, t.Name)
			if err != nil {
				return nil, &usageError{fmt.Errorf("topic %q: %w", pattern, err)}
			}
			if matches {
				chosen[t.Name], found = true, true
			}
		}
		if !found {
			return nil, &unknownError{fmt.Sprintf("topic %q: there is none of that name", pattern), "see: cordage topics --all"}
		}
	}
	return slices.DeleteFunc(topics, func(t sandbox.TopicInfo) bool { return !chosen[t.Name] }), nil
}

func printTopics(w io.Writer, topics []sandbox.TopicInfo, all bool) error {
	rows := [][]string{{"TOPIC", "CLEANUP", "PARTITIONS", "RECORDS", "GROUP", "READ BY", "LAG"}}
	hidden := 0
	for _, t := range topics {
		if !all && t.Records == 0 && len(t.Groups) == 0 {
			hidden++
			continue
		}
		row := []string{t.Name, t.Cleanup, strconv.Itoa(t.Partitions), strconv.FormatInt(t.Records, 10), "", "", ""}
		for _, g := range t.Groups {
			row[4], row[5], row[6] = g.Group, strings.Join(g.Nodes, " "), strconv.FormatInt(g.Records, 10)
			rows = append(rows, row)
			row = make([]string, len(row))
		}
		if len(t.Groups) == 0 {
			rows = append(rows, row)
		}
	}
	if err := table(w, rows); err != nil {
		return err
	}
	if hidden > 0 {
		fmt.Fprintf(w, "and %d topics without records and readers: cordage topics --all\n", hidden)
	}
	return nil
}

func (a *app) newTraceCmd() *cobra.Command {
	var limit int
	cmd := a.supervisorCmd(cobra.Command{
		Use:     "trace [ID]",
		Short:   "List the latest requests, or follow one hop by hop",
		Example: "  cordage trace\n  cordage trace 4bf92f35",
		Args:    cobra.MaximumNArgs(1),
	}, func(ctx context.Context, c *client.Client, args []string) error {
		if len(args) == 1 {
			t, err := c.Trace(ctx, args[0])
			if err != nil {
				return err
			}
			return a.answer(t, func(w io.Writer) error { return printTrace(w, t) })
		}
		list, err := c.Traces(ctx, limit)
		if err != nil {
			return err
		}
		return answerList(a, list, []string{"ID", "BEGAN", "TOOK", "SPANS", "NAME", "NODES", ""}, traceRow)
	})
	cmd.Flags().IntVar(&limit, "limit", 30, "how many of the latest; 0 for all that are kept")
	return cmd
}

// traceRow tells of a request in one line.
func traceRow(t trace.Summary) []string {
	failed := ""
	if t.Failed {
		failed = "✗ failed"
	}
	const shown = 12
	return []string{
		t.ID[:min(shown, len(t.ID))], t.Start.Local().Format("15:04:05.000"), seconds(t.Took), strconv.Itoa(t.Spans), t.Name,
		strings.Join(t.Nodes, " "), failed,
	}
}

func printTrace(w io.Writer, t trace.Trace) error {
	fmt.Fprintf(w, "trace %s, began %s, took %s\n", t.ID, t.Start.Format(time.RFC3339Nano), seconds(t.Took))
	rows := [][]string{{"AFTER", "TOOK", "NODE", "WHAT"}}
	var walk func(hops []trace.Hop, indent string)
	walk = func(hops []trace.Hop, indent string) {
		for i, h := range hops {
			branch, next := "├─ ", "│  "
			if i == len(hops)-1 {
				branch, next = "└─ ", "   "
			}
			text := indent + branch + h.Name
			if h.Failed {
				text += "  ✗ " + h.Message
			}
			rows = append(rows, []string{"+" + h.Start.Sub(t.Start).Round(10*time.Microsecond).String(), seconds(h.Took), h.Node, text})
			walk(h.Next, indent+next)
		}
	}
	walk(t.Tree, "")
	return table(w, rows)
}
