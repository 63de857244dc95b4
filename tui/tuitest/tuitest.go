// Package tuitest helps tests of the terminal UI: it drives a model or a view without a terminal, and compares frames with
// golden files in all sizes and colours that matter. Only tests import it.
package tuitest

import (
	"strconv"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/screen"
	"github.com/cordage-sandbox/cordage/tui/theme"
)

// Now is the time in tests, in UTC; tests that show times must set time.Local to UTC (see UTC).
func Now() time.Time { return time.Date(2026, time.March, 14, 9, 26, 53, 0, time.UTC) }

// Sizes are the windows in which every view is looked at; the area of a view is three lines less.
func Sizes() [][2]int { return [][2]int{{80, 24}, {160, 48}} }

// chrome is how many lines of a window are the root's.
const chrome = 3

// View drives one view as the root does, without a terminal.
type View struct {
	screen.View
	State *screen.State
	Beat  int
	// Sent are the requests to the root (screen.GoMsg, NoticeMsg, ConfirmMsg, …), in order.
	Sent []tea.Msg
}

// NewView starts a view: Init, then ShownMsg. Commands are not run but by Run.
func NewView(v screen.View) *View {
	d := &View{View: v, State: screen.NewState("default")}
	d.View.Init()
	d.Update(screen.ShownMsg{})
	return d
}

// Update gives the view messages, and drops the commands.
func (d *View) Update(msgs ...tea.Msg) *View {
	for _, msg := range msgs {
		d.View, _ = d.View.Update(msg)
	}
	return d
}

// Events gives the view the events, through the state.
func (d *View) Events(events ...sandbox.Event) *View {
	var changes []screen.Change
	d.State.Link = screen.Connected
	for _, e := range events {
		if e.Time.IsZero() {
			e.Time = Now()
		}
		changes = append(changes, d.State.Apply(e)...)
	}
	return d.Update(screen.StateMsg{State: d.State, Changes: changes})
}

// Press gives the view keys by their names ("enter", "ctrl+r", "a"), runs the commands that come of them and gives the
// view what those return, until there is none left; requests to the root are noted in Sent.
func (d *View) Press(keys ...string) *View {
	for _, k := range keys {
		var cmd tea.Cmd
		d.View, cmd = d.View.Update(Key(k))
		d.Run(cmd)
	}
	return d
}

// Run runs a command and gives the view what it returns. A batch of a feed ends it, since feeds go on without end, and so
// does a command that returns nothing within runLimit, as one that waits for a feed.
func (d *View) Run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	done := make(chan tea.Msg, 1)
	go func() { done <- cmd() }()
	var msg tea.Msg
	select {
	case msg = <-done:
	case <-time.After(runLimit):
		return
	}
	switch msg := msg.(type) {
	case nil:
	case tea.BatchMsg:
		for _, c := range msg {
			d.Run(c)
		}
	case screen.GoMsg, screen.NoticeMsg, screen.ConfirmMsg, screen.ExecMsg, screen.BackMsg, screen.SwitchMsg, tea.QuitMsg:
		d.Sent = append(d.Sent, msg)
	case interface{ Streamed() }:
		d.Update(msg)
	default:
		var next tea.Cmd
		d.View, next = d.View.Update(msg)
		d.Run(next)
	}
}

// runLimit is for commands that wait for something outside; those of a test's own source return at once.
const runLimit = time.Second

// Frame is what the view draws, in colours on dark, for a window of that size.
func (d *View) Frame(width, height int) string { return d.draw(width, height, theme.New(true, true)) }

// Text is what the view draws, without colours.
func (d *View) Text(width, height int) string { return ansi.Strip(d.Frame(width, height)) }

func (d *View) draw(width, height int, t *theme.Theme) string {
	return d.Render(screen.Frame{
		Width: width, Height: height - chrome, Theme: t, State: d.State, Now: Now(), Beat: d.Beat,
	})
}

// Golden compares the view's frames with testdata/<test>/<size>-<look>.golden, in all sizes; -update writes them.
func (d *View) Golden(t *testing.T) {
	t.Helper()
	Frames(t, chrome, func(width, height int, th *theme.Theme) string { return d.draw(width, height, th) })
}

// Frames compares frames of any kind in all sizes: in colours (dark), without colours, and in ASCII, in the smallest also in
// the colours for a light background. less is how many lines
// a frame has less than its window.
func Frames(t *testing.T, less int, draw func(width, height int, t *theme.Theme) string) {
	t.Helper()
	for _, size := range Sizes() {
		w, h := size[0], size[1]
		name := strconv.Itoa(w) + "x" + strconv.Itoa(h)
		coloured := draw(w, h, theme.New(true, true))
		looks := map[string]string{
			"colour": coloured,
			"plain":  ansi.Strip(coloured),
			"ascii":  screen.ASCII(ansi.Strip(draw(w, h, theme.New(true, false)))),
		}
		if size == Sizes()[0] { // how things are arranged does not depend on the colours
			looks["light"] = draw(w, h, theme.New(false, true))
		}
		for look, frame := range looks {
			t.Run(name+"-"+look, func(t *testing.T) {
				Fits(t, frame, w, h-less)
				golden.RequireEqual(t, trim(frame))
			})
		}
	}
}

// trim removes blanks at the ends of lines, which editors would remove from golden files.
func trim(frame string) string {
	lines := strings.Split(frame, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

// Fits fails unless the frame has exactly h lines of at most w cells.
func Fits(t testing.TB, frame string, w, h int) {
	t.Helper()
	lines := strings.Split(frame, "\n")
	if len(lines) != h {
		t.Errorf("the frame has %d lines, want %d:\n%s", len(lines), h, ansi.Strip(frame))
	}
	for i, l := range lines {
		if got := screen.Width(l); got > w {
			t.Errorf("line %d has %d cells, at most %d fit: %q", i, got, w, ansi.Strip(l))
		}
	}
}

// Key makes the message of a key by its name.
func Key(name string) tea.KeyPressMsg {
	var k tea.Key
	for {
		mods := map[string]tea.KeyMod{"ctrl+": tea.ModCtrl, "alt+": tea.ModAlt, "shift+": tea.ModShift}
		found := false
		for prefix, mod := range mods {
			if rest, ok := strings.CutPrefix(name, prefix); ok && rest != "" {
				k.Mod |= mod
				name, found = rest, true
			}
		}
		if !found {
			break
		}
	}
	special := map[string]rune{
		"enter": tea.KeyEnter, "esc": tea.KeyEscape, "tab": tea.KeyTab, "up": tea.KeyUp, "down": tea.KeyDown, "left": tea.KeyLeft,
		"right": tea.KeyRight, "pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown, "home": tea.KeyHome, "end": tea.KeyEnd,
		"backspace": tea.KeyBackspace, "delete": tea.KeyDelete, "space": tea.KeySpace, "f1": tea.KeyF1,
	}
	if code, ok := special[name]; ok {
		k.Code = code
		if name == "space" {
			k.Text = " "
		}
		return tea.KeyPressMsg(k)
	}
	r := []rune(name)[0]
	k.Code = r
	if k.Mod == 0 {
		k.Text = name
	}
	return tea.KeyPressMsg(k)
}

// Type makes the messages of a text that is typed.
func Type(text string) (msgs []tea.Msg) {
	for _, r := range text {
		if r == ' ' {
			msgs = append(msgs, Key("space"))
			continue
		}
		msgs = append(msgs, Key(string(r)))
	}
	return msgs
}
