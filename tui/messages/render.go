package messages

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// wideFrom is the width from which the details have a place of their own.
const wideFrom = 120

func (v *View) wide() bool { return v.width >= wideFrom }

// Render draws the messages with the details of one, or the requests, or the way of one.
func (v *View) Render(f screen.Frame) string {
	v.width, v.height = f.Width, f.Height
	var body string
	switch {
	case v.fall != nil:
		body = v.renderFall(f)
	case v.requests != nil:
		body = v.requests.render(f)
	default:
		body = v.renderMessages(f)
	}
	if v.form != nil {
		body = screen.Over(body, v.form.render(f), f.Width, f.Height)
	}
	return body
}

// renderMessages draws the list and the details: beside it where there is room, else below.
func (v *View) renderMessages(f screen.Frame) string {
	head := screen.Pad(v.head(f), f.Width)
	h := f.Height - 1
	if v.wide() {
		w := f.Width * 58 / 100
		v.page = screen.Page(h)
		details := screen.Fill(v.details(f, f.Width-w-3, h), f.Width-w-3, h)
		return head + "\n" + screen.Beside(v.list(f, w, h), details, f.Theme.Faint.Render(f.Theme.Signs.V)+" ")
	}
	if !v.open {
		v.page = screen.Page(h)
		return head + "\n" + v.list(f, f.Width, h)
	}
	below := h * 3 / 5
	v.page = screen.Page(h - below)
	lines := append([]string{screen.Rule(f.Theme, "", f.Width)}, v.details(f, f.Width-1, below-1)...)
	return head + "\n" + v.list(f, f.Width, h-below) + "\n" + screen.Fill(lines, f.Width, below)
}

func (v *View) head(f screen.Frame) string {
	t := f.Theme
	var right []string
	if v.dropped > 0 {
		right = append(right, t.Warn.Render(screen.Count(int64(v.dropped))+" left out"))
	}
	if v.fault != nil && f.State.Link == screen.Connected {
		right = append(right, t.Warn.Render(t.Signs.Warning+" "+screen.Cut(screen.Line(v.fault.Error()), f.Width/2)))
	}
	right = append(right, t.Dim.Render(screen.Plural(len(v.seen), "message")))
	switch away := screen.Away(f); {
	case away != "":
		right = append(right, t.Warn.Render(away))
	case v.paused:
		right = append(right, t.Warn.Render(t.Signs.Paused+" paused, "+screen.Count(int64(len(v.held)))+" held"))
	case v.follow:
		right = append(right, t.Good.Render(t.Signs.Down+" following"))
	default:
		right = append(right, t.Dim.Render("f follows"))
	}
	return screen.Ends(" "+t.Dim.Render(screen.Cut(v.describe(), f.Width/2)), strings.Join(right, "  ")+" ", f.Width)
}

// list draws the messages in w times h cells.
func (v *View) list(f screen.Frame, w, h int) string {
	t := f.Theme
	if len(v.seen) == 0 {
		text := []string{t.Dim.Render("no messages yet: they are seen here as they pass")}
		if away := screen.Away(f); away != "" {
			text = []string{t.Warn.Render(away)}
		} else if len(v.all) > 0 {
			text = []string{t.Dim.Render("none of " + screen.Plural(len(v.all), "message") + " has the text")}
		}
		return screen.Middle(text, w, h)
	}
	columns := []screen.Column{
		{Title: "time"}, {Title: "topic", Most: 32, Stretch: true}, {Title: "type", Most: 28, Stretch: true}, {Title: "key", Most: 40, Stretch: true},
		{Title: "size", Right: true}, {Title: "node", Most: 12},
	}
	const withNode = 90 // cells that it takes for the node to have a place
	if w < withNode {
		columns = columns[:len(columns)-1]
	}
	v.table = v.table.Fit(len(v.seen), screen.Page(h))
	return v.table.Render(f, columns, len(v.seen), func(i int) screen.Row {
		m := v.seen[i]
		value := t.Text
		size := screen.Bytes(int64(m.Size))
		if m.Tombstone {
			value, size = t.Warn, "deleted"
		}
		return screen.Row{
			{Text: m.Time.Local().Format("15:04:05.000"), Style: t.Dim}, {Text: screen.Line(m.Topic), Style: t.Hue(m.Topic)},
			{Text: screen.Line(m.Type), Style: value}, {Text: screen.Line(m.Key), Style: t.Data}, {Text: size, Style: t.Dim}, {Text: m.VNode, Style: t.Dim},
		}[:len(columns)]
	}, w, h, !v.follow)
}

