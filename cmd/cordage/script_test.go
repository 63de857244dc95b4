package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/artefact"
)

// TestMain makes the test binary be cordage as well: for the scripts, for the supervisor that they start, and for the
// workers that it starts. So scripts run real processes of exactly this code.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"cordage": main})
}

// TestScripts runs the scripts of testdata/script. Each has state of its own and shares the cache of artefacts; when it is
// over, no process of its sandboxes may be left.
func TestScripts(t *testing.T) {
	cache, err := artefact.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error { return setUp(t, e, cache) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await": awaitCmd, "pidof": pidofCmd, "signal": signalCmd, "kill9": killCmd, "alive": aliveCmd, "noprocesses": noProcessesCmd, "portof": portOfCmd,
			"suspend": suspendCmd,
		},
		Condition: condition,
	})
}

// condition knows hup: a hang-up ends processes, as it does unless they run under nohup.
func condition(name string) (bool, error) {
	if name == "hup" {
		return !signal.Ignored(syscall.SIGHUP), nil
	}
	return false, fmt.Errorf("there is no condition %q", name)
}

func setUp(t *testing.T, e *testscript.Env, cache string) error {
	// PostgreSQL does not run as root and must be able to pass through to its data, which the test's own directory does not
	// let it.
	state, err := os.MkdirTemp("", "cordage-script-")
	if err != nil {
		return err
	}
	const passable = 0o711
	if err := os.Chmod(state, passable); err != nil { //nolint:gosec // nothing in it is open
		return err
	}
	// Scripts look at processes, also where a container engine could be chosen.
	pinned := filepath.Join(e.WorkDir, "cordage.yaml")
	if _, err := os.Stat(pinned); errors.Is(err, fs.ErrNotExist) {
		if err := os.WriteFile(pinned, []byte("runtime: process\n"), 0o600); err != nil {
			return err
		}
	}
	e.Setenv("XDG_STATE_HOME", state)
	e.Setenv("XDG_CACHE_HOME", filepath.Dir(cache))
	for _, name := range []string{"JAVA_HOME", "HOME"} {
		if name == "HOME" || os.Getenv(name) != "" {
			e.Setenv(name, os.Getenv(name)) // Maven's own repository, on a machine where the cache is still empty
		}
	}
	e.Defer(func() {
		failed := t.Failed() // a script that stopped in its middle leaves what it had started
		if failed {
			keepLogs(t, state)
		}
		for _, pid := range processesOf(state) {
			if !failed {
				t.Errorf("a process is left: %d, %.200s", pid, commandLine(pid))
			}
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		_ = os.RemoveAll(state)
	})
	return nil
}

// keepLogs prints the logs of a script that failed.
func keepLogs(t *testing.T, state string) {
	logs, _ := filepath.Glob(filepath.Join(state, "cordage", "*", "logs", "*.log"))
	for _, log := range logs {
		text, err := os.ReadFile(log)
		if err != nil {
			continue
		}
		const most = 2000
		t.Logf("%s:\n%s", log, text[max(0, len(text)-most):])
	}
}

// processesOf lists the processes whose environment names the state directory or a sandbox in it, and what PostgreSQL, which
// overwrites its environment, has as its working directory.
func processesOf(state string) (pids []int) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		env, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		cwd, _ := os.Readlink(filepath.Join("/proc", e.Name(), "cwd"))
		if strings.Contains(string(env), "="+state) || strings.HasPrefix(cwd, state+"/") {
			pids = append(pids, pid)
		}
	}
	return pids
}

func commandLine(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.ReplaceAll(string(text), "\x00", " ")
}

// portOfCmd is: portof VARIABLE FILE NODE PURPOSE; FILE is an answer of cordage status --json.
func portOfCmd(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 4 {
		ts.Fatalf("usage: portof VARIABLE FILE NODE PURPOSE")
	}
	var status struct{ Nodes []sandbox.Node }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[1])), &status))
	for _, n := range status.Nodes {
		if n.Name == args[2] {
			ts.Setenv(args[0], strconv.Itoa(n.Ports[args[3]]))
			return
		}
	}
	ts.Fatalf("there is no node %s", args[2])
}

