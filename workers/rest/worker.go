// Package rest is the REST worker: it serves the API of openapi.yaml over HTTPS, checks who asks and what they may, and
// passes on over the bus what others have to do. What it knows it reads from compacted topics; it has no database and no
// state of its own. No other worker may import it.
package rest

import (
	"context"
	"errors"
	"fmt"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/https"
	"github.com/cordage-sandbox/cordage/workers/keys"
	"github.com/cordage-sandbox/cordage/workers/rest/access"
	"github.com/cordage-sandbox/cordage/workers/role"
)

// componentAPI is the component in /status that is UP while the API takes requests.
const componentAPI = "rest api"

// Worker is a REST worker.
type Worker struct{ env role.Env }

// New makes a REST worker from its boot parameters: the bus and the listener.
func New(env role.Env) (role.Worker, error) {
	if env.Boot.Bus == nil || env.Boot.REST == nil {
		return nil, errors.New("a REST worker needs the bus and a REST listener in its boot parameters")
	}
	return &Worker{env}, nil
}

// Run serves until ctx ends. The API listens once this worker knows what the cluster holds and somebody can log on.
func (w *Worker) Run(ctx context.Context, ready func()) error {
	b, err := bus.Open(ctx, bus.ConfigFrom(w.env))
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("open the bus: %w", err)
	}
	defer b.Close() // nothing is in hand any more
	c, err := newCluster(ctx, b)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer c.close()
	tel := w.env.Telemetry
	settings := newLiveSettings()
	settings.follow(c.sections)
	service, err := newService(c, access.NewGuard(c, keys.CheckPassword, tel.Log), validateSection, settings, w.env.Clock, tel)
	if err != nil {
		return err
	}
	// The API ends first, and then what its requests in hand stand on.
	inner, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	api := role.Component{Name: componentAPI, Run: func(inner context.Context, ready func()) error {
		defer end()
		serving, stop := context.WithCancel(inner)
		defer stop()
		defer context.AfterFunc(ctx, func() {
			tel.Status.Component(componentAPI).Down("stopping") // so that the load balancer sends no more
			stop()
		})()
		if err := c.awaitLogon(serving); err != nil {
			if serving.Err() != nil {
				return nil
			}
			return err
		}
		return https.Serve(serving, *w.env.Boot.REST, service, tel.Log, ready)
	}}
	return role.RunAll(inner, tel.Status, ready, append(c.components(), api)...)
}
