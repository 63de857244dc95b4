package sandbox

// Credentials are what a user needs to reach into a sandbox. They are told only over the supervisor's socket.
type Credentials struct {
	REST       RESTCredentials     `json:"rest"`
	PostgreSQL PostgresCredentials `json:"postgres"`
	Databases  map[string]Database `json:"databases"` // logical databases of the cluster by name: config, rbac, crypto
	Kafka      string              `json:"kafka"`     // host:port of each broker, with commas between; no authentication
}

// RESTCredentials are those of the cluster's REST API.
type RESTCredentials struct {
	URL       string `json:"url"` // https://127.0.0.1:PORT/api/v1
	Login     string `json:"login"`
	Password  string `json:"password"`
	Authority string `json:"authority"` // PEM of the certificate authority that signed the API's certificate
}

// PostgresCredentials are those of PostgreSQL's superuser.
type PostgresCredentials struct {
	Host     string `json:"host"`
	Port     int    `json:"port"`
	User     string `json:"user"`
	Password string `json:"password"`
}

// Database is where a logical database lies.
type Database struct {
	Database string `json:"database"`
	Schema   string `json:"schema"`
}

// TopicInfo is a topic as the broker has it.
type TopicInfo struct {
	Name       string `json:"name"`
	Partitions int    `json:"partitions"`
	Cleanup    string `json:"cleanup"` // delete, compact
	Records    int64  `json:"records"` // offsets handed out and still kept: an upper bound for compacted topics
	Groups     []Lag  `json:"groups"`  // consumer groups that read it
}

// Lag is how far a consumer group is behind on a topic.
type Lag struct {
	Group   string   `json:"group"`
	Nodes   []string `json:"nodes"` // members that have a partition of the topic
	Records int64    `json:"lag"`   // not yet consumed
}

// Topology is what is observed of a sandbox: nodes, and edges by which they are seen to talk.
type Topology struct {
	Nodes  []Node   `json:"nodes"`
	Edges  []Edge   `json:"edges"`
	Faults []string `json:"faults,omitempty"` // what could not be observed, and why
}

// EdgeKind says by what an edge was seen.
type EdgeKind string

const (
	EdgeRoutes   EdgeKind = "routes"   // the load balancer's /status names the upstream
	EdgeConsumes EdgeKind = "consumes" // member of a consumer group with partitions of the topic
	EdgeQueries  EdgeKind = "queries"  // sessions in pg_stat_activity
	EdgeReads    EdgeKind = "reads"    // connections to the broker without a group
)

// Edge is one observed relation of a node.
type Edge struct {
	From  string   `json:"from"` // node
	To    string   `json:"to"`   // node
	Kind  EdgeKind `json:"kind"`
	What  string   `json:"what"`            // topic, logical database or path
	Group string   `json:"group,omitempty"` // consumer group
	Count int      `json:"count"`           // partitions, or sessions
	Lag   int64    `json:"lag,omitempty"`   // records not yet consumed on those partitions
	Up    bool     `json:"up"`              // false: known and not usable at present
	Note  string   `json:"note,omitempty"`
}