// details draws the message under the cursor in w times h cells.
func (v *View) details(f screen.Frame, w, h int) []string {
	m := v.current()
	if m == nil {
		return []string{f.Theme.Dim.Render("no message")}
	}
	return v.part(f, v.describeMessage(f, m, w), h)
}

// part is what is seen of lines that can be scrolled.
func (v *View) part(f screen.Frame, lines []string, h int) []string {
	v.beyond = max(0, len(lines)-h)
	v.scroll = min(v.scroll, v.beyond)
	lines = lines[v.scroll:]
	if len(lines) > h {
		lines = append(slices.Clone(lines[:h-1]), f.Theme.Dim.Render(f.Theme.Signs.More+" "+screen.Plural(len(lines)-h+1, "line")+" more: ctrl+d"))
	}
	return lines
}

func (v *View) describeMessage(f screen.Frame, m *sandbox.Message, w int) []string {
	t := f.Theme
	var lines []string
	say := func(label, value string, style lipgloss.Style) {
		if value != "" {
			lines = append(lines, screen.Labelled(f, label, value, style, w)...)
		}
	}
	say("topic", screen.Line(m.Topic), t.Hue(m.Topic))
	say("at", strconv.Itoa(int(m.Partition))+" / "+strconv.FormatInt(m.Offset, 10)+"   "+m.Time.Local().Format(time.RFC3339Nano), t.Text)
	say("key", screen.Line(m.Key), t.Data)
	say("type", screen.Line(m.Type), t.Strong)
	say("node", m.VNode, t.Data)
	if m.TraceID != "" {
		say("request", m.TraceID+"  (t follows it)", t.Data)
	}
	for _, name := range slices.Sorted(maps.Keys(m.Headers)) {
		say("header", screen.Line(name)+" = "+screen.Line(m.Headers[name]), t.Text)
	}
	lines = append(lines, screen.Rule(t, valueTitle(m), w))
	switch {
	case m.Tombstone:
		lines = append(lines, t.Warn.Render("a tombstone: the key is deleted"))
	case len(m.Value) > 0:
		lines = append(lines, pretty(f, m.Value, v.text, w)...)
	case m.Raw != "":
		for _, l := range screen.Lines(m.Raw) {
			lines = append(lines, wrapped(l, w, t.Text)...)
		}
	case m.Truncated:
		lines = append(lines, t.Dim.Render("too large to be shown"))
	}
	return lines
}

func valueTitle(m *sandbox.Message) string {
	title := "value, " + screen.Bytes(int64(m.Size))
	if m.Truncated {
		title += ", cut"
	}
	return title
}

// pretty draws JSON with its names told from its values.
func pretty(f screen.Frame, value json.RawMessage, text string, w int) (lines []string) {
	var out bytes.Buffer
	if json.Indent(&out, value, "", "  ") != nil {
		return wrapped(screen.Line(string(value)), w, f.Theme.Text)
	}
	t := f.Theme
	for _, l := range strings.Split(out.String(), "\n") {
		trimmed := strings.TrimLeft(l, " ")
		indent := l[:len(l)-len(trimmed)]
		trimmed = screen.Line(trimmed)
		name, rest, ok := cutName(trimmed)
		if !ok {
			name, rest = "", trimmed
		}
		room := max(10, w-len(indent)-screen.Width(name))
		for i, part := range strings.Split(hardWrap(rest, room), "\n") {
			lead := indent + t.Data.Render(name)
			if i > 0 {
				lead = strings.Repeat(" ", len(indent)+screen.Width(name))
			}
			lines = append(lines, lead+screen.Highlight(part, text, t.Text, t.Match))
		}
	}
	return lines
}

// cutName splits a line of indented JSON behind the name of a member.
func cutName(l string) (name, rest string, ok bool) {
	if !strings.HasPrefix(l, `"`) {
		return "", "", false
	}
	for i := 1; i < len(l); i++ {
		switch l[i] {
		case '\\':
			i++
		case '"':
			if strings.HasPrefix(l[i+1:], ": ") {
				return l[:i+3], l[i+3:], true
			}
			return "", "", false
		}
	}
	return "", "", false
}

func wrapped(s string, w int, style lipgloss.Style) (lines []string) {
	for _, part := range strings.Split(hardWrap(s, w), "\n") {
		lines = append(lines, style.Render(part))
	}
	return lines
}
