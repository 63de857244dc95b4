package main

import (
	"context"
	"os"
	"os/exec"
	"time"
)

const startupLimit = 50 // ms

// measureStartup times cordage --help, and weighs the executable.
func measureStartup(ctx context.Context, b *bench, s *section) error {
	took := &sample{unit: "ms"}
	for range b.pick(20, 3) {
		began := time.Now()
		if _, err := output(exec.CommandContext(ctx, b.exe, "--help")); err != nil {
			return err
		}
		took.add(milliseconds(time.Since(began)))
	}
	s.atMost("`cordage --help`", took, startupLimit, "", "")
	info, err := os.Stat(b.exe)
	if err != nil {
		return err
	}
	s.plain("size of the executable", &sample{"MB", []float64{float64(info.Size()) / megabyte}}, "")
	return nil
}
