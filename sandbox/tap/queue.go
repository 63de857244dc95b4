package tap

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/cordage-sandbox/cordage/workers/bus"
)

// What a listener may have waiting for it.
const (
	maxRecords = 2_000
	maxBytes   = 16 << 20
)

// What is kept of the records that were there when a listener came.
const (
	maxOld      = 20_000
	maxOldBytes = 64 << 20
)

// queue is between the goroutines that read partitions and the one that delivers. Until begin it takes the records that
// were there when the listener came, and keeps the latest; from then on it keeps the latest that have not been delivered.
type queue struct {
	filter filter

	mu      sync.Mutex
	begun   bool
	ended   bool
	old     []bus.Record
	records []bus.Record
	bytes   int
	dropped int
	some    chan struct{} // signalled when something changed
}

func newQueue(f filter) *queue { return &queue{filter: f, some: make(chan struct{}, 1)} }

func (q *queue) signal() {
	select {
	case q.some <- struct{}{}:
	default:
	}
}

// put takes a record if it may pass. It never blocks.
func (q *queue) put(r bus.Record) {
	if !q.filter.mayPass(r) {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes += sizeOf(r)
	if !q.begun {
		q.old = append(q.old, r)
		if len(q.old) > maxOld || q.bytes > maxOldBytes {
			q.forget()
		}
		return
	}
	q.records = append(q.records, r)
	// The oldest go, a part of them at once: each time those that stay are moved.
	if len(q.records) > maxRecords || (q.bytes > maxBytes && len(q.records) > 1) {
		n := max(1, len(q.records)/8)
		for i := range n {
			q.bytes -= sizeOf(q.records[i])
		}
		q.records = slices.Delete(q.records, 0, n)
		q.dropped += n
	}
	q.signal()
}

// forget lets go of the older half of the old records.
func (q *queue) forget() {
	sortRecords(q.old)
	n := max(1, len(q.old)/2)
	for _, r := range q.old[:n] {
		q.bytes -= sizeOf(r)
	}
	q.old = slices.Delete(q.old, 0, n)
}

// begin tells that all old records have been put.
func (q *queue) begin() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.begun, q.bytes = true, 0
	for _, r := range q.records {
		q.bytes += sizeOf(r)
	}
	q.signal()
}

// end tells that no more records come.
func (q *queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	q.signal()
}

// backlog waits for the old records, and gives them in the order of time.
func (q *queue) backlog(ctx context.Context) ([]bus.Record, bool) {
	for {
		q.mu.Lock()
		if q.begun {
			old := q.old
			q.old = nil
			q.mu.Unlock()
			sortRecords(old)
			return old, true
		}
		ended := q.ended
		q.mu.Unlock()
		if ended || !q.wait(ctx) {
			return nil, false
		}
	}
}

// take waits for records, and gives all there are, and how many were dropped before them.
func (q *queue) take(ctx context.Context) (records []bus.Record, dropped int, ok bool) {
	for {
		q.mu.Lock()
		if len(q.records) > 0 {
			records, dropped = q.records, q.dropped
			q.records, q.dropped, q.bytes = nil, 0, 0
			q.mu.Unlock()
			return records, dropped, true
		}
		ended := q.ended
		q.mu.Unlock()
		if ended || !q.wait(ctx) {
			return nil, 0, false
		}
	}
}

func (q *queue) wait(ctx context.Context) bool {
	select {
	case <-q.some:
		return true
	case <-ctx.Done():
		return false
	}
}

func sizeOf(r bus.Record) int { return len(r.Key) + len(r.Value) }

// sortRecords sorts by time, those of one partition by offset.
func sortRecords(records []bus.Record) {
	slices.SortStableFunc(records, func(a, b bus.Record) int {
		if a.Topic == b.Topic && a.Partition == b.Partition {
			return cmp.Compare(a.Offset, b.Offset)
		}
		return cmp.Or(a.Timestamp.Compare(b.Timestamp), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
}
