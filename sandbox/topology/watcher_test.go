package topology

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cordage-sandbox/cordage/fixtures/cluster"
	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/role"
	"github.com/cordage-sandbox/cordage/workers/store"
)

// limit of waiting, for a busy machine.
const limit = time.Minute

// observed is a cluster with a worker, and the topologies that are seen of it.
type observed struct {
	t       *testing.T
	cluster *cluster.Cluster
	watcher *Watcher

	mu    sync.Mutex
	nodes []sandbox.Node
	seen  chan sandbox.Topology
}

func observe(t *testing.T) *observed {
	t.Helper()
	c := cluster.New(t)
	url, err := store.ParseJDBC(c.Result.Config.JDBCURL)
	if err != nil {
		t.Fatal(err)
	}
	o := &observed{t: t, cluster: c, seen: make(chan sandbox.Topology)}
	boot := c.Boot(t, role.Database)
	o.watcher = NewWatcher(func() Source {
		o.mu.Lock()
		defer o.mu.Unlock()
		return Source{
			Nodes: slices.Clone(o.nodes), Brokers: strings.Join(boot.Bus.Brokers, ","), Prefix: boot.Bus.TopicPrefix,
			PostgreSQL: sandbox.PostgresCredentials{Host: url.Host, Port: url.Port, User: c.Bootstrap.Admin.User, Password: c.Bootstrap.Admin.Password},
			Names:      Names{PostgreSQL: "postgres", Kafka: "kafka-1"},
			Databases: func(context.Context) ([]sandbox.DatabaseInfo, error) {
				return []sandbox.DatabaseInfo{{Name: o.config(), Bytes: 1}}, nil
			},
		}
	})
	c.StartWith(t, boot)
	_, number, err := net.SplitHostPort(boot.Monitor)
	if err != nil {
		t.Fatal(err)
	}
	monitor, err := strconv.Atoi(number)
	if err != nil {
		t.Fatal(err)
	}
	o.nodes = []sandbox.Node{
		{Name: "postgres", Kind: sandbox.PostgreSQL, State: sandbox.Ready}, {Name: "kafka-1", Kind: sandbox.Kafka, State: sandbox.Ready},
		{Name: boot.Node, Kind: sandbox.Worker, Role: "database", State: sandbox.Ready, Instance: "1", Ports: map[string]int{"monitor": monitor}},
	}
	return o
}

// config is what the edge of the config database is called: users have a prefix where tests share a server.
func (o *observed) config() string { return o.cluster.Prefix + "config_user" }

// follow sends what is observed to seen, until the test ends.
func (o *observed) follow() {
	ctx, cancel := context.WithCancel(o.t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- o.watcher.Follow(ctx, func(t sandbox.Topology) error {
			select {
			case o.seen <- t:
			case <-ctx.Done():
			}
			return nil
		})
	}()
	o.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			o.t.Error(err)
		}
	})
}

// await waits for a topology that is as wanted.
func (o *observed) await(what string, wanted func(sandbox.Topology) bool) sandbox.Topology {
	o.t.Helper()
	late := time.After(limit)
	var last sandbox.Topology
	for {
		select {
		case last = <-o.seen:
			if wanted(last) {
				return last
			}
		case <-late:
			o.t.Fatalf("%s is not seen; the last topology is %+v", what, last)
		}
	}
}

func find(t sandbox.Topology, kind sandbox.EdgeKind, what string) sandbox.Edge {
	for _, e := range t.Edges {
		if e.Kind == kind && e.What == what {
			return e
		}
	}
	return sandbox.Edge{}
}

// TestFollow observes a real worker: what it reads, consumes, sends and queries, with rates; and its death.
func TestFollow(t *testing.T) {
	t.Parallel()
	o := observe(t)
	o.follow()
	seen := o.await("a worker at work", func(t sandbox.Topology) bool {
		return find(t, sandbox.EdgeConsumes, record.TopicUniquenessCheck).Up && find(t, sandbox.EdgeQueries, o.config()).Up &&
			find(t, sandbox.EdgeReads, record.TopicConfig).Up && len(t.Databases) > 0
	})
	if len(seen.Faults) > 0 {
		t.Errorf("faults are %v", seen.Faults)
	}
	if len(seen.Brokers) != 1 || seen.Brokers[0].Leads == 0 || seen.Brokers[0].InSync != seen.Brokers[0].Replicas {
		t.Errorf("brokers are %+v", seen.Brokers)
	}
	if d := seen.Databases[0]; d.Sessions == 0 {
		t.Errorf("the database is %+v", d)
	}
	b := o.cluster.Bus(t)
	p, err := b.NewPublisher(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sent := make(chan error, 1)
	go func() { // some records all the time
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			select {
			case <-tick.C:
			case <-ctx.Done():
				sent <- nil
				return
			}
			request := record.UniquenessCheckRequest{HoldingIdentity: ident.HoldingIdentity{X500Name: "O=None, L=London, C=GB", GroupID: "g"}, TxID: "x"}
			if err := p.Publish(ctx, bus.Message{Topic: record.TopicUniquenessCheck, Key: "k", Value: request}); err != nil && ctx.Err() == nil {
				sent <- err
				return
			}
		}
	}()
	o.await("rates", func(t sandbox.Topology) bool { // each part is looked at in its own time
		i := slices.IndexFunc(t.Topics, func(t sandbox.TopicInfo) bool { return t.Name == record.TopicUniquenessCheck })
		return find(t, sandbox.EdgeConsumes, record.TopicUniquenessCheck).Rate > 1 && find(t, sandbox.EdgeProduces, record.TopicFlowEvent).Rate > 1 &&
			i >= 0 && t.Topics[i].Rate > 1 && len(t.Topics[i].Groups) == 1 && t.Topics[i].Records > 0
	})
	cancel()
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	o.await("rates that end", func(t sandbox.Topology) bool {
		return find(t, sandbox.EdgeConsumes, record.TopicUniquenessCheck).Rate == 0 && find(t, sandbox.EdgeProduces, record.TopicFlowEvent).Rate == 0
	})
	o.mu.Lock()
	o.nodes = slices.Clone(o.nodes)
	o.nodes[2].State = sandbox.Backoff
	o.mu.Unlock()
	died := time.Now()
	seen = o.await("the death of the worker", func(t sandbox.Topology) bool {
		return !slices.ContainsFunc(t.Edges, func(e sandbox.Edge) bool { return e.Up })
	})
	if took := time.Since(died); took > 5*time.Second || len(seen.Edges) == 0 {
		t.Errorf("it is seen after %v, with %d edges", took, len(seen.Edges))
	}
}

