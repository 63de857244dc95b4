package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/client"
	"github.com/cordage-sandbox/cordage/sandbox/supervisor"
	"github.com/cordage-sandbox/cordage/tui"
	"github.com/cordage-sandbox/cordage/tui/launch"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// By how many percent the heap of the UI grows before garbage is collected: much until it is drawn, so that the first frame is
// soon there; then little, since it runs scenarios in its own process, with clients of REST and Kafka, and stays below
// 60 MB all the same.
const (
	tuiStartGrowth = 800
	tuiHeapGrowth  = 50
	tuiStart       = 2 * time.Second
)

// tuiFlags are how the terminal UI is to look.
type tuiFlags struct {
	view    string
	ascii   bool
	noMouse bool
}

func (a *app) newTUICmd() *cobra.Command {
	var f tuiFlags
	cmd := &cobra.Command{
		Use:   "tui",
		Short: "Open the terminal UI: launch, watch, drive and break the sandbox",
		Long: `Open the terminal UI. It is a client of the sandbox's supervisor: leaving it with q leaves the sandbox running, several
can be open at once, and where no sandbox runs it starts one. "cordage" alone and "cordage up" open it too when they run
in a terminal.

Colours follow the terminal's background; NO_COLOR turns them off. ASCII is drawn where the locale has no UTF-8.`,
		Example: "  cordage tui\n  cordage tui --name ci --view logs",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !a.interactive() {
				return &usageError{errors.New("the terminal UI needs a terminal on standard input and output; cordage status and cordage topology print the same")}
			}
			_, err := a.tui(cmd.Context(), f, nil)
			return err
		},
	}
	cmd.Flags().StringVar(&f.view, "view", "", "`view` to begin with (default: the last one)")
	cmd.Flags().BoolVar(&f.ascii, "ascii", false, "draw with ASCII only")
	cmd.Flags().BoolVar(&f.noMouse, "no-mouse", false, "leave the mouse to the terminal")
	return cmd
}

// interactive tells whether a person sits in front of this command.
func (a *app) interactive() bool {
	in, isFile := a.in.(*os.File)
	if !isFile || a.json {
		return false
	}
	_, out := isTerminal(a.out)
	_, typed := isTerminal(in)
	return out && typed && os.Getenv("CI") == ""
}

// tui shows the terminal UI until the user leaves it; with a wish it starts the sandbox first. The result is the sandbox
// that was shown last.
func (a *app) tui(ctx context.Context, f tuiFlags, begin *sandbox.Wish) (sandbox.Info, error) {
	defer debug.SetGCPercent(debug.SetGCPercent(tuiStartGrowth))
	defer time.AfterFunc(tuiStart, func() { debug.SetGCPercent(tuiHeapGrowth) }).Stop()
	if _, err := a.dir(); err != nil { // the sandbox file may name the sandbox
		return sandbox.Info{}, err
	}
	base, err := sandbox.Base()
	if err != nil {
		return sandbox.Info{}, err
	}
	host := &tuiHost{ctx: ctx, app: &app{in: strings.NewReader(""), out: io.Discard, err: io.Discard, name: a.name, named: true, path: a.path, started: true}, settled: begin != nil}
	defer host.close()
	remembered := filepath.Join(base, "tui.json")
	session := tui.Remember(remembered)
	if f.view != "" {
		session.View = f.view
	}
	m := tui.New(tui.Config{
		Name: a.name, First: session.View, Begin: begin, Open: host.open, Dark: true, ASCII: f.ascii || !utf8Locale(os.Getenv), NoMouse: f.noMouse,
		Command: host.command,
	})
	err = errors.Join(tui.Run(ctx, m, base, a.in, a.out), m.Session().Keep(remembered))
	info, connected := m.Info()
	if connected && err == nil {
		flag := ""
		if info.Name != sandbox.DefaultName {
			flag = " --name " + info.Name
		}
		a.note("sandbox %s is %s and goes on; come back with: cordage tui%s, stop it with: cordage down%[3]s", info.Name, info.Phase, flag)
	}
	return info, err
}

// upInTUI is "cordage up" in a terminal.
func (a *app) upInTUI(ctx context.Context, wish sandbox.Wish) error {
	info, err := a.tui(ctx, tuiFlags{}, &wish)
	if err == nil && info.Phase == sandbox.PhaseFailed && info.Failure != nil {
		return &sandbox.StartError{Sandbox: info.Name, Failure: *info.Failure}
	}
	return err
}

// utf8Locale tells whether the terminal is told to be able to draw Unicode; without any locale it is taken to be.
func utf8Locale(env func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := env(name); v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return env("TERM") != "linux" || env("TERM") == ""
}

// tuiHost is what the terminal UI needs of this machine.
type tuiHost struct {
	ctx  context.Context //nolint:containedctx // of the command, for what it starts
	app  *app
	name string // of the sandbox that is shown
	c    *client.Client

	settled bool // wishes are complete: the sandbox file is part of them
}

func (h *tuiHost) close() {
	if h.c != nil {
		h.c.Close()
	}
}

// open gives the supervisor and the views of a sandbox.
func (h *tuiHost) open(name string) (tui.Control, []screen.View) {
	h.close()
	d, err := sandbox.Locate(name)
	if err != nil { // the name has been checked
		d = sandbox.Dir{Name: name, Path: filepath.Join(os.DevNull, name)}
	}
	h.name, h.c = name, client.Open(d)
	return h.c, tui.Views(h.c, h, d)
}

// command is a command line of Cordage for the sandbox that is shown.
func (h *tuiHost) command(args ...string) *exec.Cmd {
	program, err := os.Executable()
	if err != nil {
		program = os.Args[0]
	}
	return exec.CommandContext(h.ctx, program, append([]string{"--name", h.name}, args...)...) //nolint:gosec // this program
}

// Sandboxes lists those that this machine keeps.
func (h *tuiHost) Sandboxes(ctx context.Context) ([]launch.Sandbox, error) {
	all, err := sandbox.All()
	if err != nil {
		return nil, err
	}
	var list []launch.Sandbox
	for _, d := range all {
		state, err := supervisor.ReadState(d)
		if err != nil {
			continue // it is being removed
		}
		one := launch.Sandbox{Name: d.Name, Spec: state.Spec, Last: state.Failure}
		c := client.Open(d)
		one.Running = c.Alive(ctx)
		c.Close()
		list = append(list, one)
	}
	return list, nil
}

// Start starts a sandbox in the background, as cordage up does.
func (h *tuiHost) Start(ctx context.Context, name string, wish sandbox.Wish) (running bool, err error) {
	d, err := sandbox.Locate(name)
	if err != nil {
		return false, err
	}
	if !h.settled { // "cordage up" has read the sandbox file already
		if wish, err = h.app.wish(wish); err != nil {
			return false, err
		}
	}
	c := client.Open(d)
	defer c.Close()
	return h.app.begin(ctx, d, c, wish)
}

// Runtimes are those that can be chosen.
func (h *tuiHost) Runtimes() []string {
	return []string{sandbox.Auto, sandbox.Processes, sandbox.Containers}
}
