package tui

import (
	"slices"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/screen"
	"github.com/cordage-sandbox/cordage/tui/theme"
)

// Update is the root's: what concerns the frame is done here, the rest is the views'.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var first tea.Cmd
	if !m.started && len(m.views) > 0 {
		m.started = true
		first = m.tell(m.at, screen.ShownMsg{})
	}
	cmd := m.update(msg)
	if !m.waits {
		m.drawn = nil
	}
	m.waits = false
	if !m.beating && m.moving() {
		m.beating = true
		cmd = tea.Batch(cmd, beat())
	}
	return m, tea.Batch(first, cmd)
}

// moving tells whether something on the screen moves.
func (m *Model) moving() bool {
	if len(m.views) == 0 {
		return false
	}
	v, ok := m.views[m.at].(screen.Mover)
	return ok && v.Moving() || m.state.Link == screen.Connected && m.state.Info.Phase == sandbox.PhaseStarting
}

func (m *Model) update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		return m.broadcast(msg)
	case tea.BackgroundColorMsg:
		m.theme = theme.New(msg.IsDark(), !m.config.ASCII)
		return nil
	case tickMsg:
		m.now = m.config.Now()
		return tea.Batch(tick(), m.tell(m.at, screen.TickMsg{Now: m.now}))
	case beatMsg:
		m.now = m.config.Now() // what runs shows how long it has
		m.beat++
		m.beating = false
		return nil
	case screen.FeedMsg[sandbox.Event]:
		m.now = m.config.Now()
		return m.take(msg)
	case tea.KeyPressMsg:
		return m.key(msg)
	case tea.MouseMsg:
		return m.mouse(msg)
	}
	return m.request(msg)
}

// request does what a view has asked for; a message of another type is the views'.
func (m *Model) request(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case screen.GoMsg:
		return m.open(msg)
	case screen.SwitchMsg:
		return tea.Batch(m.switchTo(msg.Name), m.open(msg.GoMsg))
	case screen.BackMsg:
		return m.back()
	case screen.NoticeMsg:
		if msg.Time.IsZero() {
			msg.Time = m.config.Now()
		}
		m.notices.add(msg.Notice)
		return nil
	case screen.ConfirmMsg:
		m.question, m.over, m.yes = msg.Question, asking, false
		return nil
	case screen.ExecMsg:
		return m.exec(msg.Args)
	case overlayMsg:
		if m.over = overlay(msg); m.over == noticing {
			m.notices.open()
		}
		return nil
	}
	if m.over == filtering || m.over == choosing {
		if cmd, ok := m.inputMsg(msg); ok {
			return cmd
		}
	}
	return m.broadcast(msg)
}

// broadcast gives a message to every view.
func (m *Model) broadcast(msg tea.Msg) tea.Cmd {
	cmds := make([]tea.Cmd, 0, len(m.views))
	for i := range m.views {
		cmds = append(cmds, m.tell(i, msg))
	}
	return tea.Batch(cmds...)
}

func (m *Model) tell(view int, msg tea.Msg) (cmd tea.Cmd) {
	if view >= len(m.views) {
		return nil
	}
	m.views[view], cmd = m.views[view].Update(msg)
	return cmd
}

// key takes a key: what is open over the view has it first, then the view if it is being typed into, then the root.
func (m *Model) key(msg tea.KeyPressMsg) tea.Cmd {
	if key.Matches(msg, m.keys.Kill) {
		return tea.Quit
	}
	if m.over != noOverlay {
		return m.overlayKey(msg)
	}
	if t, ok := m.views[m.at].(screen.Typer); ok && t.Typing() {
		if key.Matches(msg, m.keys.Back) {
			return m.back()
		}
		return m.tell(m.at, msg)
	}
	switch {
	case key.Matches(msg, m.keys.Quit):
		return tea.Quit
	case key.Matches(msg, m.keys.Help):
		m.over, m.help = helping, scroll{}
	case key.Matches(msg, m.keys.Notices):
		m.over = noticing
		m.notices.open()
	case key.Matches(msg, m.keys.Palette):
		return m.openPalette()
	case key.Matches(msg, m.keys.Filter):
		if f, ok := m.views[m.at].(screen.Filterer); ok {
			return m.openFilter(f.Filter())
		}
		return m.tell(m.at, msg)
	case key.Matches(msg, m.keys.Next):
		return m.show((m.at+1)%len(m.views), true)
	case key.Matches(msg, m.keys.Previous):
		return m.show((m.at+len(m.views)-1)%len(m.views), true)
	case key.Matches(msg, m.keys.Number):
		if n := int(msg.Code - '1'); n >= 0 && n < len(m.views) {
			return m.show(n, true)
		}
	case key.Matches(msg, m.keys.Redraw):
		return tea.ClearScreen
	case key.Matches(msg, m.keys.Back):
		return m.back()
	default:
		return m.tell(m.at, msg)
	}
	return nil
}

