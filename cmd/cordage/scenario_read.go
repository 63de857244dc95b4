package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cordage-sandbox/cordage/scenarios/builtin"
	"github.com/cordage-sandbox/cordage/scenarios/lang"
)

func unknownScenario(name string) error {
	return &unknownError{
		fmt.Sprintf("scenario %q: it is neither one that ships nor a file or directory", name),
		"cordage scenario list tells which ship: " + strings.Join(builtin.Names(), ", "),
	}
}

func readBuiltin(name string) (*lang.Scenario, error) {
	file, text, err := builtin.Read(name)
	if err != nil {
		return nil, unknownScenario(name)
	}
	return lang.Parse(file, text)
}

// readScenarios reads what the arguments mean. Faults of all files are listed together.
func readScenarios(args []string) ([]*lang.Scenario, error) {
	var scenarios []*lang.Scenario
	var faults lang.Faults
	add := func(s *lang.Scenario, err error) error {
		if more, ok := errors.AsType[lang.Faults](err); ok {
			faults = append(faults, more...)
			return nil
		}
		if err == nil {
			scenarios = append(scenarios, s)
		}
		return err
	}
	for _, arg := range args {
		names := []string{arg}
		if arg == "all" {
			names = builtin.Names()
		}
		for _, name := range names {
			if slices.Contains(builtin.Names(), name) {
				if err := add(readBuiltin(name)); err != nil {
					return nil, err
				}
				continue
			}
			if err := readPath(name, add); err != nil {
				return nil, err
			}
		}
	}
	if len(faults) > 0 {
		return nil, &usageError{faults}
	}
	if len(scenarios) == 0 {
		return nil, &usageError{fmt.Errorf("%s: no scenario files (*.yaml) there", strings.Join(args, ", "))}
	}
	return scenarios, nil
}

// maxScenario bounds a scenario file, in bytes; the language has a smaller bound of its own, which it names.
const maxScenario = 4 << 20

func readPath(path string, add func(*lang.Scenario, error) error) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return unknownScenario(path)
	}
	if err != nil {
		return &usageError{err}
	}
	files := []string{path}
	if info.IsDir() {
		if files, err = filepath.Glob(filepath.Join(path, "*.yaml")); err != nil {
			return err
		}
	}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			return &usageError{err}
		}
		text, err := io.ReadAll(io.LimitReader(f, maxScenario))
		f.Close()
		if err != nil {
			return fmt.Errorf("read scenario %s: %w", file, err)
		}
		if err := add(lang.Parse(file, text)); err != nil {
			return err
		}
	}
	return nil
}
