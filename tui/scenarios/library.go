package scenarios

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/scenarios/builtin"
	"github.com/cordage-sandbox/cordage/scenarios/lang"
	"github.com/cordage-sandbox/cordage/scenarios/report"
	"github.com/cordage-sandbox/cordage/scenarios/run"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// shipped are the scenarios that come with Cordage.
func shipped() (list []*lang.Scenario, err error) {
	for _, name := range builtin.Names() {
		file, text, err := builtin.Read(name)
		if err != nil {
			return nil, err
		}
		s, err := lang.Parse(file, text)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

type (
	// readMsg are the scenarios of a file or directory of the user.
	readMsg struct {
		path string
		list []*lang.Scenario
		err  error
	}
	// writtenMsg tells of a report that has been written, or not.
	writtenMsg struct {
		path string
		err  error
	}
)

// maxScenario bounds a scenario file, in bytes; the language has a smaller bound of its own, which it names.
const maxScenario = 4 << 20

// readPath reads a scenario file, or all of a directory.
func readPath(path string) tea.Cmd {
	return func() tea.Msg {
		files := []string{expand(path)}
		info, err := os.Stat(files[0])
		if err == nil && info.IsDir() {
			files, err = filepath.Glob(filepath.Join(files[0], "*.yaml"))
			if err == nil && len(files) == 0 {
				err = fmt.Errorf("%s: no scenario files (*.yaml) there", path)
			}
		}
		if err != nil {
			return readMsg{path: path, err: err}
		}
		m := readMsg{path: path}
		for _, file := range files {
			s, err := readFile(file)
			if err != nil {
				m.err = errors.Join(m.err, err)
				continue
			}
			m.list = append(m.list, s)
		}
		return m
	}
}

func readFile(file string) (*lang.Scenario, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxScenario))
	if err != nil {
		return nil, err
	}
	return lang.Parse(file, text)
}

// expand reads ~ as shells do.
func expand(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	return path
}

// writeJUnit writes a report. A file that is there already is kept unless over is set.
func writeJUnit(path string, results []*run.Result, over bool) tea.Cmd {
	return func() tea.Msg {
		flags := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
		if !over {
			flags |= os.O_EXCL
		}
		f, err := os.OpenFile(expand(path), flags, 0o644) //nolint:gosec // a report for others to read
		if err != nil {
			return writtenMsg{path, err}
		}
		return writtenMsg{path, errors.Join(report.JUnit(f, results), f.Close())}
	}
}

// shippedMsg are the scenarios that come with Cordage. They are read when the view is seen first: to check them takes more
// time and memory than all the rest of the UI's start.
type shippedMsg struct {
	list []*lang.Scenario
	err  error
}

func readShipped() tea.Msg {
	list, err := shipped()
	return shippedMsg{list, err}
}

func (v *View) shipped(m shippedMsg) tea.Cmd {
	v.list, v.fault = append(m.list, v.list...), m.err
	if name := v.wanted; name != "" {
		v.wanted = ""
		return v.runNamed(name)
	}
	return nil
}

// read takes over scenarios that were read from the user's files; those of the same file are replaced.
func (v *View) read(m readMsg) tea.Cmd {
	for _, s := range m.list {
		v.list = append(slices.DeleteFunc(v.list, func(o *lang.Scenario) bool { return o.File == s.File }), s)
		v.mark[s.File+s.Name] = len(m.list) > 1
	}
	if len(m.list) > 0 {
		v.filter, v.pane = "", onList
		v.table.Cursor = len(v.list) - 1
	}
	return screen.Fail("read scenarios from "+m.path, m.err)
}

func (v *View) written(m writtenMsg) tea.Cmd {
	if errors.Is(m.err, fs.ErrExist) && v.shown != nil {
		return screen.Ask(screen.Question{
			Title: "Replace " + m.path + "?", Text: "There is a file of that name.", Yes: "replace", Do: writeJUnit(m.path, v.shown.results(), true),
		})
	}
	if m.err != nil {
		return screen.Fail("write the JUnit report", m.err)
	}
	return screen.Tell(screen.Done("the JUnit report is in " + m.path))
}
