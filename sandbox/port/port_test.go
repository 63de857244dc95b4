package port_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/cordage-sandbox/cordage/sandbox/port"
)

// TestMain lets the test binary be another process that has a port: it listens on, or reserves, what it is told to.
func TestMain(m *testing.M) {
	if mode := os.Getenv("CORDAGE_TEST_PORT"); mode != "" {
		os.Exit(other(mode))
	}
	os.Exit(m.Run())
}

func other(mode string) int {
	var number int
	if mode == "listen" {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return 1
		}
		defer l.Close()
		number = l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // it is TCP
	} else {
		p, err := port.Hold(0)
		if err != nil || p.HandOver() != nil {
			return 1
		}
		number = p.Number()
	}
	fmt.Println(number)
	_, _ = os.Stdin.Read(make([]byte, 1)) // until the test ends
	return 0
}

// startOther starts a process that has a port.
func startOther(t *testing.T, mode string) (number, pid int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self) //nolint:gosec // this test
	cmd.Env = append(os.Environ(), "CORDAGE_TEST_PORT="+mode)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(line, &number); err != nil {
		t.Fatal(err)
	}
	return number, cmd.Process.Pid
}

func hold(t *testing.T, number int) *port.Port {
	t.Helper()
	p, err := port.Hold(number)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// wantTaken checks that the port cannot be held, and who is told to have it.
func wantTaken(t *testing.T, number, pid int) {
	t.Helper()
	p, err := port.Hold(number)
	if err == nil {
		p.Close()
		t.Fatalf("port %d can be held twice", number)
	}
	taken, ok := errors.AsType[*port.TakenError](err)
	if !ok || taken.Port != number || taken.Hint() == "" {
		t.Fatalf("error is %v (%T), want a *TakenError for port %d", err, err, number)
	}
	if runtime.GOOS != "linux" {
		return
	}
	if taken.Holder.PID != pid || !strings.Contains(err.Error(), fmt.Sprintf("process %d (", pid)) {
		t.Errorf("holder is %+v, want process %d: %v", taken.Holder, pid, err)
	}
}

func TestHoldHandOverClose(t *testing.T) {
	t.Parallel()
	p := hold(t, 0)
	wantTaken(t, p.Number(), os.Getpid())
	if err := p.HandOver(); err != nil {
		t.Fatal(err)
	}
	wantTaken(t, p.Number(), os.Getpid()) // reserved, though nobody listens
	l, err := net.Listen("tcp4", port.Address(p.Number()))
	if err != nil {
		t.Fatalf("the node cannot listen on the port handed over: %v", err)
	}
	wantTaken(t, p.Number(), os.Getpid())
	l.Close()
	if err := p.Close(); err != nil {
		t.Errorf("Close after HandOver: %v", err)
	}
	hold(t, p.Number())
}

func TestTakenByAnotherProcess(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"listen", "reserve"} {
		if mode == "reserve" && runtime.GOOS != "linux" {
			continue
		}
		number, pid := startOther(t, mode)
		wantTaken(t, number, pid)
		if err := port.Check(number); err == nil {
			t.Errorf("%s: Check(%d) succeeded", mode, number)
		}
		if h, ok := port.FindHolder(number); runtime.GOOS == "linux" && (!ok || h.PID != pid || !strings.Contains(h.Command, "port.test")) {
			t.Errorf("%s: FindHolder(%d) = %+v, %v; want process %d", mode, number, h, ok, pid)
		}
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for _, number := range []int{-1, 65536} {
		if _, err := port.Hold(number); err == nil {
			t.Errorf("Hold(%d) succeeded", number)
		}
	}
	p := hold(t, 0)
	number := p.Number()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := port.Check(number); err != nil {
		t.Errorf("Check of a free port: %v", err)
	}
	if h, ok := port.FindHolder(number); ok {
		t.Errorf("a free port has the holder %+v", h)
	}
}

// TestManyAtOnce is ten sandboxes that choose ports at the same time.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	const sandboxes, ports = 10, 12
	var mu sync.Mutex
	seen := map[int]bool{}
	var wait sync.WaitGroup
	for range sandboxes {
		wait.Go(func() {
			for range ports {
				p, err := port.Hold(0)
				if err != nil {
					t.Error(err)
					return
				}
				t.Cleanup(func() { _ = p.Close() })
				if err := p.HandOver(); err != nil {
					t.Error(err)
				}
				mu.Lock()
				if seen[p.Number()] {
					t.Errorf("port %d was given twice", p.Number())
				}
				seen[p.Number()] = true
				mu.Unlock()
			}
		})
	}
	wait.Wait()
}
