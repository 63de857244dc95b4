package store

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"
)

// TestLimiter counts connections at the network: a place is given back by a connection that is closed, once however often,
// and by one that did not come about.
func TestLimiter(t *testing.T) {
	t.Parallel()
	unreachable := errors.New("unreachable")
	failing := true
	dial := func(context.Context, string, string) (net.Conn, error) {
		if failing {
			return nil, unreachable
		}
		here, _ := net.Pipe()
		return here, nil
	}
	l := newLimiter(2)
	asked := make(chan struct{}, 1)
	limited := l.dialer(dial, func(context.Context) bool {
		select {
		case asked <- struct{}{}:
		default:
		}
		return false
	})
	for range 3 { // more often than there are places
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if _, err := limited(ctx, "tcp", "x"); !errors.Is(err, unreachable) {
			t.Errorf("a dial that fails gives %v", err)
		}
		cancel()
	}
	failing = false
	var open []net.Conn
	for range 2 {
		c, err := limited(t.Context(), "tcp", "x")
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	third := make(chan error, 1)
	go func() {
		_, err := limited(t.Context(), "tcp", "x")
		third <- err
	}()
	<-asked // it waits, and has an idle connection closed if there is one
	open[0].Close()
	open[0].Close()
	if err := <-third; err != nil {
		t.Errorf("after one was closed: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := limited(ctx, "tcp", "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("a connection that is closed twice makes room for two: %v", err)
	}
}
