package logs

import (
	"charm.land/bubbles/v2/key"

	"github.com/cordage-sandbox/cordage/tui/screen"
)

type keyMap struct {
	Follow, Level, Nodes, Only, Open, Trace, NextEvent, EventBefore, Toggle, All key.Binding
	List                                                                         screen.ListKeys
}

func newKeyMap() keyMap {
	bind := func(help, about string, keys ...string) key.Binding {
		return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, about))
	}
	return keyMap{
		Follow: bind("f", "follow", "f"), Level: bind("v", "level", "v"), Nodes: bind("n", "nodes", "n"), Only: bind("o", "only this node", "o"),
		Open: bind("enter", "details", "enter"), Trace: bind("t", "its request", "t"), NextEvent: bind("]", "next event", "]"),
		EventBefore: bind("[", "event before", "["), Toggle: bind("space", "in or out", "space"), All: bind("a", "all", "a"),
		List: screen.NewListKeys(),
	}
}

// Keys are what the view reacts to at present.
func (v *View) Keys() []key.Binding {
	k := v.keys
	if v.nodes != nil {
		k.Open.SetHelp("enter", "only this")
		return []key.Binding{k.Open, k.Toggle, k.All, k.List.Up, k.List.Down}
	}
	if v.follow {
		k.Follow.SetHelp("f", "stop following")
	}
	e := v.current()
	k.Trace.SetEnabled(e != nil && e.TraceID != "")
	return append([]key.Binding{k.Follow, k.Nodes, k.Level, k.Open, k.Trace, k.EventBefore, k.NextEvent, k.Only}, k.List.All()...)
}
