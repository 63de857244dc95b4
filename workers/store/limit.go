package store

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// limiter bounds how many network connections are open at a time. It counts at the network, where a connection begins
// and ends exactly once, whatever the pools and the protocol above do.
type limiter struct{ free chan struct{} }

func newLimiter(n int) *limiter { return &limiter{free: make(chan struct{}, n)} }

func (l *limiter) size() int { return cap(l.free) }

// retryIdle is how often a waiting caller looks for an idle connection to close.
const retryIdle = 20 * time.Millisecond

// dialer waits for a free place before it dials. While there is none, it has closeIdle close a connection that is not
// in use.
func (l *limiter) dialer(dial pgconn.DialFunc, closeIdle func(context.Context) bool) pgconn.DialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if err := l.acquire(ctx, closeIdle); err != nil {
			return nil, err
		}
		conn, err := dial(ctx, network, addr)
		if err != nil {
			<-l.free
			return nil, err
		}
		return &countedConn{Conn: conn, release: sync.OnceFunc(func() { <-l.free })}, nil
	}
}

func (l *limiter) acquire(ctx context.Context, closeIdle func(context.Context) bool) error {
	select {
	case l.free <- struct{}{}:
		return nil
	default:
	}
	tick := time.NewTicker(retryIdle)
	defer tick.Stop()
	for {
		closeIdle(ctx)
		select {
		case l.free <- struct{}{}:
			return nil
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("all %d connections to virtual nodes' databases are in use: %w", cap(l.free), ctx.Err())
		}
	}
}

type countedConn struct {
	net.Conn
	release func()
}

func (c *countedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
