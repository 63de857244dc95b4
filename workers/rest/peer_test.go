package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cordage-sandbox/cordage/fixtures/servers"
	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/clock"
	"github.com/cordage-sandbox/cordage/workers/https/httpstest"
	"github.com/cordage-sandbox/cordage/workers/keys"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/rest"
	"github.com/cordage-sandbox/cordage/workers/role"
	"github.com/cordage-sandbox/cordage/workers/telemetry"
	"github.com/cordage-sandbox/cordage/workers/telemetry/telemetrytest"
)

func TestMain(m *testing.M) { servers.Main(m, servers.Kafka) }

// peer plays the database worker on a real Kafka: it publishes what a REST worker reads, and sees what it sends. (The whole
// way with the real database worker is in package e2e.)
type peer struct {
	prefix    string
	brokers   []string
	bus       *bus.Bus
	publisher *bus.Publisher
}

// topics are those that a REST worker uses.
func topics() []record.Topic {
	var used []record.Topic
	for _, t := range record.Topics() {
		switch t.Name {
		case record.TopicUser, record.TopicUserPermissionSummary, record.TopicConfig, record.TopicCPIInfo, record.TopicVirtualNodeInfo,
			record.TopicVirtualNodeStatus, record.TopicVirtualNodeAsyncRequest, record.TopicCPIUpload, record.TopicCPIUploadStatus,
			record.TopicConfigManagement, record.Reply(record.TopicConfigManagement),
			record.TopicCertificates, record.Reply(record.TopicCertificates):
			used = append(used, t)
		}
	}
	return used
}

func newPeer(t *testing.T) *peer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p := &peer{prefix: servers.Unique(t) + ".", brokers: servers.Brokers(t)}
	c := p.config(t, "peer", 99)
	if err := bus.CreateTopics(ctx, c, topics(), 2, 1); err != nil {
		t.Fatal(err)
	}
	var err error
	if p.bus, err = bus.Open(ctx, c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.bus.Close() })
	if p.publisher, err = p.bus.NewPublisher(ctx, "peer"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.publisher.Close() })
	p.addUser(t, "admin", "admin", true, record.SummaryPermission{ID: "1", Type: record.Allow, String: ".*"})
	return p
}

func (p *peer) config(t *testing.T, node string, instance int) bus.Config {
	return bus.Config{Brokers: p.brokers, TopicPrefix: p.prefix, Node: node, InstanceID: instance,
		Chance: clock.NewChance(0), Telemetry: telemetrytest.ForTest(t)}
}

func (p *peer) publish(t *testing.T, messages ...bus.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := p.publisher.Publish(ctx, messages...); err != nil {
		t.Fatal(err)
	}
}

func (p *peer) addUser(t *testing.T, login, password string, enabled bool, permissions ...record.SummaryPermission) {
	t.Helper()
	salt := keys.NewPasswordSalt()
	p.publish(t,
		bus.Message{Topic: record.TopicUser, Key: login, Value: record.User{
			ID: login, LoginName: login, Enabled: enabled, SaltValue: salt, HashedPassword: keys.HashPassword(password, salt),
		}},
		bus.Message{Topic: record.TopicUserPermissionSummary, Key: login, Value: record.UserPermissionSummary{
			LoginName: login, Enabled: enabled, Permissions: permissions,
		}})
}

func (p *peer) setSection(t *testing.T, name, source, value string, version int) {
	t.Helper()
	p.publish(t, bus.Message{Topic: record.TopicConfig, Key: name, Value: record.Configuration{
		Value: json.RawMessage(value), Source: source, Version: version, SchemaVersion: record.SchemaVersion{Major: 1},
	}})
}

