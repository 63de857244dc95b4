// Package attach lets scenarios act on a running sandbox: over its supervisor, its REST API, its bus and its databases.
package attach

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/client"
	"github.com/cordage-sandbox/cordage/sandbox/reader"
	"github.com/cordage-sandbox/cordage/workers/clock"
	"github.com/cordage-sandbox/cordage/workers/telemetry"
	notary "github.com/cordage-sandbox/cordage/workers/uniqueness/client"
)

// Supervisor is what is asked of the sandbox's supervisor; *client.Client is one.
type Supervisor interface {
	Credentials(ctx context.Context) (sandbox.Credentials, error)
	Nodes(ctx context.Context) ([]sandbox.Node, error)
	Node(ctx context.Context, name string) (sandbox.Node, error)
	Restart(ctx context.Context, name string) ([]sandbox.Node, error)
	Kill(ctx context.Context, name string) ([]sandbox.Node, error)
	Scale(ctx context.Context, role string, replicas int) ([]sandbox.Node, error)
	Clock(ctx context.Context) (clock.Setting, error)
	SetClock(ctx context.Context, change sandbox.ClockChange) (clock.Setting, error)
	Events(ctx context.Context) iter.Seq2[sandbox.Event, error]
	Telemetry(ctx context.Context, name string) (*telemetry.Telemetry, func(context.Context) error, error)
}

// Cluster is a sandbox as scenarios act on it; it is a run.Cluster. Safe for concurrent use.
type Cluster struct {
	supervisor  Supervisor
	rest        *client.REST
	credentials sandbox.Credentials
	reader      *reader.Reader
	notary      *notary.Dialled
	telemetry   *telemetry.Telemetry
	flush       func(context.Context) error

	// As they were, to be put back.
	clock    clock.Setting
	replicas map[string]int
}

// Open attaches to a sandbox that is ready.
func Open(ctx context.Context, supervisor Supervisor) (*Cluster, error) {
	c := &Cluster{supervisor: supervisor, reader: reader.New(reader.Role)}
	var err error
	if c.credentials, err = supervisor.Credentials(ctx); err != nil {
		return nil, err
	}
	if c.rest, err = client.NewREST(c.credentials.REST); err != nil {
		return nil, err
	}
	if c.clock, err = supervisor.Clock(ctx); err != nil {
		return nil, err
	}
	if c.replicas, err = c.count(ctx); err != nil {
		return nil, err
	}
	if c.telemetry, c.flush, err = supervisor.Telemetry(ctx, "scenario"); err != nil {
		return nil, err
	}
	if c.notary, err = notary.Dial(ctx, strings.Split(c.credentials.Kafka, ","), notary.Options{Telemetry: c.telemetry}); err != nil {
		return nil, errors.Join(err, c.flush(context.WithoutCancel(ctx)))
	}
	return c, nil
}

// Close puts the sandbox's clock and numbers of replicas back, and detaches.
func (c *Cluster) Close(ctx context.Context) error {
	return errors.Join(c.restoreClock(ctx), c.restoreReplicas(ctx), c.notary.Close(), c.flush(ctx))
}

