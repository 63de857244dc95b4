package supervisor

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/port"
)

// ports holds the ports of a sandbox from before its first node starts until the supervisor ends.
type ports struct {
	mu   sync.Mutex
	held map[string]*port.Port // by NODE/PURPOSE
}

// PortError says that a port that a sandbox needs cannot be had.
type PortError struct {
	For string // rest, postgres, kafka or NODE/PURPOSE
	Err *port.TakenError
}

func (e *PortError) Error() string { return fmt.Sprintf("listen for %s: %v", e.For, e.Err) }
func (e *PortError) Unwrap() error { return e.Err }

// Hint tells how to free the port or do without it.
func (e *PortError) Hint() string {
	return e.Err.Hint() + fmt.Sprintf(": cordage up --port %s=0", e.For)
}

// hold gets the port for a key: the one wanted by the user, else the one of the last start, else a free one. It returns
// the number and, when it is another than last time because that is taken, why.
func (p *ports) hold(key string, wanted, last int) (number int, moved error, err error) {
	number = wanted
	if number == 0 {
		number = last
	}
	got, err := port.Hold(number)
	taken, isTaken := errors.AsType[*port.TakenError](err)
	if isTaken && wanted == 0 {
		moved = taken
		got, err = port.Hold(0)
	} else if isTaken {
		return 0, nil, &PortError{For: purposeOf(key), Err: taken}
	}
	if err != nil {
		return 0, nil, fmt.Errorf("listen for %s: %w", purposeOf(key), err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held == nil {
		p.held = map[string]*port.Port{}
	}
	p.held[key] = got
	return got.Number(), moved, nil
}

// handOver frees the listeners of a node that is about to start; the ports stay reserved against other sandboxes.
func (p *ports) handOver(node string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, held := range p.held {
		if owner, _, _ := strings.Cut(key, "/"); owner == node {
			_ = held.HandOver() // it may have been handed over already
		}
	}
}

// release gives up the ports of a node, or all of them for an empty name.
func (p *ports) release(node string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, held := range p.held {
		if owner, _, _ := strings.Cut(key, "/"); node == "" || owner == node {
			_ = held.Close()
			delete(p.held, key)
		}
	}
}

// purposeOf is what users call a port.
func purposeOf(key string) string {
	for purpose, k := range sandbox.Purposes() {
		if k == key {
			return purpose
		}
	}
	return key
}
