package messages

import (
	"charm.land/bubbles/v2/key"

	"github.com/cordage-sandbox/cordage/tui/screen"
)

type keyMap struct {
	Pause, Follow, Choose, Topic, VNode, Clear, Open, Trace, Requests, ScrollDown, ScrollUp key.Binding // of the messages
	Fold, Statements, Logs, Only, Refresh, Reads                                            key.Binding // of requests
	Submit, Next, Before, Cancel                                                            key.Binding // of the form
	List                                                                                    screen.ListKeys
}

func newKeyMap() keyMap {
	bind := func(help, about string, keys ...string) key.Binding {
		return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, about))
	}
	return keyMap{
		Pause: bind("space", "pause", "space"), Follow: bind("f", "follow", "f"), Choose: bind("c", "choose", "c"),
		Topic: bind("o", "only this topic", "o"), VNode: bind("n", "only this node", "n"), Clear: bind("x", "all again", "x"),
		Open: bind("enter", "details", "enter"), Trace: bind("t", "its request", "t"), Requests: bind("r", "requests", "r"),
		ScrollDown: bind("ctrl+d", "details down", "ctrl+d"), ScrollUp: bind("ctrl+u", "details up", "ctrl+u"),
		Fold: bind("space", "fold", "space"), Statements: bind("s", "without SQL", "s"), Logs: bind("l", "its log lines", "l"),
		Only: bind("m", "its messages", "m"), Refresh: bind("r", "read again", "r"), Reads: bind("a", "reads too", "a"),
		Submit: bind("enter", "apply", "enter"), Next: bind("tab", "next", "tab", "down"), Before: bind("shift+tab", "before", "shift+tab", "up"),
		Cancel: bind("esc", "close", "esc"),
		List:   screen.NewListKeys(),
	}
}

// Keys are what the view reacts to at present.
func (v *View) Keys() []key.Binding {
	k := v.keys
	enabled := func(b key.Binding, on bool) key.Binding {
		b.SetEnabled(on)
		return b
	}
	switch {
	case v.form != nil:
		return []key.Binding{k.Submit, k.Next, k.Before, k.Cancel}
	case v.fall != nil:
		if !v.fall.statements {
			k.Statements.SetHelp("s", "with SQL")
		}
		return append([]key.Binding{k.Open, k.Fold, k.Statements, k.Only, k.Logs, k.Refresh, k.ScrollDown, k.ScrollUp}, k.List.All()...)
	case v.requests != nil:
		k.Open.SetHelp("enter", "its way")
		if v.requests.reads {
			k.Reads.SetHelp("a", "without reads")
		}
		return append([]key.Binding{k.Open, k.Reads, k.Refresh}, k.List.All()...)
	}
	if v.paused {
		k.Pause.SetHelp("space", "go on")
	}
	m := v.current()
	on := m != nil
	return append([]key.Binding{
		k.Pause, k.Choose, enabled(k.Trace, on && m.TraceID != ""), k.Requests, k.Open, enabled(k.Topic, on), enabled(k.VNode, on && m.VNode != ""), k.Clear,
		k.Follow, k.ScrollDown, k.ScrollUp,
	}, k.List.All()...)
}
