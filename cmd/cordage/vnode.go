package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordage-sandbox/cordage/sandbox/client"
	"github.com/cordage-sandbox/cordage/workers/ident"
)

func (a *app) newVNodeCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "vnode", Short: "Create virtual nodes and list them",
		Example: "  cordage vnode create --cpi demo 'O=Alice, L=London, C=GB'\n  cordage vnode list",
	}
	cmd.AddCommand(a.newVNodeCreateCmd(),
		a.restCmd(cobra.Command{
			Use: "list", Short: "List the virtual nodes", Example: "  cordage vnode list", Args: cobra.NoArgs,
		}, func(ctx context.Context, r *client.REST, _ []string) error {
			nodes, err := r.VNodes(ctx)
			if err != nil {
				return err
			}
			return answerList(a, nodes, []string{"SHORT HASH", "X.500 NAME", "CPI", "STATE"}, func(n client.VNode) []string {
				return []string{n.HoldingIdentity.ShortHash, n.HoldingIdentity.X500Name, n.CPI.Name + " " + n.CPI.Version, vnodeState(n)}
			})
		}),
		a.restCmd(cobra.Command{
			Use: "get NAME|HASH", Short: "Show a virtual node", Example: "  cordage vnode get 226D5D9460A4", Args: cobra.ExactArgs(1),
		}, func(ctx context.Context, r *client.REST, args []string) error {
			n, err := findVNode(ctx, r, args[0])
			if err != nil {
				return err
			}
			return a.answer(n, func(w io.Writer) error { return printVNode(w, n) })
		}),
		a.restCmd(cobra.Command{
			Use: "status REQUEST", Short: "Show how far the creation of a virtual node has come", Example: "  cordage vnode status 226D5D9460A4",
			Args: cobra.ExactArgs(1),
		}, func(ctx context.Context, r *client.REST, args []string) error {
			s, err := r.VNodeStatus(ctx, args[0])
			if err != nil {
				return err
			}
			return a.answer(s, func(w io.Writer) error {
				_, err := fmt.Fprintln(w, strings.TrimSpace(s.Status+" "+deref(s.Error)))
				return err
			})
		}),
	)
	return cmd
}

func (a *app) newVNodeCreateCmd() *cobra.Command {
	var noWait bool
	var timeout time.Duration
	var cpi string
	cmd := a.restCmd(cobra.Command{
		Use: "create NAME... --cpi CPI", Short: "Create virtual nodes, and wait until they are there",
		Long: `Create a virtual node for each X.500 name, and wait until they are there. The CPI is given by its checksum, its name, or
name:version; without --cpi there must be exactly one.`,
		Example: "  cordage vnode create --cpi demo 'O=Alice, L=London, C=GB' 'O=Bob, L=Paris, C=FR'",
		Args:    cobra.MinimumNArgs(1),
	}, func(ctx context.Context, r *client.REST, args []string) error {
		chosen, err := findCPI(ctx, r, cpi)
		if err != nil {
			return err
		}
		ids := make([]string, len(args))
		for i, name := range args {
			if ids[i], err = r.CreateVNode(ctx, name, chosen.Checksum); err != nil {
				return fmt.Errorf("create virtual node %s: %w", name, err)
			}
		}
		if noWait {
			return a.answer(ids, func(w io.Writer) error {
				for i, id := range ids {
					fmt.Fprintf(w, "%s is requested; see: cordage vnode status %s\n", args[i], id)
				}
				return nil
			})
		}
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		nodes := make([]client.VNode, len(ids))
		for i, id := range ids {
			nodes[i], err = awaitVNode(ctx, r, id)
			if err == nil && nodes[i].CPI != chosen.ID {
				err = &failedError{fmt.Sprintf("somebody created it at the same moment, with CPI %s %s", nodes[i].CPI.Name, nodes[i].CPI.Version), ""}
			}
			if err != nil {
				return fmt.Errorf("create virtual node %s: %w", args[i], err)
			}
		}
		return a.answer(nodes, func(w io.Writer) error {
			for _, n := range nodes {
				fmt.Fprintf(w, "%s is created, short hash %s\n", n.HoldingIdentity.X500Name, n.HoldingIdentity.ShortHash)
			}
			return nil
		})
	})
	cmd.Flags().StringVar(&cpi, "cpi", "", "`CPI` of the nodes: checksum, name, or name:version")
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "return as soon as the cluster has accepted the requests")
	cmd.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, "how long to wait for all of them")
	return cmd
}

