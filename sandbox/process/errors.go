package process

import (
	"fmt"
	"strings"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// StartError says that a process could not be started.
type StartError struct {
	Node string
	Path string // of the executable
	Err  error
}

func (e *StartError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("start %s: %v", e.Node, e.Err)
	}
	return fmt.Sprintf("start %s: run %s: %v", e.Node, e.Path, e.Err)
}
func (e *StartError) Unwrap() error { return e.Err }

// ExitError says that a process has ended, and how.
type ExitError struct {
	Node    string
	Command string // name of the executable
	Exit    sandbox.Exit
	Log     string // file with its whole log
}

func (e *ExitError) Error() string {
	how := fmt.Sprintf("exit code %d", e.Exit.Code)
	if e.Exit.Signal != "" {
		how = "signal " + e.Exit.Signal
	}
	if e.Exit.Log == "" {
		return fmt.Sprintf("%s (%s) ended with %s and logged nothing", e.Node, e.Command, how)
	}
	return fmt.Sprintf("%s (%s) ended with %s; its last log lines:\n  %s",
		e.Node, e.Command, how, strings.ReplaceAll(e.Exit.Log, "\n", "\n  "))
}

// Hint tells where the rest of the log is.
func (e *ExitError) Hint() string { return "its whole log is in " + e.Log }

// DataFault is what is wrong with a data directory.
type DataFault string

// The faults of a data directory.
const (
	Unreadable   DataFault = "cannot be read"
	NotOurs      DataFault = "was not made by Cordage"
	OtherSandbox DataFault = "belongs to another sandbox"
	OtherVersion DataFault = "was made by another version"
	OtherUser    DataFault = "belongs to another user"
	InUse        DataFault = "is in use by a running server"
	Incomplete   DataFault = "is not complete"
)

// DataDirError says that a data directory cannot be used. It is left as it is.
type DataDirError struct {
	Dir    string
	Fault  DataFault
	Detail string // more on the fault; may be empty
	Err    error  // may be nil
}

func (e *DataDirError) Error() string {
	s := fmt.Sprintf("use data directory %s: it %s", e.Dir, e.Fault)
	if e.Detail != "" {
		s += " (" + e.Detail + ")"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}
func (e *DataDirError) Unwrap() error { return e.Err }

// Hint tells the way out.
func (e *DataDirError) Hint() string {
	switch e.Fault {
	case InUse:
		return "stop the sandbox that uses it (cordage down), or end the process named"
	case Unreadable, OtherUser:
		return "run Cordage as the user it belongs to, or use another sandbox: cordage up --name NAME"
	default:
		return "move it away if you need it, or remove the sandbox with its data: cordage down --purge"
	}
}

// UnreachableError says that the account a server runs as cannot get at a file it needs, because a directory above it
// is closed to it.
type UnreachableError struct {
	Account string
	Path    string // what is needed
	Closed  string // the directory that is closed
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("PostgreSQL does not run as root but as %s, which cannot reach %s: %s is closed to it", e.Account, e.Path, e.Closed)
}

// Hint tells the way out.
func (e *UnreachableError) Hint() string {
	return "use a directory that every user may pass through: unset XDG_CACHE_HOME and XDG_STATE_HOME, or set them to one"
}

// DiskFullError says that no space is left for a node's data.
type DiskFullError struct {
	Path string
	Err  error
}

func (e *DiskFullError) Error() string {
	return fmt.Sprintf("write %s: no space left on the disk", e.Path)
}
func (e *DiskFullError) Unwrap() error { return e.Err }

// Hint tells how to go on.
func (e *DiskFullError) Hint() string {
	return "free some space (a new sandbox needs about 150 MiB), then run the command again"
}
