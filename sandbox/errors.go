package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

// NotRunningError says that no supervisor of the sandbox runs.
type NotRunningError struct {
	Name string
	Last *Failure // why the last start failed, if it did
}

func (e *NotRunningError) Error() string {
	if e.Last != nil {
		return fmt.Sprintf("sandbox %s is not running; its last start failed in %s: %s", e.Name, e.Last.Part, e.Last.Cause)
	}
	return fmt.Sprintf("sandbox %s is not running", e.Name)
}

// Hint is the command that starts it, after what is to be done about why it did not start.
func (e *NotRunningError) Hint() string {
	start := "start it with: cordage up" + nameFlag(e.Name)
	if e.Last != nil && e.Last.Hint != "" {
		return e.Last.Hint + "; then " + start
	}
	return start
}

func nameFlag(name string) string {
	if name == DefaultName {
		return ""
	}
	return " --name " + name
}

// UnknownNodeError says that a sandbox has no node of that name.
type UnknownNodeError struct {
	Node  string
	Known []string
}

func (e *UnknownNodeError) Error() string {
	return fmt.Sprintf("no node %s; there are %s", e.Node, strings.Join(e.Known, ", "))
}

// FixedError says that a wish would change what is baked into the sandbox's data.
type FixedError struct {
	Sandbox, What, Is string
}

func (e *FixedError) Error() string {
	return fmt.Sprintf("sandbox %s has %s=%s in its data, which cannot be changed", e.Sandbox, e.What, e.Is)
}

// Hint is the way out.
func (e *FixedError) Hint() string {
	return fmt.Sprintf("leave %s as it is, on the command line and in the sandbox file, or remove the data with: cordage down --purge%s",
		e.What, nameFlag(e.Sandbox))
}

// StartError says that a sandbox did not start.
type StartError struct {
	Sandbox string
	Failure Failure
}

func (e *StartError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "start sandbox %s: %s, while it was to %s: %s", e.Sandbox, e.Failure.Part, e.Failure.Stage, e.Failure.Cause)
	if len(e.Failure.Log) > 0 {
		b.WriteString("\nlast lines of the log:")
		for _, line := range e.Failure.Log {
			b.WriteString("\n  | " + line)
		}
	}
	if e.Failure.Logs != "" {
		b.WriteString("\nlogs are kept in " + e.Failure.Logs)
	}
	return b.String()
}

// Hint is the likely way out.
func (e *StartError) Hint() string { return e.Failure.Hint }

// BusyError says that the sandbox is in a phase in which the request makes no sense.
type BusyError struct {
	Attempt string
	Phase   Phase
}

func (e *BusyError) Error() string { return fmt.Sprintf("%s: the sandbox is %s", e.Attempt, e.Phase) }

// DirError says that the directory of a sandbox, or that of all sandboxes, cannot be used.
type DirError struct {
	Attempt string
	Err     error
}

func (e *DirError) Error() string { return fmt.Sprintf("%s: %v", e.Attempt, e.Err) }
func (e *DirError) Unwrap() error { return e.Err }

// Hint is the way out.
func (e *DirError) Hint() string {
	const elsewhere = "set XDG_STATE_HOME to a directory of your own"
	switch {
	case errors.Is(e.Err, errNoHome):
		return "set HOME to your home directory, or XDG_STATE_HOME and XDG_CACHE_HOME to directories of your own"
	case errors.Is(e.Err, syscall.ENOSPC), errors.Is(e.Err, syscall.EDQUOT):
		return "free some space (see cordage doctor), or set XDG_STATE_HOME to a directory on another disk"
	case errors.Is(e.Err, fs.ErrPermission):
		return "run Cordage as the account that it belongs to, or " + elsewhere
	}
	return elsewhere
}
