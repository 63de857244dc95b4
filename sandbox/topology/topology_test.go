package topology

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cordage-sandbox/cordage/sandbox"
)

func TestNodeOfAClient(t *testing.T) {
	t.Parallel()
	nodes := []sandbox.Node{{Name: "rest-1"}, {Name: "rest-11"}, {Name: "database-1"}}
	for client, want := range map[string]string{
		"rest-1": "rest-1", "rest-11": "rest-11", "rest-1-cpi.upload": "rest-1", "rest-12": "", "database-1--uniqueness.check": "database-1",
		"cordage-topology": "", "": "", "rest": "",
	} {
		if got := nodeOf(client, nodes); got != want {
			t.Errorf("the node of client %q is %q, want %q", client, got, want)
		}
	}
}

func TestLogicalDatabaseOfAUser(t *testing.T) {
	t.Parallel()
	for user, want := range map[string]string{
		"config_user": "config", "config_reader": "config (reads connections)", "crypto_user": "crypto", "vnode_admin": "virtual nodes (administration)",
		"vnode_vault_226d5d9460a4_dml": "226D5D9460A4/vault", "vnode_uniq_226d5d9460a4_ddl": "226D5D9460A4/uniqueness", "postgres": "postgres",
	} {
		if got := logical(user); got != want {
			t.Errorf("user %s belongs to %q, want %q", user, got, want)
		}
	}
}

func TestWhatIsDownIsTold(t *testing.T) {
	t.Parallel()
	status := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable) // a balancer without upstreams still tells about them
		w.Write([]byte(`{"upstreams":[{"node":"rest-1","ready":false,"reason":"connection refused","inFlight":2}],"listener":{"status":"UP"}}`))
	}))
	defer status.Close()
	_, number, err := net.SplitHostPort(status.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	monitor, err := strconv.Atoi(number)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0") // nobody answers here
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().(*net.TCPAddr)
	l.Close()
	began := time.Now()
	got := Observe(context.Background(), Source{
		Nodes:   []sandbox.Node{{Name: "lb-1", Role: "lb", State: sandbox.Ready, Ports: map[string]int{"monitor": monitor}}},
		Brokers: closed.String(), PostgreSQL: sandbox.PostgresCredentials{Host: "127.0.0.1", Port: closed.Port, User: "postgres"},
		Names: Names{PostgreSQL: "postgres", Kafka: "kafka-1"},
	})
	if took := time.Since(began); took > observeLimit+time.Second {
		t.Errorf("it took %v", took)
	}
	want := []sandbox.Edge{{From: "lb-1", To: "rest-1", Kind: sandbox.EdgeRoutes, What: "/api/v1", Count: 2, Note: "connection refused"}}
	if diff := cmp.Diff(want, got.Edges); diff != "" {
		t.Errorf("edges (-want +got):\n%s", diff)
	}
	if len(got.Faults) != 2 || !slices.ContainsFunc(got.Faults, func(f string) bool { return strings.HasPrefix(f, "consumers: ") }) {
		t.Errorf("faults are %v", got.Faults)
	}
}
