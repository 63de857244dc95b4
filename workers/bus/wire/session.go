package wire

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
)

// Claim is a partition that this member of a group has, until its generation ends. Whoever works on it must return, with
// nil, soon after Ending is closed: when the record in hand is done. When the context ends it must return at once, since
// the partition belongs to somebody else by now, or nobody waits any more.
type Claim struct {
	Member    Member
	Partition int32
	Ending    <-chan struct{}
	Ready     func() // to be called when the position is known

	session *session
}

// Alive tells whether the coordinator has heard from this member recently enough that the partition is certainly still
// its own. After the process, or the machine, was suspended it is not.
func (c *Claim) Alive() bool {
	return time.Since(time.Unix(0, c.session.heard.Load())) < sessionTimeout
}

const (
	// grace is how long the work in hand may take when the group rebalances; less than rebalanceTimeout.
	grace = 30 * time.Second
	// lastGrace is how long it may take when the process ends.
	lastGrace = 5 * time.Second
)

// session is one generation of a group, as one member sees it.
type session struct {
	k          *Cluster
	me         Member
	partitions []int32
	ending     chan struct{}
	heard      atomic.Int64 // Unix time, in nanoseconds, at which the last heartbeat that was answered was sent
}

func newSession(k *Cluster, me Member, partitions []int32) *session {
	s := &session{k: k, me: me, partitions: partitions, ending: make(chan struct{})}
	s.heard.Store(time.Now().UnixNano())
	return s
}

// run works on the partitions until the generation ends. It returns when all work has ended.
func (s *session) run(ctx context.Context, work func(context.Context, *Claim) error, ready func()) error {
	hard, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	var workers, heart sync.WaitGroup
	fault := make(chan error, len(s.partitions)+1)
	var waiting atomic.Int64
	waiting.Store(int64(len(s.partitions)))
	for _, partition := range s.partitions {
		isReady := sync.OnceFunc(func() {
			if waiting.Add(-1) == 0 {
				ready()
			}
		})
		claim := &Claim{Member: s.me, Partition: partition, Ending: s.ending, Ready: isReady, session: s}
		workers.Go(func() {
			if err := work(hard, claim); err != nil && hard.Err() == nil {
				fault <- err
			}
		})
	}
	if len(s.partitions) == 0 {
		ready()
	}
	over := make(chan struct{}) // the group rebalances
	beats, stopBeats := context.WithCancel(hard)
	heart.Go(func() {
		if err := s.beat(beats, sync.OnceFunc(func() { close(over) })); err != nil && beats.Err() == nil {
			fault <- err
		}
	})

	err, patience := error(nil), grace
	select {
	case <-ctx.Done():
		patience = lastGrace
	case <-over:
	case err = <-fault:
		if isFatal(err) {
			patience = 0
		}
	}
	close(s.ending)
	s.await(&workers, patience, fault, cancel)
	stopBeats()
	heart.Wait()
	return err
}

var errPatience = errors.New("the work in hand took too long, and the group cannot wait")

// await waits for the workers, at most for patience and only while the member is in the group; then it ends them.
func (s *session) await(workers *sync.WaitGroup, patience time.Duration, fault <-chan error, cancel context.CancelCauseFunc) {
	done := make(chan struct{})
	go func() { workers.Wait(); close(done) }()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		select {
		case <-done:
			return
		case <-limit.C:
			cancel(errPatience)
			<-done
			return
		case err := <-fault:
			if isFatal(err) {
				cancel(err)
				<-done
				return
			}
		}
	}
}

// beat tells the coordinator that the member lives, until ctx ends. It calls over when the group rebalances. It gives an
// error when the member is no longer in the group.
func (s *session) beat(ctx context.Context, over func()) error {
	began := time.Now()
	request := &sarama.HeartbeatRequest{
		Version: 3, GroupId: s.me.Group, GenerationId: s.me.Generation, MemberId: s.me.ID, GroupInstanceId: s.me.instance(),
	}
	for {
		pause := heartbeat
		if time.Since(began) < firstPeriod {
			pause = firstHeartbeat
		}
		if !newBackoff(pause, pause).sleep(ctx) {
			return nil
		}
		sent := time.Now()
		var rebalance bool
		err := s.k.coordinated(ctx, "heartbeat", sarama.CoordinatorGroup, s.me.Group,
			func(b *sarama.Broker) (answer, transport error) {
				sent = time.Now()
				r, err := b.Heartbeat(request)
				if err != nil {
					return nil, err
				}
				if rebalance = r.Err == sarama.ErrRebalanceInProgress; rebalance {
					return nil, nil
				}
				return code(r.Err), nil
			})
		if err != nil {
			return err
		}
		s.heard.Store(sent.UnixNano())
		if rebalance {
			over()
		}
	}
}
