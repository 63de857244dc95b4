// Package terminal_test is a session of the terminal UI in a real terminal, against a real sandbox.
package terminal_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/fixtures/script"
	"github.com/cordage-sandbox/cordage/sandbox/artefact"
)

// terminal is a real terminal (tmux) with one window.
type terminal struct {
	t      *testing.T
	socket string
}

// newTerminal starts a shell in a terminal of w times h cells.
func newTerminal(t *testing.T, w, h int, env ...string) *terminal {
	t.Helper()
	term := &terminal{t, filepath.Join(t.TempDir(), "tmux.sock")}
	args := []string{"-f", os.DevNull, "new-session", "-d", "-s", "t", "-x", fmt.Sprint(w), "-y", fmt.Sprint(h)}
	for _, e := range append(env, "PS1=$ ", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "CI=") {
		args = append(args, "-e", e)
	}
	term.tmux(append(args, "sh")...)
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", term.socket, "kill-server").Run() }) //nolint:gosec // it may be gone
	term.tmux("set-option", "-s", "escape-time", "0")
	return term
}

func (term *terminal) tmux(args ...string) string {
	term.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", term.socket}, args...)...).CombinedOutput() //nolint:gosec // a test's own
	if err != nil {
		term.t.Fatalf("tmux %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// press presses keys by tmux's names for them; write types text.
func (term *terminal) press(keys ...string) {
	term.t.Helper()
	term.tmux(append([]string{"send-keys", "-t", "t"}, keys...)...)
}

func (term *terminal) write(text string) {
	term.t.Helper()
	term.tmux("send-keys", "-t", "t", "-l", text)
}

// screen is what is seen.
func (term *terminal) screen() string {
	term.t.Helper()
	return term.tmux("capture-pane", "-p", "-t", "t")
}

// await waits until the screen matches, and tells how long that took.
func (term *terminal) await(limit time.Duration, pattern string) time.Duration {
	term.t.Helper()
	began, want := time.Now(), regexp.MustCompile(pattern)
	for {
		seen := term.screen()
		if want.MatchString(seen) {
			return time.Since(began)
		}
		if time.Since(began) > limit {
			term.t.Fatalf("the screen does not show %q within %v:\n%s", pattern, limit, seen)
		}
		const often = 20 * time.Millisecond
		time.Sleep(often)
	}
}

// TestTerminalUI is a whole session in a real terminal against a real sandbox: launch, see who consumes uniqueness.check,
// kill it and see it go and return, make a virtual node, run a scenario, read one request's waterfall, look at messages, data
// and logs, leave, come back, and lose the supervisor. Where tmux is missing it is skipped, unless CORDAGE_REQUIRE_TMUX is
// set, as it is in CI.
func TestTerminalUI(t *testing.T) {
	if _, err := exec.LookPath("tmux"); err != nil {
		if os.Getenv("CORDAGE_REQUIRE_TMUX") != "" {
			t.Fatal("tmux is missing, and CORDAGE_REQUIRE_TMUX is set")
		}
		t.Skip("tmux is missing: the terminal UI is not run in a real terminal")
	}
	bin := script.Build(t)
	program := filepath.Join(bin, "cordage")
	cache, err := artefact.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	state, err := script.StateDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(state) })
	if err := os.WriteFile(filepath.Join(state, "cordage.yaml"), []byte("runtime: process\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH")) // tmux takes its client's, whatever it is told
	term := newTerminal(t, 120, 40, "XDG_STATE_HOME="+state, "XDG_CACHE_HOME="+filepath.Dir(cache))
	t.Cleanup(func() {
		term.tmux("kill-server")
		down := exec.Command(program, "down", "--purge", "--name", "tui") //nolint:gosec // this program
		down.Env = append(os.Environ(), "XDG_STATE_HOME="+state)
		if out, err := down.CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", down, err, out)
		}
		for _, pid := range script.ProcessesOf(state) {
			t.Errorf("a process is left: %d, %.200s", pid, script.CommandLine(pid))
		}
	})

	// Launch: the form, the plan, and then the topology by itself.
	const start = 3 * time.Minute // the artefacts may have to be fetched
	term.write("cd " + state + " && cordage --name tui\n")
	term.await(10*time.Second, `not running(.*\n)+.*Start a sandbox`)
	term.press("Enter")
	term.await(30*time.Second, `starting sandbox tui(.*\n)+.*start PostgreSQL`)
	term.await(start, `● ready  6/6 nodes`)
	term.await(5*time.Second, `▸1 topology`)

	// Who consumes uniqueness.check? The topic's edges tell.
	term.press("/")
	term.write("uniqueness.check")
	term.await(15*time.Second, `· uniqueness.check`)
	term.press("Enter")
	term.press(":")
	term.write("select database-1")
	term.press("Enter")
	term.await(10*time.Second, `consumes uniqueness.check +(up to date|\d)`)

	// Kill it: its death is seen within a second, and its return.
	term.press("K")
	term.await(5*time.Second, `Kill database-1\?`)
	term.press("y")
	if took := term.await(10*time.Second, `database-1 +ended by request`); took > time.Second {
		t.Errorf("the death of a worker was seen after %v, want a second", took)
	}
	term.await(time.Minute, `database-1 +ready after .*\n(.*\n)*.*database-1 +ended by request`)
	term.await(15*time.Second, `● ready  6/6 nodes`)
	term.await(15*time.Second, `●.database-1`)
	term.press("Escape") // takes the filter back
	term.await(5*time.Second, `· cpi.upload`)

	// A virtual node, of a CPI that is made for it.
	term.press("2")
	term.await(5*time.Second, `no virtual nodes yet`)
	term.press("d")
	term.await(time.Minute, `── CPIs \(1\)(.*\n)+.*CPI demo-.* is stored`)
	term.press("n")
	term.await(5*time.Second, `new virtual node`)
	term.write("O=Bob, L=Paris, C=FR")
	term.await(5*time.Second, `✓ O=Bob, L=Paris, C=FR`)
	term.press("Enter")
	term.await(time.Minute, `▸ O=Bob, L=Paris, C=FR +[0-9A-F]{12} +● active`)

	// A scenario, to its end.
	term.press("3")
	term.press("/")
	term.write("notary-uniq")
	term.press("Enter")
	term.await(15*time.Second, `▸ +notary-uniqueness`)
	term.press("Enter")
	term.await(2*time.Minute, `notary-uniqueness +✓ passed`)

	term.readsOneRequest()
	term.looksIntoTheCluster()

	// Leave, and come back to where it was: what the run came to is still there.
	term.press("3")
	term.await(5*time.Second, `▸3 scenarios`)
	term.press("q")
	term.await(10*time.Second, `sandbox tui is ready and goes on`)
	term.write("clear; cordage tui --name tui\n")
	term.await(10*time.Second, `● ready  6/6 nodes`)
	term.await(10*time.Second, `▸3 scenarios(.*\n)+.*history \(1\)(.*\n)+.*notary-uniqueness +✓ passed`)

	term.survivesTheSupervisor(state)
	term.press("q")
	term.await(10*time.Second, `goes on`)
}

