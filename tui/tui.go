// Package tui is the terminal UI: a client of a sandbox's supervisor that launches, shows, drives and breaks a cluster.
// This package is the root: it owns the connection, the frame around the views, notifications, questions and the palette.
// Each view is a package below it, on the contract of package tui/screen. Nothing here knows a runtime or a database
// driver. Workers and package sandbox must not import it.
package tui

import (
	"os/exec"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// Config is what the UI is given.
type Config struct {
	Name string // of the sandbox

	// Open gives the supervisor of a sandbox, and the views on it in the order of their tabs.
	Open func(name string) (Control, []screen.View)

	Source Control       // nil: what Open gives
	Views  []screen.View // nil: what Open gives

	Begin   *sandbox.Wish // start the sandbox at once
	First   string        // name of the view to begin with; empty: the first
	Dark    bool          // background, until the terminal tells
	ASCII   bool          // draw with ASCII only
	NoMouse bool

	// Command makes a command line of Cordage, for the sandbox, to be run in the terminal.
	Command func(args ...string) *exec.Cmd

	// Now is the time; nil: time.Now.
	Now func() time.Time
}
