package vnodes

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"github.com/cordage-sandbox/cordage/sandbox/client"
	"github.com/cordage-sandbox/cordage/tui/screen"
	"github.com/cordage-sandbox/cordage/workers/ident"
)

// createForm asks for the name and the CPI of a virtual node. What is typed is judged by the cluster's own rules at once.
type createForm struct {
	name    screen.Field
	cpis    []client.CPI
	table   screen.Table
	onCPIs  bool
	sent    bool  // asked for, not yet answered
	refused error // by the cluster
}

// refusedMsg is the cluster's answer to a form that is still open.
type refusedMsg struct{ err error }

// create opens the form. There must be a CPI.
func (v *View) create() tea.Cmd {
	if len(v.cpis) == 0 {
		return screen.Tell(screen.Notice{Severity: "warning", Text: "a virtual node is made of a CPI, and none is uploaded yet",
			Hint: "u uploads one, d makes a small one to try"})
	}
	f := &createForm{name: screen.NewField(""), cpis: slices.Clone(v.cpis)}
	slices.SortStableFunc(f.cpis, func(a, b client.CPI) int { return b.Timestamp.Compare(a.Timestamp) }) // the latest first
	if c, ok := v.selectedCPI(); ok {
		f.table.Cursor = max(0, slices.IndexFunc(f.cpis, func(o client.CPI) bool { return o.FullChecksum == c.FullChecksum }))
	}
	v.dialog = f
	return nil
}

func (f *createForm) cpi() client.CPI { return f.cpis[f.table.Cursor] }

// verdict on what is typed so far.
type verdict struct {
	name   string // canonical; empty: not valid
	hash   string // that the node will have; empty where the group is not known before
	exists bool
	wrong  string // why it is not valid
}

func (f *createForm) judge(v *View) verdict {
	typed := f.name.Value()
	name, err := ident.ParseName(typed)
	if err != nil {
		text := err.Error()
		if _, why, found := strings.Cut(text, strconv.Quote(typed)+": "); found {
			text = why
		}
		return verdict{wrong: text}
	}
	out := verdict{name: name.String()}
	if group := groupOf(f.cpi()); group != "" {
		out.hash = string(ident.NewHoldingIdentity(name, group).ShortHash())
		out.exists = v.listed(out.hash)
	}
	return out
}

// groupOf is the group of a CPI's virtual nodes; empty for an MGM's, which founds one.
func groupOf(c client.CPI) string {
	var policy struct {
		GroupID string `json:"groupId"`
	}
	if json.Unmarshal([]byte(c.GroupPolicy), &policy) != nil || policy.GroupID == "CREATE_ID" {
		return ""
	}
	return policy.GroupID
}

func (f *createForm) update(v *View, msg tea.Msg) tea.Cmd {
	k := v.keys
	switch msg := msg.(type) {
	case refusedMsg:
		f.refused, f.sent = msg.err, false
		return nil
	case tea.KeyPressMsg:
		switch {
		case key.Matches(msg, k.NextField):
			f.onCPIs = !f.onCPIs
			return nil
		case key.Matches(msg, k.Submit):
			return f.submit(v)
		case f.onCPIs || msg.String() == "up" || msg.String() == "down" || msg.String() == "pgup" || msg.String() == "pgdown":
			f.table, _ = f.table.Update(msg, len(f.cpis), chooserPage)
			f.refused = nil
			return nil
		}
	}
	before := f.name.Value()
	var cmd tea.Cmd
	f.name, cmd = f.name.Update(msg)
	if f.name.Value() != before {
		f.refused = nil
	}
	return cmd
}

func (f *createForm) submit(v *View) tea.Cmd {
	j := f.judge(v)
	if j.name == "" || j.exists || f.sent {
		return nil // what is wrong is on the screen
	}
	f.sent, f.refused = true, nil
	return v.request(j.name, f.cpi())
}

// chooserPage is how many CPIs are seen in the form.
const chooserPage = 5

