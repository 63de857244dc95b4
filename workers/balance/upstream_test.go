package balance_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/workers"
	"github.com/cordage-sandbox/cordage/workers/https"
	"github.com/cordage-sandbox/cordage/workers/https/httpstest"
	"github.com/cordage-sandbox/cordage/workers/role"
)

// The test binary is also the workers that the balancer is tried with: real processes with a real HTTPS listener and a
// monitor, that can be killed and stopped. What they answer is the test's.
const workerVariable = "CORDAGE_TEST_UPSTREAM"

func TestMain(m *testing.M) {
	if boot := os.Getenv(workerVariable); boot != "" {
		exit(beWorker(boot))
	}
	if file := os.Getenv(bootVariable); file != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		err := workers.Main(ctx, file, os.Stderr)
		stop()
		exit(err)
	}
	os.Exit(m.Run())
}

type workerBoot struct {
	role.Upstream
	Listener role.RESTBoot
}

// big is an answer of more than one segment, without length.
var (
	big    = []byte(strings.Repeat("0123456789abcdef", 40_000)) //nolint:gochecknoglobals // test data
	bigSum = sha256.Sum256(big)                                 //nolint:gochecknoglobals // test data
)

// echo is what arrived.
type echo struct {
	Method, Target, Host, Authorization, ContentType, Body, Trace, ForwardedFor string
}

func beWorker(text string) error {
	var boot workerBoot
	if err := json.Unmarshal([]byte(text), &boot); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	release := make(chan struct{})
	go func() { // a line on standard input lets what is held go; its end is the end of the test
		in := bufio.NewScanner(os.Stdin)
		in.Scan()
		close(release)
		for in.Scan() {
		}
		os.Exit(0)
	}()
	mux := http.NewServeMux()
	mux.HandleFunc("/big", func(w http.ResponseWriter, _ *http.Request) {
		for part := range 10 {
			w.Write(big[part*len(big)/10 : (part+1)*len(big)/10])
			http.NewResponseController(w).Flush()
		}
	})
	mux.HandleFunc("/do", func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		fmt.Println("did " + r.URL.Query().Get("id"))
	})
	mux.HandleFunc("/sum", func(w http.ResponseWriter, r *http.Request) {
		hash := sha256.New()
		n, err := io.Copy(hash, r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, "%d %x", n, hash.Sum(nil))
	})
	mux.HandleFunc("/held", func(http.ResponseWriter, *http.Request) {
		if boot.Node == "rest-1" {
			fmt.Println("holds")
			<-release
		}
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		json.NewEncoder(w).Encode(echo{
			r.Method, r.RequestURI, r.Host, r.Header.Get("Authorization"), r.Header.Get("Content-Type"), string(body),
			r.Header.Get("Traceparent"), r.Header.Get("X-Forwarded-For"),
		})
	})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Node", boot.Node)
		mux.ServeHTTP(w, r)
	})
	monitor, err := net.Listen("tcp", boot.Monitor)
	if err != nil {
		return err
	}
	return https.Serve(ctx, boot.Listener, h, slog.New(slog.DiscardHandler), func() {
		go http.Serve(monitor, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	})
}

// worker is such a process, seen from the test.
type worker struct {
	role.Upstream
	boot  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	said  sync.WaitGroup // until all that it has said is read

	mu   sync.Mutex
	ids  []string
	lock chan struct{} // tells that it holds a request
}

func spawn(t *testing.T, authority *httpstest.Authority, node string) *worker {
	t.Helper()
	w := &worker{Upstream: role.Upstream{Node: node, Address: freeAddress(t), Monitor: freeAddress(t)}, lock: make(chan struct{}, 10)}
	text, err := json.Marshal(workerBoot{w.Upstream, authority.Listener(t, w.Address)})
	if err != nil {
		t.Fatal(err)
	}
	w.boot = string(text)
	w.spawnAgain(t)
	t.Cleanup(func() {
		w.cmd.Process.Kill()
		w.said.Wait()
		w.cmd.Wait()
	})
	return w
}

func (w *worker) spawnAgain(t *testing.T) {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w.cmd = exec.Command(executable)
	w.cmd.Env = append(os.Environ(), workerVariable+"="+w.boot)
	w.cmd.Stderr = os.Stderr
	if w.stdin, err = w.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.said.Go(func() {
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			if id, did := strings.CutPrefix(lines.Text(), "did "); did {
				w.mu.Lock()
				w.ids = append(w.ids, id)
				w.mu.Unlock()
			}
			if lines.Text() == "holds" {
				w.lock <- struct{}{}
			}
		}
	})
}

// did is what the worker has carried out over all its lives.
func (w *worker) did() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.ids...)
}

func (w *worker) kill(t *testing.T) {
	t.Helper()
	if err := w.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	w.said.Wait()
	w.cmd.Wait()
}

func (w *worker) pause(t *testing.T)  { w.signal(t, syscall.SIGSTOP) }
func (w *worker) resume(t *testing.T) { w.signal(t, syscall.SIGCONT) }

func (w *worker) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := w.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// hold gives what lets the requests to /held go that rest-1 holds.
func (w *worker) hold(t *testing.T) (release func()) {
	t.Helper()
	return func() {
		if _, err := io.WriteString(w.stdin, "\n"); err != nil {
			t.Error(err)
		}
	}
}

// view is an upstream in the balancer's status.
type view struct {
	Node     string `json:"node"`
	Ready    bool   `json:"ready"`
	InFlight int    `json:"inFlight"`
}

func (b *balancer) views() []view {
	text, err := json.Marshal(b.worker.Info()["upstreams"])
	if err != nil {
		panic(err)
	}
	var out []view
	if err := json.Unmarshal(text, &out); err != nil {
		panic(err)
	}
	return out
}

func (b *balancer) ready() int {
	n := 0
	for _, v := range b.views() {
		if v.Ready {
			n++
		}
	}
	return n
}

func await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
