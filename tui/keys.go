package tui

import "charm.land/bubbles/v2/key"

// keyMap are the keys that work everywhere. The help is made from it and from the views' own.
type keyMap struct {
	Quit, Help, Filter, Palette, Next, Previous, Number, Notices, Back, Redraw, Kill key.Binding
}

func newKeyMap() keyMap {
	bind := func(help, about string, keys ...string) key.Binding {
		return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, about))
	}
	return keyMap{
		Quit:     bind("q", "quit, sandbox goes on", "q"),
		Help:     bind("?", "help", "?", "f1"),
		Filter:   bind("/", "filter", "/"),
		Palette:  bind(":", "commands", ":", "ctrl+p"),
		Next:     bind("tab", "next view", "tab"),
		Previous: bind("shift+tab", "view before", "shift+tab"),
		Number:   bind("1…9", "view by number", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
		Notices:  bind("!", "notifications", "!"),
		Back:     bind("esc", "close, back", "esc"),
		Redraw:   bind("ctrl+l", "draw anew", "ctrl+l"),
		Kill:     bind("ctrl+c", "quit at once", "ctrl+c"),
	}
}

// all lists the keys for the help.
func (k keyMap) all() []key.Binding {
	return []key.Binding{k.Next, k.Previous, k.Number, k.Back, k.Filter, k.Palette, k.Notices, k.Help, k.Redraw, k.Quit, k.Kill}
}
