package tap

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/fixtures/servers"
	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/telemetry/telemetrytest"
)

// limit of waiting, for a busy machine.
const limit = 30 * time.Second

// cluster has topics of its own.
type cluster struct {
	t         *testing.T
	bus       *bus.Bus
	publisher *bus.Publisher
	tap       *Tap
}

func newCluster(t *testing.T, topics ...string) *cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	prefix := servers.Unique(t) + "."
	c := bus.Config{Brokers: servers.Brokers(t), TopicPrefix: prefix, Node: "sender", Telemetry: telemetrytest.ForTest(t)}
	var list []record.Topic
	for _, name := range topics {
		list = append(list, record.Topic{Name: name})
	}
	if err := bus.CreateTopics(ctx, c, list, 3, 1); err != nil {
		t.Fatal(err)
	}
	b, err := bus.Open(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	p, err := b.NewPublisher(ctx, "p")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(p.Close(), b.Close()); err != nil {
			t.Error(err)
		}
	})
	return &cluster{t, b, p, New(Config{
		Brokers: func() []string { return c.Brokers }, Prefix: prefix, Telemetry: telemetrytest.ForTest(t),
		Topics: func(context.Context) ([]string, error) { return topics, nil },
	})}
}

func (c *cluster) publish(messages ...bus.Message) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), limit)
	defer cancel()
	if err := c.publisher.Publish(ctx, messages...); err != nil {
		c.t.Fatal(err)
	}
}

// heard is what a listener has got.
type heard struct {
	t    *testing.T
	mu   sync.Mutex
	all  []sandbox.Message
	some chan struct{}
	end  func() error // stops listening
}

func (c *cluster) listen(f sandbox.MessageFilter) *heard {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.t.Context())
	h := &heard{t: c.t, some: make(chan struct{}, 1)}
	begun, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- c.tap.Listen(ctx, f, func() { close(begun) }, func(m []sandbox.Message) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.all = append(h.all, m...)
			select {
			case h.some <- struct{}{}:
			default:
			}
			return nil
		})
	}()
	h.end = sync.OnceValue(func() error { cancel(); return <-ended })
	c.t.Cleanup(func() {
		if err := h.end(); err != nil {
			c.t.Errorf("listening ends with %v", err)
		}
	})
	select {
	case <-begun:
	case <-time.After(limit):
		c.t.Fatal("listening does not begin")
	}
	return h
}

// await waits until n messages have been heard, as long as they go on coming.
func (h *heard) await(n int) []sandbox.Message {
	h.t.Helper()
	late := time.NewTimer(limit)
	defer late.Stop()
	for {
		h.mu.Lock()
		all := h.all
		h.mu.Unlock()
		if len(all) >= n {
			return all
		}
		select {
		case <-h.some:
			late.Reset(limit)
		case <-late.C:
			h.t.Fatalf("heard are %d messages, want %d, and none for %v; the last are %+v", len(all), n, limit, all[max(0, len(all)-3):])
		}
	}
}

func check(id string, holder ident.HoldingIdentity) bus.Message {
	return bus.Message{Topic: "uniqueness.check", Key: "flow-" + id, Value: record.UniquenessCheckRequest{HoldingIdentity: holder, TxID: "SHA-256:" + id}}
}

func keysOf(messages []sandbox.Message) string {
	var keys []string
	for _, m := range messages {
		keys = append(keys, m.Key)
	}
	return strings.Join(keys, " ")
}

