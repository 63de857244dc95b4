package container

import (
	"context"
	"net"
	"strconv"

	"github.com/moby/moby/client"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// ensureNetwork gives the sandbox's network, making it if it is not there. Nodes reach each other in it by their names.
func (r *Runtime) ensureNetwork(ctx context.Context) (client.NetworkInspectResult, error) {
	r.network.Lock()
	defer r.network.Unlock()
	if !exists(r.homeFile()) {
		if err := r.remember(); err != nil {
			return client.NetworkInspectResult{}, err
		}
	}
	list, err := r.engine.NetworkList(ctx, client.NetworkListOptions{Filters: r.ours()})
	if err != nil {
		return client.NetworkInspectResult{}, explain("look for the sandbox's network", err)
	}
	var id string
	if len(list.Items) > 0 {
		id = list.Items[0].ID
	} else {
		made, err := r.engine.NetworkCreate(ctx, r.name(""), client.NetworkCreateOptions{
			Driver: "bridge", Labels: r.labels(nil),
			Options: map[string]string{"com.docker.network.bridge.host_binding_ipv4": "127.0.0.1"},
		})
		if err != nil {
			if gone(err) || noSpace(err) {
				return client.NetworkInspectResult{}, explain("make the sandbox's network", err)
			}
			return client.NetworkInspectResult{}, &NetworkError{Err: err}
		}
		id = made.ID
	}
	found, err := r.engine.NetworkInspect(ctx, id, client.NetworkInspectOptions{})
	return found, explain("look at the sandbox's network", err)
}

// Ports inside the containers of servers. Workers listen on the same port inside as outside.
const (
	sqlInside        = 5432
	brokerInside     = 9092 // for the network
	controllerInside = 9093
	hostInside       = 9094 // of Kafka, for what comes in through the published port
)

// Purposes of ports (NodeSpec.Ports).
const (
	purposeSQL        = "sql"
	purposeBroker     = "broker"
	purposeController = "controller"
)

// Route tells how nodes reach each other: by name, in the sandbox's network.
func (r *Runtime) Route(ctx context.Context) (sandbox.Routes, error) {
	n, err := r.ensureNetwork(ctx)
	if err != nil {
		return nil, err
	}
	host := sandbox.HostRoute{Listen: "127.0.0.1", Reach: "host.docker.internal"}
	for _, config := range n.Network.IPAM.Config {
		if gateway := config.Gateway.String(); config.Gateway.IsValid() && !r.engine.facts.Desktop && local(gateway) {
			host = sandbox.HostRoute{Listen: gateway, Reach: gateway}
		}
	}
	return routes{host}, nil
}

type routes struct{ host sandbox.HostRoute }

// Address is the node's name and the port inside.
func (routes) Address(node, purpose string, number int) string {
	switch purpose {
	case purposeSQL:
		number = sqlInside
	case purposeBroker:
		number = brokerInside
	case purposeController:
		number = controllerInside
	}
	return net.JoinHostPort(node, strconv.Itoa(number))
}

// Bind is every address of the container: it is reachable from its network, and through what is published.
func (routes) Bind(number int) string { return net.JoinHostPort("0.0.0.0", strconv.Itoa(number)) }

// Host is the gateway of the network, which is this machine, or the name that desktop engines have for it.
func (r routes) Host() sandbox.HostRoute { return r.host }