// Follow begins the trace of a step; what is asked with the context that it gives is part of it.
func (c *Cluster) Follow(ctx context.Context, scenario, step string) (context.Context, func(error)) {
	ctx, span := c.telemetry.Tracer.Start(ctx, scenario+": "+step, trace.WithNewRoot(), trace.WithAttributes(
		attribute.String("cordage.scenario", scenario), attribute.String("cordage.step", step)))
	return ctx, func(err error) {
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
}

func (c *Cluster) restoreClock(ctx context.Context) error {
	now, err := c.supervisor.Clock(ctx)
	if err != nil || now.Version == c.clock.Version {
		return err
	}
	change := sandbox.ClockChange{Action: "resume"}
	switch c.clock.Mode {
	case clock.Frozen:
		change = sandbox.ClockChange{Action: "freeze", Time: c.clock.At}
	case clock.Running:
		change = sandbox.ClockChange{Action: "set", Time: c.clock.Now(time.Now())}
	}
	if _, err := c.supervisor.SetClock(ctx, change); err != nil {
		return fmt.Errorf("put the sandbox's clock back: %w", err)
	}
	return nil
}

func (c *Cluster) restoreReplicas(ctx context.Context) error {
	now, err := c.count(ctx)
	if err != nil {
		return err
	}
	for _, role := range slices.Sorted(maps.Keys(c.replicas)) {
		if now[role] == c.replicas[role] {
			continue
		}
		if _, err := c.supervisor.Scale(ctx, role, c.replicas[role]); err != nil {
			return fmt.Errorf("put the number of %s workers back to %d: %w", role, c.replicas[role], err)
		}
	}
	return nil
}

func (c *Cluster) count(ctx context.Context) (map[string]int, error) {
	nodes, err := c.supervisor.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	count := map[string]int{}
	for _, n := range nodes {
		if n.Kind == sandbox.Worker {
			count[n.Role]++
		}
	}
	return count, nil
}

// Worker kills or restarts a node, and waits until all are ready.
func (c *Cluster) Worker(ctx context.Context, op, node string) error {
	switch op {
	case "restart":
		_, err := c.supervisor.Restart(ctx, node)
		return err
	case "kill":
		before, err := c.supervisor.Node(ctx, node)
		if err != nil {
			return err
		}
		if _, err := c.supervisor.Kill(ctx, node); err != nil {
			return err
		}
		return c.await(ctx, fmt.Sprintf("%s to be started again", node), func(nodes []sandbox.Node) bool {
			i := slices.IndexFunc(nodes, func(n sandbox.Node) bool { return n.Name == node })
			return i >= 0 && nodes[i].Instance != before.Instance && allReady(nodes)
		})
	default:
		return fmt.Errorf("worker %s: a node can be killed or restarted", op)
	}
}

// Brokers is the number of the sandbox's Kafka brokers.
func (c *Cluster) Brokers() int { return len(strings.Split(c.credentials.Kafka, ",")) }

// Scale sets a worker type's number of replicas.
func (c *Cluster) Scale(ctx context.Context, role string, replicas int) error {
	if _, err := c.supervisor.Scale(ctx, role, replicas); err != nil {
		return err
	}
	return c.await(ctx, fmt.Sprintf("%d %s workers", replicas, role), allReady)
}

// Ready lists the nodes that are ready.
func (c *Cluster) Ready(ctx context.Context) ([]string, error) {
	nodes, err := c.supervisor.Nodes(ctx)
	var names []string
	for _, n := range nodes {
		if n.State == sandbox.Ready {
			names = append(names, n.Name)
		}
	}
	return names, err
}

func allReady(nodes []sandbox.Node) bool {
	return !slices.ContainsFunc(nodes, func(n sandbox.Node) bool { return n.State != sandbox.Ready })
}

// await waits until the nodes are as wanted; every change of a node is an event.
func (c *Cluster) await(ctx context.Context, what string, done func([]sandbox.Node) bool) error {
	for _, err := range c.supervisor.Events(ctx) {
		if err != nil {
			return fmt.Errorf("wait for %s: %w", what, err)
		}
		nodes, err := c.supervisor.Nodes(ctx)
		if err != nil {
			return fmt.Errorf("wait for %s: %w", what, err)
		}
		if done(nodes) {
			return nil
		}
	}
	return fmt.Errorf("wait for %s: %w", what, cmpErr(context.Cause(ctx), errors.New("the supervisor ended")))
}

func cmpErr(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// Clock changes the sandbox's clock, and gives its time.
func (c *Cluster) Clock(ctx context.Context, op, value string) (time.Time, error) {
	change := sandbox.ClockChange{Action: op}
	switch op {
	case "freeze", "set":
		t, err := time.Parse(time.RFC3339Nano, value)
		if err != nil {
			return time.Time{}, fmt.Errorf("clock %s: %q is not a time such as 2030-06-01T12:00:00Z", op, value)
		}
		change.Time = t
	case "advance":
		change.By = value
	}
	setting, err := c.supervisor.SetClock(ctx, change)
	return setting.Now(time.Now()), err
}
