// Package process runs the nodes of a sandbox as processes of this machine: PostgreSQL and Kafka from the binaries in
// the cache, workers from a copy of this program. It is the process implementation of sandbox.Runtime. Workers must not
// import it.
//
// Nothing that runs depends on who started it: every process has a session and group of its own and writes its log
// to a file itself, so it outlives a killed supervisor; and it carries the sandbox, the node's name and the hash of its
// specification in its environment, so the next supervisor finds it without any file of Cordage's.
package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// Command is a process to start.
type Command struct {
	Node    string   // name, for messages
	Path    string   // executable, absolute
	Args    []string // without the name of the program; never a secret
	Env     []string // the whole environment: nothing is inherited; never a secret
	Dir     string   // working directory
	Log     string   // file that stdout and stderr are appended to
	Account Account  // whom to run as; zero: the present user

	// StopSignal asks the process to stop in the way that loses nothing.
	StopSignal syscall.Signal
	// DeathSignal is sent to the process when this one dies, so that tests leave nothing behind. 0: it lives on.
	DeathSignal syscall.Signal
	// Family is a directory in which the process and all of its own children work, and nothing else: PostgreSQL's
	// data directory. They are frozen, killed and counted together. "": the process group is the family.
	Family string
}

// Child is a running process that belongs to a node: one that this process has started, or one that it has adopted.
// Its methods may be called at any time, from any goroutine.
type Child struct {
	command Command
	pid     int
	birth   uint64 // start time in the kernel's ticks: with the pid it names a process for good
	started time.Time
	adopted bool
	done    chan struct{}
	exit    sandbox.Exit // valid once done is closed
	killing sync.Mutex
}

// Launch starts c. The log file is made if need be, readable by its owner only.
func Launch(c Command) (*Child, error) {
	log, err := os.OpenFile(c.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, &StartError{Node: c.Node, Err: explainDisk(fmt.Errorf("open its log: %w", err), c.Log)}
	}
	defer log.Close()
	cmd := exec.Command(c.Path, c.Args...) //nolint:gosec // the path is ours
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = c.Env, c.Dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: c.Account.credential()}
	setDeathSignal(cmd.SysProcAttr, c.DeathSignal)

	child := &Child{command: c, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The death signal comes when the thread that started the process ends, not the process: keep the thread.
		if c.DeathSignal != 0 {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
		}
		err := cmd.Start()
		if err == nil {
			child.pid, child.started = cmd.Process.Pid, time.Now()
			child.birth, _ = birthOf(child.pid)
		}
		started <- err
		if err == nil {
			_ = cmd.Wait() // its outcome is in ProcessState
			child.ended(exitOf(cmd.ProcessState))
		}
	}()
	if err := <-started; err != nil {
		return nil, &StartError{Node: c.Node, Path: c.Path, Err: err}
	}
	return child, nil
}

func exitOf(s *os.ProcessState) sandbox.Exit {
	exit := sandbox.Exit{Code: s.ExitCode()}
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		exit.Signal = signalName(w.Signal())
	}
	return exit
}

func (c *Child) ended(exit sandbox.Exit) {
	exit.Log = strings.Join(lastLines(c.command.Log, lastLogLines), "\n")
	c.exit = exit
	close(c.done)
}

// PID of the process, and of its group.
func (c *Child) PID() int { return c.pid }

// Started tells when the process was started.
func (c *Child) Started() time.Time { return c.started }

// Done is closed when the process has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Exit tells how it ended. Valid after Done.
func (c *Child) Exit() sandbox.Exit { return c.exit }

// Err is the end of the process as an error, with its last log lines. Valid after Done.
func (c *Child) Err() error {
	return &ExitError{Node: c.command.Node, Command: filepath.Base(c.command.Path), Exit: c.exit, Log: c.command.Log}
}

func (c *Child) over() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// lastLogLines is how many lines of a log tell why a process ended.
const lastLogLines = 20

// lastLines returns the last n lines of a file, or what there is.
func lastLines(path string, n int) []string {
	const most = 64 << 10
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	from := max(0, info.Size()-most)
	b := make([]byte, info.Size()-from)
	read, _ := f.ReadAt(b, from)
	text := strings.TrimRight(string(b[:read]), "\n")
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	if from > 0 && len(lines) > 1 {
		lines = lines[1:] // cut in its middle
	}
	return lines[max(0, len(lines)-n):]
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
