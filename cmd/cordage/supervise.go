package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/api"
	"github.com/cordage-sandbox/cordage/sandbox/supervisor"
)

// newSuperviseCmd is the background process that "cordage up" starts: hidden, since it talks to that command.
func (a *app) newSuperviseCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "supervise",
		Short:   "Supervise a sandbox (used by cordage up)",
		Long:    "Supervise a sandbox until it is told to stop. The wish is read from standard input as JSON; file descriptor 3 is\ntold once how the start of the supervisor went.",
		Example: "  cordage supervise --name default < wish.json",
		Args:    cobra.NoArgs,
		Hidden:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.superviseInBackground(cmd.Context())
		},
	}
}

// begun is what the background process tells the command that started it.
type begun struct {
	OK      bool   `json:"ok"`
	Running bool   `json:"running,omitempty"` // another supervisor was faster
	Error   string `json:"error,omitempty"`
	Hint    string `json:"hint,omitempty"`
	Usage   bool   `json:"usage,omitempty"` // the wish cannot be granted
}

func (a *app) superviseInBackground(ctx context.Context) error {
	starter := os.NewFile(3, "starter")
	defer starter.Close()
	var wish sandbox.Wish
	if err := json.NewDecoder(a.in).Decode(&wish); err != nil {
		return fmt.Errorf("read the wish: %w", err)
	}
	d, err := a.dir()
	if err != nil {
		return err
	}
	told := false
	tell := func(b begun) {
		if !told {
			_ = json.NewEncoder(starter).Encode(b) // the command may have been interrupted
			starter.Close()
			told = true
		}
	}
	err = a.supervise(ctx, d, wish, slog.NewJSONHandler(a.err, nil), func() { tell(begun{OK: true}) })
	if err != nil {
		b := begun{Error: err.Error()}
		if h, ok := errors.AsType[interface {
			error
			Hint() string
		}](err); ok {
			b.Hint = h.Hint()
		}
		_, b.Running = errors.AsType[*supervisor.RunningError](err)
		_, b.Usage = errors.AsType[*usageError](err)
		tell(b)
	}
	return err
}

// supervise runs a supervisor and its API until ctx ends or it is told to stop. The process must end afterwards.
func (a *app) supervise(ctx context.Context, d sandbox.Dir, wish sandbox.Wish, log slog.Handler, ready func()) (err error) {
	program, err := keepProgram(d)
	if err != nil {
		return err
	}
	r, err := newRuntime(ctx, d, program, wish)
	if err != nil {
		return err
	}
	logger := slog.New(log)
	s, err := supervisor.New(ctx, supervisor.Config{Dir: d, Runtime: r, Wish: wish, Versions: versions(), Log: logger})
	if err != nil {
		return err
	}
	// It is not closed: its ports and its lock end with this process, which ends when this returns.
	server, err := api.Listen(d, s, logger)
	if err != nil {
		return err
	}
	tended, ended := context.WithCancel(ctx)
	defer ended()
	go supervisor.OwnLog(d).Tend(tended.Done(), maxLog, logCheck)
	served := make(chan error, 1)
	err = s.Run(ctx, func() {
		go func() { served <- server.Serve() }()
		ready()
	})
	return errors.Join(err, server.Close(), <-served)
}

// spawn starts a supervisor in the background, in a session of its own, from a copy of this program that stays when the
// original goes (go run removes it). It returns when the supervisor's API answers, or with the reason why it does not;
// another tells that it does not because the sandbox has a supervisor already.
func (a *app) spawn(ctx context.Context, d sandbox.Dir, wish sandbox.Wish) (another bool, err error) {
	if err := d.Make(); err != nil {
		return false, err
	}
	program, err := keepProgram(d)
	if err != nil {
		return false, err
	}
	log, err := openLog(d.SupervisorLog())
	if err != nil {
		return false, err
	}
	defer log.Close()
	text, err := json.Marshal(wish)
	if err != nil {
		return false, err
	}
	told, teller, err := os.Pipe()
	if err != nil {
		return false, err
	}
	defer told.Close()
	cmd := exec.Command(program, "supervise", "--name", d.Name) //nolint:gosec // our own copy
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(string(text)), log, log
	cmd.ExtraFiles = []*os.File{teller}
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "CORDAGE_SANDBOX="+d.Path) // by which all that belongs to a sandbox is found
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		teller.Close()
		return false, fmt.Errorf("start a supervisor: %w", err)
	}
	teller.Close()
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }() // it outlives this command; if not, what it told is what counts
	another, err = hear(ctx, told, d)
	if err != nil { // it has failed, or this command is interrupted: what has been started must not be left
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		<-ended
	}
	return another, err
}

// hear waits for what the supervisor tells of its start.
func hear(ctx context.Context, told *os.File, d sandbox.Dir) (another bool, err error) {
	stop := context.AfterFunc(ctx, func() { told.Close() })
	defer stop()
	var b begun
	if err := json.NewDecoder(told).Decode(&b); err != nil {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		return false, &failedStartError{begun{Error: "start a supervisor: it ended at once", Hint: "see its log: " + d.SupervisorLog()}}
	}
	if b.OK || b.Running {
		return b.Running, nil
	}
	return false, &failedStartError{b}
}

// failedStartError is a supervisor that did not come to serve.
type failedStartError struct{ begun }

func (e *failedStartError) Error() string { return e.begun.Error }

// Hint is what the supervisor hinted at.
func (e *failedStartError) Hint() string { return e.begun.Hint }

// ExitCode tells a wish that cannot be granted from a start that failed.
func (e *failedStartError) ExitCode() int {
	if e.begun.Usage {
		return exitUsage
	}
	return exitStart
}

// keepProgram copies this program into the sandbox's directory, under a name made from its content, and removes copies of
// other programs. The supervisor and the workers run from it.
func keepProgram(d sandbox.Dir) (string, error) {
	if err := d.Make(); err != nil { // with the modes that PostgreSQL's own user needs
		return "", err
	}
	own, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	if strings.HasPrefix(own, d.Bin()+string(filepath.Separator)) {
		return own, nil
	}
	from, err := os.Open(own)
	if err != nil {
		return "", fmt.Errorf("copy this program: %w", err)
	}
	defer from.Close()
	h := sha256.New()
	if _, err := io.Copy(h, from); err != nil {
		return "", fmt.Errorf("copy this program: %w", err)
	}
	folder := filepath.Join(d.Bin(), hex.EncodeToString(h.Sum(nil)[:8]))
	program := filepath.Join(folder, "cordage")
	if !exists(program) {
		if err := copyProgram(from, program); err != nil {
			return "", &sandbox.DirError{Attempt: "copy this program to " + program, Err: err}
		}
	}
	others, err := os.ReadDir(d.Bin())
	if err != nil {
		return "", fmt.Errorf("look for old copies of this program: %w", err)
	}
	for _, o := range others {
		if o.Name() != filepath.Base(folder) {
			_ = os.RemoveAll(filepath.Join(d.Bin(), o.Name())) // what runs from it keeps it
		}
	}
	return program, nil
}

func copyProgram(from *os.File, to string) error {
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(to), ".copy-*")
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	err = errors.Join(err, f.Chmod(0o700), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), to)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// maxLog is the size at which the supervisor's log is put aside, before a start and while the supervisor runs.
const (
	maxLog   = 8 << 20
	logCheck = time.Minute
)

func openLog(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, fmt.Errorf("put the supervisor's log aside: %w", err)
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the supervisor's log: %w", err)
	}
	return f, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
