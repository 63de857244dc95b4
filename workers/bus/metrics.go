package bus

import (
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cordage-sandbox/cordage/workers/bus/wire"
)

// metrics of the bus. Names and labels are those of Corda 5.0 (its metrics page, messaging), except that a client id has
// no random part, so that a worker that is started again goes on with the same series.
type metrics struct {
	process    *prometheus.HistogramVec // time in a handler: pattern, client, operation
	commit     *prometheus.HistogramVec // time of a transaction or commit: pattern, client
	poll       *prometheus.HistogramVec // time waited for records: client
	batch      *prometheus.SummaryVec   // records handled at once: client, partition
	chunks     *prometheus.SummaryVec   // chunks of a large value: client, topic
	compacted  *prometheus.GaugeVec     // keys in a map: pattern, client
	unreadable *prometheus.CounterVec   // records that were skipped: client; not in 5.0

	// By topic, by which a sandbox is seen to talk; not in 5.0.
	readers *prometheus.GaugeVec   // partitions that are being read: pattern, topic
	read    *prometheus.CounterVec // records read: pattern, topic
	sent    *prometheus.CounterVec // records sent, those of aborted transactions left out: topic
}

const (
	labelPattern   = "messagepattern_type"
	labelClient    = "messagepattern_clientid"
	labelOperation = "operation_name"
	labelTopic     = "topic" // without prefix
)

// Patterns, as label values and as the beginning of client ids.
const (
	patternDurable   = "Durable"
	patternCompacted = "Compacted"
	patternRPC       = "RPC"
	patternTail      = "PubSub"
	patternPublisher = "Publisher"
)

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	buckets := []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "corda_" + name, Help: help, Buckets: buckets}, labels)
	}
	summary := func(name, help string, labels ...string) *prometheus.SummaryVec {
		return prometheus.NewSummaryVec(prometheus.SummaryOpts{Name: "corda_" + name, Help: help}, labels)
	}
	m := &metrics{
		process: histogram("messaging_processor_time_seconds", "Time that handling took.", labelPattern, labelClient, labelOperation),
		commit:  histogram("messaging_commit_time_seconds", "Time that committing took.", labelPattern, labelClient),
		poll:    histogram("consumer_poll_time_seconds", "Time waited for records.", labelClient),
		batch:   summary("consumer_batch_size", "Records handled at once.", labelClient, "partition"),
		chunks:  summary("producer_chunks_generated", "Chunks of a value too large for one record.", labelClient, "topic"),
		compacted: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "corda_consumer_compacted_inmemory_store", Help: "Keys of a compacted topic held in memory.",
		}, []string{labelPattern, labelClient}),
		unreadable: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "corda_consumer_unreadable_records_total", Help: "Records that could not be read, and were skipped.",
		}, []string{labelClient}),
		readers: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "cordage_bus_readers", Help: "Partitions that are being read.",
		}, []string{labelPattern, labelTopic}),
		read: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cordage_bus_read_records_total", Help: "Records read, chunks counted each.",
		}, []string{labelPattern, labelTopic}),
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cordage_bus_sent_records_total", Help: "Records sent, chunks counted each.",
		}, []string{labelTopic}),
	}
	err := errors.Join(
		register(r, &m.process), register(r, &m.commit), register(r, &m.poll), register(r, &m.batch),
		register(r, &m.chunks), register(r, &m.compacted), register(r, &m.unreadable),
		register(r, &m.readers), register(r, &m.read), register(r, &m.sent),
	)
	return m, err
}

// count counts records that have been sent.
func (b *Bus) count(outs []wire.Out) {
	for i := 0; i < len(outs); {
		n := 1
		for i+n < len(outs) && outs[i+n].Topic == outs[i].Topic {
			n++
		}
		b.m.sent.WithLabelValues(strings.TrimPrefix(outs[i].Topic, b.c.TopicPrefix)).Add(float64(n))
		i += n
	}
}

// register registers a collector, or takes the one that another bus of the same worker has registered.
func register[C prometheus.Collector](r prometheus.Registerer, c *C) error {
	err := r.Register(*c)
	if err == nil {
		return nil
	}
	var already prometheus.AlreadyRegisteredError
	if errors.As(err, &already) {
		if existing, ok := already.ExistingCollector.(C); ok {
			*c = existing
			return nil
		}
	}
	return fmt.Errorf("register metrics of the bus: %w", err)
}
