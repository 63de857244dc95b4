package bus

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cordage-sandbox/cordage/workers/bus/wire"
)

// reader gives the records of a partition, with values put together from their chunks.
type reader struct {
	b         *Bus
	topic     string
	partition int32
	client    string
	stream    *wire.Stream
	chunks    assembler

	open prometheus.Gauge   // partitions of the topic that are being read
	read prometheus.Counter // records

	queue []Record
	next  int64 // behind all that was read, whether or not it is in the queue
}

func (b *Bus) newReader(topic string, partition int32, from int64, client string, hold bool) *reader {
	pattern, _, _ := strings.Cut(client, "--")
	r := &reader{
		b: b, topic: topic, partition: partition, client: client, next: from, chunks: assembler{hold: hold},
		stream: b.k.Stream(b.topic(topic), partition, from),
		open:   b.m.readers.WithLabelValues(pattern, topic), read: b.m.read.WithLabelValues(pattern, topic),
	}
	r.open.Inc()
	return r
}

func (r *reader) close() {
	r.stream.Close()
	r.open.Dec()
}

// wait reads what is there, at least something: the queue may be empty all the same.
func (r *reader) wait(ctx context.Context) error {
	began := time.Now()
	batch, err := r.stream.Next(ctx)
	if err != nil {
		return err
	}
	r.b.m.poll.WithLabelValues(r.client).Observe(time.Since(began).Seconds())
	r.take(batch)
	return nil
}

// more reads what is there already, if anything is.
func (r *reader) more() bool {
	batch, ok, err := r.stream.TryNext()
	if !ok || err != nil {
		return false
	}
	r.take(batch)
	return true
}

func (r *reader) take(batch wire.Batch) {
	for i := range batch.Records {
		r.queue = append(r.queue, r.chunks.add(r.record(&batch.Records[i]))...)
	}
	r.read.Add(float64(len(batch.Records)))
	r.next = batch.Next
	// Markers of transactions have offsets too. Counting those behind the last record as done lets its group have no lag.
	if n := len(r.queue); n > 0 && r.chunks.empty() {
		r.queue[n-1].next = batch.Next
	}
}

func (r *reader) record(w *wire.Record) Record {
	rec := Record{
		Topic: r.topic, Partition: r.partition, Offset: w.Offset, Key: string(w.Key), Value: w.Value, Timestamp: w.Time,
		trace: traceOf(w.Headers), headers: make([]header, 0, len(w.Headers)), next: w.Offset + 1,
	}
	for _, h := range w.Headers {
		switch h.Key {
		case headerType:
			rec.Type = string(h.Value)
		case "traceparent", "tracestate":
		default:
			rec.headers = append(rec.headers, header{h.Key, h.Value})
		}
	}
	return rec
}

// pop takes at most n records from the queue.
func (r *reader) pop(n int) []Record {
	n = min(n, len(r.queue))
	batch := r.queue[:n:n]
	if r.queue = r.queue[n:]; len(r.queue) == 0 {
		r.queue = nil // lets go of what was read
	}
	return batch
}

// clientID names a subscription in metrics and logs.
//
// Source: Corda 5.0 (messaging library); there it ends with a random part.
func clientID(pattern, group, topic string) string {
	return strings.ToUpper(pattern) + "--" + group + "--" + topic
}

// isRange tells whether reading must begin again at an offset that exists.
func isRange(err error) bool { return errors.Is(err, wire.ErrOutOfRange) }
