package database_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/cordage-sandbox/cordage/fixtures/cluster"
	"github.com/cordage-sandbox/cordage/fixtures/servers"
	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/role"
)

// PostgreSQL crashes while nodes are made and checks run: workers say so, wait, and complete everything when it is back.
func TestPostgreSQLCrashes(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a PostgreSQL of its own")
	}
	t.Parallel()
	server, admin := cluster.OwnPostgreSQL(t)
	c := cluster.NewOn(t, admin, servers.Brokers(t)...)
	outage(t, c, server, func(worker role.Boot) error {
		code, body := cluster.Status(worker)
		if code != http.StatusServiceUnavailable || !strings.Contains(body, "does not answer") {
			return fmt.Errorf("/status is %d %s, want it DOWN", code, body)
		}
		return nil
	})
}

// Kafka crashes while nodes are made and checks run.
func TestKafkaCrashes(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Kafka of its own")
	}
	t.Parallel()
	server, broker := cluster.OwnKafka(t)
	c := cluster.NewOn(t, cluster.Shared(t), broker)
	outage(t, c, server, func(worker role.Boot) error {
		code, body := cluster.Status(worker)
		if code != http.StatusServiceUnavailable || !strings.Contains(body, `"kafka":{"status":"DOWN"`) {
			return fmt.Errorf("/status is %d %s, want Kafka DOWN", code, body)
		}
		return nil
	})
}

// outage crashes a server in the middle of work and starts it again; down tells how a database worker shows it.
func outage(t *testing.T, c *cluster.Cluster, server *cluster.Server, down func(worker role.Boot) error) {
	t.Helper()
	worker := c.Start(t, role.Database)
	c.Start(t, role.Crypto)
	k := newClient(t, c)
	p := k.stored(t)
	first := creation(node(t, p.GroupID, 0), p.Checksum)
	k.created(t, first)
	f := newFlow(t, k)
	holder := first.Create.HoldingIdentity

	var all []record.VirtualNodeRequest
	var messages []bus.Message
	for n := range 12 {
		q := creation(node(t, p.GroupID, n+1), p.Checksum)
		all, messages = append(all, q), append(messages, request(q))
	}
	k.publish(t, messages...)
	var checks []record.UniquenessCheckRequest
	for n := range 50 {
		checks = append(checks, check(holder, fmt.Sprintf("outage %d", n), 1))
	}
	f.send(t, checks...)
	cluster.Eventually(t, limit, func() error { // in the middle
		for _, q := range all {
			if s, ok := k.operations.Get(q.RequestID); ok && s.State == record.OperationCompleted {
				return nil
			}
		}
		return fmt.Errorf("no node is completed yet")
	})
	server.Kill(t)
	cluster.Eventually(t, limit, func() error { return down(worker) })
	server.Start(t)

	for id, s := range k.ended(t, all...) {
		if s.State != record.OperationCompleted {
			t.Errorf("virtual node %s ended as %s: %s", id, s.State, reason(s))
		}
	}
	db := c.Superuser(t)
	for _, q := range all {
		cluster.Eventually(t, limit, func() error { return whole(t.Context(), db, q.Create.HoldingIdentity) })
	}
	for _, q := range checks {
		if v := f.verdict(t, q); v.Result != record.ResultSuccess {
			t.Errorf("verdict is %+v, want success", v)
		}
	}
	c.AwaitReady(t, worker)
	after := check(holder, "after", 1, state("outage 0", 0))
	f.send(t, after)
	if v := f.verdict(t, after); v.Result != record.ResultSuccess {
		t.Errorf("verdict is %+v, want success", v)
	}
}
