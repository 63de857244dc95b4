package bus_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/fixtures/servers"
	"github.com/cordage-sandbox/cordage/sandbox/artefact"
	"github.com/cordage-sandbox/cordage/sandbox/port"
	"github.com/cordage-sandbox/cordage/sandbox/probe"
	"github.com/cordage-sandbox/cordage/sandbox/process"
	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/record"
)

// Keys of Kafka's requests.
const (
	produce            = 0
	offsetFetch        = 9
	addPartitionsToTxn = 24
	addOffsetsToTxn    = 25
	endTxn             = 26
	txnOffsetCommit    = 28
)

// TestLostAnswers loses the first answer to each request of a transaction, as a coordinator of Kafka 3.2 may when its followers
// change. What was asked for has been done then. Everything goes on soon, and nothing is done twice.
func TestLostAnswers(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for answers that do not come")
	}
	t.Parallel()
	broker := freePort(t)
	proxy := newProxy(t, port.Address(broker), addPartitionsToTxn, endTxn, txnOffsetCommit)
	kafkaBehind(t, broker, proxy.address())
	k := &kafka{t, []string{proxy.address()}, servers.Unique(t) + "."}
	k.create(1, record.Topic{Name: "in"}, record.Topic{Name: "out"})
	b := k.open("a")
	in, out := hear(t, b, "in"), hear(t, b, "out")
	publish(t, k.publisher(b), numbered("in", 0, 20, 3)...)
	start(t, b.Durable(bus.DurableConfig{Group: "g", Topic: "in"}, double("a")))
	checkOnce(t, out.await(20), 20)
	if n := len(in.await(20)); n != 20 {
		t.Errorf("%d records were published, want 20", n)
	}
	proxy.mu.Lock()
	defer proxy.mu.Unlock()
	if len(proxy.lose) > 0 {
		t.Errorf("answers were to be lost to requests %v, which nobody has made", proxy.lose)
	}
}

// TestLateRecords: records of a transaction that was given up reach their partition after its abort, since the request lay
// about in the broker, or in a socket. They are neither read, nor does anybody who reads committed records stand still.
func TestLateRecords(t *testing.T) {
	t.Parallel()
	broker := freePort(t)
	proxy := newProxy(t, port.Address(broker))
	kafkaBehind(t, broker, proxy.address())
	k := &kafka{t, []string{proxy.address()}, servers.Unique(t) + "."}
	k.create(1, record.Topic{Name: "in"}, record.Topic{Name: "out"})
	b := k.open("a")
	in, p := hear(t, b, "in"), k.publisher(b)
	publish(t, p, numbered("in", 1, 2, 1)...)

	held := proxy.holdBack(produce)
	ctx, giveUp := context.WithCancel(t.Context())
	given := make(chan error, 1)
	go func() { given <- p.Publish(ctx, numbered("in", 2, 3, 1)...) }()
	receive(t, held.arrived)
	giveUp()
	if err := <-given; !errors.Is(err, context.Canceled) {
		t.Fatalf("a publication that was given up: %v", err)
	}
	publish(t, p, numbered("out", 0, 1, 1)...) // ends the open transaction first
	close(held.release)
	receive(t, held.answered)
	publish(t, p, numbered("in", 3, 4, 1)...)

	var got []int
	for _, r := range in.await(2) {
		i, err := bus.Decode[Item](r)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, i.N)
	}
	if want := []int{1, 3}; !slices.Equal(got, want) {
		t.Errorf("records %v were read, want %v", got, want)
	}
}

// TestSilentBroker: a broker that accepts connections and answers nothing, as one that is starting or suspended does, holds
// nobody up who can ask another one.
func TestSilentBroker(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp4", "127.0.0.1:0") // the kernel accepts
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	k := newKafka(t, 1, record.Topic{Name: "in"})
	c := k.config("a")
	c.Brokers = append([]string{silent.Addr().String()}, c.Brokers...)
	ctx, cancel := context.WithTimeout(t.Context(), limit/2) // a request's own limit is as long as all of a test's
	defer cancel()
	b, err := bus.Open(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	publish(t, k.publisher(b), numbered("in", 0, 1, 1)...)
}

// receive waits for something that must happen.
func receive(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(limit):
		t.Fatalf("it has not happened within %v", limit)
	}
}

