package scenarios

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/scenarios/run"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// archive keeps what runs came to from one session of the UI to the next: a directory of the sandbox with a file for each
// run, so that several UIs of one sandbox do not get into each other's way. Requests and answers of steps that failed are
// in it: nobody else may read it.
type archive struct{ dir string } // empty: nothing is kept

// keptRuns is how many runs are kept, by the archive and in the list; the oldest ones go.
const keptRuns = 50

// maxKept bounds a file of the archive, in bytes; what a run of many scenarios came to is a few hundred thousand.
const maxKept = 32 << 20

// kept is a run as it is written.
type kept struct {
	Began     time.Time      `json:"began"`
	Scenarios []keptScenario `json:"scenarios"`
}

type keptScenario struct {
	Name    string      `json:"name"`
	File    string      `json:"file"`
	Stopped bool        `json:"stopped,omitempty"` // by the user
	Result  *run.Result `json:"result,omitempty"`  // nil: its turn did not come
}

// keep writes a run, and removes those that are too many. Where the sandbox itself is gone nothing is kept.
func (a archive) keep(k kept) error {
	if a.dir == "" {
		return nil
	}
	text, err := json.Marshal(k)
	if err != nil {
		return err
	}
	switch err := os.Mkdir(a.dir, 0o700); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil && !errors.Is(err, fs.ErrExist):
		return err
	}
	file := filepath.Join(a.dir, k.Began.UTC().Format("20060102T150405.000000000Z")+".json")
	if err := os.WriteFile(file+".new", text, 0o600); err != nil {
		return err
	}
	if err := os.Rename(file+".new", file); err != nil {
		return err
	}
	files, err := a.files()
	for len(files) > keptRuns {
		err = errors.Join(err, os.Remove(files[len(files)-1]))
		files = files[:len(files)-1]
	}
	return err
}

// files of the archive, the latest run first.
func (a archive) files() ([]string, error) {
	files, err := filepath.Glob(filepath.Join(a.dir, "*.json"))
	slices.Sort(files)
	slices.Reverse(files)
	return files, err
}

// keptMsg are the runs of earlier sessions.
type keptMsg struct {
	list []*past // latest first
	err  error
}

// read reads what is kept. A file that cannot be read is told of, and the others are read all the same.
func (a archive) read() tea.Msg {
	if a.dir == "" {
		return nil
	}
	files, err := a.files()
	m := keptMsg{err: err}
	for _, file := range files[:min(len(files), keptRuns)] {
		p, err := readKept(file)
		switch {
		case errors.Is(err, fs.ErrNotExist): // another UI has removed it
		case err != nil:
			m.err = errors.Join(m.err, err)
		default:
			m.list = append(m.list, p)
		}
	}
	return m
}

func readKept(file string) (*past, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var k kept
	if err := json.NewDecoder(io.LimitReader(f, maxKept)).Decode(&k); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(k.Scenarios) == 0 {
		return nil, fmt.Errorf("%s: there is no scenario in it", file)
	}
	p := &past{began: k.Began, over: true}
	for _, one := range k.Scenarios {
		r := scenarioRun{name: one.Name, file: one.File}
		if one.Result != nil {
			r.began = one.Result.Started
			r.finish(one.Result, nil, one.Stopped)
		}
		r.stopped = one.Stopped
		p.runs = append(p.runs, r)
	}
	return p, nil
}

// recall takes over the runs of earlier sessions, and shows the latest of them if there is nothing else to show.
func (v *View) recall(m keptMsg) tea.Cmd {
	v.history = append(v.history, m.list...)
	v.history = v.history[:min(len(v.history), keptRuns)]
	for _, p := range m.list {
		for _, r := range p.runs {
			if _, known := v.last[r.name]; !known && r.result != nil {
				v.last[r.name] = r
			}
		}
	}
	if v.shown == nil && len(v.history) > 0 {
		pane := v.pane
		v.show(0)
		v.pane = pane
	}
	return screen.Fail("read earlier runs of scenarios", m.err)
}
