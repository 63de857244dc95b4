package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const canSeeProcesses = true

// processesIn returns the processes whose working directory is dir: for a data directory, PostgreSQL's server and all
// its backends. (Their environment cannot tell: PostgreSQL overwrites it with its process titles.)
func processesIn(dir string) []int {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil
	}
	var pids []int
	links, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, l := range links {
		if cwd, err := os.Readlink(l); err == nil && cwd == real {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(l))); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// killAllIn kills what works in dir and waits until it is gone. A backend that is busy does not notice that its
// server was killed.
func killAllIn(dir string) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for pids := processesIn(dir); len(pids) > 0; pids = processesIn(dir) {
		for _, pid := range pids {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				fmt.Fprintf(os.Stderr, "kill process %d: %v\n", pid, err)
				return
			}
		}
		<-tick.C
	}
}
