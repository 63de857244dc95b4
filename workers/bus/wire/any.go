package wire

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// silence is how long a broker may be silent before another one is asked, too. One that is starting accepts connections long
// before it answers (up to half a minute on a busy machine), and so does one that is suspended.
const silence = 300 * time.Millisecond

// anyOf asks brokers one after the other, each when the one before has failed or is silent, and gives the first answer. Those
// that are not needed any more are ended before it returns. It waits for an answer as long as for any other.
func anyOf[R any](ctx context.Context, addrs []string, ask func(ctx context.Context, addr string) (R, error)) (R, error) {
	var none R
	if len(addrs) == 0 {
		return none, sarama.ErrBrokerNotAvailable
	}
	var asked sync.WaitGroup
	defer asked.Wait()
	ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout, fmt.Errorf("no answer within %v", answerTimeout))
	defer cancel()
	type outcome struct {
		answer R
		err    error
	}
	outcomes := make(chan outcome, len(addrs))
	start := func(addr string) {
		asked.Go(func() {
			answer, err := ask(ctx, addr)
			outcomes <- outcome{answer, err}
		})
	}
	start(addrs[0])
	next := time.NewTimer(silence)
	defer next.Stop()
	var faults []error
	for waiting := addrs[1:]; len(faults) < len(addrs); {
		select {
		case o := <-outcomes:
			if o.err == nil {
				return o.answer, nil
			}
			faults = append(faults, o.err)
		case <-next.C:
		}
		if len(waiting) > 0 {
			start(waiting[0])
			waiting = waiting[1:]
			next.Reset(silence)
		}
	}
	return none, errors.Join(faults...)
}

// anyBroker asks brokers that are known, until one answers.
func anyBroker[R any](ctx context.Context, k *Cluster, f func(*sarama.Broker) (R, error)) (R, error) {
	version := k.meta.now()
	answer, err := anyOf(ctx, k.meta.addresses(), func(ctx context.Context, addr string) (R, error) {
		var r R
		err := k.pool.do(ctx, addr, func(b *sarama.Broker) (err error) {
			r, err = f(b)
			return err
		})
		return r, err
	})
	if err == nil {
		return answer, nil
	}
	if fault := k.refresh(ctx, version); fault != nil {
		return answer, fault
	}
	return answer, err
}

// addresses are those of the brokers, that of the one first that has answered last.
func (m *metadata) addresses() []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	list := slices.Sorted(maps.Values(m.brokers))
	if i := slices.Index(list, m.answered); i > 0 {
		list[0], list[i] = list[i], list[0]
	}
	return list
}
