package process

import (
	"context"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/port"
)

// Route tells how nodes reach each other: on 127.0.0.1, like everybody.
func (r *Runtime) Route(context.Context) (sandbox.Routes, error) { return Routes{}, nil }

// Routes are those of processes on one machine.
type Routes struct{}

// Address is the port on 127.0.0.1.
func (Routes) Address(_, _ string, number int) string { return port.Address(number) }

// Bind is the port on 127.0.0.1.
func (Routes) Bind(number int) string { return port.Address(number) }

// Host is 127.0.0.1.
func (Routes) Host() sandbox.HostRoute {
	return sandbox.HostRoute{Listen: port.Host, Reach: port.Host}
}
