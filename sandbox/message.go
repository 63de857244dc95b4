package sandbox

import (
	"encoding/json"
	"time"
)

// MessageFilter chooses among the records of a sandbox's topics. A zero field chooses all. All that are set must hold.
type MessageFilter struct {
	Topic string // a topic's name; * stands for any text; several with commas between
	Key   string // part of the key
	Type  string // part of the record type, in any case
	VNode string // a virtual node: its short hash, or part of its X.500 name
	Text  string // part of the key, the value or a header, in any case
	Tail  int    // so many of the latest records that are kept come first; at most MaxMessageTail
}

// MaxMessageTail bounds [MessageFilter].Tail.
const MaxMessageTail = 1000

// Message is a record as it lies on a topic, decoded as far as it can be. Secrets in it are masked.
type Message struct {
	Topic     string            `json:"topic"` // without prefix
	Partition int32             `json:"partition"`
	Offset    int64             `json:"offset"`
	Time      time.Time         `json:"time"` // of its sender
	Key       string            `json:"key,omitempty"`
	Type      string            `json:"type,omitempty"` // record type of the value
	Headers   map[string]string `json:"headers,omitempty"`
	TraceID   string            `json:"traceId,omitempty"` // of the request that it is a part of
	VNode     string            `json:"vnode,omitempty"`   // short hash of the virtual node that it is about, if it tells
	Size      int               `json:"sizeBytes"`         // of the value as it lies on the topic

	Value     json.RawMessage `json:"value,omitempty"` // nil for a tombstone, for what is no JSON, and for what was cut off
	Raw       string          `json:"raw,omitempty"`   // the beginning of the value where Value cannot have it
	Tombstone bool            `json:"tombstone,omitempty"`
	Truncated bool            `json:"truncated,omitempty"` // Raw is not all of it

	// Dropped is how many matching records before this one are left out because the reader was too slow. A message may
	// have nothing but this number.
	Dropped int `json:"dropped,omitempty"`
}