// api is a running REST worker, with a client.
type api struct {
	url     string
	client  *http.Client
	metrics prometheus.Gatherer
	stop    func() error
	log     *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start runs a REST worker until the test ends, and returns when it is ready.
func (p *peer) start(t *testing.T, node string, instance int) *api {
	t.Helper()
	authority := httpstest.New(t)
	address := freeAddress(t)
	a := &api{url: "https://" + address, client: authority.Client(t), log: &lockedBuffer{}}
	tel, flush, err := telemetry.New(t.Context(), telemetry.Config{Role: "rest", MetricRole: "RestWorker", Node: node, LogLevel: "debug", LogTo: a.log})
	if err != nil {
		t.Fatal(err)
	}
	a.metrics = tel.Gatherer
	listener := authority.Listener(t, address)
	w, err := rest.New(role.Env{
		Boot: role.Boot{Role: "rest", Node: node, InstanceID: instance, REST: &listener,
			Bus: &role.BusBoot{Brokers: p.brokers, TopicPrefix: p.prefix}},
		Clock: &clock.Clock{}, Chance: clock.NewChance(0), Telemetry: tel,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended, ready := make(chan error, 1), make(chan struct{})
	go func() { ended <- w.Run(ctx, sync.OnceFunc(func() { close(ready) })) }()
	a.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() {
		if err := a.stop(); err != nil {
			t.Errorf("the REST worker ended: %v", err)
		}
		if err := flush(context.Background()); err != nil {
			t.Errorf("flush: %v", err)
		}
		if t.Failed() {
			t.Logf("log of %s:\n%s", node, a.log)
		}
	})
	select {
	case <-ready:
	case err := <-ended:
		ended <- err
		t.Fatalf("the REST worker ended: %v\n%s", err, a.log)
	case <-time.After(time.Minute):
		t.Fatalf("the REST worker is not ready: %v\n%s", tel.Status.Components(), a.log)
	}
	return a
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

// call is a request; its zero value is GET without logon.
type call struct {
	method string
	path   string // with query, as it is sent
	login  string // admin unless it is -
	pass   string
	header map[string]string
	body   any // string, []byte, io.Reader or form
}

type form map[string]file // by name of the part

type file struct{ name, content string } // without name it is no file

type reply struct {
	status int
	header http.Header
	body   string
}

func (a *api) do(t *testing.T, c call) reply {
	t.Helper()
	r, err := a.try(t, c)
	if err != nil {
		t.Fatalf("%s %s: %v", c.method, c.path, err)
	}
	return r
}

func (a *api) try(t *testing.T, c call) (reply, error) {
	var body io.Reader
	kind := ""
	switch b := c.body.(type) {
	case nil:
	case string:
		body = strings.NewReader(b)
	case []byte:
		body = bytes.NewReader(b)
	case io.Reader:
		body = b
	case form:
		var text string
		text, kind = b.encode()
		body = strings.NewReader(text)
	default:
		return reply{}, fmt.Errorf("body %T", c.body)
	}
	method := c.method
	if method == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(t.Context(), method, a.url, body)
	if err != nil {
		return reply{}, err
	}
	req.URL.Opaque = strings.TrimPrefix(a.url, "https:") + c.path // exactly as it is spelled
	switch c.login {
	case "-":
	case "":
		req.SetBasicAuth("admin", "admin")
	default:
		req.SetBasicAuth(c.login, c.pass)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	for key, value := range c.header {
		req.Header.Set(key, value)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(text)}, err
}

func (f form) encode() (body, contentType string) {
	var b strings.Builder
	for name, part := range f {
		b.WriteString("--edge\r\nContent-Disposition: form-data; name=\"" + name + "\"")
		if part.name != "" {
			b.WriteString("; filename=\"" + part.name + "\"")
		}
		b.WriteString("\r\n\r\n" + part.content + "\r\n")
	}
	b.WriteString("--edge--\r\n")
	return b.String(), "multipart/form-data; boundary=edge"
}

// into decodes a body, strictly.
func (r reply) into(t *testing.T, v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(r.body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Fatalf("status %d: %v: %s", r.status, err, r.body)
	}
}

// await asks until the answer is as wished.
func (a *api) await(t *testing.T, c call, wished func(reply) bool) reply {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		r := a.do(t, c)
		if wished(r) {
			return r
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s %s: not as wished within 30 s: %d %s", c.method, c.path, r.status, r.body)
		}
		<-tick.C
	}
}
