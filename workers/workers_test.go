package workers_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/fixtures/cluster"
	"github.com/cordage-sandbox/cordage/workers"
	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/clock"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/role"
)

func TestMain(m *testing.M) { cluster.Main(m) }

const limit = 90 * time.Second

// Every worker type has a constructor, and no other name has one.
func TestTable(t *testing.T) {
	t.Parallel()
	for _, r := range role.All() {
		_, err := workers.New(role.Env{Boot: role.Boot{Role: r.Name, Secrets: &role.SecretsBoot{Passphrase: "p", Salt: "s"}}})
		if err != nil && strings.Contains(err.Error(), "no worker type") {
			t.Errorf("%s: %v", r.Name, err)
		}
	}
	if _, err := workers.New(role.Env{Boot: role.Boot{Role: "flow"}}); err == nil {
		t.Error("a worker type that does not exist can be made")
	}
}

// A worker answers with 503 while it waits for its servers, is ready when it has them, follows the clock, and ends by
// itself on SIGTERM.
func TestLife(t *testing.T) {
	t.Parallel()
	c := cluster.New(t)
	waiting := c.Boot(t, role.Database)
	waiting.Database.URL = strings.Replace(waiting.Database.URL, portOf(waiting.Database.URL), ":1/", 1)
	p := c.SpawnWith(t, waiting)
	cluster.Eventually(t, limit, func() error {
		if code, body := cluster.Status(waiting); code != http.StatusServiceUnavailable || !strings.Contains(body, `"DOWN"`) {
			return fmt.Errorf("/status is %d %s, want 503", code, body)
		}
		return nil
	})
	if code := p.Terminate(); code != 0 {
		t.Errorf("exit code %d of a worker that waited, want 0", code)
	}

	b := c.Bus(t)
	publisher, err := b.NewPublisher(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	defer publisher.Close()
	at := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	set := func(s clock.Setting) {
		t.Helper()
		if err := publisher.Publish(t.Context(), bus.Message{Topic: record.TopicClock, Key: record.ClockKey, Value: record.Clock{Setting: s}}); err != nil {
			t.Fatal(err)
		}
	}
	set(clock.Setting{}.Freeze(at))
	for _, r := range []role.Role{role.Database, role.Crypto} {
		p := c.Spawn(t, r) // ready: the clock must be set already
		if got := shownClock(t, p.Boot); !got.Now.Equal(at) || got.Mode != clock.Frozen || got.Version != 1 {
			t.Errorf("%s shows the clock %+v, want it frozen at %v", r.Name, got, at)
		}
		t.Cleanup(func() {
			if code := p.Terminate(); code != 0 {
				t.Errorf("exit code %d of %s, want 0", code, r.Name)
			}
		})
		if kb := residentKB(t, p.PID()); kb > 0 {
			t.Logf("%s at rest: %.1f MB", r.Name, float64(kb)/1000)
		}
		defer func() {
			cluster.Eventually(t, limit, func() error {
				if got := shownClock(t, p.Boot); got.Version != 2 || !got.Now.Equal(at.Add(time.Hour)) {
					return fmt.Errorf("%s shows the clock %+v, want an hour later", r.Name, got)
				}
				return nil
			})
		}()
	}
	set(clock.Setting{}.Freeze(at).Advance(time.Hour))
}

func portOf(url string) string {
	_, rest, _ := strings.Cut(url, "//")
	_, rest, _ = strings.Cut(rest, ":")
	number, _, _ := strings.Cut(rest, "/")
	return ":" + number + "/"
}

type clockInfo struct {
	Version int64      `json:"version"`
	Mode    clock.Mode `json:"mode"`
	Now     time.Time  `json:"now"`
}

func shownClock(t testing.TB, boot role.Boot) clockInfo {
	t.Helper()
	_, body := cluster.Status(boot)
	var status struct {
		Clock clockInfo `json:"clock"`
		Node  string    `json:"node"`
	}
	if err := json.Unmarshal([]byte(body), &status); err != nil || status.Node != boot.Node {
		t.Fatalf("/status of %s is %s: %v", boot.Node, body, err)
	}
	return status.Clock
}

// residentKB is the resident memory of a process; 0 where /proc does not tell.
func residentKB(t testing.TB, pid int) int {
	t.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			if err != nil {
				t.Fatal(err)
			}
			return kb
		}
	}
	return 0
}
