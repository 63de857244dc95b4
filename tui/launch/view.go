// Package launch is the view that chooses a sandbox, starts it, and shows the start. Only package tui imports it.
package launch

import (
	"context"
	"errors"
	"reflect"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// Name of the view.
const Name = "launch"

// Host is the machine: which sandboxes it keeps, and how one is started.
type Host interface {
	// Sandboxes lists those that keep something, by name.
	Sandboxes(ctx context.Context) ([]Sandbox, error)

	// Start makes sure that the sandbox has a supervisor, which starts the nodes. It returns before they are ready. A
	// sandbox that is running is left as it is.
	//
	// Errors: those of the wish; *sandbox.StartError.
	Start(ctx context.Context, name string, wish sandbox.Wish) (running bool, err error)

	// Runtimes are the names of those that can be chosen, the best first.
	Runtimes() []string
}

// Sandbox is one that the machine keeps.
type Sandbox struct {
	Name    string
	Running bool
	Spec    sandbox.Spec
	Last    *sandbox.Failure // why its last start failed
}

// View is the view's model.
type View struct {
	host  Host
	keys  keyMap
	state *screen.State
	shown bool

	list    []Sandbox
	listErr error
	form    form
	asked   time.Time // when the start was asked for; zero: it was not
	failed  *sandbox.Failure
	err     error // why the start could not even begin
	scroll  int
	begun   bool // a supervisor was started, or was there
	went    bool // topology was shown when this start became ready
}

// New makes the view for the sandbox of that name.
func New(h Host, name string) *View {
	return &View{host: h, keys: newKeyMap(), form: newForm(name, h.Runtimes())}
}

// Name is the view's.
func (v *View) Name() string { return Name }

// Init asks for the sandboxes.
func (v *View) Init() tea.Cmd { return v.reload() }

// Typing tells that a name is typed.
func (v *View) Typing() bool { return v.choosing() && v.form.typing() }

// Moving tells that something is being started.
func (v *View) Moving() bool {
	return v.starting() || !v.asked.IsZero() && v.failed == nil && v.err == nil && !v.running()
}

// running tells that the sandbox runs, or is on its way.
func (v *View) running() bool {
	return v.state != nil && (v.state.Link == screen.Connected || v.state.Link == screen.Lost) && v.state.Info.Phase != sandbox.PhaseFailed &&
		v.state.Info.Phase != sandbox.PhaseStopped
}

// orphaned tells that the supervisor is gone without having stopped anything.
func (v *View) orphaned() bool {
	if v.state == nil || v.state.Link != screen.Lost || !v.asked.IsZero() {
		return false
	}
	_, gone := errors.AsType[*sandbox.NotRunningError](v.state.Err)
	return gone
}

func (v *View) starting() bool { return v.running() && v.state.Info.Phase == sandbox.PhaseStarting }

// choosing tells that the form is what is shown.
func (v *View) choosing() bool {
	return !v.running() && v.asked.IsZero() && v.failure() == nil && v.state != nil && v.state.Link == screen.Absent
}

// failure is why the last start failed, until the user goes on.
func (v *View) failure() *sandbox.Failure { return v.failed }

type (
	listMsg struct {
		list []Sandbox
		err  error
	}
	startedMsg struct {
		running, asked bool
		err            error
	}
)

func (v *View) reload() tea.Cmd {
	host := v.host
	return func() tea.Msg {
		const limit = 10 * time.Second
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		list, err := host.Sandboxes(ctx)
		return listMsg{list, err}
	}
}

// Update takes a message.
func (v *View) Update(msg tea.Msg) (screen.View, tea.Cmd) {
	switch msg := msg.(type) {
	case screen.ShownMsg:
		v.shown = true
		return v, v.reload()
	case screen.HiddenMsg:
		v.shown = false
	case screen.TickMsg:
		const every = 5
		if v.choosing() && msg.Now.Second()%every == 0 || v.gone() {
			return v, v.reload()
		}
	case screen.StateMsg:
		return v, v.take(msg.State)
	case screen.OpenMsg:
		if open, ok := msg.What.(Start); ok {
			return v, v.startWith(open.Wish)
		}
	case listMsg:
		v.list, v.listErr = msg.list, msg.err
		v.form.know(msg.list)
		v.ended(msg)
	case startedMsg:
		return v, v.started(msg)
	case tea.KeyPressMsg:
		return v, v.key(msg)
	case tea.PasteMsg:
		if v.Typing() {
			v.form.name, _ = v.form.name.Update(msg)
		}
	case tea.MouseWheelMsg:
		v.scroll = max(0, v.scroll+map[bool]int{true: -3, false: 3}[msg.Button == tea.MouseWheelUp])
	}
	return v, nil
}

// take follows the state: when a start that is watched becomes ready, the topology is shown.
func (v *View) take(s *screen.State) tea.Cmd {
	v.state = s
	switch {
	case s.Info.Phase == sandbox.PhaseFailed && s.Info.Failure != nil && !v.asked.IsZero():
		v.failed, v.asked = s.Info.Failure, time.Time{}
	case s.Link == screen.Connected && s.Info.Phase == sandbox.PhaseStarting:
		v.failed, v.err, v.went, v.begun = nil, nil, false, false
		if v.asked.IsZero() {
			v.asked = s.Info.Started
		}
	case s.Link == screen.Connected && s.Info.Phase == sandbox.PhaseReady && !v.asked.IsZero():
		v.asked, v.failed, v.err = time.Time{}, nil, nil
		if v.shown && !v.went {
			v.went = true
			return screen.Go("topology", nil)
		}
	case s.Link == screen.Absent && s.Info.Phase == sandbox.PhaseStopped:
		v.asked = time.Time{}
	}
	return nil
}

// gone tells that the supervisor that was started does not answer.
func (v *View) gone() bool {
	return v.begun && !v.asked.IsZero() && v.state != nil && v.state.Link == screen.Absent
}

// ended tells why a start failed that nobody could follow, because it was over too soon.
func (v *View) ended(now listMsg) {
	if !v.gone() || now.err != nil {
		return
	}
	name := v.form.name.Value()
	failure := &sandbox.Failure{
		Part: "supervisor", Stage: "start the nodes of sandbox " + name, Cause: "the supervisor has ended", Hint: "its log tells more: cordage logs supervisor",
	}
	for _, s := range now.list {
		if s.Name == name && s.Running {
			return // it answers, and will be seen
		}
		if s.Name == name && s.Last != nil {
			failure = s.Last
		}
	}
	v.failed, v.asked, v.begun = failure, time.Time{}, false
}

// started takes the answer of Host.Start.
func (v *View) started(msg startedMsg) tea.Cmd {
	err := msg.err
	if err == nil && msg.running && msg.asked {
		return screen.Tell(screen.Notice{
			Severity: sandbox.Warning, Text: "sandbox " + v.form.name.Value() + " is running and left as it is: what was asked for is not applied",
			Hint: "scale workers with + and - in the topology",
		})
	}
	if err == nil {
		v.begun = true
		return nil
	}
	v.asked, v.err = time.Time{}, err
	if f, ok := startFailure(err); ok {
		v.failed = &f
	} else {
		v.failed = &sandbox.Failure{Part: "sandbox " + v.form.name.Value(), Stage: "begin the start", Cause: err.Error(), Hint: screen.Failure("", err).Hint}
	}
	return screen.Fail("start sandbox "+v.form.name.Value(), err)
}

func (v *View) key(msg tea.KeyPressMsg) tea.Cmd {
	switch {
	case v.orphaned() && key.Matches(msg, v.keys.Start):
		return v.startWith(sandbox.Wish{Offline: true})
	case v.choosing():
		return v.formKey(msg)
	case v.failure() != nil:
		switch {
		case key.Matches(msg, v.keys.Start):
			v.failed, v.scroll = nil, 0
			return v.start()
		case key.Matches(msg, v.keys.Change):
			v.failed, v.scroll = nil, 0
			return v.reload()
		}
	}
	switch {
	case key.Matches(msg, v.keys.Scroll.Up):
		v.scroll = max(0, v.scroll-1)
	case key.Matches(msg, v.keys.Scroll.Down):
		v.scroll++
	}
	return nil
}

func (v *View) formKey(msg tea.KeyPressMsg) tea.Cmd {
	if key.Matches(msg, v.keys.Start) && v.form.at == fieldStart || msg.String() == "ctrl+s" {
		return v.start()
	}
	cmd := v.form.key(msg, v.keys)
	return cmd
}

// start starts what the form says.
func (v *View) start() tea.Cmd {
	name, wish := v.form.name.Value(), v.form.wish()
	if err := v.form.check(); err != nil {
		return screen.Fail("", err)
	}
	if v.state != nil && name != v.state.Name {
		if v.form.known[name].Running {
			return screen.Switch(name, "topology", nil)
		}
		return screen.Switch(name, Name, Start{wish})
	}
	return v.startWith(wish)
}

// Start asks the view to start its sandbox at once, in a screen.OpenMsg.
type Start struct{ Wish sandbox.Wish }

func (v *View) startWith(wish sandbox.Wish) tea.Cmd {
	host, name := v.host, v.form.name.Value()
	v.asked, v.err, v.failed, v.went, v.begun = time.Now(), nil, nil, false, false
	begin := func() tea.Msg {
		const limit = 2 * time.Minute
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		running, err := host.Start(ctx, name, wish)
		return startedMsg{running, !reflect.ValueOf(wish).IsZero(), err}
	}
	return begin
}

// Close leaves the report of a failed start.
func (v *View) Close() (screen.View, bool) {
	if v.failed != nil {
		v.failed, v.scroll = nil, 0
		return v, true
	}
	return v, false
}