func (f *createForm) render(v *View, fr screen.Frame) string {
	t := fr.Theme
	w := min(fr.Width-2, 90)
	in := w - 4
	lines := []string{
		" " + label(fr, "X.500 name", !f.onCPIs),
		" " + t.Accent.Render(mark(fr, !f.onCPIs)) + f.name.Render(fr, in-2, "O=Alice, L=London, C=GB", !f.onCPIs),
	}
	for _, l := range f.advice(v, fr, in) {
		lines = append(lines, " "+l)
	}
	lines = append(lines, "", " "+label(fr, "CPI", f.onCPIs))
	columns := []screen.Column{{Title: "name", Stretch: true}, {Title: "version", Most: 12}, {Title: "checksum"}, {Title: "uploaded"}}
	table := f.table.Render(fr, columns, len(f.cpis), func(i int) screen.Row {
		c := f.cpis[i]
		return screen.Row{
			{Text: screen.Line(c.ID.Name), Style: t.Text}, {Text: screen.Line(c.ID.Version), Style: t.Text},
			{Text: c.Checksum, Style: t.Data}, {Text: screen.Ago(fr.Now.Sub(c.Timestamp)), Style: t.Dim},
		}
	}, in, min(len(f.cpis), chooserPage)+1, f.onCPIs)
	for l := range strings.SplitSeq(table, "\n") {
		lines = append(lines, " "+l)
	}
	lines = append(lines, "", " "+f.footer(v, fr))
	return screen.Box(t, "new virtual node", lines, w, min(len(lines)+2, fr.Height), true)
}

// advice is what there is to say of the name: always as many lines, so that nothing jumps while one types.
func (f *createForm) advice(v *View, fr screen.Frame, w int) []string {
	t := fr.Theme
	var lines []string
	add := func(style lipgloss.Style, text string) {
		for _, l := range screen.Wrap(screen.Line(text), w-2) {
			lines = append(lines, style.Render(l))
		}
	}
	switch j := f.judge(v); {
	case f.name.Value() == "":
		add(t.Dim, "O, L and C are needed; CN, OU and ST may be given")
	case f.refused != nil:
		add(t.Bad, t.Signs.Failed+" "+f.refused.Error())
	case j.name == "":
		add(t.Warn, t.Signs.Warning+" "+j.wrong)
	case j.exists:
		add(t.Warn, t.Signs.Warning+" there is this virtual node already, short hash "+j.hash)
	case j.hash == "":
		add(t.Good, t.Signs.Check+" "+j.name)
		add(t.Dim, "the CPI founds a group: the short hash is known when the node is made")
	default:
		add(t.Good, t.Signs.Check+" "+j.name)
		add(t.Dim, "short hash "+j.hash+", group "+groupOf(f.cpi()))
	}
	const most = 3
	for len(lines) < most {
		lines = append(lines, "")
	}
	return lines[:most]
}

func (f *createForm) footer(v *View, fr screen.Frame) string {
	if f.sent {
		return fr.Theme.Busy.Render(screen.Spinner(fr) + " asking the cluster")
	}
	j := f.judge(v)
	return hints(fr, [2]string{"enter", "create"}, [2]string{"tab", "name, CPI"}, [2]string{"esc", "close"}, j.name != "" && !j.exists)
}

// hints are keys and what they do; the first one is dim where it does nothing.
func hints(fr screen.Frame, first, second, third [2]string, can bool) string {
	t := fr.Theme
	style := t.Key
	if !can {
		style = t.Dim
	}
	return style.Render(first[0]) + t.Dim.Render(" "+first[1]+"   ") + t.Key.Render(second[0]) + t.Dim.Render(" "+second[1]+"   ") +
		t.Key.Render(third[0]) + t.Dim.Render(" "+third[1])
}

func label(fr screen.Frame, text string, focused bool) string {
	if focused {
		return fr.Theme.Strong.Render(text)
	}
	return fr.Theme.Dim.Render(text)
}

func mark(fr screen.Frame, focused bool) string {
	if focused {
		return fr.Theme.Signs.Cursor + " "
	}
	return "  "
}
