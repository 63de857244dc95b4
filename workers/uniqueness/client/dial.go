package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/clock"
	"github.com/cordage-sandbox/cordage/workers/telemetry"
)

// Dialled is a client with a connection to the bus of its own.
type Dialled struct {
	*Client
	close func() error
}

// Close ends the client and its connection.
func (d *Dialled) Close() error { return d.close() }

// Dial connects to the bus and makes a client that hears answers when Dial returns.
func Dial(ctx context.Context, brokers []string, o Options) (_ *Dialled, err error) {
	var undo []func() error
	closeAll := sync.OnceValue(func() error {
		var errs []error
		for i := len(undo) - 1; i >= 0; i-- {
			errs = append(errs, undo[i]())
		}
		return errors.Join(errs...)
	})
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("connect to the bus: %w", err), closeAll())
		}
	}()
	tel := o.Telemetry
	if tel == nil {
		own, flush, err := telemetry.New(ctx, telemetry.Config{Role: "client", MetricRole: "Client", LogTo: io.Discard})
		if err != nil {
			return nil, err
		}
		undo = append(undo, func() error { return flush(context.WithoutCancel(ctx)) })
		tel = own
	}
	// The name is part of the transactional id: two clients at once must not fence each other.
	b, err := bus.Open(ctx, bus.Config{Brokers: brokers, Node: "client-" + uuid.NewString(), Chance: clock.NewChance(0), Telemetry: tel})
	if err != nil {
		return nil, err
	}
	undo = append(undo, b.Close)
	publisher, err := b.NewPublisher(ctx, "requests")
	if err != nil {
		return nil, err
	}
	undo = append(undo, publisher.Close)
	c := New(publisher, func(topic string, heard func(bus.Record)) Listener { return b.Tail(topic, heard) }, o)
	listening, stop := context.WithCancel(context.WithoutCancel(ctx))
	var g errgroup.Group
	ready := make(chan struct{})
	g.Go(func() error { return c.Run(listening, func() { close(ready) }) })
	undo = append(undo, func() error { stop(); return g.Wait() })
	select {
	case <-ready:
		return &Dialled{c, closeAll}, nil
	case <-c.ended:
		return nil, errors.New("the topic of answers cannot be read")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
