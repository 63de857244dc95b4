package bus_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/cordage-sandbox/cordage/fixtures/servers"
	"github.com/cordage-sandbox/cordage/sandbox/port"
	"github.com/cordage-sandbox/cordage/workers/bus/wire"
	"github.com/cordage-sandbox/cordage/workers/record"
)

// TestTransactionsCutOff ends an owner of a position at each request of a transaction: the request comes late, when
// somebody else has taken over and gone on, or it is done, and its answer is lost. What is committed and the position always
// agree.
//
// The coordinator takes committed positions in late, since it has thousands of other groups to look through meanwhile; and the
// owners are in no generation, so that nothing but the epochs of their transactional id keeps them apart.
func TestTransactionsCutOff(t *testing.T) {
	t.Parallel()
	broker := freePort(t)
	proxy := newProxy(t, port.Address(broker))
	kafkaBehind(t, broker, proxy.address(), [2]string{"offsets.retention.check.interval.ms", "40"})
	k := &kafka{t, []string{proxy.address()}, servers.Unique(t) + "."}
	requests := map[string]uint16{
		"OffsetFetch": offsetFetch, "AddPartitionsToTxn": addPartitionsToTxn, "AddOffsetsToTxn": addOffsetsToTxn,
		"Produce": produce, "TxnOffsetCommit": txnOffsetCommit, "EndTxn": endTxn,
	}
	k.create(2*len(requests), record.Topic{Name: "in"}, record.Topic{Name: "out"})
	w, err := wire.Open(t.Context(), wire.Config{Brokers: k.brokers, ClientID: "a", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	k.otherGroups(w, 1000)

	partition := int32(-1)
	for name, key := range requests {
		for how, hold := range map[string]func(uint16) *heldBack{"late": proxy.holdBack, "unanswered": proxy.swallow} {
			partition++
			c := &counter{t: t, w: w, k: k, partition: partition, id: fmt.Sprint(k.prefix, partition)}
			t.Run(name+" "+how, func(t *testing.T) { // one after the other: the proxy holds whatever comes next
				c.t = t
				const rounds = 20
				p := c.producer()
				for round := range rounds {
					for range 2 { // the position of the first is awaited, that of the second is left to the next transaction
						if err := c.count(t.Context(), p); err != nil {
							t.Fatal(err)
						}
					}
					held := hold(key)
					dying, kill := context.WithCancel(t.Context())
					done := make(chan error, 1)
					go func() { done <- c.count(dying, p) }()
					receive(t, held.arrived)
					if how != "late" {
						receive(t, held.answered)
					}
					kill()
					if err := <-done; !errors.Is(err, context.Canceled) {
						t.Fatalf("a transaction that was cut off: %v", err)
					}
					if round&1 == 0 { // else it goes on itself
						p = c.producer()
					} else if err := c.again(p); err != nil {
						t.Fatal(err)
					}
					c.next = c.position()
					if how != "late" {
						continue
					}
					if round&2 == 0 {
						if err := c.count(t.Context(), p); err != nil {
							t.Fatal(err)
						}
					}
					close(held.release)
					receive(t, held.answered)
				}
				if err := c.count(t.Context(), p); err != nil {
					t.Fatal(err)
				}
				c.check()
			})
		}
	}
}

// otherGroups gives the coordinator so many groups to look through.
func (k *kafka) otherGroups(w *wire.Cluster, n int) {
	k.t.Helper()
	var g errgroup.Group
	g.SetLimit(8)
	for i := range n {
		g.Go(func() error {
			nobody := wire.Member{Group: fmt.Sprint(k.prefix, "other-", i), Generation: -1}
			return w.Commit(k.t.Context(), wire.Offset{Member: nobody, Topic: k.prefix + "in", Next: 1})
		})
	}
	if err := g.Wait(); err != nil {
		k.t.Fatal(err)
	}
}

// counter writes 0, 1, 2, … to a partition, each with the position behind it.
type counter struct {
	t         *testing.T
	w         *wire.Cluster
	k         *kafka
	partition int32
	id        string // of group and transactions
	next      int64
}

// producer takes the transactional id over.
func (c *counter) producer() *wire.Producer {
	c.t.Helper()
	p, err := c.w.NewProducer(c.t.Context(), c.id)
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

// again makes a producer whose transaction was cut off end it, as the next transaction does.
func (c *counter) again(p *wire.Producer) error { return p.Transact(c.t.Context(), nil, nil) }

func (c *counter) count(ctx context.Context, p *wire.Producer) error {
	out := wire.Out{Topic: c.k.prefix + "out", Partition: c.partition, Key: []byte("k"), Value: strconv.AppendInt(nil, c.next, 10)}
	err := p.Transact(ctx, []wire.Out{out}, &wire.Offset{
		Member: wire.Member{Group: c.id, Generation: -1}, Topic: c.k.prefix + "in", Partition: c.partition, Next: c.next + 1,
	})
	if err == nil {
		c.next++
	}
	return err
}

func (c *counter) position() int64 {
	c.t.Helper()
	at, err := c.w.Committed(c.t.Context(), c.id, c.k.prefix+"in", c.partition)
	if err != nil {
		c.t.Fatal(err)
	}
	return at
}

// check reads what was committed.
func (c *counter) check() {
	c.t.Helper()
	if at := c.position(); at != c.next {
		c.t.Errorf("the position is %d, want %d", at, c.next)
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), limit)
	defer cancel()
	s := c.w.Stream(c.k.prefix+"out", c.partition, 0)
	defer s.Close()
	var got, want []string
	for n := range c.next {
		want = append(want, fmt.Sprint(n))
	}
	for len(want) > 0 && (len(got) == 0 || got[len(got)-1] != want[len(want)-1]) {
		b, err := s.Next(ctx)
		if err != nil {
			c.t.Fatalf("committed are %v, want %v: %v", got, want, err)
		}
		for i := range b.Records {
			got = append(got, string(b.Records[i].Value))
		}
	}
	if !slices.Equal(got, want) {
		c.t.Errorf("committed are %v, want %v", got, want)
	}
}
