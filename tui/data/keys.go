package data

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/tui/screen"
)

type keyMap struct {
	Open, Back, SQL, Refresh, Left, Right, Details, Show key.Binding
	List                                                 screen.ListKeys
}

func newKeyMap() keyMap {
	bind := func(help, about string, keys ...string) key.Binding {
		return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, about))
	}
	return keyMap{
		Open: bind("enter", "open", "enter", "right", "l"), Back: bind("←", "fold", "left", "h"), SQL: bind("s", "SQL", "s"),
		Refresh: bind("r", "read again", "r"), Left: bind("←", "columns left", "left", "h"), Right: bind("→", "columns right", "right", "l"),
		Details: bind("enter", "whole row", "enter"), Show: bind("v", "which", "v"),
		List: screen.NewListKeys(),
	}
}

// Keys are what the view reacts to at present.
func (v *View) Keys() []key.Binding {
	k := v.keys
	if !v.inside {
		i, on := v.current()
		if on && i.isDatabase() && v.opened[i.database.Name] {
			k.Open.SetHelp("enter", "fold")
		}
		k.SQL.SetEnabled(on)
		return append([]key.Binding{k.Open, k.Back, k.SQL, k.Refresh}, k.List.All()...)
	}
	_, isChecker := v.content.(*checker)
	k.Show.SetEnabled(isChecker)
	k.Left.SetEnabled(!isChecker)
	k.Right.SetEnabled(!isChecker)
	return append([]key.Binding{k.Details, k.Show, k.Left, k.Right, k.Refresh, k.SQL}, k.List.All()...)
}

// key takes a key for the tree, or hands it to the content.
func (v *View) key(msg tea.KeyPressMsg) tea.Cmd {
	k := v.keys
	i, on := v.current()
	if key.Matches(msg, k.SQL) && on {
		return screen.Exec("psql", i.database.Name)
	}
	if v.inside {
		if key.Matches(msg, k.Refresh) {
			return v.content.load(v.source)
		}
		return v.content.update(msg, v)
	}
	switch {
	case key.Matches(msg, k.Open) && on:
		return v.enter(i)
	case key.Matches(msg, k.Back) && on:
		v.fold(i)
	case key.Matches(msg, k.Refresh):
		cmds := []tea.Cmd{v.askDatabases()}
		for name := range v.opened {
			cmds = append(cmds, v.askTables(name))
		}
		return tea.Batch(cmds...)
	default:
		v.table, _ = v.table.Update(msg, len(v.tree), v.page())
	}
	return nil
}

// enter opens or folds a database, or shows a table.
func (v *View) enter(i item) tea.Cmd {
	if !i.isDatabase() {
		if i.fault != nil {
			return v.askTables(i.database.Name)
		}
		return v.show(i)
	}
	name := i.database.Name
	if v.opened[name] {
		v.fold(i)
		return nil
	}
	v.opened[name] = true
	v.lay()
	return v.askTables(name)
}

// fold folds the database of a line, and puts the cursor there.
func (v *View) fold(i item) {
	delete(v.opened, i.database.Name)
	for at, line := range v.tree {
		if line.database.Name == i.database.Name && line.isDatabase() {
			v.table.Cursor = at
		}
	}
	v.lay()
}

// mouse moves what it is over; a click on a line of the tree opens it.
func (v *View) mouse(msg tea.MouseMsg) tea.Cmd {
	at := msg.Mouse()
	if v.wide() && at.X < treeWidth {
		v.inside = false
	} else if v.wide() && v.content != nil {
		v.inside = true
		return v.content.update(msg, v)
	} else if v.inside {
		return v.content.update(msg, v)
	}
	_, click := msg.(tea.MouseClickMsg)
	before := v.table.Cursor
	v.table, _ = v.table.Update(msg, len(v.tree), v.page())
	if i, on := v.current(); click && on && before == v.table.Cursor {
		return v.enter(i)
	}
	return nil
}
