// Package port chooses TCP ports on 127.0.0.1, holds them until the process they are for can take them over, and
// names the holder of one that is taken. Workers must not import it: they are told their ports.
package port

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"syscall"
)

// Host is where everything listens.
const Host = "127.0.0.1"

// The ports chosen from. They lie below the range from which Linux takes the local ports of outgoing connections
// (32768 upwards by default), so that no connection can sit on a port between two starts of a node.
const (
	lowest  = 20_000
	highest = 32_000
)

// Port is a TCP port on 127.0.0.1 that is kept for one node. Two things keep it: a listener, which [Port.HandOver]
// closes just before the node starts, and a reservation that all Cordage processes of the machine honour, which stays
// until [Port.Close] or the end of this process. So no other sandbox takes the port in the second that a JVM needs
// from its start to its first listener.
type Port struct {
	number      int
	listener    net.Listener
	reservation reservation
}

// Hold keeps the port number, or a free one if number is 0.
//
// Errors: *TakenError if the port is in use.
func Hold(number int) (*Port, error) {
	if number != 0 {
		if number < 1 || number > 65535 {
			return nil, fmt.Errorf("hold port %d: a port is 1 to 65535", number)
		}
		return hold(number)
	}
	const tries = 500
	start := rand.IntN(highest - lowest) //nolint:gosec // nothing secret: it spreads sandboxes that start at once
	for i := range tries {
		p, err := hold(lowest + (start+i*7)%(highest-lowest))
		if err == nil {
			return p, nil
		}
		if _, taken := errors.AsType[*TakenError](err); !taken {
			return nil, err
		}
	}
	return nil, fmt.Errorf("hold a free port: none among %d tried from %d to %d", tries, lowest, highest)
}

func hold(number int) (*Port, error) {
	r, err := reserve(number)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp4", Address(number))
	if err != nil {
		r.Close()
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, newTaken(number)
		}
		return nil, fmt.Errorf("hold port %d: %w", number, err)
	}
	return &Port{number: number, listener: l, reservation: r}, nil
}

// Number is the number of the port.
func (p *Port) Number() int { return p.number }

// HandOver frees the port for the node that is about to start, and keeps it reserved against other sandboxes.
func (p *Port) HandOver() error { return p.listener.Close() }

// Close gives the port up.
func (p *Port) Close() error {
	err := p.listener.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil // handed over
	}
	return errors.Join(err, p.reservation.Close())
}

// Address is "127.0.0.1:number".
func Address(number int) string { return net.JoinHostPort(Host, strconv.Itoa(number)) }

// Check returns a *TakenError if something listens on the port, or another sandbox has it reserved.
func Check(number int) error {
	p, err := Hold(number)
	if err != nil {
		return err
	}
	return p.Close()
}

// TakenError says that a port is in use.
type TakenError struct {
	Port   int
	Holder Holder // zero if it cannot be told: another user's process
}

func newTaken(number int) *TakenError {
	h, _ := FindHolder(number)
	return &TakenError{Port: number, Holder: h}
}

func (e *TakenError) Error() string {
	if e.Holder.PID == 0 {
		return fmt.Sprintf("port %d on %s is taken by a process that cannot be seen from this account", e.Port, Host)
	}
	return fmt.Sprintf("port %d on %s is taken by process %d (%s)", e.Port, Host, e.Holder.PID, e.Holder.Command)
}

// Hint tells how to free the port or do without it.
func (e *TakenError) Hint() string {
	if e.Holder.PID == 0 {
		return "choose another port, or leave it out and let Cordage choose a free one"
	}
	return fmt.Sprintf("end that process (kill %d), choose another port, or leave it out and let Cordage choose a free one", e.Holder.PID)
}

// Holder is the process that has a port.
type Holder struct {
	PID     int
	Command string // its command line, shortened
}
