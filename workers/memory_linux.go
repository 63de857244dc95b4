package workers

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// releaseProgram takes the program's own pages, code and constants, out of the process: the kernel maps those that are
// used again from its page cache, where they stay. All worker types, the command line and the terminal UI are one program,
// and its start touches much of it. Pages that can be written are left alone.
func releaseProgram() {
	executable, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(maps)) {
		from, to, ok := readOnly(line, executable)
		if ok {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED) // a refusal changes nothing
		}
	}
}

// readOnly reads a line of /proc/self/maps: FROM-TO PERMISSIONS OFFSET DEVICE INODE PATH. It tells whether the line is of a
// part of the file that cannot be written.
func readOnly(line, file string) (from, to uintptr, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 6 || fields[5] != file || !strings.HasPrefix(fields[1], "r-") || !strings.HasSuffix(fields[1], "p") {
		return 0, 0, false
	}
	first, last, ok := strings.Cut(fields[0], "-")
	if !ok {
		return 0, 0, false
	}
	a, err := strconv.ParseUint(first, 16, strconv.IntSize)
	if err != nil {
		return 0, 0, false
	}
	b, err := strconv.ParseUint(last, 16, strconv.IntSize)
	return uintptr(a), uintptr(b), err == nil && b > a
}