func TestLatestThenLive(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "uniqueness.check", "config.topic")
	alice := ident.HoldingIdentity{X500Name: "O=Alice, L=London, C=GB", GroupID: "g"}
	for i := range 20 {
		c.publish(check(fmt.Sprint(i), alice))
	}
	h := c.listen(sandbox.MessageFilter{Tail: 3})
	if got := keysOf(h.await(3)); got != "flow-17 flow-18 flow-19" {
		t.Errorf("the latest are %s", got)
	}
	c.publish(bus.Message{Topic: "config.topic", Key: "gone"})
	m := h.await(4)[3]
	if m.Topic != "config.topic" || !m.Tombstone || m.Value != nil || m.Size != 0 {
		t.Errorf("the tombstone is %+v", m)
	}
	m = h.await(3)[2]
	if m.Type != "UniquenessCheckRequest" || m.VNode != string(alice.ShortHash()) || !strings.Contains(string(m.Value), `"txId":"SHA-256:19"`) {
		t.Errorf("the message is %+v", m)
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "uniqueness.check", "uniqueness.check.dlq", "config.topic")
	alice := ident.HoldingIdentity{X500Name: "O=Alice, L=London, C=GB", GroupID: "g"}
	bob := ident.HoldingIdentity{X500Name: "O=Bob, L=Paris, C=FR", GroupID: "g"}
	dead := check("3", alice)
	dead.Topic = "uniqueness.check.dlq"
	c.publish(check("1", alice), check("2", bob), dead,
		bus.Message{Topic: "config.topic", Key: "corda.rest", Value: record.Configuration{Value: []byte("{}")}})
	for name, tc := range map[string]struct {
		filter sandbox.MessageFilter
		want   string
	}{
		"topic":        {sandbox.MessageFilter{Topic: "uniqueness.check"}, "flow-1 flow-2"},
		"pattern":      {sandbox.MessageFilter{Topic: "uniqueness.*"}, "flow-1 flow-2 flow-3"},
		"topics":       {sandbox.MessageFilter{Topic: "config.topic, *.dlq"}, "corda.rest flow-3"},
		"key":          {sandbox.MessageFilter{Key: "flow-2"}, "flow-2"},
		"type":         {sandbox.MessageFilter{Type: "uniqueness"}, "flow-1 flow-2 flow-3"},
		"short hash":   {sandbox.MessageFilter{VNode: strings.ToLower(string(bob.ShortHash()))}, "flow-2"},
		"X.500 name":   {sandbox.MessageFilter{VNode: "alice"}, "flow-1 flow-3"},
		"text":         {sandbox.MessageFilter{Text: "SHA-256:2"}, "flow-2"},
		"text, header": {sandbox.MessageFilter{Text: "no such text"}, ""},
		"two":          {sandbox.MessageFilter{VNode: "alice", Topic: "*.dlq"}, "flow-3"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.filter.Tail = 10
			c := &cluster{t, c.bus, c.publisher, c.tap}
			h := c.listen(tc.filter)
			got := map[string]bool{}
			want := strings.Fields(tc.want)
			for _, m := range h.await(len(want)) {
				got[m.Key] = true
			}
			if err := h.end(); err != nil {
				t.Fatal(err)
			}
			for _, key := range want {
				if !got[key] {
					t.Errorf("%s is missing in %v", key, got)
				}
			}
			if len(h.all) != len(want) {
				t.Errorf("passed have %s, want %s", keysOf(h.all), tc.want)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "a")
	none := func([]sandbox.Message) error { return nil }
	err := c.tap.Listen(t.Context(), sandbox.MessageFilter{Topic: "b"}, func() {}, none)
	if unknown, ok := errors.AsType[*UnknownTopicError](err); !ok || unknown.Topic != "b" {
		t.Errorf("an unknown topic gives %v", err)
	}
	for _, f := range []sandbox.MessageFilter{{Topic: "[a"}, {Tail: -1}, {Tail: sandbox.MaxMessageTail + 1}} {
		if _, ok := errors.AsType[*BadFilterError](c.tap.Listen(t.Context(), f, func() {}, none)); !ok {
			t.Errorf("%+v is not refused", f)
		}
	}
	fault := errors.New("the client is gone")
	c.publish(bus.Message{Topic: "a", Key: "k"})
	err = c.tap.Listen(t.Context(), sandbox.MessageFilter{Tail: 1}, func() {}, func([]sandbox.Message) error { return fault })
	if !errors.Is(err, fault) {
		t.Errorf("the error of deliver gives %v", err)
	}
}

// TestSecretsAreMasked looks at each type of record that carries something secret.
func TestSecretsAreMasked(t *testing.T) {
	t.Parallel()
	const hidden = "hunter2"
	c := newCluster(t, "t")
	c.publish(
		bus.Message{Topic: "t", Key: "1", Value: record.User{LoginName: "admin", HashedPassword: hidden, SaltValue: hidden}},
		bus.Message{Topic: "t", Key: "2", Value: record.Configuration{Value: []byte("{}"), Source: `{"a":{"configSecret":{"encryptedSecret":"` + hidden + `"}}}`}},
		bus.Message{Topic: "t", Key: "3", Value: record.VirtualNodeRequest{Create: record.VirtualNodeCreateRequest{
			VaultDDL: `{"database":{"pass":{"configSecret":{"text":"` + hidden + `"}}}}`, CryptoDML: "jdbc:x?password=" + hidden,
		}}},
		bus.Message{Topic: "t", Key: "4", Value: map[string]string{"note": "jdbc:x?user=a&password=" + hidden}},
		bus.Message{Topic: "t", Key: `{"token":"` + hidden + `"}`},
	)
	messages := c.listen(sandbox.MessageFilter{Tail: 10}).await(5)
	for _, m := range messages {
		if text := fmt.Sprintf("%+v %s", m, m.Value); strings.Contains(text, hidden) {
			t.Errorf("it is shown: %s", text)
		}
	}
}

// TestWhatIsShownIsBounded: long strings are cut, and values too large are not shown at all.
func TestWhatIsShownIsBounded(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "t")
	c.publish(
		bus.Message{Topic: "t", Key: "string", Value: map[string]string{"data": strings.Repeat("x", 100_000)}},
		bus.Message{Topic: "t", Key: "list", Value: strings.Split(strings.Repeat("0123456789 ", 20_000), " ")},
		bus.Message{Topic: "t", Key: "large", Value: map[string]string{"data": strings.Repeat("x", 2<<20)}},
	)
	for _, m := range c.listen(sandbox.MessageFilter{Tail: 10}).await(3) {
		shown := len(m.Value) + len(m.Raw)
		if !m.Truncated || shown > maxShown+100 || m.Size < 100_000 {
			t.Errorf("%s: %d of %d bytes are shown, truncated %v", m.Key, shown, m.Size, m.Truncated)
		}
		if m.Key == "string" && !strings.HasSuffix(string(m.Value), `x… (100000 bytes)"}`) {
			t.Errorf("the cut string ends with %s", m.Value[len(m.Value)-30:])
		}
	}
}

