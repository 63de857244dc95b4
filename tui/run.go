package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/tui/screen"
)

// CrashError says that the UI had a fault and where the report of it is.
type CrashError struct {
	Report string // file
	Cause  string
}

func (e *CrashError) Error() string { return "the terminal UI had a fault and has ended: " + e.Cause }

// Hint tells where the report is.
func (e *CrashError) Hint() string {
	if e.Report == "" {
		return "the sandbox goes on; open the UI again with: cordage tui"
	}
	return "the sandbox goes on; the report is in " + e.Report
}

// framesPerSecond is how often the terminal is brought up to date, at most. Bubbletea's renderer looks for a new frame as
// often, also when there is none: at its usual 60 that was half of what an idle UI cost. A key is seen within 33 ms.
const framesPerSecond = 30

// Run shows the UI until the user quits or ctx ends, and restores the terminal whatever happens. A fault of the UI itself
// is written to a file below reports.
//
// Errors: *CrashError.
func Run(ctx context.Context, m *Model, reports string, in io.Reader, out io.Writer, options ...tea.ProgramOption) error {
	g := &guard{model: m, reports: reports}
	options = append([]tea.ProgramOption{tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out), tea.WithFPS(framesPerSecond)}, options...)
	_, err := tea.NewProgram(g, options...).Run()
	m.close()
	switch {
	case g.crash != nil:
		return g.crash
	case err == nil || errors.Is(err, tea.ErrInterrupted) || ctx.Err() != nil:
		return nil
	}
	return fmt.Errorf("show the terminal UI: %w", err)
}

// guard keeps a panic of the model or of its commands from leaving the terminal unusable: it notes it, and quits as a user
// would. Bubbletea's own net prints the stack over what the user sees, and leaves no report.
type guard struct {
	model   *Model
	reports string
	crash   *CrashError
}

type panicked struct {
	cause any
	stack []byte
}

func (g *guard) Init() (cmd tea.Cmd) {
	defer func() { g.caught(recover(), &cmd) }()
	return guarded(g.model.Init())
}

func (g *guard) Update(msg tea.Msg) (next tea.Model, cmd tea.Cmd) {
	next = g // also after a panic
	if p, ok := msg.(panicked); ok {
		g.note(p)
		return next, tea.Quit
	}
	defer func() { g.caught(recover(), &cmd) }()
	_, cmd = g.model.Update(msg)
	return next, guarded(cmd)
}

func (g *guard) View() (v tea.View) {
	defer func() {
		if cause := recover(); cause != nil {
			g.note(panicked{cause, debug.Stack()})
			v = tea.NewView("") // drawing goes on until the next message ends it
		}
	}()
	if g.crash != nil {
		return tea.NewView("")
	}
	return g.model.View()
}

func (g *guard) caught(cause any, cmd *tea.Cmd) {
	if cause != nil {
		g.note(panicked{cause, debug.Stack()})
		*cmd = tea.Quit
	}
}

// guarded makes a command tell of its panic, and those that it leads to.
func guarded(cmd tea.Cmd) tea.Cmd {
	if cmd == nil {
		return nil
	}
	return func() (msg tea.Msg) {
		defer func() {
			if cause := recover(); cause != nil {
				msg = panicked{cause, debug.Stack()}
			}
		}()
		msg = cmd()
		// Batches and sequences are slices of commands; the type of the latter is not exported.
		if v := reflect.ValueOf(msg); v.IsValid() && v.Kind() == reflect.Slice && v.Type().Elem() == reflect.TypeFor[tea.Cmd]() {
			for i := range v.Len() {
				if one, ok := v.Index(i).Interface().(tea.Cmd); ok {
					v.Index(i).Set(reflect.ValueOf(guarded(one)))
				}
			}
		}
		return msg
	}
}

// note writes the report of the first panic.
func (g *guard) note(p panicked) {
	if g.crash != nil {
		return
	}
	m := g.model
	g.crash = &CrashError{Cause: fmt.Sprint(p.cause)}
	text := fmt.Sprintf("Cordage's terminal UI had a fault.\n\ntime:    %s\nview:    %s\nwindow:  %d×%d\nsandbox: %s, %s, %s\nversion: %s\ncause:   %v\n\n%s",
		time.Now().Format(time.RFC3339), m.Current(), m.width, m.height, m.state.Name, m.state.Link, m.state.Info.Phase,
		m.state.Info.Versions["cordage"], p.cause, p.stack)
	path := filepath.Join(g.reports, "tui-crash-"+time.Now().Format("20060102-150405")+".txt")
	if os.MkdirAll(g.reports, 0o700) == nil && os.WriteFile(path, []byte(text), 0o600) == nil {
		g.crash.Report = path
	}
}

// close ends the streams.
func (m *Model) close() {
	for i := range m.views {
		m.tell(i, screen.HiddenMsg{})
		if e, ok := m.views[i].(screen.Ender); ok {
			e.End()
		}
	}
	m.events.Close()
}
