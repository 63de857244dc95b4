package wire

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// metadata is what is known of the cluster: brokers, leaders, coordinators. It is read in one request for all topics, and
// again only when something turns out to have moved.
type metadata struct {
	turn chan struct{} // holds a token; who has it refreshes

	mu           sync.RWMutex
	version      int // number of refreshes
	brokers      map[int32]string
	controller   int32
	answered     string             // address of the broker that has told this
	topics       map[string][]int32 // leader of each partition, -1 for none
	coordinators map[coordinatorKey]int32
}

type coordinatorKey struct {
	kind sarama.CoordinatorType
	key  string
}

func newMetadata() *metadata {
	m := &metadata{turn: make(chan struct{}, 1), coordinators: map[coordinatorKey]int32{}}
	m.turn <- struct{}{}
	return m
}

// refresh reads the metadata, unless somebody has done so since the version that the caller knows.
func (k *Cluster) refresh(ctx context.Context, known int) error {
	select {
	case <-k.meta.turn:
		defer func() { k.meta.turn <- struct{}{} }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if k.meta.now() > known {
		return nil
	}
	addrs := k.meta.addresses()
	for _, seed := range k.seeds {
		if !slices.Contains(addrs, seed) {
			addrs = append(addrs, seed)
		}
	}
	r, err := anyOf(ctx, addrs, k.readMetadata)
	if err == nil {
		err = k.meta.set(r)
	}
	if err == nil {
		k.fetch.wake()
	}
	return err
}

// described is the metadata as a broker has it.
type described struct {
	*sarama.MetadataResponse
	by string // its address
}

func (k *Cluster) readMetadata(ctx context.Context, addr string) (described, error) {
	d := described{by: addr}
	err := k.pool.do(ctx, addr, func(b *sarama.Broker) (err error) {
		d.MetadataResponse, err = b.GetMetadata(&sarama.MetadataRequest{Version: 7})
		return err
	})
	if err == nil && len(d.Brokers) == 0 {
		err = fmt.Errorf("broker %s: no broker is registered yet", addr)
	}
	return d, err
}

func (m *metadata) set(r described) error {
	brokers := map[int32]string{}
	for _, b := range r.Brokers {
		brokers[b.ID()] = b.Addr()
	}
	topics := map[string][]int32{}
	for _, t := range r.Topics {
		leaders := make([]int32, len(t.Partitions))
		for _, p := range t.Partitions {
			if int(p.ID) >= len(leaders) {
				return fmt.Errorf("metadata of topic %s: partition %d of %d", t.Name, p.ID, len(leaders))
			}
			leaders[p.ID] = p.Leader
		}
		topics[t.Name] = leaders
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.brokers, m.topics, m.controller, m.answered = brokers, topics, r.ControllerID, r.by
	m.version++
	return nil
}

// topicPatience is how long a topic may be missing: a broker that has just started may not know it yet.
const topicPatience = 2 * time.Second

// Partitions is the number of partitions of a topic.
func (k *Cluster) Partitions(ctx context.Context, topic string) (int32, error) {
	n, version := k.meta.partitions(topic)
	if n > 0 {
		return n, nil
	}
	patience, cancel := context.WithTimeout(ctx, topicPatience)
	defer cancel()
	for wait := newBackoff(20*time.Millisecond, 200*time.Millisecond); ; {
		// An error counts as nothing: a broker that cannot be reached now may come back within the topic's time.
		if err := k.refresh(patience, version); err == nil {
			if n, version = k.meta.partitions(topic); n > 0 {
				return n, nil
			}
		}
		if !wait.sleep(patience) {
			break
		}
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	return 0, &NoTopicError{topic}
}

// partitions is their number, 0 for a topic that is not known, and the version of the metadata that says so.
func (m *metadata) partitions(topic string) (n int32, version int) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return int32(len(m.topics[topic])), m.version //nolint:gosec // Kafka counts them in 32 bits
}

// leader is the leader of a partition, if it has one.
func (m *metadata) leader(topic string, partition int32) (id int32, ok bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	leaders := m.topics[topic]
	if int(partition) >= len(leaders) {
		return -1, false
	}
	id = leaders[partition]
	_, ok = m.brokers[id]
	return id, ok
}

func (m *metadata) now() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.version
}

// answerTimeout is how long a broker may take to answer. One of Kafka 3.2 whose followers change meanwhile may forget to;
// asked again, it answers. It is shorter than a transaction may last, so that asking again still helps.
const answerTimeout = 5 * time.Second

// callWithin sends requests to a broker by its id, all of which are to be answered within patience.
func (k *Cluster) callWithin(ctx context.Context, patience time.Duration, id int32, f func(*sarama.Broker) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no answer within %v", patience))
	defer cancel()
	return k.call(ctx, id, f)
}

// call sends requests to a broker by its id.
func (k *Cluster) call(ctx context.Context, id int32, f func(*sarama.Broker) error) error {
	k.meta.mu.RLock()
	addr, ok := k.meta.brokers[id]
	k.meta.mu.RUnlock()
	if !ok {
		return sarama.ErrBrokerNotAvailable
	}
	return k.pool.do(ctx, addr, f)
}

// coordinated sends a request to the coordinator of a group or transactional id, until it is answered with success, with
// an error that does not pass, or ctx ends. f gives the error of the connection, and the error in the answer. It may be
// called again although the coordinator has done what it asked for.
func (k *Cluster) coordinated(ctx context.Context, what string, kind sarama.CoordinatorType, key string,
	f func(*sarama.Broker) (answer, transport error),
) error {
	return k.coordinatedWithin(ctx, answerTimeout, what, coordinatorKey{kind, key}, f)
}

// coordinatedWithin is coordinated for requests whose answer may take as long as patience.
func (k *Cluster) coordinatedWithin(ctx context.Context, patience time.Duration, what string, at coordinatorKey,
	f func(*sarama.Broker) (answer, transport error),
) error {
	return k.retry(ctx, what, func() error {
		ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no answer within %v", patience))
		defer cancel()
		id, err := k.coordinator(ctx, at)
		if err != nil {
			return err
		}
		var answer error
		err = k.call(ctx, id, func(b *sarama.Broker) (err error) {
			answer, err = f(b)
			return err
		})
		if err == nil {
			err = passing(answer)
		}
		if err != nil && moved(err) {
			k.meta.mu.Lock()
			delete(k.meta.coordinators, at)
			k.meta.mu.Unlock()
		}
		return err
	})
}

func (k *Cluster) coordinator(ctx context.Context, at coordinatorKey) (int32, error) {
	k.meta.mu.RLock()
	id, ok := k.meta.coordinators[at]
	k.meta.mu.RUnlock()
	if ok {
		return id, nil
	}
	r, err := anyBroker(ctx, k, func(b *sarama.Broker) (*sarama.FindCoordinatorResponse, error) {
		return b.FindCoordinator(&sarama.FindCoordinatorRequest{Version: 2, CoordinatorKey: at.key, CoordinatorType: at.kind})
	})
	switch {
	case err != nil:
		return 0, err
	case r.Err != sarama.ErrNoError:
		return 0, code(r.Err)
	}
	k.meta.mu.Lock()
	defer k.meta.mu.Unlock()
	if _, ok := k.meta.brokers[r.Coordinator.ID()]; !ok {
		k.meta.brokers[r.Coordinator.ID()] = r.Coordinator.Addr()
	}
	k.meta.coordinators[at] = r.Coordinator.ID()
	return r.Coordinator.ID(), nil
}
