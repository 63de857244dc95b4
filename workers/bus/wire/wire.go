// Package wire is a Kafka client made for package bus, and only bus imports it. It stands on sarama's protocol layer
// (its connections, requests and codecs), and has instead of sarama's own consumers and producers what those lack:
//
//   - one long poll per broker for everything that a worker reads, so that twenty subscriptions cost one connection;
//   - transactions whose every error is known to be fatal, retriable, or "the other side has committed";
//   - group members that keep their name when their process is started again, so that a killed worker's successor has its
//     partitions at once.
//
// See docs/decisions/0040-bus-on-saramas-protocol-layer.md.
package wire

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/IBM/sarama"
	"github.com/rcrowley/go-metrics"
)

// init turns off the meters that sarama keeps for each connection. They cannot be turned off otherwise, and the first one
// starts a goroutine that never ends.
func init() { metrics.UseNilMetrics = true } //nolint:gochecknoinits // see above

// Config of a client.
type Config struct {
	Brokers  []string // host:port of some brokers
	ClientID string   // shown in Kafka's logs
	Log      *slog.Logger
}

// Cluster is a client of one Kafka cluster; safe for concurrent use.
type Cluster struct {
	seeds []string
	log   *slog.Logger
	conf  *sarama.Config
	meta  *metadata
	pool  *pool
	fetch *fetchers
	// partitioner has no state for records that have keys, and making one costs more than to hash a thousand keys.
	partitioner sarama.Partitioner
}

const (
	dialTimeout = 5 * time.Second
	// readTimeout bounds one request. The longest is a join, which waits for the other members of the group.
	readTimeout = rebalanceTimeout + 15*time.Second
)

// Open connects. It tries again until ctx ends while no broker answers.
func Open(ctx context.Context, c Config) (*Cluster, error) {
	conf := sarama.NewConfig()
	conf.ClientID = c.ClientID
	conf.Version = sarama.V3_0_0_0 // all requests here have a fixed version that Kafka 2.5 to 4 knows
	conf.ApiVersionsRequest = false
	conf.Net.DialTimeout = dialTimeout
	conf.Net.ReadTimeout = readTimeout
	conf.Net.WriteTimeout = readTimeout
	conf.Net.MaxOpenRequests = 1
	k := &Cluster{seeds: c.Brokers, log: c.Log, conf: conf, partitioner: sarama.NewMurmur2Partitioner("")}
	k.pool = newPool(conf)
	k.meta = newMetadata()
	k.fetch = newFetchers(k)
	for wait := newBackoff(20*time.Millisecond, 50*time.Millisecond); ; {
		err := k.refresh(ctx, 0)
		if err == nil {
			return k, nil
		}
		if !wait.sleep(ctx) {
			k.Close()
			return nil, fmt.Errorf("connect to Kafka at %v: %w", c.Brokers, err)
		}
	}
}

// Close ends the client's connections and goroutines.
func (k *Cluster) Close() {
	k.fetch.close()
	k.pool.close()
}

// Header of a record.
type Header struct {
	Key   string
	Value []byte
}

// Out is a record to be sent.
type Out struct {
	Topic     string
	Partition int32
	Key       []byte
	Value     []byte // nil is a tombstone
	Headers   []Header
}

// Record is a record that was read.
type Record struct {
	Offset  int64
	Key     []byte
	Value   []byte // nil for a tombstone
	Headers []Header
	Time    time.Time
}

// PartitionFor is the partition of a key among n, as Kafka's Java client chooses it (murmur2).
func (k *Cluster) PartitionFor(key []byte, n int32) int32 {
	p, err := k.partitioner.Partition(&sarama.ProducerMessage{Key: sarama.ByteEncoder(key)}, n)
	if err != nil { // only an encoder can fail, and this one cannot
		panic(err)
	}
	return p
}

// backoff waits longer each time.
type backoff struct{ next, most time.Duration }

func newBackoff(first, most time.Duration) *backoff { return &backoff{first, most} }

// sleep waits, and tells whether ctx has not ended.
func (b *backoff) sleep(ctx context.Context) bool {
	t := time.NewTimer(b.next)
	defer t.Stop()
	b.next = min(2*b.next, b.most)
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
