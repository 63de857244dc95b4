package wire

import (
	"context"
	"fmt"

	"github.com/IBM/sarama"
)

// Earliest is, for each partition of a topic, the first offset in the log.
func (k *Cluster) Earliest(ctx context.Context, topic string) ([]int64, error) {
	return k.offsets(ctx, topic, sarama.OffsetOldest, sarama.ReadCommitted)
}

// Latest is, for each partition of a topic, the offset behind the last record that readers of committed records see.
func (k *Cluster) Latest(ctx context.Context, topic string) ([]int64, error) {
	return k.offsets(ctx, topic, sarama.OffsetNewest, sarama.ReadCommitted)
}

// Written is, for each partition of a topic, the offset behind the last record, which may be in an open transaction, or in
// one whose commit is decided and about to be seen.
func (k *Cluster) Written(ctx context.Context, topic string) ([]int64, error) {
	return k.offsets(ctx, topic, sarama.OffsetNewest, sarama.ReadUncommitted)
}

func (k *Cluster) offsets(ctx context.Context, topic string, at int64, see sarama.IsolationLevel) ([]int64, error) {
	n, err := k.Partitions(ctx, topic)
	if err != nil {
		return nil, err
	}
	found := make([]int64, n)
	missing := map[int32]bool{}
	for i := range n {
		missing[i] = true
	}
	err = k.retry(ctx, "list offsets of "+topic, func() error {
		version := k.meta.now()
		err := k.listOffsets(ctx, topic, at, see, missing, found)
		if err != nil && moved(err) && ctx.Err() == nil {
			if err := k.refresh(ctx, version); err != nil {
				return err
			}
		}
		return err
	})
	return found, err
}

// listOffsets asks the leaders of the missing partitions, and takes those that are found from missing.
func (k *Cluster) listOffsets(ctx context.Context, topic string, at int64, see sarama.IsolationLevel,
	missing map[int32]bool, found []int64,
) error {
	requests := map[int32]*sarama.OffsetRequest{}
	for partition := range missing {
		id, ok := k.meta.leader(topic, partition)
		if !ok {
			return sarama.ErrLeaderNotAvailable
		}
		if requests[id] == nil {
			requests[id] = &sarama.OffsetRequest{Version: 4, IsolationLevel: see}
		}
		requests[id].AddBlock(topic, partition, at, 1)
	}
	for id, request := range requests {
		var r *sarama.OffsetResponse
		err := k.callWithin(ctx, answerTimeout, id, func(b *sarama.Broker) (err error) {
			r, err = b.GetAvailableOffsets(request)
			return err
		})
		if err != nil {
			return err
		}
		for partition, block := range r.Blocks[topic] {
			if err := passing(code(block.Err)); err != nil {
				return fmt.Errorf("%s/%d: %w", topic, partition, err)
			}
			if missing[partition] {
				found[partition] = block.Offset
				delete(missing, partition)
			}
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%d partitions are not in the answers", len(missing))
	}
	return nil
}

// Committed is the offset that the group has committed for a partition, or -1. It waits for the end of transactions that
// have committed one and are still open: their owner must have been fenced before.
func (k *Cluster) Committed(ctx context.Context, group, topic string, partition int32) (int64, error) {
	request := sarama.NewOffsetFetchRequest(sarama.V2_5_0_0, group, map[string][]int32{topic: {partition}})
	request.RequireStable = true
	next := int64(-1)
	err := k.coordinated(ctx, "read committed offsets", sarama.CoordinatorGroup, group,
		func(b *sarama.Broker) (answer, transport error) {
			r, err := b.FetchOffset(request)
			if err != nil {
				return nil, err
			}
			if err := code(r.Err); err != nil {
				return err, nil
			}
			block := r.GetBlock(topic, partition)
			if block == nil {
				return fmt.Errorf("the answer does not name %s/%d", topic, partition), nil
			}
			next = block.Offset
			return code(block.Err), nil
		})
	return next, err
}

// Commit commits an offset outside of transactions.
func (k *Cluster) Commit(ctx context.Context, o Offset) error {
	request := &sarama.OffsetCommitRequest{
		Version: 7, ConsumerGroup: o.Member.Group, ConsumerGroupGeneration: o.Member.Generation,
		ConsumerID: o.Member.ID, GroupInstanceId: o.Member.instance(),
	}
	request.AddBlockWithLeaderEpoch(o.Topic, o.Partition, o.Next, -1, 0, "")
	return k.coordinated(ctx, "commit an offset", sarama.CoordinatorGroup, o.Member.Group,
		func(b *sarama.Broker) (answer, transport error) {
			r, err := b.CommitOffset(request)
			if err != nil {
				return nil, err
			}
			return code(r.Errors[o.Topic][o.Partition]), nil
		})
}
