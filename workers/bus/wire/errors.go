package wire

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"
)

var (
	// ErrFenced: another producer has the transactional id now, or the coordinator has ended the transaction because it
	// took too long. What the transaction would have written is aborted.
	ErrFenced = errors.New("the transactional id belongs to another producer by now, or the transaction took too long")

	// ErrLost: the group has gone on without this member, which must join again.
	ErrLost = errors.New("no longer a member of the group")

	// ErrInstanceFenced: another process has joined the group under this one's name.
	ErrInstanceFenced = errors.New("another process has joined the group under the same name")

	// ErrOutOfRange: the partition has no such offset (any more, or yet).
	ErrOutOfRange = errors.New("the offset is not in the log")

	errClosed = errors.New("the Kafka client is closed")
)

// NoTopicError is a topic that does not exist.
type NoTopicError struct{ Topic string }

func (e *NoTopicError) Error() string { return fmt.Sprintf("topic %s does not exist", e.Topic) }

// Hint tells what to do about it.
func (e *NoTopicError) Hint() string {
	return "topics are made when the sandbox starts; stop it and start it again to make those that are missing"
}

// transient tells whether the same request may succeed later.
func transient(err error) bool {
	var code sarama.KError
	if !errors.As(err, &code) {
		return !errors.Is(err, errClosed) && !errors.As(err, new(*NoTopicError)) && !isFatal(err)
	}
	switch code {
	case sarama.ErrUnknownTopicOrPartition, sarama.ErrLeaderNotAvailable, sarama.ErrNotLeaderForPartition,
		sarama.ErrRequestTimedOut, sarama.ErrBrokerNotAvailable, sarama.ErrReplicaNotAvailable, sarama.ErrNetworkException,
		sarama.ErrOffsetsLoadInProgress, sarama.ErrConsumerCoordinatorNotAvailable, sarama.ErrNotCoordinatorForConsumer,
		sarama.ErrNotEnoughReplicas, sarama.ErrNotEnoughReplicasAfterAppend, sarama.ErrConcurrentTransactions,
		sarama.ErrTransactionCoordinatorFenced, sarama.ErrKafkaStorageError, sarama.ErrFencedLeaderEpoch,
		sarama.ErrUnknownLeaderEpoch, sarama.ErrOffsetNotAvailable, sarama.ErrUnstableOffsetCommit, sarama.ErrNotController,
		sarama.ErrThrottlingQuotaExceeded:
		return true
	}
	return false
}

func isFatal(err error) bool {
	return errors.Is(err, ErrFenced) || errors.Is(err, ErrLost) || errors.Is(err, ErrInstanceFenced)
}

// moved tells whether the coordinator or leader is to be looked up again before the next try.
func moved(err error) bool {
	var code sarama.KError
	if !errors.As(err, &code) {
		return true // the connection broke: the broker may be gone
	}
	switch code {
	case sarama.ErrUnknownTopicOrPartition, sarama.ErrLeaderNotAvailable, sarama.ErrNotLeaderForPartition,
		sarama.ErrConsumerCoordinatorNotAvailable, sarama.ErrNotCoordinatorForConsumer, sarama.ErrFencedLeaderEpoch,
		sarama.ErrUnknownLeaderEpoch, sarama.ErrNotController, sarama.ErrBrokerNotAvailable, sarama.ErrReplicaNotAvailable,
		sarama.ErrKafkaStorageError, sarama.ErrNetworkException: // a leader whose disk fails gives its partitions up
		return true
	}
	return false
}

// worry is how long something may fail before the log tells of it.
const worry = 3 * time.Second

// retry calls try until it succeeds, fails for good, or ctx ends.
func (k *Cluster) retry(ctx context.Context, what string, try func() error) error {
	told := time.Now()
	for wait := newBackoff(500*time.Microsecond, 100*time.Millisecond); ; { // a commit that is being completed takes about as long
		err := try()
		if err == nil {
			return nil
		}
		if !transient(err) {
			return fmt.Errorf("%s: %w", what, err)
		}
		if ctx.Err() != nil || !wait.sleep(ctx) {
			if !errors.Is(err, context.Cause(ctx)) {
				err = fmt.Errorf("%w (%w)", context.Cause(ctx), err)
			}
			return fmt.Errorf("%s: %w", what, err)
		}
		if time.Since(told) > worry {
			told = time.Now()
			k.log.WarnContext(ctx, "Kafka does not do what it is asked; trying on", "asked", what, "error", err)
		}
	}
}

// code makes an error of a response's error code.
func code(c sarama.KError) error {
	switch c {
	case sarama.ErrNoError:
		return nil
	case sarama.ErrInvalidProducerEpoch, sarama.ErrProducerFenced, sarama.ErrInvalidProducerIDMapping:
		return fmt.Errorf("%w (%w)", ErrFenced, c)
	case sarama.ErrIllegalGeneration, sarama.ErrUnknownMemberId, sarama.ErrRebalanceInProgress:
		return fmt.Errorf("%w (%w)", ErrLost, c)
	case sarama.ErrFencedInstancedId:
		return fmt.Errorf("%w (%w)", ErrInstanceFenced, c)
	}
	return c
}

// passing makes an unknown error of a coordinator, or of a leader that is read from, one that passes. Kafka 3.2 answers with it
// while the leaders of its own topics and its controller move, and it may have done what it was asked for: what came of it is
// known when it is asked again. For writes it does not pass: they begin anew, under another epoch.
//
// Source: Kafka 3.2, TransactionMetadata.completeTransitionTo and ProducerIdManager throw, and KafkaApis answers; its Java
// client reads on after unknown errors of fetches and lists of offsets.
func passing(err error) error {
	if errors.Is(err, sarama.ErrUnknown) {
		return fmt.Errorf("%w (%w)", sarama.ErrBrokerNotAvailable, err)
	}
	return err
}
