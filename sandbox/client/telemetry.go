package client

import (
	"context"
	"io"

	"github.com/cordage-sandbox/cordage/workers/telemetry"
)

// Telemetry is that of a front end of this name: its spans go to the supervisor, to those of the workers, and nothing is
// logged. The function that it gives sends what is left.
func (c *Client) Telemetry(ctx context.Context, name string) (*telemetry.Telemetry, func(context.Context) error, error) {
	return telemetry.New(ctx, telemetry.Config{
		Role: name, Node: name, Sandbox: c.name, LogTo: io.Discard,
		TracesEndpoint: "supervisor", TracesVia: c.http.Transport, // which dials the socket, whatever the host is
	})
}
