package balance_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cordage-sandbox/cordage/workers/balance"
	"github.com/cordage-sandbox/cordage/workers/clock"
	"github.com/cordage-sandbox/cordage/workers/https/httpstest"
	"github.com/cordage-sandbox/cordage/workers/role"
	"github.com/cordage-sandbox/cordage/workers/telemetry/telemetrytest"
)

// balancer is a load balancer inside the test.
type balancer struct {
	url    string
	client *http.Client
	reload chan role.Boot
	boot   role.Boot
	worker role.Informer
	stop   func() error
}

func start(t *testing.T, authority *httpstest.Authority, upstreams ...role.Upstream) *balancer {
	t.Helper()
	address := freeAddress(t)
	b := &balancer{url: "https://" + address, client: authority.Client(t), reload: make(chan role.Boot)}
	b.boot = role.Boot{Role: "lb", Node: "lb-1", Balancer: &role.BalancerBoot{
		RESTBoot: authority.Listener(t, address), CA: authority.PEM, Upstreams: upstreams,
	}}
	w, err := balance.New(role.Env{Boot: b.boot, Clock: &clock.Clock{}, Telemetry: telemetrytest.ForTest(t), Reload: b.reload})
	if err != nil {
		t.Fatal(err)
	}
	b.worker = w.(role.Informer)
	ctx, cancel := context.WithCancel(context.Background())
	ended, ready := make(chan error, 1), make(chan struct{})
	go func() { ended <- w.Run(ctx, sync.OnceFunc(func() { close(ready) })) }()
	b.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() {
		if err := b.stop(); err != nil {
			t.Errorf("the balancer ended: %v", err)
		}
	})
	if len(upstreams) > 0 {
		select {
		case <-ready:
		case <-time.After(30 * time.Second):
			t.Fatalf("the balancer is not ready: %v", b.worker.Info())
		}
	}
	return b
}

// answer is what came back to a client.
type answer struct {
	status int
	node   string // of the upstream
	body   []byte
	header http.Header
}

func (b *balancer) send(t *testing.T, method, path string, body io.Reader) (answer, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, b.url+path, body)
	if err != nil {
		return answer{}, err
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header.Get("Node"), text, resp.Header}, err
}

func TestSpreads(t *testing.T) {
	t.Parallel()
	authority := httpstest.New(t)
	one, two := spawn(t, authority, "rest-1"), spawn(t, authority, "rest-2")
	b := start(t, authority, one.Upstream, two.Upstream)
	await(t, "both upstreams are ready", func() bool { return b.ready() == 2 })
	count := map[string]int{}
	for range 20 {
		a, err := b.send(t, "GET", "/echo", nil)
		if err != nil || a.status != 200 {
			t.Fatalf("GET: %v, %+v", err, a)
		}
		count[a.node]++
	}
	if count["rest-1"] != 10 || count["rest-2"] != 10 {
		t.Errorf("20 requests one after the other were spread as %v", count)
	}
	// One upstream is kept busy: the other one gets what comes.
	gate := one.hold(t)
	var wait sync.WaitGroup
	held := make(chan answer, 2)
	for range 2 {
		wait.Go(func() {
			a, err := b.send(t, "POST", "/held", strings.NewReader("x"))
			if err != nil {
				t.Errorf("held: %v", err)
			}
			held <- a
		})
	}
	if first := <-held; first.node != "rest-2" {
		t.Fatalf("the upstream that does not hold requests is rest-2, not %s", first.node)
	}
	for range 5 {
		if a, err := b.send(t, "GET", "/echo", nil); err != nil || a.node != "rest-2" {
			t.Errorf("with rest-1 busy: %v, %+v", err, a)
		}
	}
	gate()
	wait.Wait()
}

func TestPassesRequestsOnAsTheyAre(t *testing.T) {
	t.Parallel()
	authority := httpstest.New(t)
	one := spawn(t, authority, "rest-1")
	b := start(t, authority, one.Upstream)
	const target = "/api/v1/x%2Fy/O=Alice,+L=London?a=%252B&b=1;2&c=%zz"
	req, err := http.NewRequestWithContext(t.Context(), "POST", b.url, strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	req.URL.Opaque = strings.TrimPrefix(b.url, "https:") + target
	req.Header.Set("Authorization", "Basic abc")
	req.Header.Set("Content-Type", "text/plain")
	req.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	resp, err := b.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got echo
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(got.Trace, "00-0af7651916cd43dd8448eb211c80319c-") || strings.Contains(got.Trace, "b7ad6b7169203331") {
		t.Errorf("the trace goes on as %s", got.Trace)
	}
	got.Trace = ""
	want := echo{"POST", target, strings.TrimPrefix(b.url, "https://"), "Basic abc", "text/plain", "body", "", "127.0.0.1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-sent +arrived\n%s", diff)
	}
}

