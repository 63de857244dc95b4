package topology

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// upstream is an entry of "upstreams" in the load balancer's /status.
type upstream struct {
	Node     string `json:"node"`
	Ready    bool   `json:"ready"`
	InFlight int    `json:"inFlight"` // requests under way
	Reason   string `json:"reason"`
}

// routes observes which rest workers the load balancer sends requests to.
func routes(ctx context.Context, s Source) ([]sandbox.Edge, error) {
	var edges []sandbox.Edge
	for _, n := range s.Nodes {
		if n.Role != "lb" || !n.State.Runs() {
			continue
		}
		ups, err := upstreams(ctx, n)
		if err != nil {
			return edges, fmt.Errorf("%s: %w", n.Name, err)
		}
		for _, u := range ups {
			edges = append(edges, sandbox.Edge{
				From: n.Name, To: u.Node, Kind: sandbox.EdgeRoutes, What: "/api/v1", Count: u.InFlight, Up: u.Ready, Note: u.Reason,
			})
		}
	}
	return edges, nil
}

func upstreams(ctx context.Context, n sandbox.Node) ([]upstream, error) {
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(n.Ports["monitor"]))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/status", nil)
	if err != nil {
		return nil, err
	}
	transport := http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var body struct {
		Upstreams []upstream `json:"upstreams"`
	}
	const most = 1 << 20
	return body.Upstreams, json.NewDecoder(io.LimitReader(resp.Body, most)).Decode(&body)
}
