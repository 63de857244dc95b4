package access

import (
	"context"
	"runtime"
	"sync"
)

// gate bounds how many passwords are checked at a time, so that a flood of wrong ones cannot take the machine: one per
// user, made-up users counting as one, and all together as many as half the processors (at least one). Beyond
// maxWaiting for one user the answer is [ErrBusy] at once.
type gate struct {
	slots chan struct{}

	mu    sync.Mutex
	users map[string]*turn
}

// turn is the line of those who wait for one user's password.
type turn struct {
	token   chan struct{} // holds one; whoever has it is in the gate
	waiting int           // with the one who has the token
}

const maxWaiting = 64

func newGate() *gate {
	return &gate{slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)), users: map[string]*turn{}}
}

// enter waits for a place; leave gives it back.
func (g *gate) enter(ctx context.Context, user string) (leave func(), err error) {
	t, err := g.queue(user)
	if err != nil {
		return nil, err
	}
	select {
	case <-t.token:
	case <-ctx.Done():
		g.unqueue(user, t)
		return nil, ctx.Err()
	}
	select {
	case g.slots <- struct{}{}:
	case <-ctx.Done():
		t.token <- struct{}{}
		g.unqueue(user, t)
		return nil, ctx.Err()
	}
	return func() {
		<-g.slots
		t.token <- struct{}{}
		g.unqueue(user, t)
	}, nil
}

func (g *gate) queue(user string) (*turn, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t, ok := g.users[user]
	if !ok {
		t = &turn{token: make(chan struct{}, 1)}
		t.token <- struct{}{}
		g.users[user] = t
	}
	if t.waiting == maxWaiting {
		return nil, ErrBusy
	}
	t.waiting++
	return t, nil
}

func (g *gate) unqueue(user string, t *turn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t.waiting--; t.waiting == 0 {
		delete(g.users, user)
	}
}