// awaitVNode waits until the request has succeeded and the node is listed.
func awaitVNode(ctx context.Context, r *client.REST, id string) (node client.VNode, err error) {
	err = until(ctx, maxWait(ctx), "the virtual node", func() (bool, error) {
		s, err := r.VNodeStatus(ctx, id)
		if notFound(err) {
			return false, nil // not yet seen on the bus
		}
		if err != nil {
			return false, err
		}
		switch s.Status {
		case "FAILED", "ABORTED":
			return false, &failedError{fmt.Sprintf("it is %s: %s", s.Status, deref(s.Error)), ""}
		case "SUCCEEDED":
			node, err = r.VNode(ctx, deref(s.ResourceID))
			if notFound(err) {
				return false, nil
			}
			return err == nil, err
		}
		return false, nil
	})
	return node, err
}

func notFound(err error) bool {
	refused, ok := errors.AsType[*client.RefusedError](err)
	return ok && refused.Status == 404
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// findCPI finds the CPI that is meant by a checksum, a name or name:version; the only one if nothing is given.
func findCPI(ctx context.Context, r *client.REST, meant string) (client.CPI, error) {
	cpis, err := r.CPIs(ctx)
	if err != nil {
		return client.CPI{}, err
	}
	var found []client.CPI
	for _, c := range cpis {
		if meant == "" || strings.EqualFold(meant, c.Checksum) || meant == c.ID.Name || meant == c.ID.Name+":"+c.ID.Version {
			found = append(found, c)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(cpis) == 0:
		return client.CPI{}, &unknownError{"find the CPI: none has been uploaded", "upload one: cordage cpi upload FILE"}
	case len(found) == 0:
		return client.CPI{}, &unknownError{fmt.Sprintf("find the CPI %q: there is none of that name or checksum", meant), "see: cordage cpi list"}
	}
	return client.CPI{}, &usageError{fmt.Errorf("find the CPI %q: %d are meant; give --cpi a checksum (cordage cpi list)", meant, len(found))}
}

// findVNode finds a virtual node by short hash or X.500 name, spaces and order of attributes aside.
func findVNode(ctx context.Context, r *client.REST, meant string) (client.VNode, error) {
	nodes, err := r.VNodes(ctx)
	if err != nil {
		return client.VNode{}, err
	}
	for _, n := range nodes {
		if strings.EqualFold(n.HoldingIdentity.ShortHash, meant) || sameName(n.HoldingIdentity.X500Name, meant) {
			return n, nil
		}
	}
	return client.VNode{}, &unknownError{fmt.Sprintf("find virtual node %q: there is none of that name or hash", meant), "see: cordage vnode list"}
}

func vnodeState(n client.VNode) string {
	for _, s := range []string{n.FlowP2P, n.FlowStart, n.Flow, n.VaultDB} {
		if s != "ACTIVE" {
			return "MAINTENANCE"
		}
	}
	return "ACTIVE"
}

func printVNode(w io.Writer, n client.VNode) error {
	return table(w, [][]string{
		{"X.500 name", n.HoldingIdentity.X500Name},
		{"short hash", n.HoldingIdentity.ShortHash},
		{"group", n.HoldingIdentity.GroupID},
		{"CPI", n.CPI.Name + " " + n.CPI.Version},
		{"state", vnodeState(n)},
		{"vault", "connection " + n.VaultDML + ", cordage psql " + n.HoldingIdentity.ShortHash + "/vault"},
		{"crypto", "connection " + n.CryptoDML + ", cordage psql " + n.HoldingIdentity.ShortHash + "/crypto"},
		{"uniqueness", "connection " + n.UniquenessDML + ", cordage psql " + n.HoldingIdentity.ShortHash + "/uniqueness"},
	})
}

// sameName compares X.500 names as the cluster does: the order of attributes and spaces do not matter.
func sameName(a, b string) bool {
	x, err1 := ident.ParseName(a)
	y, err2 := ident.ParseName(b)
	return err1 == nil && err2 == nil && x.String() == y.String()
}
