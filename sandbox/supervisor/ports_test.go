package supervisor

import (
	"errors"
	"net"
	"testing"

	"github.com/cordage-sandbox/cordage/sandbox/port"
)

const restPort = "lb-1/rest"

// taken is a port that this test listens on.
func taken(t *testing.T) int {
	t.Helper()
	p, err := port.Hold(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p.Number()
}

// TestPortIsKept: the same port as last time, if nobody asks for another.
func TestPortIsKept(t *testing.T) {
	t.Parallel()
	var p ports
	first, moved, err := p.hold(restPort, 0, 0)
	if err != nil || moved != nil || first == 0 {
		t.Fatalf("a free port: %d, %v, %v", first, moved, err)
	}
	p.handOver("lb-1")
	l, err := net.Listen("tcp", port.Address(first)) // as the node does
	if err != nil {
		t.Fatalf("the node cannot take over its port: %v", err)
	}
	if _, _, err := p.hold("rest-1/rest", first, 0); err == nil {
		t.Error("a port that was handed over is given to another node")
	}
	l.Close()
	p.release("")
	again, moved, err := p.hold(restPort, 0, first)
	if err != nil || moved != nil || again != first {
		t.Errorf("the next time it is %d, %v, %v; want %d", again, moved, err, first)
	}
	p.release("lb-1")
	other, err := port.Hold(first)
	if err != nil {
		t.Fatalf("a port that was released is not free: %v", err)
	}
	other.Close()
}

// TestTakenPort: one that is only kept gives way, and it is told; one that was asked for is a failure.
func TestTakenPort(t *testing.T) {
	t.Parallel()
	var p ports
	t.Cleanup(func() { p.release("") })
	last := taken(t)
	got, moved, err := p.hold(restPort, 0, last)
	if err != nil || got == 0 || got == last {
		t.Errorf("instead of %d it is %d, %v", last, got, err)
	}
	if taken, ok := errors.AsType[*port.TakenError](moved); !ok || taken.Port != last {
		t.Errorf("what is told is %v", moved)
	}
	_, _, err = p.hold("postgres/sql", last, 0)
	if wanted, ok := errors.AsType[*PortError](err); !ok || wanted.For != "postgres" || wanted.Err.Port != last {
		t.Errorf("a wanted port that is taken gives %v", err)
	}
}
