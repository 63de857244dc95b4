package balance_test

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/workers/https/httpstest"
	"github.com/cordage-sandbox/cordage/workers/role"
)

// upstreams count what came to them, and over how many connections.
type upstreams struct {
	list []role.Upstream

	mu          sync.Mutex
	requests    map[string]int // by path
	connections map[string]int // by path of what came over them
	seen        map[string]bool
}

// serve starts so many upstreams in this process.
func serve(t *testing.T, authority *httpstest.Authority, names []string, handler http.HandlerFunc) *upstreams {
	t.Helper()
	u := &upstreams{requests: map[string]int{}, connections: map[string]int{}, seen: map[string]bool{}}
	monitor := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(monitor.Close)
	for _, name := range names {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		boot := authority.Listener(t, l.Addr().String())
		pair, err := tls.X509KeyPair([]byte(boot.Certificate), []byte(boot.Key))
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				u.note(r)
				handler(w, r)
			}),
			TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
			ErrorLog:  slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		}
		go server.ServeTLS(l, "", "")
		t.Cleanup(func() { server.Close() })
		u.list = append(u.list, role.Upstream{Node: name, Address: l.Addr().String(), Monitor: monitor.Listener.Addr().String()})
	}
	return u
}

func (u *upstreams) note(r *http.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.requests[r.URL.Path]++
	if connection := r.URL.Path + " " + r.RemoteAddr; !u.seen[connection] {
		u.seen[connection] = true
		u.connections[r.URL.Path]++
	}
}

func (u *upstreams) count(path string) (requests, connections int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.requests[path], u.connections[path]
}

// TestWhatReachedAWorkerIsNotSentAgain: the connection breaks after the request has arrived. Only what is safe goes to
// another worker, and that only if all of it can be sent again.
func TestWhatReachedAWorkerIsNotSentAgain(t *testing.T) {
	t.Parallel()
	authority := httpstest.New(t)
	up := serve(t, authority, []string{"rest-1", "rest-2"}, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	})
	b := start(t, authority, up.list...)
	await(t, "both upstreams are ready", func() bool { return b.ready() == 2 })
	const attempts = 5
	for name, tc := range map[string]struct {
		method, body string
		want         int
	}{
		"POST":              {"POST", "x", 1},
		"POST without body": {"POST", "", 1},
		"PUT without body":  {"PUT", "", 1},
		"PATCH":             {"PATCH", "x", 1},
		"DELETE":            {"DELETE", "", 1},
		"GET":               {"GET", "", attempts},
		"OPTIONS":           {"OPTIONS", "", attempts},
		"GET with a body":   {"GET", "x", 1}, // it cannot be sent twice
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var body io.Reader
			if tc.body != "" {
				body = strings.NewReader(tc.body)
			}
			path := "/" + strings.ReplaceAll(name, " ", "-")
			a, err := b.send(t, tc.method, path, body)
			if err != nil || a.status != http.StatusBadGateway || !strings.Contains(string(a.body), "may have carried the request out or not") {
				t.Errorf("it is answered %d %s, %v", a.status, a.body, err)
			}
			if got, _ := up.count(path); got != tc.want {
				t.Errorf("%d requests arrived, want %d", got, tc.want)
			}
		})
	}
}

// TestWhatIsNotSafeHasAConnectionOfItsOwn, since on one that is used again nobody can tell whether a request has arrived.
func TestWhatIsNotSafeHasAConnectionOfItsOwn(t *testing.T) {
	t.Parallel()
	authority := httpstest.New(t)
	up := serve(t, authority, []string{"rest-1"}, func(http.ResponseWriter, *http.Request) {})
	b := start(t, authority, up.list...)
	for method, want := range map[string]int{"POST": 5, "PUT": 5, "DELETE": 5, "GET": 1} {
		for range 5 {
			if a, err := b.send(t, method, "/"+method, nil); err != nil || a.status != http.StatusOK {
				t.Fatalf("%s: %v, %d", method, err, a.status)
			}
		}
		if requests, connections := up.count("/" + method); requests != 5 || connections != want {
			t.Errorf("%d %s came over %d connections, want 5 over %d", requests, method, connections, want)
		}
	}
}

// TestTheLeastBusyIsTaken: of several workers that are ready, the one with the fewest requests in flight.
func TestTheLeastBusyIsTaken(t *testing.T) {
	t.Parallel()
	authority := httpstest.New(t)
	release, arrived := make(chan struct{}), make(chan struct{})
	up := serve(t, authority, []string{"rest-1", "rest-2", "rest-3"}, func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	})
	b := start(t, authority, up.list...)
	await(t, "all upstreams are ready", func() bool { return b.ready() == 3 })
	var wait sync.WaitGroup
	for range 9 { // one after the other, none of them answered
		wait.Go(func() {
			if a, err := b.send(t, "POST", "/", nil); err != nil || a.status != http.StatusOK {
				t.Errorf("POST: %v, %d", err, a.status)
			}
		})
		select {
		case <-arrived:
		case <-time.After(30 * time.Second):
			t.Fatal("a request has not arrived within 30 s")
		}
	}
	busy := []int{}
	for _, v := range b.views() {
		busy = append(busy, v.InFlight)
	}
	close(release)
	wait.Wait()
	if !slices.Equal(busy, []int{3, 3, 3}) {
		t.Errorf("nine requests lie with three workers as %v", busy)
	}
}
