// Package runtimetest is the contract of sandbox.Runtime as tests: what every implementation does, and how a next
// supervisor finds what a killed one has left. Only tests of runtimes may import it.
package runtimetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/port"
	"github.com/cordage-sandbox/cordage/sandbox/probe"
)

// Sandbox makes runtimes of one new, empty sandbox: each call gives one as the next supervisor would have it, with
// nothing remembered. Workers that it starts run [Worker]. The sandbox is removed when the test ends.
type Sandbox func() sandbox.Runtime

// Run runs the suite. newSandbox is called once per test.
func Run(t *testing.T, newSandbox func(t *testing.T) Sandbox) {
	t.Helper()
	tests := map[string]func(*testing.T, Sandbox){
		"StartAndStop":         startAndStop,
		"OneNodeOfAName":       oneNodeOfAName,
		"Kill":                 kill,
		"EndsByItself":         endsByItself,
		"Adopt":                adopt,
		"StopOfAStubbornNode":  stopOfAStubbornNode,
		"PauseAndUnpause":      pauseAndUnpause,
		"StopOfAPausedNode":    stopOfAPausedNode,
		"FilesAreReplaced":     filesAreReplaced,
		"Logs":                 logs,
		"LogsOfUnknownNode":    logsOfUnknownNode,
		"FollowAcrossARestart": followAcrossARestart,
		"Usage":                usage,
		"Purge":                purge,
		"BadSpec":              badSpec,
		"StartAndStopStress":   startAndStopStress,
		"PostgreSQLKeepsData":  postgresKeepsData,
		"PostgreSQLIsClosed":   postgresIsClosed,
		"PostgreSQLKilled":     postgresKilled,
		"KafkaKeepsTopics":     kafkaKeepsTopics,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newSandbox(t))
		})
	}
	t.Run("SandboxesDoNotSeeEachOther", func(t *testing.T) {
		t.Parallel()
		sandboxesDoNotSeeEachOther(t, newSandbox(t), newSandbox(t))
	})
}

const (
	limit     = 60 * time.Second // for what takes a second on a quiet machine
	stopLimit = 30 * time.Second
)

// behaviour is what a worker of the suite is told in its boot file.
type behaviour struct {
	Monitor  string `json:"monitor"`          // where it answers
	Secret   string `json:"secret,omitempty"` // must show up nowhere
	Says     string `json:"says"`             // what /isHealthy answers, and what it logs
	Stubborn bool   `json:"stubborn"`         // does not stop when asked to
	Exit     int    `json:"exit"`             // not 0: ends with it at once
	Eat      int64  `json:"eat,omitempty"`    // bytes of memory that it uses
}

func workerSpec(t *testing.T, r sandbox.Runtime, name string, b behaviour) sandbox.NodeSpec {
	t.Helper()
	monitor := freePort(t)
	routes, err := r.Route(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.Monitor = routes.Bind(monitor)
	if b.Says == "" {
		b.Says = name
	}
	return sandbox.NodeSpec{
		Name: name, Kind: sandbox.Worker, Role: "crypto", Ports: map[string]int{"monitor": monitor},
		Files: map[string][]byte{"boot.json": asJSON(t, b)},
	}
}

func asJSON(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func freePort(t *testing.T) int {
	t.Helper()
	p, err := port.Hold(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	if err := p.HandOver(); err != nil {
		t.Fatal(err)
	}
	return p.Number()
}

// start starts a node and sees to it that it does not outlive the test.
func start(t *testing.T, r sandbox.Runtime, spec sandbox.NodeSpec) sandbox.Instance {
	t.Helper()
	i, err := r.Start(t.Context(), spec)
	if err != nil {
		t.Fatalf("Start(%s): %v", spec.Name, err)
	}
	t.Cleanup(func() { _ = i.Kill(context.Background()) })
	return i
}

// startReady starts a worker and waits until it answers.
func startReady(t *testing.T, r sandbox.Runtime, spec sandbox.NodeSpec) sandbox.Instance {
	t.Helper()
	i := start(t, r, spec)
	awaitReady(t, i, probe.HTTP{URL: healthURL(spec)})
	return i
}

func awaitReady(t *testing.T, i sandbox.Instance, p probe.Probe) {
	t.Helper()
	why := func() error { return fmt.Errorf("%+v", i.Exit()) }
	if err := probe.Wait(t.Context(), p, limit, probe.Watched{Done: i.Done(), Why: why}); err != nil {
		t.Fatal(err)
	}
}

func healthURL(spec sandbox.NodeSpec) string {
	return "http://" + port.Address(spec.Ports["monitor"]) + "/isHealthy"
}

// says asks a worker what it was told to say.
func says(ctx context.Context, spec sandbox.NodeSpec) (string, error) {
	const patience = 2 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, healthURL(spec), nil)
	if err != nil {
		return "", err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

func stop(t *testing.T, i sandbox.Instance) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), stopLimit)
	defer cancel()
	if err := i.Stop(ctx); err != nil {
		t.Fatalf("Stop(%s): %v", i.Node(), err)
	}
	if !ended(i) {
		t.Fatalf("Stop(%s) returned before the node had ended", i.Node())
	}
}

func ended(i sandbox.Instance) bool {
	select {
	case <-i.Done():
		return true
	default:
		return false
	}
}

func awaitEnd(t *testing.T, i sandbox.Instance) {
	t.Helper()
	select {
	case <-i.Done():
	case <-time.After(limit):
		t.Fatalf("%s did not end within %v", i.Node(), limit)
	}
}

// names lists what Find finds.
func names(t *testing.T, r sandbox.Runtime) []string {
	t.Helper()
	found, err := r.Find(t.Context())
	if err != nil {
		t.Fatalf("Find: %v", err)
	}
	all := []string{}
	for _, i := range found {
		all = append(all, i.Node())
	}
	return all
}

func wantNames(t *testing.T, r sandbox.Runtime, want ...string) {
	t.Helper()
	if got := names(t, r); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("Find found %v, want %v", got, want)
	}
}

func readLog(t *testing.T, r sandbox.Runtime, node string, tail int) string {
	t.Helper()
	log, err := r.Logs(t.Context(), node, tail, false)
	if err != nil {
		t.Fatalf("Logs(%s): %v", node, err)
	}
	defer log.Close()
	b, err := io.ReadAll(log)
	if err != nil {
		t.Fatalf("read the log of %s: %v", node, err)
	}
	return string(b)
}

// wantFree checks that nothing listens on a node's ports any more.
func wantFree(t *testing.T, spec sandbox.NodeSpec) {
	t.Helper()
	for purpose, number := range spec.Ports {
		c, err := net.DialTimeout("tcp", net.JoinHostPort(port.Host, strconv.Itoa(number)), time.Second)
		if err == nil {
			c.Close()
			t.Errorf("%s has ended, and its port %s (%d) is still listened on", spec.Name, purpose, number)
		}
	}
}

// eventually asks until the answer is yes.
func eventually(t *testing.T, what string, ask func(ctx context.Context) error) {
	t.Helper()
	if err := probe.Wait(t.Context(), question{what, ask}, limit, probe.Watched{}); err != nil {
		t.Fatal(err)
	}
}

type question struct {
	what string
	ask  func(ctx context.Context) error
}

func (q question) Ask(ctx context.Context) error { return q.ask(ctx) }
func (q question) String() string                { return q.what }

var errNo = errors.New("no")