// back closes what is open in the view, or goes to the view before.
func (m *Model) back() tea.Cmd {
	if c, ok := m.views[m.at].(screen.Closer); ok {
		v, closed := c.Close()
		m.views[m.at] = v
		if closed {
			return nil
		}
	}
	if f, ok := m.views[m.at].(screen.Filterer); ok && f.Filter() != "" {
		return m.tell(m.at, screen.FilterMsg{})
	}
	if n := len(m.before); n > 0 {
		to := m.before[n-1]
		m.before = m.before[:n-1]
		return m.show(to, false)
	}
	return nil
}

// show changes to a view.
func (m *Model) show(view int, remember bool) tea.Cmd {
	if view == m.at {
		return nil
	}
	const most = 20
	if remember {
		m.before = append(m.before, m.at)
		m.before = m.before[max(0, len(m.before)-most):]
	}
	hidden := m.tell(m.at, screen.HiddenMsg{})
	m.at = view
	return tea.Batch(hidden, m.tell(m.at, screen.ShownMsg{}))
}

func (m *Model) open(to screen.GoMsg) tea.Cmd {
	i := slices.IndexFunc(m.views, func(v screen.View) bool { return v.Name() == to.View })
	if i < 0 {
		return nil
	}
	shown := m.show(i, true)
	if to.What == nil {
		return shown
	}
	return tea.Batch(shown, m.tell(i, screen.OpenMsg{What: to.What}))
}

// switchTo changes to another sandbox.
func (m *Model) switchTo(name string) tea.Cmd {
	m.close()
	m.config.Name = name
	m.config.Source, m.views = m.config.Open(name)
	m.state, m.before, m.at = screen.NewState(name), nil, min(m.at, len(m.views)-1)
	m.state.Since = m.now
	return tea.Batch(m.begin(), m.tell(m.at, screen.ShownMsg{}))
}

// exec suspends the UI for a command of Cordage.
func (m *Model) exec(args []string) tea.Cmd {
	if m.config.Command == nil {
		return nil
	}
	return tea.ExecProcess(m.config.Command(args...), func(err error) tea.Msg {
		if err != nil {
			return screen.NoticeMsg{Notice: screen.Failure("cordage "+args[0], err)}
		}
		return nil
	})
}

// mouse gives the view what happens in its area, and takes clicks on the tabs.
func (m *Model) mouse(msg tea.MouseMsg) tea.Cmd {
	at := msg.Mouse()
	if m.tooSmall() {
		return nil
	}
	if m.over != noOverlay {
		return m.overlayMouse(msg)
	}
	click, clicked := msg.(tea.MouseClickMsg)
	if clicked && at.Y == tabLine {
		if i, ok := m.tabAt(click.X); ok {
			return m.show(i, true)
		}
		return nil
	}
	if at.Y < headLines || at.Y >= m.height-footLines {
		return nil
	}
	at.Y -= headLines
	switch msg.(type) {
	case tea.MouseClickMsg:
		return m.tell(m.at, tea.MouseClickMsg(at))
	case tea.MouseReleaseMsg:
		return m.tell(m.at, tea.MouseReleaseMsg(at))
	case tea.MouseWheelMsg:
		return m.tell(m.at, tea.MouseWheelMsg(at))
	case tea.MouseMotionMsg:
		return m.tell(m.at, tea.MouseMotionMsg(at))
	}
	return nil
}
