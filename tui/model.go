package tui

import (
	"time"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/launch"
	"github.com/cordage-sandbox/cordage/tui/screen"
	"github.com/cordage-sandbox/cordage/tui/theme"
)

// overlay is what lies over the view and takes the keys.
type overlay string

const (
	noOverlay overlay = ""
	helping   overlay = "help"
	noticing  overlay = "notifications"
	asking    overlay = "question"
	choosing  overlay = "palette"
	filtering overlay = "filter"
)

// Model is the root. It is changed by Update only, in one goroutine.
type Model struct {
	config  Config
	keys    keyMap
	theme   *theme.Theme
	now     time.Time
	beat    int
	beating bool // the next beat is on its way
	width   int
	height  int
	drawn   *tea.View // the latest frame, as long as it holds
	waits   bool      // what the message has changed need not be seen before the next second

	views   []screen.View
	at      int   // the view that is shown
	before  []int // the views shown before it, latest last
	started bool  // the first view has been told that it is shown

	state   *screen.State
	events  *screen.Feed[sandbox.Event]
	offered bool // a start was offered since the link was there last

	over     overlay
	notices  notices
	question screen.Question
	yes      bool // the answer under the cursor
	input    textinput.Model
	palette  palette
	help     scroll
}

// New makes the root.
func New(c Config) *Model {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Views == nil {
		c.Source, c.Views = c.Open(c.Name)
	}
	m := &Model{
		config: c, keys: newKeyMap(), theme: theme.New(c.Dark, !c.ASCII), now: c.Now(), views: c.Views,
		state: screen.NewState(c.Name), width: 80, height: 24, input: newInput(),
	}
	m.state.Since = m.now
	for i, v := range m.views {
		if v.Name() == c.First {
			m.at = i
		}
	}
	return m
}

func newInput() textinput.Model {
	i := textinput.New()
	i.Prompt = ""
	i.SetVirtualCursor(false) // the terminal's own cursor blinks at no cost
	return i
}

// Init begins the event stream and starts the views.
func (m *Model) Init() tea.Cmd {
	cmd := tea.Batch(tea.RequestBackgroundColor, tick(), m.begin())
	if m.config.Begin != nil {
		cmd = tea.Batch(cmd, screen.Go(launch.Name, launch.Start{Wish: *m.config.Begin}))
	}
	return cmd
}

// Info is what was known last of the sandbox, and whether its supervisor answers.
func (m *Model) Info() (info sandbox.Info, connected bool) {
	return m.state.Info, m.state.Link == screen.Connected
}

// begin follows the sandbox and starts the views.
func (m *Model) begin() tea.Cmd {
	cmds := []tea.Cmd{m.follow()}
	for _, v := range m.views {
		cmds = append(cmds, v.Init())
	}
	return tea.Batch(cmds...)
}

// Current is the name of the view that is shown.
func (m *Model) Current() string {
	if len(m.views) == 0 {
		return ""
	}
	return m.views[m.at].Name()
}

type tickMsg time.Time

// tick keeps the times on the screen fresh.
func tick() tea.Cmd {
	return tea.Tick(time.Second, func(t time.Time) tea.Msg { return tickMsg(t) })
}

type beatMsg struct{}

// beatEvery is the pause between two frames of what moves.
const beatEvery = time.Second / 8

func beat() tea.Cmd {
	return tea.Tick(beatEvery, func(time.Time) tea.Msg { return beatMsg{} })
}
