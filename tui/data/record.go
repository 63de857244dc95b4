package data

import (
	"bytes"
	"encoding/json"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// record is one row, whole.
type record struct {
	columns []sandbox.Column
	cells   []sandbox.Cell
	keys    screen.ListKeys
	scroll  int
	beyond  int // lines that did not fit when it was drawn last
	page    int
}

func newRecord(columns []sandbox.Column, cells []sandbox.Cell) *record {
	return &record{columns: columns, cells: cells, keys: screen.NewListKeys(), page: 10}
}

func (r *record) update(msg tea.KeyPressMsg) {
	switch {
	case key.Matches(msg, r.keys.Up):
		r.scroll--
	case key.Matches(msg, r.keys.Down):
		r.scroll++
	case key.Matches(msg, r.keys.PageUp):
		r.scroll -= r.page
	case key.Matches(msg, r.keys.PageDown):
		r.scroll += r.page
	case key.Matches(msg, r.keys.Top):
		r.scroll = 0
	case key.Matches(msg, r.keys.Bottom):
		r.scroll = r.beyond
	}
	r.scroll = max(0, min(r.scroll, r.beyond))
}

func (r *record) render(f screen.Frame, w, h int) string {
	t := f.Theme
	widest := 0
	for _, c := range r.columns {
		widest = max(widest, screen.Width(c.Name))
	}
	widest = min(widest, w/3)
	var lines []string
	for i, c := range r.columns {
		label := t.Dim
		if c.Key {
			label = t.Data
		}
		name := " " + screen.Pad(screen.Line(c.Name), widest) + " "
		for n, part := range r.value(i, max(10, w-widest-3)) {
			if n > 0 {
				name = strings.Repeat(" ", widest+2)
			}
			lines = append(lines, label.Render(name)+part.style(f).Render(part.text))
		}
		lines = append(lines, strings.Repeat(" ", widest+2)+t.Dim.Render(kind(c)))
	}
	r.page, r.beyond = h-1, max(0, len(lines)-h)
	r.scroll = min(r.scroll, r.beyond)
	return screen.Fill(lines[r.scroll:], w, h)
}

// kind tells what a column is.
func kind(c sandbox.Column) string {
	text := c.Type
	for _, p := range []struct {
		on   bool
		word string
	}{{c.Key, "key"}, {c.Unique, "unique"}, {c.Nullable, "may be null"}, {c.Refers != "", "of " + c.Refers}, {c.Masked, "secret"}} {
		if p.on {
			text += ", " + p.word
		}
	}
	return screen.Line(text)
}

// line is a line of a value.
type line struct {
	text  string
	faint bool
}

func (l line) style(f screen.Frame) lipgloss.Style {
	if l.faint {
		return f.Theme.Dim
	}
	return f.Theme.Text
}

// value is a value in lines of w cells; JSON is indented.
func (r *record) value(i, w int) (lines []line) {
	c := r.cells[i]
	if c.Null {
		return []line{{"null", true}}
	}
	text := c.Text
	var indented bytes.Buffer
	if s := strings.TrimSpace(text); strings.HasPrefix(s, "{") && json.Indent(&indented, []byte(s), "", "  ") == nil {
		text = indented.String()
	}
	for _, l := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		body := strings.TrimLeft(l, " ")
		lead := strings.Repeat(" ", min(len(l)-len(body), w/2))
		for _, part := range strings.Split(ansi.Hardwrap(screen.Line(body), max(1, w-len(lead)), true), "\n") {
			lines = append(lines, line{lead + part, r.columns[i].Masked})
		}
	}
	if c.Bytes > 0 {
		lines = append(lines, line{"the beginning of " + screen.Bytes(int64(c.Bytes)), true})
	}
	return lines
}
