package topology

import (
	"context"
	"fmt"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// doneMsg tells that an action is over.
type doneMsg struct {
	target  string
	attempt string
	err     error
}

// act does what a key asks for with the selected item.
func (v *View) act(msg tea.KeyPressMsg) tea.Cmd {
	k := v.keys
	if args, ok := v.sql(); ok && key.Matches(msg, k.SQL) {
		return screen.Exec(args...)
	}
	if topic, ok := v.selected.topic(); ok && key.Matches(msg, k.Messages) {
		return screen.Go("messages", screen.OpenTopic{Topic: topic})
	}
	n, ok := v.node()
	if !ok {
		return nil
	}
	switch {
	case key.Matches(msg, k.Restart):
		return v.restart(n)
	case key.Matches(msg, k.Kill):
		return v.kill(n)
	case key.Matches(msg, k.Pause):
		return v.pause(n)
	case key.Matches(msg, k.More):
		return v.scale(n, 1)
	case key.Matches(msg, k.Less):
		return v.scale(n, -1)
	case key.Matches(msg, k.Logs):
		return screen.Go("logs", screen.OpenLogs{Nodes: []string{n.Name}})
	}
	return nil
}

// sql is the command line that opens the selected database; PostgreSQL itself is one.
func (v *View) sql() ([]string, bool) {
	if name, ok := v.selected.database(); ok && openable(name) {
		return []string{"psql", name}, true
	}
	if n, ok := v.node(); ok && n.Kind == sandbox.PostgreSQL {
		return []string{"psql"}, true
	}
	return nil, false
}

// openable tells whether the name is a logical database; sessions may also tell of other business.
func openable(name string) bool {
	for _, r := range name {
		if r == ' ' {
			return false
		}
	}
	return true
}

func (v *View) restart(n sandbox.Node) tea.Cmd {
	do := v.do(n.Name, "restarting", "restart "+n.Name, func(ctx context.Context) error {
		_, err := v.source.Restart(ctx, n.Name)
		return err
	})
	if n.Kind == sandbox.Worker {
		return do()
	}
	return screen.Ask(screen.Question{Title: "Restart " + n.Name + "?", Text: "All workers lose their connections to it until it is ready again.", Yes: "restart", Do: later(do)})
}

func (v *View) kill(n sandbox.Node) tea.Cmd {
	do := v.do(n.Name, "killing", "kill "+n.Name, func(ctx context.Context) error {
		_, err := v.source.Kill(ctx, n.Name)
		return err
	})
	return screen.Ask(screen.Question{
		Title: "Kill " + n.Name + "?", Text: "It ends with SIGKILL, in the middle of what it does. The supervisor starts it again.", Yes: "kill", Do: later(do),
	})
}

func (v *View) pause(n sandbox.Node) tea.Cmd {
	if n.State == sandbox.Paused {
		return v.do(n.Name, "unpausing", "unpause "+n.Name, func(ctx context.Context) error {
			_, err := v.source.Unpause(ctx, n.Name)
			return err
		})()
	}
	return v.do(n.Name, "pausing", "pause "+n.Name, func(ctx context.Context) error {
		_, err := v.source.Pause(ctx, n.Name)
		return err
	})()
}

func (v *View) scale(n sandbox.Node, by int) tea.Cmd {
	if n.Kind != sandbox.Worker {
		return nil
	}
	to := by
	for _, o := range v.state.Nodes {
		if o.Role == n.Role {
			to++
		}
	}
	attempt := fmt.Sprintf("scale %s to %d", n.Role, to)
	if err := sandbox.CheckReplicas(n.Role, to); err != nil {
		return screen.Fail(attempt, err)
	}
	do := v.do(n.Role, "scaling", attempt, func(ctx context.Context) error {
		_, err := v.source.Scale(ctx, n.Role, to)
		return err
	})
	if to == 0 {
		return screen.Ask(screen.Question{Title: "Stop the last " + n.Role + " worker?", Text: "Nobody does its work until there is one again.", Yes: "stop it", Do: later(do)})
	}
	return do()
}

// beginMsg begins what was asked about, when the answer is yes.
type beginMsg struct{ do func() tea.Cmd }

func later(do func() tea.Cmd) tea.Cmd { return func() tea.Msg { return beginMsg{do} } }

// do notes what is being done and makes the command that does it.
func (v *View) do(target, doing, attempt string, what func(ctx context.Context) error) func() tea.Cmd {
	return func() tea.Cmd {
		v.acting[target] = doing
		return func() tea.Msg {
			const limit = 2 * time.Minute
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			return doneMsg{target, attempt, what(ctx)}
		}
	}
}

// Commands are the actions for every node, for the palette.
func (v *View) Commands() (list []screen.Command) {
	if v.state == nil {
		return nil
	}
	for _, n := range v.state.Nodes {
		add := func(name string, about string, do func() tea.Cmd) {
			list = append(list, screen.Command{Name: name + " " + n.Name, About: about, Do: later(do)})
		}
		add("restart", "stop in order and start again", func() tea.Cmd { return v.restart(n) })
		add("kill", "SIGKILL; it is started again", func() tea.Cmd { return v.kill(n) })
		if n.State == sandbox.Paused {
			add("unpause", "let it go on", func() tea.Cmd { return v.pause(n) })
		} else {
			add("pause", "freeze it", func() tea.Cmd { return v.pause(n) })
		}
		add("logs", "its log", func() tea.Cmd { return screen.Go("logs", screen.OpenLogs{Nodes: []string{n.Name}}) })
		add("select", "show it in the topology", func() tea.Cmd { return tea.Batch(screen.Go(Name, nil), v.selectItem(nodeID(n.Name))) })
	}
	for _, d := range v.observed.Databases {
		list = append(list, screen.Command{Name: "psql " + d.Name, About: "open it with SQL", Do: screen.Exec("psql", d.Name)})
	}
	return list
}
