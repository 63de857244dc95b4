package wire

import (
	"context"
	"fmt"
	"time"

	"github.com/IBM/sarama"
)

// transactionTimeout is how long a transaction may stay open before its coordinator aborts it. Readers of committed
// records stand still behind an open transaction, so it is short: it counts only when a process was killed and
// nothing takes its transactional id over.
const transactionTimeout = 10 * time.Second

const (
	// maxBatch bounds a batch of records, in bytes; brokers refuse more than 1 MiB by default.
	maxBatch = 990_000
	// recordOverhead is more than what the encoding of a record and of each header adds to its parts.
	recordOverhead = 48
	acksTimeout    = answerTimeout - time.Second // how long a leader waits for its followers
)

// Producer writes records, each once even where a request must be sent again. It is not safe for concurrent use.
//
// With a transactional id it takes the id over from whoever had it: an open transaction of theirs is aborted, and they
// are fenced. Records are then written only by [Producer.Transact]; without one, only by [Producer.Send].
type Producer struct {
	k     *Cluster
	txID  string // empty: not transactional
	id    int64
	epoch int16
	next  map[place]int32 // sequence number of the next record
	// broken is set when it is not known what arrived: sequence numbers must start anew, under another epoch.
	broken bool
	fresh  bool // nothing has been committed since its last epoch began
	// unsettled is the offset of the last transaction, until the coordinator of its group is known to have taken it in.
	unsettled *Offset
}

type place struct {
	topic     string
	partition int32
}

// NewProducer makes a producer. It tries until ctx ends.
func (k *Cluster) NewProducer(ctx context.Context, transactionalID string) (*Producer, error) {
	p := &Producer{k: k, txID: transactionalID}
	if err := p.init(ctx); err != nil {
		return nil, fmt.Errorf("start producer %q: %w", transactionalID, err)
	}
	return p, nil
}

// init asks for a producer id and epoch. With a transactional id it takes that over, from itself too after a transaction that
// failed: what may still be open is aborted under a higher epoch, so that records which are yet on their way are refused.
// An abort under the epoch that they have would let them into the partition behind it, and the next commit would take
// them in (KIP-890).
//
// An owner of the id that came after this one is fenced by it, and takes the id back. In a group that does no harm: the
// coordinator takes offsets only of the partition's owner.
func (p *Producer) init(ctx context.Context) error {
	request := &sarama.InitProducerIDRequest{
		Version: 3, TransactionTimeout: transactionTimeout, ProducerID: -1, ProducerEpoch: -1, // whatever they are now
	}
	var r *sarama.InitProducerIDResponse
	var err error
	if p.txID == "" {
		err = p.k.retry(ctx, "get a producer id", func() error {
			r, err = anyBroker(ctx, p.k, func(b *sarama.Broker) (*sarama.InitProducerIDResponse, error) {
				return b.InitProducerID(request)
			})
			if err != nil {
				return err
			}
			return passing(code(r.Err)) // it could not get ids from the controller
		})
	} else {
		request.TransactionalID = &p.txID
		err = p.coordinated(ctx, "take the transactional id", func(b *sarama.Broker) (answer, transport error) {
			if r, transport = b.InitProducerID(request); transport != nil {
				return nil, transport
			}
			return code(r.Err), nil
		})
	}
	if err != nil {
		return err
	}
	p.id, p.epoch, p.broken, p.fresh, p.next = r.ProducerID, r.ProducerEpoch, false, true, map[place]int32{}
	return nil
}

func (p *Producer) coordinated(ctx context.Context, what string, f func(*sarama.Broker) (answer, transport error)) error {
	return p.k.coordinated(ctx, what, sarama.CoordinatorTransaction, p.txID, f)
}

// Send writes records outside of transactions, in order for each partition. When it fails, some may have been written.
func (p *Producer) Send(ctx context.Context, outs []Out) error {
	if p.broken {
		if err := p.init(ctx); err != nil {
			return err
		}
	}
	if err := p.produce(ctx, outs); err != nil {
		p.broken = true
		return err
	}
	return nil
}

