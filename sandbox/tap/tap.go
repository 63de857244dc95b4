// Package tap shows the records of a sandbox's topics as they come, decoded and with secrets masked, for people who look
// at them. It costs nothing while nobody does, and whoever is too slow loses records and is told how many. Workers must not
// import it.
package tap

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/telemetry"
)

// Config says where the topics are.
type Config struct {
	Brokers   func() []string                             // as they are now
	Prefix    string                                      // of topics
	Topics    func(ctx context.Context) ([]string, error) // all there are, without prefix
	Telemetry *telemetry.Telemetry
}

// Tap is one connection to Kafka for all who listen; it is open while there are any. Safe for concurrent use.
type Tap struct {
	c Config

	mu        sync.Mutex
	open      *bus.Bus
	listeners int
}

// New makes a tap. It does not connect yet.
func New(c Config) *Tap { return &Tap{c: c} }

// openLimit bounds how long a broker may take to answer a new listener.
const openLimit = 5 * time.Second

// backlogLimit bounds how long the records that are there may take to be read.
const backlogLimit = 20 * time.Second

// UnknownTopicError says that no topic has a name that a filter asks for.
type UnknownTopicError struct{ Topic string }

func (e *UnknownTopicError) Error() string { return fmt.Sprintf("no topic is called %s", e.Topic) }

// BadFilterError says what is wrong with a filter.
type BadFilterError struct{ Why string }

func (e *BadFilterError) Error() string { return e.Why }

// Listen gives the messages that pass the filter, until ctx ends or deliver fails: first the latest ones that are kept, as
// many as the filter's Tail, in the order of time, then each one that comes. begun is called before the first: whatever is
// sent from then on is delivered. deliver is called by one goroutine at a time, with at least one message.
//
// Errors: *UnknownTopicError, *BadFilterError, deliver's, and what keeps the topics from being read.
func (t *Tap) Listen(ctx context.Context, f sandbox.MessageFilter, begun func(), deliver func([]sandbox.Message) error) error {
	if f.Tail < 0 || f.Tail > sandbox.MaxMessageTail {
		return &BadFilterError{fmt.Sprintf("tail is %d; it is 0 to %d", f.Tail, sandbox.MaxMessageTail)}
	}
	limited, cancel := context.WithTimeoutCause(ctx, openLimit, fmt.Errorf("no answer of Kafka within %v", openLimit))
	defer cancel()
	topics, err := t.topics(limited, f.Topic)
	if err != nil {
		return err
	}
	b, done, err := t.join(limited)
	if err != nil {
		if cause := context.Cause(limited); ctx.Err() == nil && cause != nil {
			err = cause
		}
		return fmt.Errorf("listen to topics: %w", err)
	}
	defer done()
	return listen(ctx, b, topics, f, begun, deliver)
}

// topics are those whose names match.
func (t *Tap) topics(ctx context.Context, pattern string) ([]string, error) {
	all, err := t.c.Topics(ctx)
	if err != nil {
		return nil, fmt.Errorf("listen to topics: %w", err)
	}
	if pattern == "" {
		return all, nil
	}
	var found []string
	for _, one := range strings.Split(pattern, ",") {
		one = strings.TrimSpace(one)
		before := len(found)
		for _, topic := range all {
			if ok, err := path.Match(one, topic); err != nil {
				return nil, &BadFilterError{fmt.Sprintf("topic %q is no pattern: %v", one, err)}
			} else if ok && !slices.Contains(found, topic) {
				found = append(found, topic)
			}
		}
		if len(found) == before && !strings.ContainsAny(one, "*?[") && !slices.Contains(found, one) {
			return nil, &UnknownTopicError{one}
		}
	}
	if len(found) == 0 {
		return nil, &UnknownTopicError{pattern}
	}
	return found, nil
}

// join gives the connection that all listeners share, and what to call when it is not needed any more.
func (t *Tap) join(ctx context.Context) (*bus.Bus, func(), error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		b, err := bus.Open(ctx, bus.Config{Brokers: t.c.Brokers(), TopicPrefix: t.c.Prefix, Node: "cordage-tap", Telemetry: t.c.Telemetry})
		if err != nil {
			return nil, nil, err
		}
		t.open = b
	}
	t.listeners++
	return t.open, sync.OnceFunc(t.leave), nil
}

func (t *Tap) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.listeners--; t.listeners == 0 {
		_ = t.open.Close() // never fails
		t.open = nil
	}
}

// errEnded ends the other half of a listener.
var errEnded = errors.New("nobody listens any more")

// listen runs the two halves of a listener: one hears records and keeps those that may pass, the other decodes them and
// delivers those that do.
func listen(ctx context.Context, b *bus.Bus, topics []string, f sandbox.MessageFilter, begun func(),
	deliver func([]sandbox.Message) error,
) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(errEnded)
	q := newQueue(newFilter(f))
	last := f.Tail
	if last > 0 && q.filter.narrow() {
		last *= searchBack
	}
	ended := make(chan error, 1)
	go func() {
		err := b.Tap(bus.TapConfig{Topics: topics, Last: last}, q.put).Run(ctx, q.begin)
		q.end()
		ended <- err
	}()
	err := pump(ctx, q, f.Tail, begun, deliver)
	cancel(errEnded)
	if fault := <-ended; err == nil {
		err = fault
	}
	return err
}

// searchBack is how many times the records asked for are looked through for those that pass a narrow filter.
const searchBack = 10

// pump delivers until ctx or the queue ends.
func pump(ctx context.Context, q *queue, tail int, begun func(), deliver func([]sandbox.Message) error) error {
	limited, cancel := context.WithTimeout(ctx, backlogLimit)
	defer cancel()
	old, ok := q.backlog(limited)
	if !ok {
		if limited.Err() != nil && ctx.Err() == nil {
			return fmt.Errorf("read the latest records: Kafka does not give them within %v", backlogLimit)
		}
		return nil
	}
	begun()
	if first := q.filter.latest(old, tail); len(first) > 0 {
		if err := deliver(first); err != nil {
			return err
		}
	}
	for {
		records, dropped, ok := q.take(ctx)
		if !ok {
			return nil
		}
		var messages []sandbox.Message
		for _, r := range records {
			if m, ok := q.filter.message(r); ok {
				messages = append(messages, m)
			}
		}
		if dropped > 0 && len(messages) == 0 {
			messages = append(messages, sandbox.Message{})
		}
		if len(messages) == 0 {
			continue
		}
		messages[0].Dropped = dropped
		if err := deliver(messages); err != nil {
			return err
		}
	}
}