// readsOneRequest follows a step's request hop by hop, from the tree of the scenario that has just passed, to its log lines.
func (term *terminal) readsOneRequest() {
	term.t.Helper()
	term.press("Home")
	for range 5 {
		term.press("Down")
	}
	term.await(5*time.Second, `▸ +✓ create the notary's virtual node`)
	term.press("t")
	for _, hop := range []string{ // they come as the workers tell of them
		"POST /api/v1/virtualnode +lb-1 +REST", "POST /api/v1/virtualnode +rest-1 +REST", "process virtual.node.async.request +database-1 +topic", "PROVISION virtual node [0-9A-F]+ +database-1 +SQL",
	} {
		term.await(15*time.Second, hop)
	}
	term.press("s") // without SQL the rest of it fits
	for _, hop := range []string{"process crypto.hsm.rpc.registration +crypto-1 +topic", "publish virtual.node.info +database-1 +topic", "╰─publish virtual.node.operation.status +database-1 +topic"} {
		term.await(5*time.Second, hop)
	}
	term.press("l")
	term.await(10*time.Second, `▸6 logs(.*\n)+ all nodes, /[0-9a-f]{32}/(.*\n)+.*database-1 .*virtual node creation ended +state=COMPLETED`)
}

// looksIntoTheCluster at what passed on the topics, what the databases hold and what the nodes log.
func (term *terminal) looksIntoTheCluster() {
	term.t.Helper()
	term.press("4")
	term.press("Escape") // the waterfall closes
	term.await(5*time.Second, `all topics`)
	term.press("c")
	term.await(5*time.Second, `which messages`)
	term.write("uniqueness.*")
	term.press("Enter")
	term.await(15*time.Second, `(?s)type +UniquenessCheckRequest.*── value, \d+ B.*"holdingIdentity"`)
	term.press("Space")
	term.await(5*time.Second, `paused, \d+ held`)

	term.press("5")
	term.await(10*time.Second, `Bob vault`)
	term.write("/uniqueness")
	term.press("Enter")
	term.await(5*time.Second, `▸ ▸ Notary [0-9a-f]+ uniqueness`)
	term.press("Enter")
	term.await(10*time.Second, `uniqueness_state_details`)
	term.press("Down", "Enter")
	term.await(15*time.Second, `unspent +│ +\d+ spent(.*\n)+.*● spent +SHA-256D:`)

	term.press("6")
	term.press("Escape") // takes the filter back, which was the request's
	term.await(10*time.Second, `all nodes +[\d,]+ lines`)
	term.write("/ended by request")
	term.await(10*time.Second, `database-1 ■ ── ended by request ──`)
	term.press("Enter")
}

// survivesTheSupervisor: its death is shown, and a new one that the UI starts adopts what runs.
func (term *terminal) survivesTheSupervisor(state string) {
	term.t.Helper()
	for _, pid := range script.ProcessesOf(state) {
		if strings.Contains(script.CommandLine(pid), " supervise ") {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				term.t.Fatal(err)
			}
		}
	}
	term.await(5*time.Second, `supervisor lost`)
	term.press("7")
	term.await(5*time.Second, `the supervisor of sandbox tui is gone; its nodes may live on`)
	term.press("Enter")
	term.await(time.Minute, `● ready  6/6 nodes`)
}
