package launch

import (
	"fmt"
	"slices"
	"strings"

	"charm.land/bubbles/v2/key"
	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// Fields of the form; the worker types follow after fieldRoles.
const (
	fieldName = iota
	fieldRuntime
	fieldDatabases
	fieldPartitions
	fieldBrokers
	fieldRoles
)

const fieldStart = -1 // the button

// form is what a sandbox is to be.
type form struct {
	name       textinput.Model
	runtimes   []string
	runtime    string
	databases  sandbox.Databases
	partitions int
	brokers    int
	roles      []string
	replicas   map[string]int
	at         int
	known      map[string]Sandbox
	touched    bool // the user changed something other than the name
}

func newForm(name string, runtimes []string) form {
	f := form{name: textinput.New(), runtimes: runtimes, known: map[string]Sandbox{}, at: fieldStart}
	f.name.Prompt = ""
	const longest = 32
	f.name.CharLimit = longest
	f.name.SetVirtualCursor(false)
	f.name.SetValue(name)
	f.load(newSpec(name, runtimes))
	return f
}

// newSpec is what a sandbox is that keeps nothing yet: the first runtime is the one to propose.
func newSpec(name string, runtimes []string) sandbox.Spec {
	s := sandbox.DefaultSpec(name)
	if len(runtimes) > 0 {
		s.Runtime = runtimes[0]
	}
	return s
}

// load takes over a specification.
func (f *form) load(s sandbox.Spec) {
	f.runtime, f.databases, f.partitions, f.brokers, f.replicas = s.Runtime, s.Databases, s.Partitions, max(1, s.Brokers), map[string]int{}
	f.roles = sandbox.RoleNames()
	for _, r := range f.roles {
		f.replicas[r] = s.Replicas[r]
	}
}

// know takes over which sandboxes there are.
func (f *form) know(list []Sandbox) {
	clear(f.known)
	for _, s := range list {
		f.known[s.Name] = s
	}
	f.reload()
}

// reload shows what the named sandbox is, unless the user has begun to change it.
func (f *form) reload() {
	if f.touched {
		return
	}
	if s, ok := f.known[f.name.Value()]; ok {
		f.load(s.Spec)
	} else {
		f.load(newSpec(f.name.Value(), f.runtimes))
	}
}

func (f *form) typing() bool { return f.at == fieldName }

// fixed tells that a field is part of the sandbox's data.
func (f *form) fixed(field int) bool {
	_, kept := f.known[f.name.Value()]
	return kept && (field == fieldRuntime || field == fieldDatabases || field == fieldPartitions || field == fieldBrokers)
}

// check checks all fields.
func (f *form) check() error {
	if err := sandbox.CheckName(f.name.Value()); err != nil {
		return err
	}
	for _, r := range f.roles {
		if err := sandbox.CheckReplicas(r, f.replicas[r]); err != nil {
			return err
		}
	}
	return nil
}

// wish is what the form asks for: what differs from what is.
func (f *form) wish() sandbox.Wish {
	is := newSpec(f.name.Value(), nil)
	if s, ok := f.known[f.name.Value()]; ok {
		is = s.Spec
	}
	w := sandbox.Wish{}
	if _, kept := f.known[is.Name]; !kept && f.runtime != sandbox.Auto { // what is left open, the sandbox file may say
		w.Runtime = f.runtime
	}
	if f.brokers != max(1, is.Brokers) {
		w.Brokers = f.brokers
	}
	for _, r := range f.roles {
		if f.replicas[r] != is.Replicas[r] {
			if w.Replicas == nil {
				w.Replicas = map[string]int{}
			}
			w.Replicas[r] = f.replicas[r]
		}
	}
	if f.databases != is.Databases {
		w.Databases = f.databases
	}
	if f.partitions != is.Partitions {
		w.Partitions = f.partitions
	}
	return w
}

// fields is how many there are without the button.
func (f *form) fields() int { return fieldRoles + len(f.roles) }

func (f *form) key(msg tea.KeyPressMsg, k keyMap) (cmd tea.Cmd) {
	switch {
	case key.Matches(msg, k.Next), key.Matches(msg, k.Start):
		f.move(1)
	case key.Matches(msg, k.Previous):
		f.move(-1)
	case f.at == fieldName && !key.Matches(msg, k.Other):
		f.name, cmd = f.name.Update(msg)
		f.reload()
		return cmd
	case key.Matches(msg, k.Other) && f.at == fieldName:
		f.another()
	case key.Matches(msg, k.Less):
		f.change(-1)
	case key.Matches(msg, k.More):
		f.change(1)
	}
	return nil
}

func (f *form) move(by int) {
	n := f.fields() + 1
	at := f.at
	if at == fieldStart {
		at = n - 1
	}
	at = (at + by + n) % n
	if f.name.Blur(); at == fieldName {
		f.name.Focus()
	}
	if f.at = at; at == n-1 {
		f.at = fieldStart
	}
}

// another goes through the names of the sandboxes that there are.
func (f *form) another() {
	var names []string
	for name := range f.known {
		names = append(names, name)
	}
	if len(names) == 0 {
		return
	}
	slices.Sort(names)
	f.touched = false
	f.name.SetValue(names[(slices.Index(names, f.name.Value())+1)%len(names)])
	f.name.CursorEnd()
	f.reload()
}

func (f *form) change(by int) {
	if f.fixed(f.at) || f.at == fieldStart {
		return
	}
	f.touched = true
	switch f.at {
	case fieldRuntime:
		if n := len(f.runtimes); n > 0 {
			f.runtime = f.runtimes[(slices.Index(f.runtimes, f.runtime)+by+n)%n]
		}
	case fieldDatabases:
		f.databases = map[sandbox.Databases]sandbox.Databases{sandbox.Shared: sandbox.Separate, sandbox.Separate: sandbox.Shared}[f.databases]
	case fieldBrokers:
		f.brokers = sandbox.Replication + 1 - f.brokers // one, or as many as there are copies
	case fieldPartitions:
		f.partitions = min(max(f.partitions+by, 1), sandbox.MaxPartitions)
	default:
		r := f.roles[f.at-fieldRoles]
		if n := f.replicas[r] + by; sandbox.CheckReplicas(r, n) == nil {
			f.replicas[r] = n
		}
	}
}

// lines draws the form.
func (f *form) lines(fr screen.Frame) (lines []string) {
	t := fr.Theme
	field := func(i int, name, value, about string) {
		mark, style := "  ", t.Text
		if f.at == i {
			mark, style = t.Signs.Cursor+" ", t.Select
			if i != fieldName && !f.fixed(i) {
				value = t.Signs.Left + " " + value + " " + t.Signs.Right
			}
		}
		if f.fixed(i) {
			about = "fixed: it is part of the data"
		}
		lines = append(lines, t.Accent.Render(mark)+t.Dim.Render(screen.Pad(name, 12))+style.Render(screen.Pad(" "+value, 22))+" "+t.Dim.Render(about))
	}
	name := f.name.Value()
	about := "new"
	if s, ok := f.known[name]; ok {
		about = "kept, stopped"
		if s.Running {
			about = "running: it will be attached to"
		}
	} else if err := sandbox.CheckName(name); err != nil {
		about = "1 to 32 of a-z, 0-9 and -"
	}
	if len(f.known) > 0 && f.at == fieldName {
		about += "; ctrl+n: the next of " + screen.Plural(len(f.known), "sandbox")
		about = strings.Replace(about, "sandboxs", "sandboxes", 1)
	}
	field(fieldName, "sandbox", name, about)
	field(fieldRuntime, "runtime", f.runtime, map[string]string{
		sandbox.Auto: "containers if possible, else processes", sandbox.Processes: "processes of this machine", sandbox.Containers: "containers of an engine",
	}[f.runtime])
	field(fieldDatabases, "databases", string(f.databases), map[sandbox.Databases]string{
		sandbox.Shared: "one database, a schema for each", sandbox.Separate: "a database for each",
	}[f.databases])
	field(fieldPartitions, "partitions", fmt.Sprint(f.partitions), "of each topic that workers share")
	field(fieldBrokers, "brokers", fmt.Sprint(f.brokers), map[bool]string{true: "one Kafka", false: "every record on each of them, one may fail"}[f.brokers == 1])
	lines = append(lines, "", t.Dim.Render("  workers"))
	for i, r := range f.roles {
		field(fieldRoles+i, r, fmt.Sprint(f.replicas[r]), "")
	}
	button := t.Dim.Render("    start  ")
	if f.at == fieldStart {
		button = "  " + t.Select.Render(t.Signs.Cursor+" start ") + t.Dim.Render("  enter")
	}
	return append(lines, "", button)
}
