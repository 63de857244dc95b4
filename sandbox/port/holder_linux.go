package port

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// reservation is a listener on an abstract unix socket: the kernel keeps such names per network namespace, exactly as
// it does ports, shows them to every user, and drops them with the process. No file can be left behind.
type reservation = net.Listener

func reservationName(number int) string { return "@cordage/port/" + strconv.Itoa(number) }

func reserve(number int) (reservation, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: reservationName(number), Net: "unix"})
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, newTaken(number)
	} else if err != nil {
		return nil, fmt.Errorf("reserve port %d: %w", number, err)
	}
	return l, nil
}

// FindHolder tells which process listens on 127.0.0.1:number (or on all addresses), or has it reserved for a sandbox.
// It returns false if there is none, or it is not visible to this account.
func FindHolder(number int) (Holder, bool) {
	if pid := socketOwner(listening(number)); pid != 0 {
		return Holder{PID: pid, Command: commandLine(pid)}, true
	}
	// Nobody listens; or whoever does cannot be seen, or is just being forked.
	if pid := reserver(number); pid != 0 {
		return Holder{PID: pid, Command: commandLine(pid)}, true
	}
	return Holder{}, false
}

// listening returns the inodes of the listening sockets on the port.
func listening(number int) map[string]bool {
	inodes := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		b, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …
			f := strings.Fields(line)
			const stateListen = "0A"
			if len(f) < 10 || f[3] != stateListen || !strings.HasSuffix(f[1], fmt.Sprintf(":%04X", number)) {
				continue
			}
			inodes["socket:["+f[9]+"]"] = true
		}
	}
	return inodes
}

func socketOwner(inodes map[string]bool) int {
	if len(inodes) == 0 {
		return 0
	}
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range fds {
		target, err := os.Readlink(fd)
		if err != nil || !inodes[target] {
			continue
		}
		pid, _ := strconv.Atoi(strings.Split(fd, "/")[2])
		return pid
	}
	return 0
}

// reserver asks the kernel for the process behind a reservation.
func reserver(number int) int {
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: reservationName(number), Net: "unix"})
	if err != nil {
		return 0
	}
	defer c.Close()
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	pid := 0
	_ = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid = int(cred.Pid)
		}
	})
	return pid
}

const shownCommand = 120

func commandLine(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || len(b) == 0 {
		return "?"
	}
	s := string(bytes.ReplaceAll(bytes.TrimRight(b, "\x00"), []byte{0}, []byte{' '}))
	if len(s) > shownCommand {
		s = s[:shownCommand] + "…"
	}
	return s
}
