package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/workers/clock"
)

// State is what a sandbox remembers between supervisors, in its state file. It holds no secrets.
type State struct {
	Format  int              `json:"format"`
	Spec    sandbox.Spec     `json:"spec"`
	Ports   map[string]int   `json:"ports"`             // by NODE/PURPOSE; kept across restarts
	Clock   clock.Setting    `json:"clock"`             //
	Data    bool             `json:"data"`              // a start has got so far that there are databases or topics
	Wanted  bool             `json:"wanted"`            // up, and not yet down
	Failure *sandbox.Failure `json:"failure,omitempty"` // of the last start, if it failed
}

// stateFormat is the version of the state file.
const stateFormat = 1

// ReadState reads the state file of a sandbox; one that keeps nothing has the state of a new one.
func ReadState(d sandbox.Dir) (State, error) {
	s := State{Format: stateFormat, Spec: sandbox.DefaultSpec(d.Name), Ports: map[string]int{}}
	text, err := os.ReadFile(d.State())
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return State{}, &sandbox.DirError{Attempt: "read the state of sandbox " + d.Name, Err: err}
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return State{}, &BadFileError{Path: d.State(), Err: err}
	}
	if s.Format != stateFormat {
		return State{}, &BadFileError{Path: d.State(), Err: fmt.Errorf("it has format %d, this Cordage knows %d", s.Format, stateFormat)}
	}
	if s.Spec.Name != d.Name {
		return State{}, &BadFileError{Path: d.State(), Err: fmt.Errorf("it is of sandbox %q, not %q", s.Spec.Name, d.Name)}
	}
	for name, n := range sandbox.DefaultSpec(d.Name).Replicas {
		if _, ok := s.Spec.Replicas[name]; !ok {
			s.Spec.Replicas[name] = n // a worker type that is newer than the file
		}
	}
	return s, nil
}

func (s State) write(d sandbox.Dir) error { return writeJSON(d.State(), s) }

// writeJSON replaces a file in one step, so that a crash leaves the old or the new one, readable by the owner only.
func writeJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(append(text, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// BadFileError says that one of the sandbox's own files is damaged.
type BadFileError struct {
	Path string
	Err  error
}

func (e *BadFileError) Error() string { return fmt.Sprintf("read %s: %v", e.Path, e.Err) }
func (e *BadFileError) Unwrap() error { return e.Err }

// Hint is the way out.
func (e *BadFileError) Hint() string {
	return "restore the file, or remove the sandbox with all its data: cordage down --purge"
}
