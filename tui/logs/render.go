package logs

import (
	"maps"
	"slices"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/cordage-sandbox/cordage/tui/screen"
	"github.com/cordage-sandbox/cordage/tui/theme"
)

// Render draws a line of what is chosen, the lines, and the details of one.
func (v *View) Render(f screen.Frame) string {
	var panel []string
	if v.open {
		panel = v.details(f)
	}
	v.page = max(1, f.Height-1-len(panel))
	v.table = v.table.Fit(len(v.seen), v.page)
	lines := []string{v.head(f)}
	if len(v.seen) == 0 {
		lines = append(lines, v.none(f, v.page)...)
	} else {
		lines = append(lines, v.lines(f)...)
	}
	frame := screen.Fill(lines, f.Width, f.Height-len(panel))
	if len(panel) > 0 {
		frame += "\n" + screen.Fill(panel, f.Width, len(panel))
	}
	if v.nodes != nil {
		return v.overlay(f, frame)
	}
	return frame
}

func (v *View) head(f screen.Frame) string {
	t := f.Theme
	left := " " + t.Dim.Render(v.choice.describe())
	var right []string
	if v.dropped > 0 {
		right = append(right, t.Warn.Render(screen.Count(int64(v.dropped))+" left out"))
	}
	if v.fault != nil && f.State.Link == screen.Connected {
		right = append(right, t.Warn.Render(t.Signs.Warning+" "+screen.Cut(screen.Line(v.fault.Error()), 40)))
	}
	right = append(right, t.Dim.Render(screen.Plural(len(v.seen), "line")))
	switch away := screen.Away(f); {
	case away != "":
		right = append(right, t.Warn.Render(away))
	case v.follow:
		right = append(right, t.Good.Render(t.Signs.Down+" following"))
	default:
		right = append(right, t.Dim.Render("f follows"))
	}
	return screen.Ends(left, strings.Join(right, "  ")+" ", f.Width)
}

func (v *View) none(f screen.Frame, h int) []string {
	text := "no lines yet"
	if away := screen.Away(f); away != "" {
		text = away
	} else if len(v.all) > 0 {
		text = "none of " + screen.Plural(len(v.all), "line") + " is chosen: esc, v or n choose others"
	}
	return strings.Split(screen.Middle([]string{f.Theme.Dim.Render(text)}, f.Width, h), "\n")
}

// lines draws the page that is seen.
func (v *View) lines(f screen.Frame) (out []string) {
	top := v.table.Top()
	names := 0
	page := v.seen[top:min(len(v.seen), top+v.page)]
	for _, e := range page {
		names = max(names, screen.Width(e.Node))
	}
	for i, e := range page {
		out = append(out, v.line(f, e, top+i == v.table.Cursor, min(names, 16)))
	}
	return out
}

func (v *View) line(f screen.Frame, e *entry, current bool, names int) string {
	t := f.Theme
	at := e.Time.Local().Format("15:04:05.000")
	node := screen.Pad(e.Node, names)
	sign, style := levelSign(t, e.Level)
	text := screen.Line(e.Text)
	if e.event {
		sign, style = screen.StateSign(t, e.to)
		text = strings.Repeat(t.Signs.H, 2) + " " + text + " " + strings.Repeat(t.Signs.H, 2)
	} else if fields := screen.Fields(e.Fields); fields != "" {
		text += "  " + fields
	}
	room := f.Width - 1 - len(at) - 1 - names - 1 - 2
	if current && !v.follow {
		return t.Select.Render(screen.Pad(t.Signs.Cursor+at+" "+node+" "+sign+" "+screen.Cut(text, room), f.Width))
	}
	drawn := style.Render(screen.Cut(text, room))
	if v.choice.find != nil && !e.event {
		drawn = v.marked(t, screen.Cut(text, room), style)
	}
	mark := " "
	if current {
		mark = t.Accent.Render(t.Signs.Cursor)
	}
	return mark + t.Dim.Render(at) + " " + t.Hue(e.Node).Render(node) + " " + style.Render(sign) + " " + drawn
}

// marked shows where the text was found.
func (v *View) marked(t *theme.Theme, text string, style lipgloss.Style) string {
	at := v.choice.find.FindStringIndex(text)
	if at == nil || at[0] == at[1] {
		return style.Render(text)
	}
	out := ""
	if at[0] > 0 {
		out = style.Render(text[:at[0]])
	}
	out += t.Match.Render(text[at[0]:at[1]])
	if at[1] < len(text) {
		out += style.Render(text[at[1]:])
	}
	return out
}

func levelSign(t *theme.Theme, level string) (string, lipgloss.Style) {
	switch level {
	case "error":
		return t.Signs.Failed, t.Bad
	case "warn":
		return t.Signs.Warning, t.Warn
	case "debug":
		return " ", t.Dim
	}
	return " ", t.Text
}

// details is all of the line under the cursor.
func (v *View) details(f screen.Frame) []string {
	e := v.current()
	if e == nil {
		return nil
	}
	t := f.Theme
	lines := []string{screen.Rule(t, e.Node+"  "+e.Time.Local().Format(time.RFC3339Nano), f.Width)}
	for _, l := range screen.Lines(e.Text) {
		for _, part := range screen.Wrap(l, f.Width-2) {
			lines = append(lines, " "+t.Text.Render(part))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Fields)) {
		const names = 18
		for i, part := range screen.Wrap(screen.Line(e.Fields[name]), f.Width-names-3) {
			label := name
			if i > 0 {
				label = ""
			}
			lines = append(lines, " "+t.Dim.Render(screen.Pad(label, names))+" "+t.Text.Render(part))
		}
	}
	if e.TraceID != "" {
		lines = append(lines, " "+t.Dim.Render(screen.Pad("trace", 18))+" "+t.Data.Render(e.TraceID)+t.Dim.Render("  t follows it"))
	}
	if most := f.Height / 2; len(lines) > most {
		lines = append(lines[:most-1], t.Dim.Render(" "+t.Signs.More))
	}
	return lines
}

// overlay draws the list of nodes over the frame.
func (v *View) overlay(f screen.Frame, frame string) string {
	t, c := f.Theme, v.nodes
	lines := make([]string, 0, len(c.names))
	for i, name := range c.names {
		check := " "
		if v.choice.nodes == nil || v.choice.nodes[name] {
			check = t.Signs.Check
		}
		line := " " + check + " " + screen.Pad(name, 18) + screen.PadLeft(screen.Count(int64(c.counts[name])), 6) + " "
		if i == c.table.Cursor {
			line = t.Select.Render(t.Signs.Cursor + line[1:])
		} else {
			line = t.Text.Render(line)
		}
		lines = append(lines, line)
	}
	w, h := 32, min(len(lines)+2, f.Height)
	box := screen.Box(t, "nodes", lines, w, h, true)
	return screen.Over(frame, box, f.Width, f.Height)
}
