// Package screen is the contract between the terminal UI's root and its views, and what views are built from: the live
// state of a sandbox, streams, tables, small drawings. A view is a package of its own below tui that imports this one and
// can be read alone; docs/tui.md tells how to write one. Workers and package sandbox must not import it.
package screen

import (
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/tui/theme"
)

// View is one screen. Update is pure: it does no I/O and starts none but through the commands it returns, which run with
// a context of their own and may take as long as they need. All methods are called from one goroutine.
type View interface {
	// Name is one lower-case word: the tab, the palette's command, the remembered session.
	Name() string

	// Init is called once, before anything else.
	Init() tea.Cmd

	// Update takes a message: ShownMsg, HiddenMsg, TickMsg, StateMsg, OpenMsg, FilterMsg, keys and mouse while the view is
	// shown (mouse relative to the view's area), and whatever its commands return. Messages of a type that the root does not
	// know reach every view; a view ignores what is not its own.
	Update(msg tea.Msg) (View, tea.Cmd)

	// Render draws exactly f.Height lines of at most f.Width cells. It changes nothing that Update would see, except
	// caches of layout.
	Render(f Frame) string

	// Keys are what the view reacts to at present, for the footer (the first few) and for the help (all).
	Keys() []key.Binding
}

// Optional parts of a view.
type (
	// Typer tells that keys are text at present (an input has the focus), so that the root leaves them alone, all but ctrl+c.
	Typer interface{ Typing() bool }

	// Closer closes the innermost thing that is open on esc, and tells whether there was one. If not, the root goes back
	// to the view before.
	Closer interface{ Close() (View, bool) }

	// Commander has commands for the palette beyond those of its keys.
	Commander interface{ Commands() []Command }

	// Mover tells that something moves at present, so that Frame.Beat counts up. Nothing else is drawn more than once a
	// second without a message.
	Mover interface{ Moving() bool }

	// Ender has work under way that must not be broken off: End stops it when the UI has left the screen, and returns when
	// everything is as it should be left.
	Ender interface{ End() }

	// Filterer is filtered by "/": it gets FilterMsg as the user types.
	Filterer interface{ Filter() string }
)

// Frame is all that a view may draw from besides its own model.
type Frame struct {
	Width, Height int
	Theme         *theme.Theme
	State         *State
	Now           time.Time
	Beat          int // counts up eight times a second while something moves, for spinners and packets in flight
}

// Command is an entry of the palette.
type Command struct {
	Name  string // words, as typed: "kill crypto-1"
	About string
	Do    tea.Cmd
}

// Messages from the root to the views.
type (
	// ShownMsg tells that the view is now seen; it opens its streams.
	ShownMsg struct{}

	// HiddenMsg tells that the view is not seen any more; it closes its streams.
	HiddenMsg struct{}

	// TickMsg comes about once a second to the view that is shown.
	TickMsg struct{ Now time.Time }

	// StateMsg tells that the state of the sandbox changed: what changed in it since the last one. All views get it.
	StateMsg struct {
		State   *State
		Changes []Change
	}

	// OpenMsg shows something in the view: what [Go] was given.
	OpenMsg struct{ What any }

	// FilterMsg is what the user has typed after "/", at each key.
	FilterMsg struct{ Text string }
)

// Messages from views to the root, made by the commands below.
type (
	// GoMsg changes to a view.
	GoMsg struct {
		View string
		What any // handed over in an OpenMsg unless nil
	}

	// NoticeMsg adds to the notifications.
	NoticeMsg struct{ Notice }

	// ConfirmMsg asks before something is done.
	ConfirmMsg struct{ Question }

	// ExecMsg suspends the UI and runs a command line of Cordage in the terminal, such as "psql config".
	ExecMsg struct{ Args []string }

	// SwitchMsg changes to another sandbox, and then as GoMsg.
	SwitchMsg struct {
		Name string
		GoMsg
	}

	// BackMsg is esc where nothing is open.
	BackMsg struct{}
)

// Question is asked before something that destroys.
type Question struct {
	Title string // "Kill crypto-1?"
	Text  string // what will happen
	Yes   string // the word on the button: "kill"
	Do    tea.Cmd
}

// Go changes to the view of that name; what is for that view to understand.
func Go(view string, what any) tea.Cmd { return send(GoMsg{view, what}) }

// Ask asks the user, and runs q.Do if the answer is yes.
func Ask(q Question) tea.Cmd { return send(ConfirmMsg{q}) }

// Exec suspends the UI and runs cordage with these arguments in the terminal, for the sandbox that is shown.
func Exec(args ...string) tea.Cmd { return send(ExecMsg{args}) }

// Switch shows another sandbox, for which all views begin anew, in the view of that name.
func Switch(name, view string, what any) tea.Cmd { return send(SwitchMsg{name, GoMsg{view, what}}) }

// Tell adds a notification.
func Tell(n Notice) tea.Cmd { return send(NoticeMsg{n}) }

// Fail adds a notification of an error, with its hint. A nil error is none.
func Fail(attempt string, err error) tea.Cmd {
	if err == nil {
		return nil
	}
	return Tell(Failure(attempt, err))
}

func send(m tea.Msg) tea.Cmd { return func() tea.Msg { return m } }
