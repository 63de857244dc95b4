package wire

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// pool keeps connections by address. A connection carries one request at a time: sarama holds a broker's lock until the
// answer is there, and Kafka answers the requests of a connection one after the other. So each request that waits
// for something (a poll, a join) has its connection to itself, and the others share the few that are left.
type pool struct {
	conf   *sarama.Config
	mu     sync.Mutex
	idle   map[string][]*conn // the last one was used last
	closed bool
}

// conn is a connection, and the socket under it, which is closed to end a request that must not be waited for.
type conn struct {
	broker *sarama.Broker
	socket net.Conn
	used   time.Time
}

const (
	keepIdle = 3                // connections to one address that stay open without work
	maxIdle  = 90 * time.Second // Kafka closes a connection that is idle for 10 minutes by default
)

func newPool(conf *sarama.Config) *pool { return &pool{conf: conf, idle: map[string][]*conn{}} }

// do sends requests over a connection to addr; call must return the error of each that could not be sent or answered,
// and no other. When ctx ends first, the connection is closed, and the error says that ctx has ended.
func (p *pool) do(ctx context.Context, addr string, call func(*sarama.Broker) error) error {
	c, err := p.get(ctx, addr)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { c.socket.Close() })
	err = call(c.broker)
	switch ended := !stop(); {
	case ended:
		c.close()
		if err == nil {
			return nil // the answer was there before the end
		}
		return fmt.Errorf("%w (%w)", context.Cause(ctx), err)
	case err != nil:
		c.close()
		return fmt.Errorf("broker %s: %w", addr, err)
	}
	p.put(addr, c)
	return nil
}

func (p *pool) get(ctx context.Context, addr string) (*conn, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errClosed
	}
	for list := p.idle[addr]; len(list) > 0; {
		c := list[len(list)-1]
		list = list[:len(list)-1]
		p.idle[addr] = list
		if time.Since(c.used) < maxIdle {
			p.mu.Unlock()
			return c, nil
		}
		defer c.close()
	}
	p.mu.Unlock()
	return p.dial(ctx, addr)
}

func (p *pool) put(addr string, c *conn) {
	c.used = time.Now()
	p.mu.Lock()
	keep := !p.closed && len(p.idle[addr]) < keepIdle
	if keep {
		p.idle[addr] = append(p.idle[addr], c)
	}
	p.mu.Unlock()
	if !keep {
		c.close()
	}
}

func (p *pool) dial(ctx context.Context, addr string) (*conn, error) {
	d := &dialer{ctx: ctx}
	conf := *p.conf
	conf.Net.Proxy.Enable = true
	conf.Net.Proxy.Dialer = d
	b := sarama.NewBroker(addr)
	if err := b.Open(&conf); err != nil {
		return nil, fmt.Errorf("connect to Kafka at %s: %w", addr, err)
	}
	if up, err := b.Connected(); !up { // waits for the dialer
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("connect to Kafka at %s: %w", addr, err)
	}
	return &conn{broker: b, socket: d.socket}, nil
}

func (p *pool) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, list := range idle {
		for _, c := range list {
			c.close()
		}
	}
}

// close ends the connection. Its errors tell nothing: it may have been closed already, by either side.
func (c *conn) close() {
	c.socket.Close()
	c.broker.Close()
}

// dialer is how sarama dials, made to end with a context, and to give away the socket.
type dialer struct {
	ctx    context.Context //nolint:containedctx // sarama's dialers have no context
	socket net.Conn
}

func (d *dialer) Dial(network, addr string) (net.Conn, error) {
	nd := net.Dialer{Timeout: dialTimeout}
	socket, err := nd.DialContext(d.ctx, network, addr)
	d.socket = socket
	return socket, err
}