// produce writes records and waits for them, in as many rounds as their batches need.
func (p *Producer) produce(ctx context.Context, outs []Out) error {
	queues := map[place][]*sarama.RecordBatch{}
	for _, b := range p.batches(outs) {
		queues[b.place] = append(queues[b.place], b.RecordBatch)
	}
	for len(queues) > 0 {
		round := map[place]*sarama.RecordBatch{}
		for at, queue := range queues {
			round[at] = queue[0]
			if queues[at] = queue[1:]; len(queue) == 1 {
				delete(queues, at)
			}
		}
		if err := p.round(ctx, round); err != nil {
			return err
		}
	}
	return nil
}

type placedBatch struct {
	place
	*sarama.RecordBatch
}

// batches packs records, and gives them their sequence numbers.
func (p *Producer) batches(outs []Out) []placedBatch {
	var all []placedBatch
	open := map[place]int{} // index in all
	size := map[place]int{}
	now := time.Now().Truncate(time.Millisecond)
	for i := range outs {
		out := &outs[i]
		at := place{out.Topic, out.Partition}
		bytes := len(out.Key) + len(out.Value) + recordOverhead*(1+len(out.Headers))
		headers := make([]sarama.RecordHeader, len(out.Headers))
		refs := make([]*sarama.RecordHeader, len(out.Headers))
		for j, h := range out.Headers {
			bytes += len(h.Key) + len(h.Value)
			headers[j] = sarama.RecordHeader{Key: []byte(h.Key), Value: h.Value}
			refs[j] = &headers[j]
		}
		n, ok := open[at]
		if !ok || size[at]+bytes > maxBatch {
			n = len(all)
			open[at], size[at] = n, 0
			all = append(all, placedBatch{at, &sarama.RecordBatch{
				Version: 2, PartitionLeaderEpoch: -1, FirstTimestamp: now, MaxTimestamp: now,
				ProducerID: p.id, ProducerEpoch: p.epoch, FirstSequence: p.next[at], IsTransactional: p.txID != "",
			}})
		}
		size[at] += bytes
		batch := all[n].RecordBatch
		batch.LastOffsetDelta = int32(len(batch.Records)) //nolint:gosec // bounded by maxBatch
		batch.Records = append(batch.Records, &sarama.Record{
			OffsetDelta: int64(len(batch.Records)), Key: out.Key, Value: out.Value, Headers: refs,
		})
		p.next[at] = (p.next[at] + 1) & 0x7fffffff
	}
	return all
}

// round writes one batch to each partition, again until all are written.
func (p *Producer) round(ctx context.Context, batches map[place]*sarama.RecordBatch) error {
	return p.k.retry(ctx, "produce", func() error {
		version := p.k.meta.now()
		byLeader := map[int32]*sarama.ProduceRequest{}
		asked := map[int32][]place{}
		var worst error
		for at, batch := range batches {
			id, ok := p.k.meta.leader(at.topic, at.partition)
			if !ok {
				worst = sarama.ErrLeaderNotAvailable
				continue
			}
			r := byLeader[id]
			if r == nil {
				r = &sarama.ProduceRequest{
					Version: 7, RequiredAcks: sarama.WaitForAll, Timeout: int32(acksTimeout / time.Millisecond),
				}
				if p.txID != "" {
					r.TransactionalID = &p.txID
				}
				byLeader[id] = r
			}
			r.AddBatch(at.topic, at.partition, batch)
			asked[id] = append(asked[id], at)
		}
		for id, request := range byLeader {
			var r *sarama.ProduceResponse
			err := p.k.callWithin(ctx, answerTimeout, id, func(b *sarama.Broker) (err error) {
				r, err = b.Produce(request)
				return err
			})
			if err != nil {
				worst = err
				continue
			}
			for _, at := range asked[id] {
				if err := written(r, at); err == nil {
					delete(batches, at)
				} else if worst == nil || transient(worst) {
					worst = err
				}
			}
		}
		if worst != nil && moved(worst) && ctx.Err() == nil {
			if err := p.k.refresh(ctx, version); err != nil {
				return err
			}
		}
		return worst
	})
}

func written(r *sarama.ProduceResponse, at place) error {
	block := r.GetBlock(at.topic, at.partition)
	switch {
	case block == nil:
		return fmt.Errorf("the answer does not name %s/%d", at.topic, at.partition)
	case block.Err == sarama.ErrDuplicateSequenceNumber: // it arrived before the connection broke
		return nil
	}
	if err := code(block.Err); err != nil {
		return fmt.Errorf("%s/%d: %w", at.topic, at.partition, err)
	}
	return nil
}
