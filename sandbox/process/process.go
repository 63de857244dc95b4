// Package process runs the nodes of a sandbox as processes of this machine: PostgreSQL and Kafka from the binaries in
// the cache, workers from a copy of this program. It is the process implementation of sandbox.Runtime. Workers must not
// import it.
//
// Nothing that runs depends on who started it: every process has a session and group of its own and writes its log
// to a file itself, so it outlives a killed supervisor; and it carries the sandbox and the node's name in its environment, so
// the next supervisor finds it without any file of Cordage's.
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
}

// Child is a process that this one has started.
type Child struct {
	command Command
	pid     int
	started time.Time
	done    chan struct{}
	exit    sandbox.Exit
	rest    func() // ends what a killed process may leave, its own children; may be nil
	once    sync.Once
}

// Launch starts c. The log file is made if need be, readable by its owner only.
func Launch(c Command) (*Child, error) {
	log, err := os.OpenFile(c.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, &StartError{Node: c.Node, Err: fmt.Errorf("open its log: %w", err)}
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
		}
		started <- err
		if err == nil {
			_ = cmd.Wait() // its outcome is in ProcessState
			child.ended(cmd.ProcessState)
		}
	}()
	if err := <-started; err != nil {
		return nil, &StartError{Node: c.Node, Path: c.Path, Err: err}
	}
	return child, nil
}

func (c *Child) ended(s *os.ProcessState) {
	c.exit = sandbox.Exit{Code: s.ExitCode()}
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		c.exit.Signal = signalName(w.Signal())
	}
	c.exit.Log = strings.Join(lastLines(c.command.Log, lastLogLines), "\n")
	close(c.done)
}

// PID of the process, and of its group.
func (c *Child) PID() int { return c.pid }

// Done is closed when the process has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Exit tells how it ended. Valid after Done.
func (c *Child) Exit() sandbox.Exit { return c.exit }

// Err is the end of the process as an error, with its last log lines. Valid after Done.
func (c *Child) Err() error {
	return &ExitError{Node: c.command.Node, Command: filepath.Base(c.command.Path), Exit: c.exit, Log: c.command.Log}
}

// Stop asks the process to stop and waits until it has ended, at most for limit; then it kills it and returns an
// error.
func (c *Child) Stop(limit time.Duration) error {
	if err := c.Signal(c.command.StopSignal); err != nil {
		return err
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-c.done:
		return nil
	case <-timer.C:
		return errors.Join(fmt.Errorf("stop %s: it did not end within %v and was killed", c.command.Node, limit), c.Kill())
	}
}

// Kill ends the process, and everything in its group, at once.
func (c *Child) Kill() error {
	err := c.signalGroup(syscall.SIGKILL)
	if err == nil {
		<-c.done
	}
	if c.rest != nil {
		c.once.Do(c.rest)
	}
	return err
}

// Signal sends s to the process. A process that has ended is no error.
func (c *Child) Signal(s syscall.Signal) error {
	select {
	case <-c.done:
		return nil
	default:
	}
	if err := syscall.Kill(c.pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("send %s to %s (process %d): %w", signalName(s), c.command.Node, c.pid, err)
	}
	return nil
}

func (c *Child) signalGroup(s syscall.Signal) error {
	select {
	case <-c.done:
		return nil
	default:
	}
	if err := syscall.Kill(-c.pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("send %s to %s (process group %d): %w", signalName(s), c.command.Node, c.pid, err)
	}
	return nil
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
