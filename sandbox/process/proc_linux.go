package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const canSeeProcesses = true

// ticksPerSecond is the unit of times in /proc: USER_HZ, 100 on every architecture that Go supports.
const ticksPerSecond = 100

// stat is what /proc/PID/stat tells of a process.
type stat struct {
	state  byte // 'Z' for one that has ended and waits for its parent
	parent int
	birth  uint64 // ticks since the machine started
	cpu    time.Duration
	reaped time.Duration // CPU of children that have ended
}

func statOf(pid int) (stat, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	_, rest, ok := bytes.Cut(b[bytes.LastIndexByte(b, ')')+1:], []byte{' '}) // the name before may hold anything
	f := strings.Fields(string(rest))
	if !ok || len(f) < 20 {
		return stat{}, fmt.Errorf("read the state of process %d: %.80q", pid, b)
	}
	number := func(field int) uint64 { // numbered as in proc(5), where state is 3
		n, _ := strconv.ParseUint(f[field-3], 10, 64)
		return n
	}
	duration := func(ticks uint64) time.Duration { return time.Duration(ticks) * time.Second / ticksPerSecond }
	return stat{
		state: f[0][0], parent: int(number(4)), birth: number(22), //nolint:gosec // a process number
		cpu: duration(number(14) + number(15)), reaped: duration(number(16) + number(17)),
	}, nil
}

// birthOf tells when a process was started, in ticks. One that has ended and is not yet reaped is an error.
func birthOf(pid int) (uint64, error) {
	s, err := statOf(pid)
	if err == nil && s.state == 'Z' {
		return 0, syscall.ESRCH
	}
	return s.birth, err
}

// startedAt turns a birth into a time of day.
func startedAt(birth uint64) time.Time {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return time.Time{}
	}
	age := time.Duration(now.Nano()) - time.Duration(birth)*time.Second/ticksPerSecond //nolint:gosec // fits for centuries
	return time.Now().Add(-age)
}

// processes lists all process numbers that can be seen.
func processes() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// environment reads what a process was started with. Of others' processes it is empty.
func environment(pid int) map[string]string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return nil
	}
	env := map[string]string{}
	for v := range bytes.SplitSeq(b, []byte{0}) {
		if name, value, ok := strings.Cut(string(v), "="); ok {
			env[name] = value
		}
	}
	return env
}

// titleOf is the first word of a process's command line, or what the process has put in its place.
func titleOf(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	title, _, _ := bytes.Cut(b, []byte{0})
	return string(title)
}

func executableOf(pid int) string {
	path, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return path
}

// processesIn returns the processes whose working directory is dir: for a data directory, PostgreSQL's server and all
// its backends. (Their environment cannot tell: PostgreSQL overwrites it with its process titles.)
func processesIn(dir string) []int {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil
	}
	var pids []int
	for _, pid := range processes() {
		if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err == nil && cwd == real {
			pids = append(pids, pid)
		}
	}
	return pids
}

// killAllIn kills what works in dir and waits until it is gone.
func killAllIn(dir string) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for pids := processesIn(dir); len(pids) > 0; pids = processesIn(dir) {
		for _, pid := range pids {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("kill process %d, which works in %s: %w", pid, dir, err)
			}
		}
		<-tick.C
	}
	return nil
}

// awaitEnd returns when the process has ended. It is for processes that are not children of this one.
func awaitEnd(pid int, birth uint64) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err == nil {
		defer unix.Close(fd)
		if now, err := birthOf(pid); err != nil || now != birth {
			return // it had ended before, and the number was another's
		}
		for {
			_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1) //nolint:gosec // a file descriptor
			if !errors.Is(err, syscall.EINTR) {
				return
			}
		}
	}
	tick := time.NewTicker(50 * time.Millisecond) // a kernel before 5.3
	defer tick.Stop()
	for range tick.C {
		if now, err := birthOf(pid); err != nil || now != birth {
			return
		}
	}
}

// memoryOf tells the resident memory of one process. Where shared is set, memory that it shares with others counts in
// parts.
func memoryOf(pid int, shared bool) int64 {
	file, field := "status", "VmRSS:"
	if shared {
		file, field = "smaps_rollup", "Pss:"
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib << 10
		}
	}
	return 0
}

// removeShared removes the shared memory that a killed PostgreSQL left: a few bytes that the system keeps for ever, of
// which it has only so many. Its name is in postmaster.pid. Memory that a process has attached is left alone.
func removeShared(data string) {
	b, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return // it was stopped, not killed
	}
	const line = 6 // "key id"
	lines := strings.Split(string(b), "\n")
	if len(lines) <= line {
		return
	}
	f := strings.Fields(lines[line])
	if len(f) != 2 {
		return
	}
	key, err1 := strconv.ParseUint(f[0], 10, 32)
	id, err2 := strconv.Atoi(f[1])
	var d unix.SysvShmDesc
	if _, err := unix.SysvShmCtl(id, unix.IPC_STAT, &d); err != nil || err1 != nil || err2 != nil {
		return
	}
	if uint64(uint32(d.Perm.Key)) == key && d.Nattch == 0 { //nolint:gosec // the key as PostgreSQL writes it
		_, _ = unix.SysvShmCtl(id, unix.IPC_RMID, nil)
	}
}
