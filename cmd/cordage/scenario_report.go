package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cordage-sandbox/cordage/scenarios/report"
	"github.com/cordage-sandbox/cordage/scenarios/run"
)

// checkJUnit finds a mistyped folder of the report before minutes are spent on what would stand in it.
func checkJUnit(file string) error {
	if file == "" {
		return nil
	}
	info, err := os.Stat(filepath.Dir(file))
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is no directory", filepath.Dir(file))
	}
	if err != nil {
		return &usageError{fmt.Errorf("the JUnit report cannot be written: %w", err)}
	}
	return nil
}

func writeJUnit(path string, results []*run.Result) (err error) {
	if path == "" {
		return nil
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write the JUnit report: %w", err)
	}
	return errors.Join(report.JUnit(f, results), f.Close())
}
