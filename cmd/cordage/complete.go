package main

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/client"
	"github.com/cordage-sandbox/cordage/scenarios/builtin"
	"github.com/cordage-sandbox/cordage/workers/settings"
)

// completer offers words where a user has typed part of one. It starts and changes nothing, and what cannot be told in a
// moment it leaves out: a shell waits for it at each press of a key.
type completer func(ctx context.Context, typed []string) ([]cobra.Completion, cobra.ShellCompDirective)

// completionLimit is how long a user waits for names that the sandbox or its cluster must tell.
const completionLimit = 2 * time.Second

// addCompletions gives every command and flag of the table what shells offer for it.
func (a *app) addCompletions(root *cobra.Command) {
	for path, c := range a.argumentCompleters() {
		command, _, err := root.Find(strings.Fields(path))
		if err != nil { // the table names one that is not there; a test finds it
			panic(err)
		}
		command.ValidArgsFunction = a.complete(c)
	}
	for flag, c := range a.flagCompleters() {
		path, name, _ := strings.Cut(flag, " --")
		command, _, err := root.Find(strings.Fields(path))
		if err == nil {
			err = command.RegisterFlagCompletionFunc(name, a.complete(c))
		}
		if err != nil {
			panic(err)
		}
	}
}

// complete makes a completer one of cobra's. The name of the sandbox has been read from the flags by then, but nothing else
// has happened that a command relies on.
func (a *app) complete(c completer) cobra.CompletionFunc {
	return func(cmd *cobra.Command, typed []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		a.named = cmd.Flags().Changed("name")
		ctx, cancel := context.WithTimeout(cmd.Context(), completionLimit)
		defer cancel()
		words, directive := c(ctx, typed)
		if directive&cobra.ShellCompDirectiveFilterFileExt == 0 { // else they are ends of file names
			words = slices.DeleteFunc(slices.Clone(words), func(c cobra.Completion) bool { return !strings.HasPrefix(c, begun) })
		}
		return words, directive
	}
}

// argumentCompleters is the table of what the arguments of commands may be, by command.
func (a *app) argumentCompleters() map[string]completer {
	nodes := first(a.nodeNames)
	vnodes := first(a.vnodeNames)
	sections := first(constant(settings.Sections()...))
	return map[string]completer{
		"restart": nodes, "kill": nodes, "pause": nodes, "unpause": nodes, "logs": first(a.logNames),
		"scale":         assigned(sandbox.RoleNames()),
		"topics":        each(a.topicNames),
		"trace":         first(a.traceIDs),
		"psql":          first(a.databaseNames),
		"scenario run":  orFiles(a.scenarioNames),
		"scenario show": first(constant(builtin.Names()...)),
		"vnode get":     vnodes, "vnode status": vnodes,
		"certificate get": first(a.certificateAliases),
		"cpi upload":      files("cpi"),
		"config get":      sections, "config put": sections,
	}
}

// flagCompleters is the table of what flags may be, by command and flag. What is not there completes to files.
func (a *app) flagCompleters() map[string]completer {
	purposes := slices.Sorted(maps.Keys(sandbox.Purposes()))
	runtimes := each(constant(sandbox.Auto, sandbox.Processes, sandbox.Containers))
	return map[string]completer{
		" --name":                 each(sandboxNames),
		" --file":                 files("yaml", "yml"),
		"up --runtime":            runtimes,
		"up --replicas":           assigned(sandbox.RoleNames()),
		"up --port":               assigned(purposes),
		"up --databases":          each(constant(string(sandbox.Shared), string(sandbox.Separate))),
		"up --brokers":            each(constant("1", strconv.Itoa(sandbox.Replication))),
		"up --log-level":          each(constant(sandbox.LogLevels()...)),
		"init --runtime":          runtimes,
		"scenario run --runtime":  runtimes,
		"scenario run --junit":    files("xml"),
		"vnode create --cpi":      each(a.cpiNames),
		"notary check --vnode":    each(a.vnodeNames),
		"notary check --requests": files("json"),
		"package verify --type":   each(constant("cpk", "cpb", "cpi")),
	}
}

// choices are words that can be told now.
type choices func(ctx context.Context) []cobra.Completion

// each offers the choices for every argument; those that are typed already are left out.
func each(of choices) completer {
	return func(ctx context.Context, typed []string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return without(of(ctx), typed), cobra.ShellCompDirectiveNoFileComp
	}
}

// first offers the choices for the first argument, and nothing for those after it.
func first(of choices) completer {
	return func(ctx context.Context, typed []string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(typed) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return of(ctx), cobra.ShellCompDirectiveNoFileComp
	}
}

// orFiles offers the choices or, where none begins as what is typed, files and directories.
func orFiles(of choices) completer {
	return func(ctx context.Context, typed []string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return without(of(ctx), typed), cobra.ShellCompDirectiveDefault
	}
}

// files offers files whose names end so.
func files(ends ...string) completer {
	return func(context.Context, []string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return ends, cobra.ShellCompDirectiveFilterFileExt
	}
}

