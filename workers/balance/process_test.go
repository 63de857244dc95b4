package balance_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cordage-sandbox/cordage/workers/https/httpstest"
	"github.com/cordage-sandbox/cordage/workers/role"
)

// bootVariable makes the test binary a load balancer, as cordage worker lb --boot FILE is.
const bootVariable = "CORDAGE_TEST_BALANCER"

// TestHangUp changes the boot file of a balancer that is a process, and sends it SIGHUP, as a supervisor does.
func TestHangUp(t *testing.T) {
	t.Parallel()
	authority := httpstest.New(t)
	one, two := spawn(t, authority, "rest-1"), spawn(t, authority, "rest-2")
	address := freeAddress(t)
	boot := role.Boot{Role: "lb", Node: "lb-1", Monitor: freeAddress(t), Balancer: &role.BalancerBoot{
		RESTBoot: authority.Listener(t, address), CA: authority.PEM, Upstreams: []role.Upstream{one.Upstream},
	}}
	file := filepath.Join(t.TempDir(), "lb-1.json")
	write := func() {
		text, err := json.Marshal(boot)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(executable)
	cmd.Env = append(os.Environ(), bootVariable+"="+file)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	await(t, "the balancer is ready", func() bool { return status(boot.Monitor) == "rest-1" })

	boot.Balancer.Upstreams = []role.Upstream{two.Upstream}
	write()
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	await(t, "the balancer has the new upstream", func() bool { return status(boot.Monitor) == "rest-2" })
	resp, err := authority.Client(t).Get("https://" + address + "/echo")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if node := resp.Header.Get("Node"); node != "rest-2" {
		t.Errorf("after the reload %s answers", node)
	}

	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil { // a broken file changes nothing
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the balancer ended: %v", err)
	}
}

// status gives the ready upstreams that a monitor shows; empty while the balancer is not ready.
func status(monitor string) string {
	resp, err := http.Get("http://" + monitor + "/status")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	var body struct {
		Upstreams []view `json:"upstreams"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil || resp.StatusCode != http.StatusOK {
		return ""
	}
	var ready []string
	for _, u := range body.Upstreams {
		if u.Ready {
			ready = append(ready, u.Node)
		}
	}
	return strings.Join(ready, ",")
}

// exit ends a process that the test binary has become.
func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
