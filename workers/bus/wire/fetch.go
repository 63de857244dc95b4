package wire

import (
	"context"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// fetchers reads for all streams of a client: one goroutine and one connection for each broker that leads any of their
// partitions. A broker answers a poll as soon as there is something to read, so the length of a poll matters only for
// streams that want to join the next one: while there are such, polls are short.
type fetchers struct {
	k      *Cluster
	ctx    context.Context //nolint:containedctx // ends with the client
	cancel context.CancelFunc
	wg     sync.WaitGroup
	lost   chan struct{} // signalled when a stream's leader is not known, or not right

	mu      sync.Mutex
	streams map[*Stream]struct{}
	brokers map[int32]chan struct{} // wakes the goroutine of a broker
	busy    time.Time               // until then streams are expected to come one after the other
	closed  bool
}

const (
	longPoll  = 250 * time.Millisecond
	shortPoll = 15 * time.Millisecond
	busyFor   = time.Second

	fetchBytes          = 1 << 20   // of one answer
	fetchPartitionBytes = 256 << 10 // of one partition in it; a larger batch comes whole all the same
	maxQueued           = 512 << 10 // a stream that holds more bytes than this is left out of polls

	fetchTimeout = longPoll + 10*time.Second // a broker that is silent for longer has forgotten the poll
)

func newFetchers(k *Cluster) *fetchers {
	f := &fetchers{
		k: k, lost: make(chan struct{}, 1), streams: map[*Stream]struct{}{}, brokers: map[int32]chan struct{}{},
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.wg.Go(f.lookForLeaders)
	return f
}

func (f *fetchers) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.cancel()
	f.wg.Wait()
}

func (f *fetchers) add(s *Stream) {
	f.mu.Lock()
	f.streams[s] = struct{}{}
	f.busy = time.Now().Add(busyFor)
	f.mu.Unlock()
	f.wake()
}

func (f *fetchers) remove(s *Stream) {
	f.mu.Lock()
	delete(f.streams, s)
	f.mu.Unlock()
}

// wake makes each broker's goroutine look at the streams again, and starts those that are missing.
func (f *fetchers) wake() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	for s := range f.streams {
		id, ok := f.k.meta.leader(s.topic, s.partition)
		switch {
		case !ok:
			signal(f.lost)
		case f.brokers[id] == nil:
			wake := make(chan struct{}, 1)
			f.brokers[id] = wake
			f.wg.Go(func() { f.run(id, wake) })
		}
	}
	for _, wake := range f.brokers {
		signal(wake)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// lookForLeaders reads the metadata whenever a stream is lost, until every stream has a leader.
func (f *fetchers) lookForLeaders() {
	for {
		select {
		case <-f.lost:
		case <-f.ctx.Done():
			return
		}
		for wait := newBackoff(10*time.Millisecond, 250*time.Millisecond); ; {
			// The client logs nothing here: all who need the cluster meet the fault themselves.
			if err := f.k.refresh(f.ctx, f.k.meta.now()); err == nil && f.allLed() {
				break
			}
			if !wait.sleep(f.ctx) {
				return
			}
		}
	}
}

func (f *fetchers) allLed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.streams {
		if _, ok := f.k.meta.leader(s.topic, s.partition); !ok {
			return false
		}
	}
	return true
}

// run polls one broker.
func (f *fetchers) run(id int32, wake chan struct{}) {
	wait := newBackoff(5*time.Millisecond, 100*time.Millisecond)
	for f.ctx.Err() == nil {
		request, asked := f.poll(id)
		if len(asked) == 0 {
			select {
			case <-wake:
			case <-f.ctx.Done():
			}
			continue
		}
		var r *sarama.FetchResponse
		err := f.k.callWithin(f.ctx, fetchTimeout, id, func(b *sarama.Broker) (err error) {
			r, err = b.Fetch(request)
			return err
		})
		if err == nil && f.deliver(r, asked) {
			wait = newBackoff(5*time.Millisecond, 100*time.Millisecond)
			continue
		}
		signal(f.lost)
		wait.sleep(f.ctx)
	}
}

// poll makes the request for the streams that a broker leads and that have room. Streams of one partition share its
// entry, which starts where the hindmost of them is.
func (f *fetchers) poll(id int32) (*sarama.FetchRequest, map[place]asked) {
	f.mu.Lock()
	defer f.mu.Unlock()
	places := map[place]asked{}
	full := false
	for s := range f.streams {
		if leader, ok := f.k.meta.leader(s.topic, s.partition); !ok || leader != id {
			continue
		}
		next, room, alone := s.wants()
		if full = full || !room; !room {
			continue
		}
		at := place{s.topic, s.partition}
		if alone {
			places = map[place]asked{at: {next, []*Stream{s}, true}}
			break
		}
		a, ok := places[at]
		if !ok || next < a.from {
			a.from = next
		}
		a.streams = append(a.streams, s)
		places[at] = a
	}
	length := longPoll
	if full || time.Now().Before(f.busy) {
		length = shortPoll
	}
	request := &sarama.FetchRequest{
		Version: 11, MaxWaitTime: int32(length / time.Millisecond), MinBytes: 1, MaxBytes: fetchBytes,
		Isolation: sarama.ReadCommitted, SessionEpoch: -1,
	}
	for at, a := range places {
		request.AddBlock(at.topic, at.partition, a.from, fetchPartitionBytes, -1)
	}
	return request, places
}

// asked is what a poll has asked of one partition.
type asked struct {
	from    int64
	streams []*Stream
	alone   bool
}

// deliver hands an answer to the streams. It tells whether each partition was answered by its leader.
func (f *fetchers) deliver(r *sarama.FetchResponse, places map[place]asked) bool {
	ok := r.ErrorCode == 0
	for topic, blocks := range r.Blocks {
		for partition, block := range blocks {
			a := places[place{topic, partition}]
			err := passing(code(block.Err))
			switch {
			case block.Err == sarama.ErrOffsetOutOfRange:
				err = ErrOutOfRange
			case err != nil && transient(err):
				ok = false
				continue
			}
			batch := Batch{Next: a.from}
			if err == nil {
				batch = read(block, a)
			}
			for _, s := range a.streams {
				s.put(batch, block, a.alone, err)
			}
		}
	}
	return ok
}

// read takes the committed records out of an answer.
//
// Source: Kafka's protocol (read_committed): a broker sends the records of aborted transactions too, and a list of them.
func read(block *sarama.FetchResponseBlock, a asked) Batch {
	batch := Batch{Next: a.from}
	aborted := block.AbortedTransactions
	sortByFirstOffset(aborted)
	ignored := map[int64]bool{} // producers whose records, up to their next marker, were aborted
	for _, records := range block.RecordsSet {
		b := records.RecordBatch
		if b == nil || b.PartialTrailingRecord {
			continue // a message set of Kafka 0.10, which nobody writes; or cut off, and asked for again
		}
		for len(aborted) > 0 && aborted[0].FirstOffset <= b.LastOffset() {
			ignored[aborted[0].ProducerID] = true
			aborted = aborted[1:]
		}
		batch.Next = b.LastOffset() + 1
		if b.Control {
			if isAbort(b) {
				delete(ignored, b.ProducerID)
			}
			continue
		}
		if b.IsTransactional && ignored[b.ProducerID] {
			continue
		}
		for _, rec := range b.Records {
			if offset := b.FirstOffset + rec.OffsetDelta; offset >= a.from {
				batch.Records = append(batch.Records, newRecord(b, rec, offset))
			}
		}
	}
	return batch
}

func newRecord(b *sarama.RecordBatch, rec *sarama.Record, offset int64) Record {
	headers := make([]Header, len(rec.Headers))
	for i, h := range rec.Headers {
		headers[i] = Header{string(h.Key), h.Value}
	}
	at := b.FirstTimestamp.Add(rec.TimestampDelta)
	if b.LogAppendTime {
		at = b.MaxTimestamp
	}
	return Record{Offset: offset, Key: rec.Key, Value: rec.Value, Headers: headers, Time: at}
}

// isAbort tells an abort marker (type 0) from a commit marker (type 1): the key is a version and a type of 16 bits each.
func isAbort(b *sarama.RecordBatch) bool {
	return len(b.Records) > 0 && len(b.Records[0].Key) >= 4 && b.Records[0].Key[2] == 0 && b.Records[0].Key[3] == 0
}
