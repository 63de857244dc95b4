package launch

import (
	"charm.land/bubbles/v2/key"

	"github.com/cordage-sandbox/cordage/tui/screen"
)

type keyMap struct {
	Start, Change, Next, Previous, Less, More, Other key.Binding
	Scroll                                           screen.ListKeys
}

func newKeyMap() keyMap {
	bind := func(help, about string, keys ...string) key.Binding {
		return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, about))
	}
	return keyMap{
		Start:    bind("enter", "start", "enter"),
		Change:   bind("c", "change and start", "c"),
		Next:     bind("↓", "next field", "down"),
		Previous: bind("↑", "field before", "up"),
		Less:     bind("←", "less, other", "left", "-"),
		More:     bind("→", "more, other", "right", "+", "space"),
		Other:    bind("ctrl+n", "other sandbox", "ctrl+n"),
		Scroll:   screen.NewListKeys(),
	}
}

// Keys are what the view reacts to at present.
func (v *View) Keys() []key.Binding {
	switch {
	case v.choosing():
		return []key.Binding{v.keys.Start, v.keys.Previous, v.keys.Next, v.keys.Less, v.keys.More, v.keys.Other}
	case v.orphaned():
		v.keys.Start.SetHelp("enter", "start a supervisor")
		return []key.Binding{v.keys.Start}
	case v.failure() != nil:
		v.keys.Start.SetHelp("enter", "try again")
		return []key.Binding{v.keys.Start, v.keys.Change, v.keys.Scroll.Up, v.keys.Scroll.Down}
	}
	return []key.Binding{v.keys.Scroll.Up, v.keys.Scroll.Down}
}
