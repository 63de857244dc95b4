package tuitest

import (
	"maps"
	"slices"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// Topology is what is observed of the sandbox of Snapshot: checks of uniqueness are under way, and one virtual node exists.
func Topology() sandbox.Topology {
	consumes := func(node, topic string, rate float64, lag int64) sandbox.Edge {
		return sandbox.Edge{From: node, To: "kafka-1", Kind: sandbox.EdgeConsumes, What: topic, Group: topic + ".group", Count: 4, Rate: rate, Lag: lag, Up: true}
	}
	reads := func(node, topic string) sandbox.Edge {
		return sandbox.Edge{From: node, To: "kafka-1", Kind: sandbox.EdgeReads, What: topic, Total: 12, Up: true}
	}
	produces := func(node, topic string, rate float64) sandbox.Edge {
		return sandbox.Edge{From: node, To: "kafka-1", Kind: sandbox.EdgeProduces, What: topic, Total: 7, Rate: rate, Up: true}
	}
	queries := func(node, database string, sessions int, rate float64) sandbox.Edge {
		return sandbox.Edge{From: node, To: "postgres", Kind: sandbox.EdgeQueries, What: database, Count: sessions, Rate: rate, Up: true}
	}
	t := sandbox.Topology{
		Time: Now(),
		Edges: []sandbox.Edge{
			{From: "lb-1", To: "rest-1", Kind: sandbox.EdgeRoutes, What: "/api/v1", Rate: 3.2, Up: true},
			{From: "lb-1", To: "rest-2", Kind: sandbox.EdgeRoutes, What: "/api/v1", Up: true},
			produces("rest-1", "virtual.node.async.request", 0), produces("rest-1", "cpi.upload", 0), produces("rest-1", "config.management.request", 0),
			produces("rest-2", "uniqueness.check", 31),
			reads("rest-1", "virtual.node.info"), reads("rest-2", "virtual.node.info"), reads("rest-1", "config.topic"), reads("rest-2", "config.topic"),
			consumes("database-1", "uniqueness.check", 31, 4), consumes("database-1", "cpi.upload", 0, 0), consumes("database-1", "config.management.request", 0, 0),
			consumes("database-1", "virtual.node.async.request", 0, 0), consumes("database-1", "certificates.rpc.ops", 0, 0),
			consumes("crypto-1", "crypto.hsm.rpc.registration", 0, 0),
			produces("database-1", "virtual.node.info", 0), produces("database-1", "config.topic", 0),
			reads("database-1", "config.topic"), reads("crypto-1", "config.topic"), reads("crypto-1", "virtual.node.info"),
			queries("database-1", "config", 4, 0), queries("database-1", "rbac", 2, 0), queries("crypto-1", "crypto", 1, 0),
			queries("crypto-1", "config (reads connections)", 1, 0), queries("database-1", "1D25967B548B/uniqueness", 2, 58), queries("database-1", "1D25967B548B/vault", 1, 0),
		},
		Databases: []sandbox.DatabaseInfo{
			{Name: "config", Database: "cordage", Schema: "config", Bytes: 1 << 20, Tables: 14, Sessions: 5},
			{Name: "crypto", Database: "cordage", Schema: "crypto", Bytes: 200 << 10, Tables: 5, Sessions: 1},
			{Name: "rbac", Database: "cordage", Schema: "rbac", Bytes: 300 << 10, Tables: 9, Sessions: 2},
		},
		Brokers: []sandbox.Broker{{Node: "kafka-1", ID: 1, Address: "127.0.0.1:9092", Controller: true, Leads: 84, Replicas: 84, InSync: 84}},
	}
	for _, kind := range []string{"crypto", "uniqueness", "vault"} {
		t.Databases = append(t.Databases, sandbox.DatabaseInfo{
			Name: "1D25967B548B/" + kind, VNode: "1D25967B548B", Owner: "O=Alice, L=London, C=GB", Database: "cordage",
			Schema: "vnode_" + kind + "_1d25967b548b", Bytes: 150 << 10, Tables: 6, Sessions: map[string]int{"uniqueness": 2, "vault": 1}[kind],
		})
	}
	topics := map[string]string{
		"uniqueness.check": "delete", "cpi.upload": "delete", "config.management.request": "delete", "virtual.node.async.request": "delete",
		"certificates.rpc.ops": "delete", "crypto.hsm.rpc.registration": "delete", "virtual.node.info": "compact", "config.topic": "compact",
		"flow.status": "compact", "membership.group.params": "compact",
	}
	for _, name := range slices.Sorted(maps.Keys(topics)) {
		info := sandbox.TopicInfo{Name: name, Partitions: 4, Cleanup: topics[name]}
		for _, e := range t.Edges {
			if e.What == name {
				info.Records, info.Rate = 12, max(info.Rate, e.Rate)
				if e.Kind == sandbox.EdgeConsumes {
					info.Groups = []sandbox.Lag{{Group: e.Group, Nodes: []string{e.From}, Records: e.Lag}}
				}
			}
		}
		t.Topics = append(t.Topics, info)
	}
	return t
}
