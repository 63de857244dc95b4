package messages

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// form is the dialog that chooses which messages come.
type form struct {
	fields []screen.Field
	at     int
}

// inputs are the fields of the form: label, hint, and what of the filter each is.
func inputs(f *sandbox.MessageFilter) []struct {
	label, hint string
	value       *string
} {
	return []struct {
		label, hint string
		value       *string
	}{
		{"topic", "uniqueness.*, config.topic", &f.Topic},
		{"key", "part of it", &f.Key},
		{"type", "part of it", &f.Type},
		{"virtual node", "short hash, or part of the name", &f.VNode},
		{"text", "in key, value or header", &f.Text},
	}
}

func newForm(f sandbox.MessageFilter) *form {
	out := &form{}
	for _, in := range inputs(&f) {
		out.fields = append(out.fields, screen.NewField(*in.value))
	}
	return out
}

func (v *View) formKey(msg tea.KeyPressMsg) tea.Cmd {
	k, f := v.keys, v.form
	switch {
	case key.Matches(msg, k.Submit):
		v.form = nil
		return v.only(func(filter *sandbox.MessageFilter) {
			for i, in := range inputs(filter) {
				*in.value = f.fields[i].Value()
			}
		})
	case key.Matches(msg, k.Next):
		f.at = (f.at + 1) % len(f.fields)
	case key.Matches(msg, k.Before):
		f.at = (f.at + len(f.fields) - 1) % len(f.fields)
	case key.Matches(msg, k.Cancel):
		v.form = nil
	default:
		var cmd tea.Cmd
		f.fields[f.at], cmd = f.fields[f.at].Update(msg)
		return cmd
	}
	return nil
}

func (o *form) render(f screen.Frame) string {
	const widest, label = 60, 13
	w := min(widest, f.Width)
	var lines []string
	for i, in := range inputs(&sandbox.MessageFilter{}) {
		style, mark := f.Theme.Dim, "  "
		if i == o.at {
			style, mark = f.Theme.Accent, f.Theme.Signs.Cursor+" "
		}
		lines = append(lines, style.Render(mark+screen.Pad(in.label, label))+" "+o.fields[i].Render(f, w-label-6, in.hint, i == o.at))
	}
	lines = append(lines, "", f.Theme.Dim.Render("  all that is given must hold; * stands for any text"))
	return screen.Box(f.Theme, "which messages", lines, w, len(lines)+2, true)
}
