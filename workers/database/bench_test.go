package database_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/cordage-sandbox/cordage/fixtures/cluster"
	"github.com/cordage-sandbox/cordage/fixtures/servers"
	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/role"
	"github.com/cordage-sandbox/cordage/workers/store"
)

// BenchmarkCreation makes virtual nodes through Kafka on a durable PostgreSQL, in bursts of 50 and one by one, and for
// comparison only their databases, one after the other, as PostgreSQL alone would.
func BenchmarkCreation(b *testing.B) {
	_, admin := cluster.OwnPostgreSQL(b)
	c := cluster.NewOn(b, admin, servers.Brokers(b)...)
	c.Spawn(b, role.Database)
	c.Spawn(b, role.Crypto)
	k := newClient(b, c)
	p := k.stored(b)
	next := 0
	make := func(n int) (all []record.VirtualNodeRequest, messages []bus.Message) {
		for range n {
			next++
			q := creation(node(b, p.GroupID, next), p.Checksum)
			all, messages = append(all, q), append(messages, request(q))
		}
		return all, messages
	}
	rate := func(b *testing.B, nodes int, took time.Duration) {
		b.ReportMetric(float64(nodes)/took.Seconds(), "nodes/s")
		b.ReportMetric(float64(took.Milliseconds())/float64(nodes), "ms/node")
		b.ReportMetric(0, "ns/op")
	}
	const burst = 50
	b.Run("databases only", func(b *testing.B) {
		pool := c.Pool(b, c.Result.VirtualNodes)
		start := time.Now()
		for range b.N {
			for range burst {
				name, err := ident.ParseName("O=Bare, L=Leeds, C=GB")
				if err != nil {
					b.Fatal(err)
				}
				hash := ident.NewHoldingIdentity(name, uuid.NewString()).ShortHash()
				if _, err := store.ProvisionNode(b.Context(), pool, c.Result.VirtualNodes, c.Secrets, hash, store.NodeKinds()...); err != nil {
					b.Fatal(err)
				}
			}
		}
		rate(b, b.N*burst, time.Since(start))
	})
	b.Run("burst", func(b *testing.B) {
		start := time.Now()
		for range b.N {
			all, messages := make(burst)
			k.publish(b, messages...)
			k.ended(b, all...)
		}
		rate(b, b.N*burst, time.Since(start))
	})
	b.Run("one", func(b *testing.B) {
		start := time.Now()
		for range b.N {
			all, messages := make(1)
			k.publish(b, messages...)
			k.ended(b, all...)
		}
		rate(b, b.N, time.Since(start))
	})
}
