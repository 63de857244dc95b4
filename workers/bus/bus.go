// Package bus is Kafka as Cordage's workers use it: publish in a transaction, consume and produce exactly once, keep a
// compacted topic as a map, and ask and answer over a pair of topics. It is the only package that knows the Kafka client.
package bus

import (
	"context"
	"errors"

	"github.com/cordage-sandbox/cordage/workers/clock"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/role"
	"github.com/cordage-sandbox/cordage/workers/telemetry"
)

// Config says how to reach Kafka, and who asks.
type Config struct {
	Brokers         []string // host:port, at least one
	TopicPrefix     string   // put verbatim before every topic, group and transactional id
	Node            string   // unique among the sandbox's workers; part of transactional ids
	InstanceID      int
	MaxMessageBytes int // larger values are sent in chunks; 0 means 972,800
	Chance          *clock.Chance
	Telemetry       *telemetry.Telemetry
}

// ConfigFrom is the configuration of a worker's bus.
func ConfigFrom(env role.Env) Config {
	c := Config{Node: env.Boot.Node, InstanceID: env.Boot.InstanceID, Chance: env.Chance, Telemetry: env.Telemetry}
	if b := env.Boot.Bus; b != nil {
		c.Brokers, c.TopicPrefix, c.MaxMessageBytes = b.Brokers, b.TopicPrefix, b.MaxMessageBytes
	}
	return c
}

// Bus is a worker's connection to Kafka; safe for concurrent use.
type Bus struct{ c Config }

var errSoon = errors.New("bus: being written")

// Open connects, and tries again until ctx ends while no broker can be reached.
func Open(ctx context.Context, c Config) (*Bus, error) { return nil, errSoon }

// Close ends what Open began. Subscriptions and publishers must have ended before.
func (b *Bus) Close() error { return nil }

// CreateTopics makes the topics that do not exist, in one request, and leaves those that do as they are.
func CreateTopics(ctx context.Context, c Config, topics []record.Topic, partitions int, replication int16) error {
	return errSoon
}
