package wire

import (
	"context"
	"slices"
	"sync"

	"github.com/IBM/sarama"
)

// Stream is the committed records of a partition from some offset on. One goroutine may read it.
type Stream struct {
	f         *fetchers
	topic     string
	partition int32
	some      chan struct{} // signalled when there is something in the queue, or an error

	mu     sync.Mutex
	next   int64 // to be asked for
	queue  []Batch
	queued int // bytes
	alone  bool
	err    error
}

// Batch is what was read at once. It may hold no records, where there were only such that are not to be seen.
type Batch struct {
	Records []Record
	Next    int64 // the offset behind the batch
}

func (b Batch) bytes() int {
	n := 0
	for i := range b.Records {
		n += len(b.Records[i].Key) + len(b.Records[i].Value)
	}
	return n
}

// Stream reads a partition from an offset on. It must be closed.
func (k *Cluster) Stream(topic string, partition int32, from int64) *Stream {
	s := &Stream{f: k.fetch, topic: topic, partition: partition, next: from, some: make(chan struct{}, 1)}
	k.fetch.add(s)
	return s
}

// Close ends the stream.
func (s *Stream) Close() { s.f.remove(s) }

// Next waits for a batch. An error is ctx's, or [ErrOutOfRange], or one that does not pass.
func (s *Stream) Next(ctx context.Context) (Batch, error) {
	for {
		if b, ok, err := s.TryNext(); ok || err != nil {
			return b, err
		}
		select {
		case <-s.some:
		case <-s.f.ctx.Done():
			return Batch{}, errClosed
		case <-ctx.Done():
			return Batch{}, context.Cause(ctx)
		}
	}
}

// TryNext is [Stream.Next] for a batch that is there already, if one is.
func (s *Stream) TryNext() (Batch, bool, error) {
	s.mu.Lock()
	if len(s.queue) == 0 {
		defer s.mu.Unlock()
		return Batch{}, false, s.err
	}
	b := s.queue[0]
	s.queue = slices.Delete(s.queue, 0, 1)
	full := s.queued > maxQueued
	s.queued -= b.bytes()
	room := s.queued <= maxQueued
	s.mu.Unlock()
	if full && room {
		s.f.wake()
	}
	return b, true, nil
}

// wants is where to read on, whether there is room for it, and whether the stream must be asked for alone.
func (s *Stream) wants() (next int64, room, alone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next, s.queued <= maxQueued && s.err == nil, s.alone
}

// put takes what a poll has read for the stream; alone tells whether the poll asked for nothing else, and so from where this
// stream is.
func (s *Stream) put(b Batch, block *sarama.FetchResponseBlock, alone bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.err = err
		signal(s.some)
		return
	}
	if b.Next <= s.next {
		// Nothing, although there is something to be read: other partitions have filled the answer, or the log has batches
		// here from which compaction has taken all records. sarama gives such batches as nothing at all. Asked for alone,
		// a partition always gets its next batch; if still nothing is seen, it is one of those, and has at least one offset.
		switch hidden := len(block.RecordsSet) == 0 && s.next < block.LastStableOffset; {
		case hidden && alone && b.Next == s.next:
			b = Batch{Next: s.next + 1}
		default:
			s.alone = hidden
			return
		}
	} else {
		s.alone = false
	}
	if i := slices.IndexFunc(b.Records, func(r Record) bool { return r.Offset >= s.next }); i >= 0 {
		b.Records = b.Records[i:]
	} else {
		b.Records = nil
	}
	s.next = b.Next
	s.queue = append(s.queue, b)
	s.queued += b.bytes()
	signal(s.some)
}

func sortByFirstOffset(list []*sarama.AbortedTransaction) {
	slices.SortFunc(list, func(a, b *sarama.AbortedTransaction) int {
		return int(min(max(a.FirstOffset-b.FirstOffset, -1), 1))
	})
}
