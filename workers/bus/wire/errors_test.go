package wire

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/IBM/sarama"
)

// TestErrorCodes: what follows from each error that a broker may answer: it is asked again, perhaps elsewhere; the transaction
// or the membership is lost; or whoever asked is told.
func TestErrorCodes(t *testing.T) {
	t.Parallel()
	type fate struct {
		again, elsewhere bool
		fatal            error
	}
	again, elsewhere, told := fate{again: true}, fate{again: true, elsewhere: true}, fate{}
	for answer, want := range map[sarama.KError]fate{
		sarama.ErrConcurrentTransactions: again, sarama.ErrOffsetsLoadInProgress: again, sarama.ErrUnstableOffsetCommit: again,
		sarama.ErrNotEnoughReplicas: again, sarama.ErrNotEnoughReplicasAfterAppend: again, sarama.ErrRequestTimedOut: again,
		sarama.ErrNotCoordinatorForConsumer: elsewhere, sarama.ErrConsumerCoordinatorNotAvailable: elsewhere,
		sarama.ErrNotLeaderForPartition: elsewhere, sarama.ErrLeaderNotAvailable: elsewhere, sarama.ErrKafkaStorageError: elsewhere,
		sarama.ErrUnknownTopicOrPartition: elsewhere,
		sarama.ErrInvalidProducerEpoch:    {fatal: ErrFenced}, sarama.ErrProducerFenced: {fatal: ErrFenced},
		sarama.ErrInvalidProducerIDMapping: {fatal: ErrFenced},
		sarama.ErrIllegalGeneration:        {fatal: ErrLost}, sarama.ErrUnknownMemberId: {fatal: ErrLost},
		sarama.ErrRebalanceInProgress: {fatal: ErrLost}, sarama.ErrFencedInstancedId: {fatal: ErrInstanceFenced},
		// The producer begins anew with another epoch, see [Producer.Transact].
		sarama.ErrOutOfOrderSequenceNumber: told, sarama.ErrUnknownProducerID: told, sarama.ErrInvalidTxnState: told,
		sarama.ErrMessageSizeTooLarge: told, sarama.ErrOffsetOutOfRange: told, sarama.ErrUnknown: told,
	} {
		err := fmt.Errorf("asked: %w", code(answer))
		got := fate{again: transient(err) && !isFatal(err), elsewhere: !isFatal(err) && moved(err)}
		for _, f := range []error{ErrFenced, ErrLost, ErrInstanceFenced} {
			if errors.Is(err, f) {
				got.fatal = f
			}
		}
		if got != want || isFatal(err) && transient(err) {
			t.Errorf("%v: %+v, want %+v", answer, got, want)
		}
	}
	if err := passing(code(sarama.ErrUnknown)); !transient(err) || !moved(err) {
		t.Errorf("%v is not asked again elsewhere", err)
	}
}

// TestUnknownErrorOfAFetchPasses, as for Kafka's own client: the stream goes on, after another look for its leader.
func TestUnknownErrorOfAFetchPasses(t *testing.T) {
	t.Parallel()
	f := &fetchers{ctx: t.Context()}
	s := &Stream{f: f, next: 5, some: make(chan struct{}, 1)}
	r := &sarama.FetchResponse{Blocks: map[string]map[int32]*sarama.FetchResponseBlock{"t": {0: {Err: sarama.ErrUnknown}}}}
	if f.deliver(r, map[place]asked{{"t", 0}: {from: 5, streams: []*Stream{s}}}) {
		t.Error("an unknown error counts as an answer of the leader")
	}
	if _, ok, err := s.TryNext(); ok || err != nil {
		t.Errorf("the stream has ended: %v", err)
	}
}

// TestErrorsWithoutCode are those that no broker has answered.
func TestErrorsWithoutCode(t *testing.T) {
	t.Parallel()
	if err := errors.New("connection refused"); !transient(err) || !moved(err) {
		t.Errorf("%v is not asked again elsewhere", err)
	}
	for _, err := range []error{&NoTopicError{"x"}, errClosed} {
		if transient(err) {
			t.Errorf("%v is asked again", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := (&Cluster{}).retry(ctx, "try", func() error { return sarama.ErrRequestTimedOut })
	if !errors.Is(err, sarama.ErrRequestTimedOut) || !errors.Is(err, context.Canceled) {
		t.Errorf("retry after the end = %v, want what failed, and that its context had ended", err)
	}
}