// assigned offers NAME= for each name, after which the user goes on typing.
func assigned(names []string) completer {
	return func(_ context.Context, typed []string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(typed) > 0 && !strings.Contains(typed[0], "=") {
			return nil, cobra.ShellCompDirectiveNoFileComp // TYPE N: a number follows
		}
		var offered []cobra.Completion
		for _, name := range names {
			offered = append(offered, name+"=")
		}
		return offered, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

// constant offers words that are always the same.
func constant(list ...string) choices {
	return func(context.Context) []cobra.Completion { return list }
}

// without leaves out what is typed already.
func without(offered []cobra.Completion, typed []string) []cobra.Completion {
	return slices.DeleteFunc(slices.Clone(offered), func(c cobra.Completion) bool {
		word, _, _ := strings.Cut(c, "\t")
		return slices.Contains(typed, word)
	})
}

// ask offers what the sandbox's supervisor tells. Unlike connect it starts none.
func (a *app) ask(of func(*client.Client) ([]cobra.Completion, error)) []cobra.Completion {
	d, err := a.dir()
	if err != nil {
		return nil
	}
	c := client.Open(d)
	defer c.Close()
	offered, err := of(c)
	if err != nil {
		cobra.CompDebugln(err.Error(), false)
		return nil
	}
	return offered
}

// askREST offers what the cluster's REST API tells.
func (a *app) askREST(ctx context.Context, of func(*client.REST) ([]cobra.Completion, error)) []cobra.Completion {
	return a.ask(func(c *client.Client) ([]cobra.Completion, error) {
		cr, err := c.Credentials(ctx)
		if err != nil {
			return nil, err
		}
		r, err := client.NewREST(cr.REST)
		if err != nil {
			return nil, err
		}
		return of(r)
	})
}

// nodeNames are the nodes, and what means several of them.
func (a *app) nodeNames(ctx context.Context) []cobra.Completion {
	several := []cobra.Completion{cobra.CompletionWithDesc("all", "every node")}
	for _, name := range append(sandbox.RoleNames(), string(sandbox.Kafka)) {
		several = append(several, cobra.CompletionWithDesc(name, "every "+name+" node"))
	}
	return append(several, a.singleNodes(ctx)...)
}

func (a *app) singleNodes(ctx context.Context) []cobra.Completion {
	return a.ask(func(c *client.Client) ([]cobra.Completion, error) {
		nodes, err := c.Nodes(ctx)
		var names []cobra.Completion
		for _, n := range nodes {
			names = append(names, cobra.CompletionWithDesc(n.Name, string(n.State)))
		}
		return names, err
	})
}

// logNames are the nodes that have a log.
func (a *app) logNames(ctx context.Context) []cobra.Completion {
	return append(a.singleNodes(ctx), cobra.CompletionWithDesc("supervisor", "the supervisor itself"))
}

func (a *app) topicNames(ctx context.Context) []cobra.Completion {
	return a.ask(func(c *client.Client) ([]cobra.Completion, error) {
		topics, err := c.Topics(ctx)
		var names []cobra.Completion
		for _, t := range topics {
			names = append(names, t.Name)
		}
		return names, err
	})
}

func (a *app) traceIDs(ctx context.Context) []cobra.Completion {
	return a.ask(func(c *client.Client) ([]cobra.Completion, error) {
		const latest = 30
		traces, err := c.Traces(ctx, latest)
		var ids []cobra.Completion
		for _, t := range traces {
			ids = append(ids, cobra.CompletionWithDesc(traceRow(t)[0], t.Name))
		}
		return ids, err
	})
}

// vnodeNames are the short hashes of virtual nodes: their X.500 names have blanks and commas, which shells take apart.
func (a *app) vnodeNames(ctx context.Context) []cobra.Completion {
	return a.askREST(ctx, func(r *client.REST) ([]cobra.Completion, error) {
		nodes, err := r.VNodes(ctx)
		var names []cobra.Completion
		for _, n := range nodes {
			names = append(names, cobra.CompletionWithDesc(n.HoldingIdentity.ShortHash, n.HoldingIdentity.X500Name))
		}
		return names, err
	})
}

// databaseNames are the logical databases: the cluster's, and those of each virtual node.
func (a *app) databaseNames(ctx context.Context) []cobra.Completion {
	names := a.ask(func(c *client.Client) ([]cobra.Completion, error) {
		cr, err := c.Credentials(ctx)
		delete(cr.Databases, nodesDatabase)
		return slices.Sorted(maps.Keys(cr.Databases)), err
	})
	for _, vnode := range a.vnodeNames(ctx) {
		hash, who, _ := strings.Cut(vnode, "\t")
		for _, kind := range slices.Sorted(maps.Keys(nodeKinds())) {
			names = append(names, cobra.CompletionWithDesc(hash+"/"+kind, who))
		}
	}
	return names
}

func (a *app) cpiNames(ctx context.Context) []cobra.Completion {
	return a.askREST(ctx, func(r *client.REST) ([]cobra.Completion, error) {
		cpis, err := r.CPIs(ctx)
		var names []cobra.Completion
		for _, c := range cpis {
			names = append(names, cobra.CompletionWithDesc(c.ID.Name+":"+c.ID.Version, c.Checksum))
		}
		return names, err
	})
}

func (a *app) certificateAliases(ctx context.Context) []cobra.Completion {
	return a.askREST(ctx, func(r *client.REST) ([]cobra.Completion, error) {
		return r.Certificates(ctx, usageCodeSigner)
	})
}

func (a *app) scenarioNames(context.Context) []cobra.Completion {
	return append([]cobra.Completion{"all"}, builtin.Names()...)
}

func sandboxNames(context.Context) []cobra.Completion {
	dirs, err := sandbox.All()
	if err != nil {
		return nil
	}
	var names []cobra.Completion
	for _, d := range dirs {
		names = append(names, d.Name)
	}
	return names
}
