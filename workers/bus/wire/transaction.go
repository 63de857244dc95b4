package wire

import (
	"context"
	"fmt"
	"slices"

	"github.com/IBM/sarama"
	"golang.org/x/sync/errgroup"
)

// Offset is how far a member of a group has come in a partition.
type Offset struct {
	Member    Member
	Topic     string
	Partition int32
	Next      int64 // the next record to be read
}

// Transact writes the records, and the offset unless it is nil, in one transaction. When it returns nil, they are
// committed. When it returns an error, they are not, and never will be, except where ctx has ended: then the transaction
// may or may not have been committed, which the next Transact, or the next producer with this transactional id, settles.
//
// Errors: [ErrFenced], [ErrLost], [ErrInstanceFenced], and those that the broker gives for the records.
func (p *Producer) Transact(ctx context.Context, outs []Out, offset *Offset) error {
	if p.broken {
		if err := p.init(ctx); err != nil {
			return err
		}
	}
	if len(outs) == 0 && offset == nil {
		return nil
	}
	p.broken = true // until it is known to have been committed
	if err := p.fill(ctx, outs, offset); err != nil {
		return err
	}
	if err := p.commit(ctx); err != nil {
		return err
	}
	p.broken = false
	if offset != nil {
		p.unsettled = offset
	}
	if p.fresh && p.unsettled != nil {
		// What is done is committed, whatever comes of this; the next transaction begins with it again.
		if err := p.settle(ctx); err != nil {
			p.k.log.WarnContext(ctx, "a committed position is not seen yet", "transactionalId", p.txID, "error", err)
		}
		p.fresh = false
	}
	return nil
}

// fill writes everything into the transaction. Records and offset go to different partitions, at the same time.
func (p *Producer) fill(ctx context.Context, outs []Out, offset *Offset) error {
	begin, beginning := errgroup.WithContext(ctx)
	begin.Go(func() error { return p.settle(beginning) })
	if len(outs) > 0 {
		begin.Go(func() error { return p.addPartitions(beginning, outs) })
	}
	if err := begin.Wait(); err != nil {
		return err
	}
	write, writing := errgroup.WithContext(ctx)
	if len(outs) > 0 {
		write.Go(func() error { return p.produce(writing, outs) })
	}
	if offset != nil {
		write.Go(func() error { return p.fillOffset(writing, offset) })
	}
	return write.Wait()
}

// settle waits until the group's coordinator shows the offset of the last transaction. A coordinator of Kafka 3.2 takes offsets
// in some time after their transaction has been completed, and then all those that the producer has brought until then: the
// offset of a next transaction, which may still be aborted, would be committed with it, and its records would be handled
// by nobody (KAFKA-17507).
//
// For the same reason an abort may take the offset of the transaction behind it away, whose records are committed. That
// offset is committed by itself then. It can happen to the first transaction after an abort only, so that this one is
// settled at once, and the others where the next one begins, which costs no time.
func (p *Producer) settle(ctx context.Context) error {
	o := p.unsettled
	if o == nil {
		return nil
	}
	at, err := p.k.Committed(ctx, o.Member.Group, o.Topic, o.Partition)
	if err == nil && at < o.Next {
		p.k.log.WarnContext(ctx, "Kafka has lost a committed position; committing it again", "group", o.Member.Group,
			"topic", o.Topic, "partition", o.Partition, "position", o.Next, "found", at)
		err = p.k.Commit(ctx, *o)
	}
	if err != nil {
		return err
	}
	p.unsettled = nil
	return nil
}

func (p *Producer) fillOffset(ctx context.Context, offset *Offset) error {
	if err := p.addOffsets(ctx, offset.Member.Group); err != nil {
		return err
	}
	return p.commitOffset(ctx, offset)
}

func (p *Producer) addPartitions(ctx context.Context, outs []Out) error {
	partitions := map[string][]int32{}
	for i := range outs {
		if list := partitions[outs[i].Topic]; !slices.Contains(list, outs[i].Partition) {
			partitions[outs[i].Topic] = append(list, outs[i].Partition)
		}
	}
	return p.coordinated(ctx, "add partitions to the transaction", func(b *sarama.Broker) (answer, transport error) {
		r, err := b.AddPartitionsToTxn(&sarama.AddPartitionsToTxnRequest{
			Version: 1, TransactionalID: p.txID, ProducerID: p.id, ProducerEpoch: p.epoch, TopicPartitions: partitions,
		})
		if err != nil {
			return nil, err
		}
		return firstError(r.Errors), nil
	})
}

func firstError(byTopic map[string][]*sarama.PartitionError) error {
	var first error
	for topic, list := range byTopic {
		for _, e := range list {
			if e.Err == sarama.ErrNoError || e.Err == sarama.ErrOperationNotAttempted && first != nil {
				continue
			}
			first = fmt.Errorf("%s/%d: %w", topic, e.Partition, code(e.Err))
		}
	}
	return first
}

func (p *Producer) addOffsets(ctx context.Context, group string) error {
	return p.coordinated(ctx, "add offsets to the transaction", func(b *sarama.Broker) (answer, transport error) {
		r, err := b.AddOffsetsToTxn(&sarama.AddOffsetsToTxnRequest{
			Version: 1, TransactionalID: p.txID, ProducerID: p.id, ProducerEpoch: p.epoch, GroupID: group,
		})
		if err != nil {
			return nil, err
		}
		return code(r.Err), nil
	})
}

func (p *Producer) commitOffset(ctx context.Context, o *Offset) error {
	m := o.Member
	request := &sarama.TxnOffsetCommitRequest{
		Version: 3, TransactionalID: p.txID, ProducerID: p.id, ProducerEpoch: p.epoch,
		GroupID: m.Group, GenerationID: m.Generation, MemberID: m.ID, GroupInstanceID: m.instance(),
		Topics: map[string][]*sarama.PartitionOffsetMetadata{
			o.Topic: {{Partition: o.Partition, Offset: o.Next, LeaderEpoch: -1}},
		},
	}
	return p.k.coordinated(ctx, "commit offsets in the transaction", sarama.CoordinatorGroup, m.Group,
		func(b *sarama.Broker) (answer, transport error) {
			r, err := b.TxnOffsetCommit(request)
			if err != nil {
				return nil, err
			}
			return firstError(r.Topics), nil
		})
}

// commit ends the open transaction. It may be asked again: the coordinator knows what it has done.
func (p *Producer) commit(ctx context.Context) error {
	return p.coordinated(ctx, "commit the transaction", func(b *sarama.Broker) (answer, transport error) {
		r, err := b.EndTxn(&sarama.EndTxnRequest{
			Version: 1, TransactionalID: p.txID, ProducerID: p.id, ProducerEpoch: p.epoch, TransactionResult: true,
		})
		if err != nil {
			return nil, err
		}
		return code(r.Err), nil
	})
}
