package vnodes

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/tui/screen"
)

type keyMap struct {
	Details, Create, Upload, Other, Data, SQL, Logs, Certificate, Demo, Dismiss, Refresh key.Binding

	List screen.ListKeys

	Submit, NextField, Complete, Cancel key.Binding // in dialogs
}

func newKeyMap() keyMap {
	bind := func(help, about string, keys ...string) key.Binding {
		return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, about))
	}
	return keyMap{
		Details:     bind("enter", "details", "enter"),
		Create:      bind("n", "new node", "n"),
		Upload:      bind("u", "upload CPI", "u"),
		Other:       bind("c", "to CPIs", "c", "left", "right", "h"),
		Data:        bind("o", "browse", "o"),
		SQL:         bind("s", "SQL", "s"),
		Logs:        bind("l", "logs", "l"),
		Certificate: bind("i", "import certificate", "i"),
		Demo:        bind("d", "demo CPI", "d"),
		Dismiss:     bind("x", "dismiss failed", "x"),
		Refresh:     bind("r", "read again", "r"),
		List:        screen.NewListKeys(),
		Submit:      bind("enter", "go on", "enter"),
		NextField:   bind("tab", "next field", "tab", "shift+tab"),
		Complete:    bind("tab", "complete", "tab"),
		Cancel:      bind("esc", "close", "esc"),
	}
}

// list are the keys that do something at present.
func (k keyMap) list(v *View) []key.Binding {
	if v.dialog != nil {
		if _, creating := v.dialog.(*createForm); creating {
			return []key.Binding{k.Submit, k.NextField, k.List.Up, k.List.Down, k.Cancel}
		}
		return []key.Binding{k.Submit, k.Complete, k.List.Up, k.List.Down, k.Cancel}
	}
	enabled := func(b key.Binding, on bool) key.Binding {
		b.SetEnabled(on)
		return b
	}
	r, ok := v.selected()
	if v.onCPIs {
		k.Other.SetHelp("c", "to nodes")
	}
	there := ok && r.node != nil
	list := []key.Binding{
		k.Details, k.Create, k.Upload, k.Other, enabled(k.Data, there), enabled(k.SQL, there), enabled(k.Logs, ok), k.Demo, k.Certificate,
		enabled(k.Dismiss, ok && r.creation != nil && r.creation.over()), k.Refresh,
	}
	return append(list, k.List.All()...)
}

func (v *View) key(msg tea.KeyPressMsg) tea.Cmd {
	if v.dialog != nil {
		return v.dialog.update(v, msg)
	}
	k := v.keys
	switch {
	case key.Matches(msg, k.Details):
		v.open, v.scroll = !v.open, 0
		return v.detail()
	case key.Matches(msg, k.Create):
		return v.create()
	case key.Matches(msg, k.Upload):
		return v.chooseFile()
	case key.Matches(msg, k.Certificate):
		return v.chooseCertificate()
	case key.Matches(msg, k.Demo):
		return v.makeDemo()
	case key.Matches(msg, k.Refresh):
		return v.load()
	case key.Matches(msg, k.Other):
		v.onCPIs, v.scroll = !v.onCPIs, 0
		return nil
	case v.onCPIs || v.nodeKey(msg) == nil:
		return v.move(msg)
	}
	return v.nodeKey(msg)()
}

// nodeKey is what a key does with the selected virtual node; nil for none of these keys.
func (v *View) nodeKey(msg tea.KeyPressMsg) func() tea.Cmd {
	k := v.keys
	r, ok := v.selected()
	if !ok {
		return nil
	}
	switch {
	case key.Matches(msg, k.Logs):
		return func() tea.Cmd { return screen.Go("logs", screen.OpenLogs{Match: r.hash()}) }
	case r.creation != nil && r.creation.over() && key.Matches(msg, k.Dismiss):
		return func() tea.Cmd { v.dismiss(r.creation.id); return nil }
	case r.node != nil && key.Matches(msg, k.Data):
		return func() tea.Cmd { return screen.Go("data", screen.OpenDatabase{Name: r.hash() + "/vault"}) }
	case r.node != nil && key.Matches(msg, k.SQL):
		return func() tea.Cmd { return screen.Exec("psql", r.hash()+"/vault") }
	}
	return nil
}

// move moves the cursor of the list, or scrolls the details where they fill the window.
func (v *View) move(msg tea.Msg) tea.Cmd {
	if v.open && !v.wide() {
		t, _ := screen.Table{Cursor: min(v.scroll, v.beyond)}.Update(msg, v.beyond+1, v.height)
		v.scroll = t.Cursor
		return nil
	}
	if v.onCPIs {
		v.cpiTable, _ = v.cpiTable.Update(msg, len(v.packages()), v.cpiPage())
		return nil
	}
	before := v.nodeTable.Cursor
	v.nodeTable, _ = v.nodeTable.Update(msg, len(v.rows()), v.nodePage())
	if v.nodeTable.Cursor == before {
		return nil
	}
	v.scroll = 0
	return v.detail()
}

// mouse takes clicks and the wheel in the lists.
func (v *View) mouse(msg tea.MouseMsg) tea.Cmd {
	at := msg.Mouse()
	if v.dialog != nil {
		return nil
	}
	if wheel, ok := msg.(tea.MouseWheelMsg); ok && (at.X >= v.listWidth() || v.open && !v.wide()) {
		by := 3
		if wheel.Button == tea.MouseWheelUp {
			by = -by
		}
		v.scroll = max(0, min(v.scroll+by, v.beyond))
		return nil
	}
	if at.X >= v.listWidth() || v.open && !v.wide() {
		return nil
	}
	at.Y -= 1 // the heading of the nodes
	nodes := true
	if below := v.nodePage() + 2; at.Y >= below-1 {
		at.Y -= below
		nodes = false
	}
	switch msg.(type) {
	case tea.MouseClickMsg:
		v.onCPIs = !nodes
		return v.move(tea.MouseClickMsg(at))
	case tea.MouseWheelMsg:
		return v.move(msg)
	}
	return nil
}
