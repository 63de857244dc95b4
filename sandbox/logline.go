package sandbox

import "time"

// LogFilter chooses among the lines of the nodes' logs. A zero field chooses all.
type LogFilter struct {
	Nodes  []string // names of nodes, worker types or kinds; supervisor is the supervisor itself
	Level  string   // lines of this level or above: debug, info, warn, error
	Match  string   // regular expression (RE2) that the line must match
	Tail   int      // so many of the latest lines of each node come first; at most MaxLogTail
	Follow bool     // go on as logs grow
}

// MaxLogTail bounds [LogFilter].Tail.
const MaxLogTail = 10_000

// LogLine is one entry of a log, in whatever form the node writes it.
type LogLine struct {
	Node    string            `json:"node"`
	Time    time.Time         `json:"time"`            // of the entry; where it has none, when it was read
	Level   string            `json:"level,omitempty"` // debug, info, warn, error; empty where the log has none
	Text    string            `json:"text"`
	Fields  map[string]string `json:"fields,omitempty"`
	TraceID string            `json:"traceId,omitempty"`
	Dropped int               `json:"dropped,omitempty"` // matching lines left out before this one, because the reader was too slow
}

// NodeConfig is the configuration of a node, with secrets masked.
type NodeConfig struct {
	Node     string    `json:"node"`
	Settings []Setting `json:"settings"` // in the order of name
}

// Setting is one value of a configuration.
type Setting struct {
	Name  string `json:"name"` // path in the boot file with dots, or the server's own name
	Value string `json:"value"`
	From  string `json:"from,omitempty"` // where it comes from: boot, file, changed, or PostgreSQL's own word
}
