package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Limits of the terminal UI.
const (
	firstFrameLimit = 100 // ms, with a running sandbox
	idleLimit       = 2   // % of a core
	frameLimit      = 16  // ms
	tuiMemoryLimit  = 60  // MB
)

// measureTUI runs the terminal UI in a pseudo terminal of 160 by 48 cells (that of script, of util-linux): how long it
// takes until the first frame is there and until it shows the sandbox, what it uses when nothing happens, and what a frame
// of a large sandbox costs.
func measureTUI(ctx context.Context, b *bench, s *section) error {
	if _, err := exec.LookPath("script"); err != nil {
		s.note("not measured: script (util-linux), which gives the terminal, is missing")
		return nil
	}
	if _, err := b.up(ctx); err != nil {
		return err
	}
	first, state := &sample{unit: "ms"}, &sample{unit: "ms"}
	for range b.pick(10, 2) {
		t, err := b.openTUI(ctx)
		if err != nil {
			return err
		}
		frame, known, err := t.frames()
		if err := errors.Join(err, t.close()); err != nil {
			return err
		}
		first.add(milliseconds(frame))
		state.add(milliseconds(known))
	}
	s.atMost("first frame", first, firstFrameLimit, "", "")
	s.atMost("first frame with the state of the sandbox", state, firstFrameLimit, "", "")
	if err := b.idleTUI(ctx, s); err != nil {
		return err
	}
	return b.frameCost(ctx, s)
}

// idleTUI looks at a UI that shows the topology of a sandbox of which nothing is asked.
func (b *bench) idleTUI(ctx context.Context, s *section) error {
	t, err := b.openTUI(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = t.close() }() // closed below; this is for a failure
	if _, _, err := t.frames(); err != nil {
		return err
	}
	go func() { _, _ = io.Copy(io.Discard, t.out) }() // until it is closed
	if err := rest(ctx); err != nil {
		return err
	}
	cpu, memory := &sample{unit: "%"}, &sample{unit: "MB"}
	for range b.pick(5, 1) {
		before, err := processorTime(t.pid)
		if err != nil {
			return err
		}
		began := time.Now()
		if err := rest(ctx); err != nil {
			return err
		}
		after, err := processorTime(t.pid)
		if err != nil {
			return err
		}
		cpu.add(100 * float64(after-before) / float64(time.Since(began)))
		resident, err := residentMemory(t.pid)
		if err != nil {
			return err
		}
		memory.add(resident / megabyte)
	}
	s.atMost("processor time of one core, the topology in view, nothing happens", cpu, idleLimit, "", "")
	s.atMost("resident memory", memory, tuiMemoryLimit, "", "")
	return t.close()
}

// frameCost runs the benchmark that stands beside the code.
func (b *bench) frameCost(ctx context.Context, s *section) error {
	frames := strconv.Itoa(b.pick(500, 20)) + "x"
	out, err := output(exec.CommandContext(ctx, "go", "test", "./tui", "-run", "^$", "-bench", "^BenchmarkFrame$", "-benchtime", frames, "-count", strconv.Itoa(b.pick(5, 1))))
	if err != nil {
		return err
	}
	cost := &sample{unit: "ms"}
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) > 3 && f[3] == "ns/op" {
			ns, err := strconv.ParseFloat(f[2], 64)
			if err != nil {
				return fmt.Errorf("read the benchmark's line %q: %w", line, err)
			}
			cost.add(ns / 1e6)
		}
	}
	if len(cost.values) == 0 {
		return fmt.Errorf("the benchmark of a frame printed no figure:\n%s", out)
	}
	s.atMost("a frame with 50 nodes, 200 topics and 1,000 events/s", cost, frameLimit, "", "")
	return nil
}

// terminalUI is a running UI and its terminal.
type terminalUI struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   io.ReadCloser
	pid   int
	began time.Time
}

// openTUI starts the UI. The shell before it tells the process id at the moment at which the UI takes its place.
func (b *bench) openTUI(ctx context.Context) (*terminalUI, error) {
	line := fmt.Sprintf("stty cols 160 rows 48; echo pid=$$.; exec %s tui --view topology --name %s", b.exe, b.name)
	t := &terminalUI{cmd: exec.CommandContext(ctx, "script", "--quiet", "--flush", "--return", "--command", line, os.DevNull)}
	t.cmd.Env = append(os.Environ(), "TERM=xterm-256color", "COLORTERM=truecolor", "LC_ALL=C.UTF-8", "CI=")
	var err error
	if t.in, err = t.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if t.out, err = t.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := t.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a terminal: %w", err)
	}
	text, err := t.until("pid=", ".")
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	t.began = time.Now()
	_, number, _ := strings.Cut(text, "pid=")
	number, _, _ = strings.Cut(number, ".")
	t.pid, err = strconv.Atoi(number)
	return t, err
}

// frames tells when the first frame was there, and when it showed that the sandbox is ready.
func (t *terminalUI) frames() (first, known time.Duration, err error) {
	if _, err = t.until("topology"); err != nil { // a tab
		return 0, 0, err
	}
	first = time.Since(t.began)
	_, err = t.until("ready")
	return first, time.Since(t.began), err
}

// until reads until all of the texts have come.
func (t *terminalUI) until(texts ...string) (string, error) {
	var seen bytes.Buffer
	buf := make([]byte, 1<<16)
	for {
		n, err := t.out.Read(buf)
		seen.Write(buf[:n])
		missing := ""
		for _, text := range texts {
			if !strings.Contains(seen.String(), text) {
				missing = text
			}
		}
		if missing == "" {
			return seen.String(), nil
		}
		if err != nil {
			return "", fmt.Errorf("wait until the terminal shows %q: %w; it showed %.2000q", missing, err, seen.String())
		}
	}
}

// close leaves the UI as a user does.
func (t *terminalUI) close() error {
	if t.cmd.ProcessState != nil {
		return nil
	}
	if _, err := io.WriteString(t.in, "q"); err != nil {
		return errors.Join(err, t.cmd.Process.Kill(), t.cmd.Wait())
	}
	_, _ = io.Copy(io.Discard, t.out)
	return t.cmd.Wait()
}

// processorTime is what a process has used so far.
func processorTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(text), ") ") // the name may have blanks
	const user, system, tick = 11, 12, time.Second / 100
	f := strings.Fields(after)
	if len(f) <= system {
		return 0, fmt.Errorf("read the processor time of process %d: %q", pid, text)
	}
	u, err1 := strconv.Atoi(f[user])
	k, err2 := strconv.Atoi(f[system])
	return time.Duration(u+k) * tick, errors.Join(err1, err2)
}

// residentMemory of a process, in bytes.
func residentMemory(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmRSS:" {
			kb, err := strconv.ParseFloat(f[1], 64)
			return kb * 1024, err
		}
	}
	return 0, fmt.Errorf("process %d tells no resident memory", pid)
}
