package bus

import (
	"context"
	"errors"

	"github.com/cordage-sandbox/cordage/workers/bus/wire"
)

// sender writes records outside of transactions, each once, for many goroutines: what is brought while a request to the
// broker is under way goes into the next one.
type sender struct {
	jobs  chan *job
	ended chan struct{}    // closed when run has returned
	count func([]wire.Out) // those that have been written
}

func newSender(count func([]wire.Out)) *sender {
	return &sender{make(chan *job), make(chan struct{}), count}
}

// errSenderEnded is what is brought too late.
var errSenderEnded = errors.New("nothing is sent any more")

// send writes records. When it fails, they may have been written.
func (s *sender) send(ctx context.Context, outs []wire.Out) error {
	j := &job{ctx, outs, make(chan error, 1)}
	select {
	case s.jobs <- j:
	case <-s.ended:
		return errSenderEnded
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// run is the goroutine that has the producer, until ctx ends.
func (s *sender) run(ctx context.Context, p *wire.Producer) {
	defer close(s.ended)
	for {
		var shared []*job
		select {
		case j := <-s.jobs:
			shared = append(shared, j)
		case <-ctx.Done():
			return
		}
		for more := true; more && len(shared) < maxShared; {
			select {
			case j := <-s.jobs:
				shared = append(shared, j)
			default:
				more = false
			}
		}
		s.write(p, shared)
	}
}

func (s *sender) write(p *wire.Producer, shared []*job) {
	ctx, cancel := whileAny(shared)
	defer cancel()
	var outs []wire.Out
	for _, j := range shared {
		outs = append(outs, j.outs...)
	}
	err := p.Send(ctx, outs)
	if err == nil {
		s.count(outs)
	}
	for _, j := range shared {
		j.done <- err
	}
}
