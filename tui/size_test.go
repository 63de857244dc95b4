package tui

import (
	"context"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/client"
	"github.com/cordage-sandbox/cordage/tui/launch"
	"github.com/cordage-sandbox/cordage/tui/screen"
	"github.com/cordage-sandbox/cordage/tui/topology"
	"github.com/cordage-sandbox/cordage/tui/tuitest"
)

// noHost is a machine without sandboxes.
type noHost struct{}

func (noHost) Sandboxes(context.Context) ([]launch.Sandbox, error) { return nil, nil }
func (noHost) Start(context.Context, string, sandbox.Wish) (running bool, err error) {
	return false, nil
}
func (noHost) Runtimes() []string { return []string{sandbox.Auto} }

// TestEverySize draws all views in windows from nothing to large, as when a window is drawn at its corner: with what can be
// opened in them and lies over them, and each time as a frame of exactly that size.
func TestEverySize(t *testing.T) {
	t.Parallel()
	d := sandbox.Dir{Name: "default", Path: t.TempDir()}
	c := client.Open(d)
	t.Cleanup(c.Close)
	views := Views(c, noHost{}, d)
	m := New(Config{Name: "default", Source: c, Views: views, Now: tuitest.Now})
	m.events = screen.Follow(screen.FeedOptions{}, silent{}.Events)
	t.Cleanup(m.close)
	m.feed(nil, tuitest.Snapshot(t))
	m.views[0].(*topology.View).Observe(tuitest.Topology())
	for i := range views {
		m.show(i, false)
		for _, over := range []string{"", "?", ":", "!", "enter", "c", "n", "o", "u", "r", "v"} { // what a view does not know it leaves
			for _, size := range [][2]int{{0, 0}, {3, 1}, {20, 5}, {39, 60}, {40, 10}, {41, 24}, {57, 15}, {80, 10}, {80, 24}, {119, 60}, {120, 11}, {250, 15}} {
				w, h := size[0], size[1]
				m.Update(tea.WindowSizeMsg{Width: w, Height: h})
				if over != "" {
					m.press(over)
				}
				m.cursor()
				tuitest.Fits(t, m.Frame(), w, max(1, h))
				m.Update(tea.MouseClickMsg{X: w - 1, Y: h - 1, Button: tea.MouseLeft})
				m.Update(tea.MouseWheelMsg{X: w / 2, Y: h / 2, Button: tea.MouseWheelDown})
				m.press("esc")
				if m.at != i || t.Failed() {
					t.Fatalf("view %s, over it %q, %d×%d cells; shown is %s", views[i].Name(), over, w, h, m.Current())
				}
			}
		}
	}
}

// TestTabsInNarrowWindows: the name of the view that is shown is always seen, and a click finds the tab that it is on.
func TestTabsInNarrowWindows(t *testing.T) {
	t.Parallel()
	d := sandbox.Dir{Name: "default", Path: t.TempDir()}
	c := client.Open(d)
	t.Cleanup(c.Close)
	m := New(Config{Name: "default", Source: c, Views: Views(c, noHost{}, d), Now: tuitest.Now})
	m.Update(tea.WindowSizeMsg{Width: leastWidth, Height: leastHeight})
	for i, v := range m.views {
		m.at = i
		line := ansi.Strip(m.tabs())
		at := strings.Index(line, m.theme.Signs.Cursor+string(rune('1'+i))+" "+v.Name())
		if at < 0 {
			t.Errorf("view %s does not stand in %q", v.Name(), line)
			continue
		}
		for x, r := range []rune(line) {
			if r >= '1' && r <= '9' {
				if tab, ok := m.tabAt(x); !ok || tab != int(r-'1') {
					t.Errorf("a click on %c in %q is on tab %d, %v", r, line, tab+1, ok)
				}
			}
		}
	}
}
