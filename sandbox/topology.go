package sandbox

import "time"

// TopicInfo is a topic as the broker has it.
type TopicInfo struct {
	Name       string  `json:"name"`
	Partitions int     `json:"partitions"`
	Cleanup    string  `json:"cleanup"`        // delete, compact
	Records    int64   `json:"records"`        // offsets handed out and still kept: an upper bound for compacted topics
	Rate       float64 `json:"rate,omitempty"` // records a second, of late; only in a topology that is followed
	Groups     []Lag   `json:"groups"`         // consumer groups that read it
}

// Lag is how far a consumer group is behind on a topic.
type Lag struct {
	Group   string   `json:"group"`
	Nodes   []string `json:"nodes"` // members that have a partition of the topic
	Records int64    `json:"lag"`   // not yet consumed
}

// Broker is a broker of the Kafka cluster as it is seen from outside.
type Broker struct {
	Node       string `json:"node"`
	ID         int32  `json:"id"`
	Address    string `json:"address"` // as clients reach it
	Controller bool   `json:"controller,omitempty"`
	Leads      int    `json:"leads"`    // partitions that it leads
	Replicas   int    `json:"replicas"` // partitions that it has a copy of
	InSync     int    `json:"inSync"`   // of these, those that are up to date
}

// Topology is what is observed of a sandbox: nodes, and edges by which they are seen to talk.
type Topology struct {
	Time      time.Time      `json:"time"` // of the observation
	Nodes     []Node         `json:"nodes"`
	Edges     []Edge         `json:"edges"`
	Topics    []TopicInfo    `json:"topics"`
	Brokers   []Broker       `json:"brokers"`
	Databases []DatabaseInfo `json:"databases"`
	Faults    []string       `json:"faults,omitempty"` // what could not be observed, and why
}

// EdgeKind says by what an edge was seen.
type EdgeKind string

const (
	EdgeRoutes   EdgeKind = "routes"   // the load balancer's /status names the upstream
	EdgeConsumes EdgeKind = "consumes" // member of a consumer group with partitions of the topic
	EdgeReads    EdgeKind = "reads"    // the worker's /metrics count what it reads of the topic, outside of any group
	EdgeProduces EdgeKind = "produces" // the worker's /metrics count what it sends to the topic
	EdgeQueries  EdgeKind = "queries"  // sessions in pg_stat_activity
)

// Edge is one observed relation of a node.
type Edge struct {
	From  string   `json:"from"` // node
	To    string   `json:"to"`   // node
	Kind  EdgeKind `json:"kind"`
	What  string   `json:"what"`            // topic, logical database or path
	Group string   `json:"group,omitempty"` // consumer group
	Count int      `json:"count"`           // partitions, sessions, or requests under way
	Total int64    `json:"total,omitempty"` // records or statements since the worker started, where they are counted
	Rate  float64  `json:"rate,omitempty"`  // records, statements or requests a second, of late; only in a topology that is followed
	Lag   int64    `json:"lag,omitempty"`   // records not yet consumed on those partitions
	Up    bool     `json:"up"`              // false: known and not usable at present
	Note  string   `json:"note,omitempty"`
}
