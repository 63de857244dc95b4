package bus_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/bus/wire"
	"github.com/cordage-sandbox/cordage/workers/role"
	"github.com/cordage-sandbox/cordage/workers/telemetry"
)

// The test binary is a worker when it is started with these in its environment, so that a test can kill it.
const (
	childRole    = "BUS_TEST_CHILD" // durable, responder or everything
	childBrokers = "BUS_TEST_BROKERS"
	childPrefix  = "BUS_TEST_PREFIX"
	childNode    = "BUS_TEST_NODE"
)

// runChild works until SIGTERM, and says on standard output when it is ready and what it handles.
func runChild(role string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	tel, flush, err := telemetry.New(ctx, telemetry.Config{Role: role, Node: os.Getenv(childNode), LogLevel: "warn"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer flush(context.WithoutCancel(ctx))
	b, err := bus.Open(ctx, bus.Config{
		Brokers: strings.Fields(os.Getenv(childBrokers)), TopicPrefix: os.Getenv(childPrefix), Node: os.Getenv(childNode),
		Telemetry: tel,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer b.Close()
	var r runner
	switch role {
	case "durable":
		answer := double(os.Getenv(childNode))
		r = b.Durable(bus.DurableConfig{Group: "g", Topic: "in", MaxBatch: 25}, func(ctx context.Context, batch []bus.Record) ([]bus.Message, error) {
			fmt.Println("handle", len(batch))
			return answer(ctx, batch)
		})
	case "responder":
		r = bus.NewResponder(b, "q", "g", func(ctx context.Context, i Item) (Sum, error) {
			fmt.Println("handle", i.N)
			if i.Text == "wait" { // to be killed
				<-ctx.Done()
			}
			return addOne(ctx, i)
		})
	case "everything":
		r = everything{b}
	default:
		return 2
	}
	if err := r.Run(ctx, func() { fmt.Println("ready") }); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// everything is as many subscriptions as a large worker has.
type everything struct{ b *bus.Bus }

func (e everything) Run(ctx context.Context, ready func()) error {
	var all []role.Component
	add := func(r runner) { all = append(all, role.Component{Name: fmt.Sprint(len(all)), Run: r.Run}) }
	for range 12 {
		add(bus.NewCompacted[Item](e.b, "map"))
	}
	for i := range 4 {
		group := fmt.Sprint("g", i)
		add(e.b.Durable(bus.DurableConfig{Group: group, Topic: "in"}, double("x")))
		add(bus.NewResponder(e.b, "q", "r"+group, addOne))
		add(bus.NewCaller[Item, Sum](e.b, "q", "c"+group, bus.CallerOptions{}))
	}
	return role.RunAll(ctx, &telemetry.Status{}, ready, all...)
}

// child is a worker in a process of its own.
type child struct {
	t     testing.TB
	cmd   *exec.Cmd
	lines chan string // what it says, until it ends
	ended sync.Once
}

// child starts one. Its complaints go to the test's log.
func (k *kafka) child(role, node string) *child {
	k.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childRole+"="+role, childBrokers+"="+strings.Join(k.brokers, " "), childPrefix+"="+k.prefix, childNode+"="+node)
	cmd.Stderr = k.t.Output()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		k.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	c := &child{t: k.t, cmd: cmd, lines: make(chan string, 100_000)}
	go func() {
		defer close(c.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			c.lines <- s.Text()
		}
	}()
	k.t.Cleanup(c.kill)
	return c
}

// await waits until the child says something that begins so, and gives it.
func (c *child) await(prefix string) string {
	c.t.Helper()
	late := time.After(limit)
	for {
		select {
		case line, ok := <-c.lines:
			if !ok {
				c.t.Fatalf("the child ended before it said %q", prefix)
			}
			if strings.HasPrefix(line, prefix) {
				return line
			}
		case <-late:
			c.t.Fatalf("the child has not said %q within %v", prefix, limit)
		}
	}
}

// fresh waits until the child says something that it has not said before the call; not long, since it may have no work.
func (c *child) fresh(atMost time.Duration) {
	c.t.Helper()
	late := time.After(atMost)
	for old := len(c.lines); old >= 0; old-- {
		select {
		case _, ok := <-c.lines:
			if !ok {
				c.t.Fatal("a replica ended by itself")
			}
		case <-late:
			return
		}
	}
}

// kill ends the child at once.
func (c *child) kill() {
	c.ended.Do(func() {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	})
}

// tell makes the child write what its goroutines do to the test's log, and ends it.
func (c *child) tell() {
	c.ended.Do(func() {
		_ = c.cmd.Process.Signal(syscall.SIGQUIT)
		_ = c.cmd.Wait()
	})
}

// explain writes to the test's log how far a group has come with a topic, and how much of what it has written can be
// read: an open transaction stands between the two.
func (k *kafka) explain(group, in, out string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(k.t.Context()), limit)
	defer cancel()
	w, err := wire.Open(ctx, wire.Config{Brokers: k.brokers, ClientID: "explain", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		k.t.Log(err)
		return
	}
	defer w.Close()
	for _, topic := range []string{in, out} {
		committed, err := w.Latest(ctx, k.prefix+topic)
		written, err2 := w.Written(ctx, k.prefix+topic)
		k.t.Log(topic, "committed until", committed, err, "written until", written, err2)
		for partition := range committed {
			if topic == in {
				ctx, cancel := context.WithTimeout(ctx, time.Second)
				at, err := w.Committed(ctx, k.prefix+group, k.prefix+topic, int32(partition)) //nolint:gosec // few
				cancel()
				k.t.Log(topic, "partition", partition, "group at", at, err)
			}
		}
	}
}

// TestDurableKilled kills replicas with SIGKILL, most of them in the middle of a transaction, and checks that readers
// see each answer once and in order. Most of the killed are started again under their names, as a supervisor does.
func TestDurableKilled(t *testing.T) {
	t.Parallel()
	k := newKafka(t, 3, inOut...)
	b := k.open("writer")
	out := hear(t, b, "out")
	p := k.publisher(b)
	sent, stop := make(chan error, 1), make(chan struct{})
	n := 0 // until sent
	go func() {
		defer close(sent)
		for { // while replicas are killed there is always work
			if err := p.Publish(t.Context(), numbered("in", n, n+20, 40)...); err != nil {
				sent <- err
				return
			}
			n += 20
			if n > 2000 {
				out.await(n - 2000) // ahead of those who read, but not far
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	replicas := []*child{k.child("durable", "a"), k.child("durable", "b")}
	t.Cleanup(func() {
		if t.Failed() {
			k.explain("g", "in", "out")
			for _, c := range replicas {
				c.tell()
			}
		}
	})
	for _, c := range replicas {
		c.await("ready")
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, seed))
	names := []string{"a", "b"}
	for kill := range 10 {
		i := chance.IntN(len(replicas))
		replicas[i].fresh(time.Second) // the transaction of what it handles begins now, and takes some milliseconds
		<-time.After(time.Duration(chance.IntN(8000)) * time.Microsecond)
		replicas[i].kill()
		if chance.IntN(5) == 0 {
			names[i] = fmt.Sprint("replica-", kill)
		}
		replicas[i] = k.child("durable", names[i])
		replicas[i].await("ready")
	}
	close(stop)
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	checkOnce(t, out.await(n), n)
	t.Logf("%d records", n)
}

// TestResponderKilled: a request whose responder dies while handling it is answered by the next one.
func TestResponderKilled(t *testing.T) {
	t.Parallel()
	k := newKafka(t, 1, questions...)
	c := bus.NewCaller[Item, Sum](k.open("c"), "q", "c", bus.CallerOptions{Timeout: limit})
	start(t, c)
	first := k.child("responder", "r")
	first.await("ready")
	answered := make(chan error, 1)
	go func() {
		s, err := c.Call(t.Context(), Item{N: 1, Text: "wait"})
		if err == nil && s.N != 2 {
			err = fmt.Errorf("answer %d, want 2", s.N)
		}
		answered <- err
	}()
	first.await("handle 1")
	first.kill()
	start(t, bus.NewResponder(k.open("r"), "q", "g", addOne))
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

// TestTakeOverFromKilled measures nothing: it checks that the partitions of a replica that nobody starts again move to the
// other one, and that its open transaction does not stand in the way.
func TestTakeOverFromKilled(t *testing.T) {
	t.Parallel()
	k := newKafka(t, 2, inOut...)
	b := k.open("writer")
	out := hear(t, b, "out")
	p := k.publisher(b)
	a, z := k.child("durable", "a"), k.child("durable", "z")
	a.await("ready")
	z.await("ready")
	publish(t, p, numbered("in", 0, 100, 20)...)
	out.await(100)
	a.kill()
	began := time.Now()
	publish(t, p, numbered("in", 100, 200, 20)...)
	checkOnce(t, out.await(200), 200)
	t.Logf("the partitions moved within %v", time.Since(began))
}
