package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Dir is the directory of one sandbox: all that it keeps.
//
//	state.json    specification, ports, clock: no secrets (0600)
//	secrets.json  generated passwords, salts, certificate authority (0600)
//	lock          held by the supervisor as long as it lives
//	supervisor.sock  the supervisor's API (0600), unless the path would be too long for a socket
//	bin/          copies of this program by content
//	logs/         supervisor.log
//	scenarios/    what runs of scenarios in the terminal UI came to (0700)
//
// What the runtime keeps (data and logs of nodes) lies beside, in folders of its own. Below root the directory can be
// entered by others (0711), because PostgreSQL runs under another account there; every file in it is closed.
type Dir struct {
	Name string // of the sandbox
	Path string // absolute
}

// errNoHome is the error of a user for whom no directory can be told.
var errNoHome = errors.New("XDG_STATE_HOME is not set, and there is no home directory")

// Base is the directory of all sandboxes: $XDG_STATE_HOME/cordage where that is set, /var/lib/cordage for root, else
// ~/.local/state/cordage. Root's differs because PostgreSQL never runs as root and cannot enter root's home.
func Base() (string, error) {
	if xdg := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(xdg) {
		return filepath.Join(xdg, "cordage"), nil
	}
	if os.Geteuid() == 0 {
		return "/var/lib/cordage", nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", &DirError{"find the state directory", fmt.Errorf("%w: %w", errNoHome, err)}
	}
	return filepath.Join(home, ".local", "state", "cordage"), nil
}

// Locate gives the directory of a sandbox, whether or not it exists.
func Locate(name string) (Dir, error) {
	if err := CheckName(name); err != nil {
		return Dir{}, err
	}
	base, err := Base()
	if err != nil {
		return Dir{}, err
	}
	return Dir{Name: name, Path: filepath.Join(base, name)}, nil
}

// All lists the sandboxes that keep something, by name.
func All() ([]Dir, error) {
	base, err := Base()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &DirError{"list sandboxes", err}
	}
	var all []Dir
	for _, e := range entries {
		d := Dir{Name: e.Name(), Path: filepath.Join(base, e.Name())}
		if e.IsDir() && CheckName(e.Name()) == nil && d.Exists() {
			all = append(all, d)
		}
	}
	return all, nil
}

// Exists tells whether the sandbox keeps something.
func (d Dir) Exists() bool {
	_, err := os.Stat(d.State())
	return err == nil
}

// Make makes the directory.
func (d Dir) Make() error {
	mode := fs.FileMode(0o700)
	if os.Geteuid() == 0 {
		mode = 0o711
	}
	for _, path := range []string{filepath.Dir(d.Path), d.Path} {
		if err := os.MkdirAll(path, mode); err != nil {
			return &DirError{"make the directory of sandbox " + d.Name, err}
		}
	}
	if err := owned(d.Path); err != nil {
		return &DirError{"use the directory of sandbox " + d.Name, err}
	}
	err := os.Chmod(d.Path, mode)
	if err == nil {
		err = os.MkdirAll(d.Logs(), 0o700)
	}
	if err != nil {
		return &DirError{"make the directory of sandbox " + d.Name, err}
	}
	return nil
}

// owned refuses a directory that belongs to somebody else.
func owned(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", path)
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && int(s.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to the account with uid %d: %w", path, s.Uid, fs.ErrPermission)
	}
	return nil
}

func (d Dir) State() string   { return filepath.Join(d.Path, "state.json") }
func (d Dir) Secrets() string { return filepath.Join(d.Path, "secrets.json") }
func (d Dir) Lock() string    { return filepath.Join(d.Path, "lock") }
func (d Dir) Bin() string     { return filepath.Join(d.Path, "bin") }
func (d Dir) Logs() string    { return filepath.Join(d.Path, "logs") }

// Scenarios is the directory of what runs of scenarios in the terminal UI came to. Whoever keeps something there makes it.
func (d Dir) Scenarios() string { return filepath.Join(d.Path, "scenarios") }

// SupervisorLog is the log of the sandbox's own supervisor.
func (d Dir) SupervisorLog() string { return filepath.Join(d.Logs(), "supervisor.log") }

// maxSocketPath is what a unix socket's address holds, without the closing zero (107 on Linux, 103 on macOS).
const maxSocketPath = 103

// Socket is the path of the supervisor's socket: in the sandbox's directory or, where that path is too long for a
// socket, in a directory of the user below /tmp under a name made from it.
func (d Dir) Socket() string {
	path := filepath.Join(d.Path, "supervisor.sock")
	if len(path) <= maxSocketPath {
		return path
	}
	sum := sha256.Sum256([]byte(d.Path))
	return filepath.Join(fmt.Sprintf("/tmp/cordage-%d", os.Geteuid()), hex.EncodeToString(sum[:8])+".sock")
}

// MakeSocketDir makes the directory of the socket, and refuses one that somebody else has put there.
func (d Dir) MakeSocketDir() error {
	dir := filepath.Dir(d.Socket())
	if dir == d.Path {
		return nil
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make a directory for the socket: %w", err)
	}
	if err := owned(dir); err != nil {
		return fmt.Errorf("use the directory of the socket: %w", err)
	}
	return os.Chmod(dir, 0o700)
}

// Remove removes all that is left of the directory, and the socket.
func (d Dir) Remove() error {
	err := os.Remove(d.Socket())
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, os.RemoveAll(d.Path))
}