// kafkaBehind starts a broker that tells its clients to come by another address, with more settings as pairs of name and value.
func kafkaBehind(t *testing.T, number int, advertised string, more ...[2]string) {
	t.Helper()
	cache, err := artefact.Open(artefact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	archive, err := process.KafkaArchive(t.Context(), cache)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	settings := map[string]string{"advertised.listeners": "BROKER://" + advertised}
	for _, s := range more {
		settings[s[0]] = s[1]
	}
	server := process.Kafka{
		Node: "kafka-1", Dir: dir, Owner: dir, Port: number, Voters: []process.Voter{{ID: 1, Port: freePort(t)}}, Log: dir + "/log",
		Archive: archive, DeathSignal: syscall.SIGKILL, Settings: settings,
	}
	child, err := server.Start(t.Context(), cache)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = child.Kill() })
	watched := probe.Watched{Done: child.Done(), Why: child.Err}
	if err := probe.Wait(t.Context(), probe.Kafka{Port: number}, limit, watched); err != nil {
		t.Fatal(err)
	}
}

// freePort is a port that is kept from other tests until this one is over.
func freePort(t *testing.T) int {
	t.Helper()
	h, err := port.Hold(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.HandOver() })
	if err := h.HandOver(); err != nil {
		t.Fatal(err)
	}
	return h.Number()
}

// proxy stands between clients and a broker, and loses the first answer to each kind of request in lose.
type proxy struct {
	listener net.Listener
	server   string

	mu   sync.Mutex
	lose map[uint16]bool
	hold map[uint16]*heldBack
}

// heldBack is a request that the server does not get before it is released, although its client may be gone by then; or
// whose answer the client does not get.
type heldBack struct {
	arrived, release, answered chan struct{}
	silent                     bool
}

func newProxy(t *testing.T, server string, lose ...uint16) *proxy {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p := &proxy{listener: l, server: server, lose: map[uint16]bool{}, hold: map[uint16]*heldBack{}}
	for _, key := range lose {
		p.lose[key] = true
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // the test is over
			}
			go p.serve(c)
		}
	}()
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

// serve passes requests and answers on until one side closes. A connection carries one request at a time, so that the next
// answer is the one to the last request.
func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp4", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	for {
		request, err := readFrame(client)
		if err != nil {
			return
		}
		held := p.holds(binary.BigEndian.Uint16(request[4:]))
		if held != nil {
			close(held.arrived)
			<-held.release
		}
		if _, err := server.Write(request); err != nil {
			return
		}
		answer, err := readFrame(server)
		if err != nil {
			return
		}
		if held != nil {
			close(held.answered)
		}
		if held != nil && held.silent || p.loses(binary.BigEndian.Uint16(request[4:])) {
			continue // the client waits, gives up, and closes
		}
		if _, err := client.Write(answer); err != nil {
			return
		}
	}
}

func (p *proxy) loses(key uint16) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	lost := p.lose[key]
	delete(p.lose, key)
	return lost
}

// holdBack holds back the next request of a kind.
func (p *proxy) holdBack(key uint16) *heldBack {
	h := &heldBack{arrived: make(chan struct{}), release: make(chan struct{}), answered: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold[key] = h
	return h
}

// swallow lets the next request of a kind through, and keeps its answer.
func (p *proxy) swallow(key uint16) *heldBack {
	h := &heldBack{arrived: make(chan struct{}), release: make(chan struct{}), answered: make(chan struct{}), silent: true}
	close(h.release)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold[key] = h
	return h
}

func (p *proxy) holds(key uint16) *heldBack {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.hold[key]
	delete(p.hold, key)
	return h
}

// readFrame reads a message of Kafka's protocol: its length in four bytes, and so many more. A request begins with its key.
func readFrame(r io.Reader) ([]byte, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	frame := make([]byte, len(head)+int(binary.BigEndian.Uint32(head)))
	copy(frame, head)
	_, err := io.ReadFull(r, frame[len(head):])
	return frame, err
}