// TestKilledUnderLoad kills REST workers with SIGKILL while clients send requests. GETs must all be answered, whole. What is
// posted must be carried out once if it was answered with 200, and at most once otherwise.
func TestKilledUnderLoad(t *testing.T) {
	t.Parallel()
	authority := httpstest.New(t)
	workers := []*worker{spawn(t, authority, "rest-1"), spawn(t, authority, "rest-2")}
	b := start(t, authority, workers[0].Upstream, workers[1].Upstream)

	ctx, end := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	var gets, posts, unsure atomic.Int64
	var mu sync.Mutex
	outcome := map[string]int{} // id → status
	for client := range 4 {
		wait.Go(func() {
			for ctx.Err() == nil {
				a, err := b.send(t, "GET", "/big", nil)
				if err != nil || a.status != 200 || sha256.Sum256(a.body) != bigSum {
					t.Errorf("GET: %v, status %d, %d bytes: %.200s", err, a.status, len(a.body), a.body)
					return
				}
				gets.Add(1)
			}
		})
		wait.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("%d-%d", client, i)
				a, err := b.send(t, "POST", "/do?id="+id, strings.NewReader("some body"))
				switch {
				case err == nil && a.status == 200:
					posts.Add(1)
				case err == nil && a.status == 502 && strings.Contains(string(a.body), "may have carried the request out or not"):
					unsure.Add(1)
				default:
					t.Errorf("POST: %v, %d %s", err, a.status, a.body)
					return
				}
				mu.Lock()
				outcome[id] = a.status
				mu.Unlock()
			}
		})
	}
	const kills = 6
	for round := range kills {
		before := gets.Load()
		await(t, "requests are answered", func() bool { return gets.Load() > before+20 || t.Failed() })
		victim := workers[round%2]
		victim.kill(t)
		before = gets.Load()
		await(t, "requests are answered with one worker", func() bool { return gets.Load() > before+20 || t.Failed() })
		victim.spawnAgain(t)
		await(t, "both are ready again", func() bool { return b.ready() == 2 })
	}
	end()
	wait.Wait()
	done := map[string]int{}
	for _, w := range workers {
		for _, id := range w.did() {
			done[id]++
		}
	}
	for id, status := range outcome {
		if done[id] > 1 || status == 200 && done[id] != 1 {
			t.Errorf("%s was answered %d and carried out %d times", id, status, done[id])
		}
	}
	t.Logf("%d kills: %d GETs and %d POSTs answered, %d POSTs of unknown outcome", kills, gets.Load(), posts.Load(), unsure.Load())
	if posts.Load() == 0 {
		t.Error("no POST was answered")
	}
}

// TestHungWorker stops a worker with SIGSTOP: it takes connections and never answers, neither on new ones nor on those that
// it has already.
func TestHungWorker(t *testing.T) {
	t.Parallel()
	authority := httpstest.New(t)
	one, two := spawn(t, authority, "rest-1"), spawn(t, authority, "rest-2")
	b := start(t, authority, one.Upstream, two.Upstream)
	await(t, "both upstreams are ready", func() bool { return b.ready() == 2 })
	for met := map[string]bool{}; len(met) < 2; { // a connection to each that is used again
		a, err := b.send(t, "GET", "/echo", nil)
		if err != nil || a.status != 200 {
			t.Fatalf("GET: %v, %+v", err, a)
		}
		met[a.node] = true
	}
	one.pause(t)
	const limit = 30 * time.Second
	stuck := time.AfterFunc(limit, func() {
		t.Errorf("what waits for the hung worker is not sent to the other one within %v", limit)
		one.resume(t)
	})
	defer stuck.Stop()
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for _, method := range []string{"GET", "POST"} {
				if method == "POST" && b.ready() == 2 {
					continue // a POST that reached the hung worker waits for it, rightly
				}
				if a, err := b.send(t, method, "/echo", nil); err != nil || a.status != 200 || a.node != "rest-2" {
					t.Errorf("%s: %v, %+v", method, err, a)
				}
			}
		})
	}
	wait.Wait()
	one.resume(t)
	await(t, "the worker is used again", func() bool { return b.ready() == 2 })
}

// TestWaitsForAWorker sends a request while the only worker is away, which it is for less than the balancer's patience.
func TestWaitsForAWorker(t *testing.T) {
	t.Parallel()
	authority := httpstest.New(t)
	one := spawn(t, authority, "rest-1")
	b := start(t, authority, one.Upstream)
	one.kill(t)
	got := make(chan answer, 1)
	go func() {
		a, err := b.send(t, "POST", "/do?id=1", strings.NewReader("x"))
		if err != nil {
			t.Errorf("POST: %v", err)
		}
		got <- a
	}()
	await(t, "the balancer has found out", func() bool { return b.ready() == 0 })
	one.spawnAgain(t)
	if a := <-got; a.status != 200 {
		t.Errorf("POST while the worker was away: %d %s", a.status, a.body)
	}
}