// TestOneObserverForAll: it begins with the first listener and ends with the last, and leaves nothing.
func TestOneObserverForAll(t *testing.T) {
	t.Parallel()
	o := observe(t)
	ctx, cancel := context.WithCancel(t.Context())
	var g sync.WaitGroup
	for range 3 {
		g.Go(func() {
			n := 0
			enough := errors.New("enough")
			err := o.watcher.Follow(ctx, func(sandbox.Topology) error {
				if n++; n == 2 {
					return enough
				}
				return nil
			})
			if !errors.Is(err, enough) {
				t.Errorf("following ends with %v", err)
			}
		})
	}
	g.Wait()
	cancel()
	o.watcher.mu.Lock()
	ended, stop := o.watcher.ended, o.watcher.stop
	o.watcher.mu.Unlock()
	if stop != nil {
		t.Error("the observer goes on")
	}
	select {
	case <-ended:
	case <-time.After(limit):
		t.Error("the observer does not end")
	}
	if once := o.watcher.Once(t.Context()); len(once.Edges) == 0 {
		t.Errorf("a single look sees %+v", once)
	}
}

// TestSlowListenerMissesObservations, and then gets the latest.
func TestSlowListenerMissesObservations(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := NewWatcher(nil)
		mine := make(chan sandbox.Topology, 1)
		w.listeners[mine] = struct{}{}
		for i := range 5 {
			w.tell(t.Context(), sandbox.Topology{Time: time.Unix(int64(i), 0)})
		}
		if got := <-mine; got.Time.Unix() != 4 {
			t.Errorf("it gets that of %v", got.Time)
		}
	})
}

func TestRates(t *testing.T) {
	t.Parallel()
	var r rates
	at := time.Unix(0, 0)
	var got []float64
	for _, value := range []float64{100, 110, 120, 120, 120, 120, 5, 10} {
		got = append(got, r.next("a", value, at))
		at = at.Add(time.Second)
	}
	want := []float64{0, 10, 10, 20.0 / 3, 10.0 / 3, 0, 0, 5}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rates (-want +got):\n%s", diff)
	}
	r.keepOnly(at)
	if len(r.series) != 0 {
		t.Errorf("%v is left", slices.Collect(maps.Keys(r.series)))
	}
}

func TestParseSeries(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]series{
		`cordage_bus_readers{messagepattern_type="COMPACTED",topic="config.topic",worker_type="Crypto"} 2`: {
			"cordage_bus_readers", map[string]string{"messagepattern_type": "COMPACTED", "topic": "config.topic", "worker_type": "Crypto"}, 2,
		},
		`cordage_x 1.5e+06 1700000000`:    {"cordage_x", nil, 1.5e6},
		`cordage_x{a="q\"\\\n, }"} 1`:     {"cordage_x", map[string]string{"a": "q\"\\\n, }"}, 1},
		`cordage_x{} 1`:                   {"cordage_x", map[string]string{}, 1},
		`corda_x{a="b"} 1`:                {},
		`# HELP cordage_x what it counts`: {},
		`cordage_x{a="b} 1`:               {},
		`cordage_x{a} 1`:                  {},
		`cordage_x{a="b"} x`:              {},
		`cordage_x`:                       {},
	} {
		got, ok := parseSeries([]byte(line))
		if !ok {
			got = series{}
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(series{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", line, diff)
		}
	}
}

func FuzzParseSeries(f *testing.F) {
	f.Add([]byte(`cordage_x{a="b",c="d\n"} 1`))
	f.Fuzz(func(t *testing.T, line []byte) {
		if s, ok := parseSeries(line); ok && s.name == "" {
			t.Errorf("%q has no name", line)
		}
	})
}