// TestSlowListenerLosesRecords and is told how many; the sender and others are not held up.
func TestSlowListenerLosesRecords(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "t")
	block, ended := make(chan struct{}), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begun := make(chan struct{})
	var mu sync.Mutex
	got, dropped := 0, 0
	complete := make(chan struct{}, 1)
	const all = 3 * maxRecords
	go func() {
		ended <- c.tap.Listen(ctx, sandbox.MessageFilter{Tail: 1}, func() { close(begun) }, func(m []sandbox.Message) error {
			<-block
			mu.Lock()
			defer mu.Unlock()
			for _, one := range m {
				dropped += one.Dropped
				if one.Topic != "" {
					got++
				}
			}
			if got+dropped == all+1 {
				complete <- struct{}{}
			}
			return nil
		})
	}()
	<-begun
	fast := c.listen(sandbox.MessageFilter{Tail: 0})
	c.publish(bus.Message{Topic: "t", Key: "first"})
	fast.await(1)
	for range 30 {
		var messages []bus.Message
		for i := range all / 30 {
			messages = append(messages, bus.Message{Topic: "t", Key: fmt.Sprint(i), Value: map[string]int{"n": i}})
		}
		c.publish(messages...)
	}
	fast.await(all + 1)
	close(block)
	select {
	case <-complete:
	case <-time.After(limit):
		mu.Lock()
		t.Errorf("the slow listener has %d messages and is told of %d, in all not %d", got, dropped, all+1)
		mu.Unlock()
	}
	if dropped == 0 {
		t.Error("the slow listener lost nothing")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestNothingWhileNobodyListens: with the last listener the connection goes.
func TestNothingWhileNobodyListens(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "t")
	one, two := c.listen(sandbox.MessageFilter{}), c.listen(sandbox.MessageFilter{})
	if err := one.end(); err != nil {
		t.Fatal(err)
	}
	c.publish(bus.Message{Topic: "t", Key: "k"})
	two.await(1)
	if err := two.end(); err != nil {
		t.Fatal(err)
	}
	c.tap.mu.Lock()
	defer c.tap.mu.Unlock()
	if c.tap.open != nil || c.tap.listeners != 0 {
		t.Errorf("%d listeners are left", c.tap.listeners)
	}
}

// TestNoKafka is told soon.
func TestNoKafka(t *testing.T) {
	t.Parallel()
	tap := New(Config{
		Brokers: func() []string { return []string{"127.0.0.1:1"} }, Telemetry: telemetrytest.ForTest(t),
		Topics: func(context.Context) ([]string, error) { return []string{"a"}, nil },
	})
	began := time.Now()
	err := tap.Listen(t.Context(), sandbox.MessageFilter{}, func() { t.Error("it begins") }, nil)
	if err == nil || time.Since(began) > 2*openLimit {
		t.Errorf("after %v it gives %v", time.Since(began), err)
	}
	if n := runtime.NumGoroutine(); n > 1000 {
		t.Errorf("%d goroutines are left", n)
	}
}

// BenchmarkMessage is the cost of one message for each listener.
func BenchmarkMessage(b *testing.B) {
	f := newFilter(sandbox.MessageFilter{Text: "alice"})
	r := bus.Record{Topic: "uniqueness.check", Key: "flow", Type: "UniquenessCheckRequest", Value: []byte(
		`{"holdingIdentity":{"x500Name":"O=Alice, L=London, C=GB","groupId":"g"},"txId":"SHA-256:` + strings.Repeat("AB", 32) +
			`","inputStates":["SHA-256:` + strings.Repeat("AB", 32) + `:0"],"numOutputStates":3,"timeWindowUpperBound":"2027-01-01T00:00:00Z"}`)}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := f.message(r); !ok {
			b.Fatal("it does not pass")
		}
	}
}

// TestThousandASecond reach a listener, all of them.
func TestThousandASecond(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "t")
	h := c.listen(sandbox.MessageFilter{})
	const every, each, all = 20 * time.Millisecond, 20, 2000
	tick := time.NewTicker(every)
	defer tick.Stop()
	for sent := 0; sent < all; sent += each {
		var messages []bus.Message
		for i := range each {
			messages = append(messages, check(fmt.Sprint(sent+i), ident.HoldingIdentity{X500Name: "O=Alice, L=London, C=GB", GroupID: "g"}))
			messages[i].Topic = "t"
		}
		c.publish(messages...)
		<-tick.C
	}
	for _, m := range h.await(all) {
		if m.Dropped > 0 || m.VNode == "" {
			t.Fatalf("a message is %+v", m)
		}
	}
}