func TestStreamsUploads(t *testing.T) {
	t.Parallel()
	authority := httpstest.New(t)
	one := spawn(t, authority, "rest-1")
	b := start(t, authority, one.Upstream)
	const size = 64 << 20
	hash := sha256.New()
	// A reader without length: sent in chunks, as an upload of unknown size is.
	a, err := b.send(t, "POST", "/sum", io.TeeReader(io.LimitReader(rand.Reader, size), hash))
	if err != nil || a.status != 200 {
		t.Fatalf("upload: %v, %+v", err, a)
	}
	if want := fmt.Sprintf("%d %x", size, hash.Sum(nil)); string(a.body) != want {
		t.Errorf("upload of %s arrived as %s", want, a.body)
	}
}

func TestBrokenUpload(t *testing.T) {
	t.Parallel()
	authority := httpstest.New(t)
	one := spawn(t, authority, "rest-1")
	b := start(t, authority, one.Upstream)
	broken := errors.New("the disk is gone")
	_, err := b.send(t, "POST", "/sum", io.MultiReader(bytes.NewReader(make([]byte, 1<<20)), failing{broken}))
	if !errors.Is(err, broken) {
		t.Errorf("upload that breaks off: %v", err)
	}
	if a, err := b.send(t, "GET", "/echo", nil); err != nil || a.status != 200 {
		t.Errorf("after a broken upload: %v, %+v", err, a)
	}
	if n := b.ready(); n != 1 {
		t.Error("a client that breaks off made the balancer give a worker up")
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestReload replaces the upstreams while requests run.
func TestReload(t *testing.T) {
	t.Parallel()
	authority := httpstest.New(t)
	one, two := spawn(t, authority, "rest-1"), spawn(t, authority, "rest-2")
	b := start(t, authority, one.Upstream)
	gate := one.hold(t)
	held := make(chan answer, 1)
	go func() {
		a, err := b.send(t, "POST", "/held", strings.NewReader("x"))
		if err != nil {
			t.Errorf("held: %v", err)
		}
		held <- a
	}()
	await(t, "the request is on its way", func() bool { return b.views()[0].InFlight == 1 })
	next := b.boot
	changed := *next.Balancer
	changed.Upstreams = []role.Upstream{two.Upstream}
	next.Balancer = &changed
	b.reload <- next
	await(t, "the new upstream is used", func() bool {
		v := b.views()
		return len(v) == 1 && v[0].Node == "rest-2" && v[0].Ready
	})
	for range 4 {
		if a, err := b.send(t, "GET", "/echo", nil); err != nil || a.node != "rest-2" {
			t.Errorf("after the reload: %v, %+v", err, a)
		}
	}
	gate()
	if a := <-held; a.status != 200 || a.node != "rest-1" {
		t.Errorf("a request in hand at the reload: %+v", a)
	}
}

// TestDrains ends the balancer while it has a request in hand.
func TestDrains(t *testing.T) {
	t.Parallel()
	authority := httpstest.New(t)
	one := spawn(t, authority, "rest-1")
	b := start(t, authority, one.Upstream)
	gate := one.hold(t)
	held := make(chan answer, 1)
	go func() {
		a, err := b.send(t, "POST", "/held", strings.NewReader("x"))
		if err != nil {
			t.Errorf("held: %v", err)
		}
		held <- a
	}()
	await(t, "the request is on its way", func() bool { return b.views()[0].InFlight == 1 })
	ended := make(chan error, 1)
	go func() { ended <- b.stop() }()
	await(t, "nobody gets in any more", func() bool {
		c, err := net.DialTimeout("tcp", strings.TrimPrefix(b.url, "https://"), time.Second)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	gate()
	if a := <-held; a.status != 200 {
		t.Errorf("a request in hand at the end: %+v", a)
	}
	if err := <-ended; err != nil {
		t.Errorf("the balancer ended: %v", err)
	}
}

// TestForeignUpstream has a worker whose certificate another authority made: it must get nothing.
func TestForeignUpstream(t *testing.T) {
	t.Parallel()
	authority := httpstest.New(t)
	stranger := spawn(t, httpstest.New(t), "rest-1")
	b := start(t, authority, stranger.Upstream)
	a, err := b.send(t, "POST", "/do?id=1", strings.NewReader("secret"))
	if err != nil || a.status < 500 {
		t.Errorf("POST: %v, %+v", err, a)
	}
	var failure struct {
		Title   string
		Status  int
		Details map[string]string
	}
	if err := json.Unmarshal(a.body, &failure); err != nil || failure.Status != a.status || failure.Title == "" || failure.Details == nil {
		t.Errorf("the failure is not in the form of the REST API: %s", a.body)
	}
	if a.header.Get("X-Trace-Id") == "" {
		t.Error("the failure has no trace id")
	}
	if did := stranger.did(); len(did) > 0 {
		t.Errorf("the stranger got %v", did)
	}
}