// awaitCmd is: await LIMIT COMMAND ARGS…; it runs cordage until it succeeds.
func awaitCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: await LIMIT COMMAND ARGS...")
	}
	limit, err := time.ParseDuration(args[0])
	ts.Check(err)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(limit); ; <-tick.C {
		err := ts.Exec(args[1], args[2:]...)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s did not succeed within %v: %v", strings.Join(args[1:], " "), limit, err)
		}
	}
}

// pidofCmd is: pidof VARIABLE WORDS…; it finds the one process of the script's sandboxes whose command line has all words
// in a row. It waits until there is exactly one: a process that starts another is there twice for a moment.
func pidofCmd(ts *testscript.TestScript, _ bool, args []string) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	const limit = 10 * time.Second
	for deadline := time.Now().Add(limit); ; <-tick.C {
		found := findProcesses(ts, args)
		if len(found) == 1 {
			ts.Setenv(args[0], strconv.Itoa(found[0]))
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%d processes have %q, want one", len(found), strings.Join(args[1:], " "))
		}
	}
}

func findProcesses(ts *testscript.TestScript, args []string) (found []int) {
	if len(args) < 2 {
		ts.Fatalf("a variable and words of a command line are needed")
	}
	for _, pid := range processesOf(ts.Getenv("XDG_STATE_HOME")) {
		if strings.Contains(commandLine(pid), strings.Join(args[1:], " ")) {
			found = append(found, pid)
		}
	}
	return found
}

// signalCmd is: signal NAME PID.
func signalCmd(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: signal NAME PID")
	}
	pid, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(syscall.Kill(pid, unix.SignalNum("SIG"+args[0])))
}

// killCmd is: kill9 PID; it ends a process and waits until it is gone.
func killCmd(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: kill9 PID")
	}
	pid, err := strconv.Atoi(args[0])
	ts.Check(err)
	ts.Check(syscall.Kill(pid, syscall.SIGKILL))
	awaitGone(ts, pid)
}

func awaitGone(ts *testscript.TestScript, pid int) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	const limit = 10 * time.Second
	for deadline := time.Now().Add(limit); running(pid); <-tick.C {
		if time.Now().After(deadline) {
			ts.Fatalf("process %d did not end within %v", pid, limit)
		}
	}
}

// running tells whether a process is there and no zombie.
func running(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// aliveCmd is: [!] alive PID.
func aliveCmd(ts *testscript.TestScript, neg bool, args []string) {
	pid, err := strconv.Atoi(args[0])
	ts.Check(err)
	if running(pid) == neg {
		ts.Fatalf("process %d: alive is %v", pid, !neg)
	}
}

// noProcessesCmd checks that nothing of the script's sandboxes runs.
func noProcessesCmd(ts *testscript.TestScript, _ bool, _ []string) {
	for _, pid := range processesOf(ts.Getenv("XDG_STATE_HOME")) {
		if running(pid) {
			ts.Fatalf("process %d is left: %s", pid, commandLine(pid))
		}
	}
}

// suspendCmd is: suspend DURATION; it stops everything of the script's sandboxes, supervisors too, and lets it go on after
// that time, as a machine does that is suspended.
func suspendCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: suspend DURATION")
	}
	span, err := time.ParseDuration(args[0])
	ts.Check(err)
	all := processesOf(ts.Getenv("XDG_STATE_HOME"))
	for _, pid := range all {
		ts.Check(syscall.Kill(pid, syscall.SIGSTOP))
	}
	<-time.After(span) // that it passes is all there is to wait for
	for _, pid := range all {
		_ = syscall.Kill(pid, syscall.SIGCONT) // one that is gone is missed by what the script asks next
	}
}
