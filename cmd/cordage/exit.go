package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/client"
)

// Exit codes. They are stable: scripts rely on them.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotRunning  = 3
	exitStart       = 4
	exitUnknown     = 5
	exitRefused     = 6
	exitTimeout     = 7
	exitChecks      = 8
	exitInterrupted = 130
)

// exitCodes is the table that people read.
func exitCodes() []struct {
	code  int
	means string
} {
	return []struct {
		code  int
		means string
	}{
		{exitOK, "done"},
		{exitFailed, "failed, for a reason that has no code of its own"},
		{exitUsage, "wrong usage: a flag, an argument, or a file that cannot be read as what it should be"},
		{exitNotRunning, "the sandbox is not running"},
		{exitStart, "the sandbox did not start; what had been started has been stopped, its logs are kept"},
		{exitUnknown, "what was named does not exist: a node, a virtual node, a CPI, a trace"},
		{exitRefused, "the cluster refused the request, or what was asked of it failed"},
		{exitTimeout, "it did not end within the time allowed"},
		{exitChecks, "checks were made and some did not pass: scenario run, doctor"},
		{exitInterrupted, "interrupted by Ctrl-C or a signal"},
	}
}

func newExitCodesTopic() *cobra.Command {
	var b strings.Builder
	b.WriteString("Exit codes of all commands:\n\n")
	for _, c := range exitCodes() {
		fmt.Fprintf(&b, "  %3d  %s\n", c.code, c.means)
	}
	return &cobra.Command{Use: "exit-codes", Short: "What exit codes mean", Long: strings.TrimRight(b.String(), "\n")}
}

// usageError is a command line that cannot be understood.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// unknownError says that what was named does not exist.
type unknownError struct{ text, hint string }

func (e *unknownError) Error() string { return e.text }
func (e *unknownError) Hint() string  { return e.hint }

// checksError says that checks did not pass. What did not has been printed.
type checksError struct{ text string }

func (e *checksError) Error() string { return e.text }

// failedError says that something the cluster was asked to do failed.
type failedError struct{ text, hint string }

func (e *failedError) Error() string { return e.text }
func (e *failedError) Hint() string  { return e.hint }

// report prints an error of the command that was used and its hint, once, and gives the exit code.
func (a *app) report(ctx context.Context, used *cobra.Command, err error) int {
	if err == nil {
		return exitOK
	}
	code := exitCode(err)
	if code == exitFailed && (ctx.Err() != nil || errors.Is(err, context.Canceled)) {
		fmt.Fprintln(a.err, "interrupted")
		return exitInterrupted
	}
	fmt.Fprintln(a.err, "error: "+shown(err.Error()))
	hint := ""
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		hint = h.Hint()
	}
	if hint == "" && code == exitUsage {
		hint = helpHint(used)
	}
	if hint != "" {
		fmt.Fprintln(a.err, "hint: "+shown(sandbox.HintFor(a.name, hint)))
	}
	return code
}

// require marks flags as needed. The names are those of flags that were just added.
func require(cmd *cobra.Command, flags ...string) {
	for _, f := range flags {
		if err := cmd.MarkFlagRequired(f); err != nil {
			panic(err) // a misspelt name, found by every run
		}
	}
	// By itself cobra looks for them when the command has begun, and what fails then is no wrong usage.
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if err := cmd.ValidateRequiredFlags(); err != nil {
			return &usageError{err}
		}
		return nil
	}
}

// exitCode is the exit code of an error.
func exitCode(err error) int {
	if coded, ok := errors.AsType[interface {
		error
		ExitCode() int
	}](err); ok {
		return coded.ExitCode()
	}
	var (
		usage      *usageError
		notRunning *sandbox.NotRunningError
		start      *sandbox.StartError
		unknown    *unknownError
		node       *sandbox.UnknownNodeError
		checks     *checksError
		failed     *failedError
		refused    *client.RefusedError
		answered   *client.Error
	)
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &notRunning):
		return exitNotRunning
	case errors.As(err, &start):
		return exitStart
	case errors.As(err, &unknown), errors.As(err, &node):
		return exitUnknown
	case errors.As(err, &checks):
		return exitChecks
	case errors.As(err, &failed):
		return exitRefused
	case errors.As(err, &refused):
		return refusedCode(refused)
	case errors.As(err, &answered):
		return answeredCode(answered)
	case errors.Is(err, context.DeadlineExceeded):
		return exitTimeout
	}
	return exitFailed
}

func refusedCode(e *client.RefusedError) int {
	switch {
	case e.Status == 404:
		return exitUnknown
	case e.Status < 500:
		return exitRefused
	}
	return exitFailed
}

func answeredCode(e *client.Error) int {
	switch e.Code {
	case "not-found":
		return exitUnknown
	case "bad-request":
		return exitUsage
	case "timeout":
		return exitTimeout
	}
	return exitFailed
}
