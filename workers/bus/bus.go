// Package bus is Kafka as Cordage's workers use it: publish in a transaction, consume and produce exactly once, keep a
// compacted topic as a map, and ask and answer over a pair of topics. It is the only package that knows the Kafka client;
// docs/messaging.md tells what each pattern guarantees.
package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cordage-sandbox/cordage/workers/bus/wire"
	"github.com/cordage-sandbox/cordage/workers/clock"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/role"
	"github.com/cordage-sandbox/cordage/workers/telemetry"
)

// Config says how to reach Kafka, and who asks.
type Config struct {
	Brokers     []string // host:port, at least one
	TopicPrefix string   // put verbatim before every topic, group and transactional id

	// Node is unique among the sandbox's workers. It names the worker in its groups and transactional ids, so that a
	// worker that is started again takes over from the one before, and fences it.
	Node       string
	InstanceID int // shown in the client id

	MaxMessageBytes int // the broker's limit for a record; larger values are sent in chunks; 0 means 972,800
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

// defaultMaxMessage is Corda 5.0's maxAllowedMessageSize, in bytes.
const defaultMaxMessage = 972_800

// Bus is a worker's connection to Kafka; safe for concurrent use.
type Bus struct {
	c Config
	k *wire.Cluster
	m *metrics
}

// Open connects, and tries again until ctx ends while no broker can be reached.
func Open(ctx context.Context, c Config) (*Bus, error) {
	switch {
	case len(c.Brokers) == 0:
		return nil, errors.New("open the bus: no broker is given")
	case c.Telemetry == nil:
		return nil, errors.New("open the bus: no telemetry is given")
	}
	c.MaxMessageBytes = cmp.Or(c.MaxMessageBytes, defaultMaxMessage)
	if c.MaxMessageBytes < 4*chunkMargin {
		return nil, fmt.Errorf("open the bus: messages of %d bytes are too small, want at least %d", c.MaxMessageBytes, 4*chunkMargin)
	}
	if c.Chance == nil {
		c.Chance = clock.NewChance(0)
	}
	m, err := newMetrics(c.Telemetry.Metrics)
	if err != nil {
		return nil, err
	}
	k, err := wire.Open(ctx, c.wire())
	if err != nil {
		return nil, err
	}
	return &Bus{c, k, m}, nil
}

func (c Config) wire() wire.Config {
	return wire.Config{
		Brokers: c.Brokers, ClientID: fmt.Sprintf("%s-%d", cmp.Or(c.Node, "cordage"), c.InstanceID), Log: c.Telemetry.Log,
	}
}

// Close ends what Open began. Subscriptions and publishers must have ended before.
func (b *Bus) Close() error {
	b.k.Close()
	return nil
}

func (b *Bus) topic(name string) string { return b.c.TopicPrefix + name }

// CreateTopics makes the topics that do not exist, in one request, and leaves those that do as they are. partitions is the
// number for each topic that is not single.
func CreateTopics(ctx context.Context, c Config, topics []record.Topic, partitions int, replication int16) error {
	switch {
	case len(c.Brokers) == 0:
		return errors.New("create topics: no broker is given")
	case partitions < 1 || partitions > 10_000:
		return fmt.Errorf("create topics: %d partitions; want 1 to 10,000", partitions)
	}
	k, err := wire.Open(ctx, c.wire())
	if err != nil {
		return err
	}
	defer k.Close()
	list := make([]wire.NewTopic, 0, len(topics))
	for _, t := range topics {
		n := wire.NewTopic{Name: c.TopicPrefix + t.Name, Partitions: int32(partitions), Settings: t.Settings()} //nolint:gosec // bounded above
		if t.Single {
			n.Partitions = 1
		}
		list = append(list, n)
	}
	return k.CreateTopics(ctx, slices.Clip(list), replication)
}
