package container

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// Find lists the sandbox's nodes that run now. It asks the engine, not what this or an earlier supervisor has noted.
func (r *Runtime) Find(ctx context.Context) ([]sandbox.Instance, error) {
	all, err := r.scan(ctx, "")
	if err != nil {
		return nil, err
	}
	found := make([]sandbox.Instance, len(all))
	for n, i := range all {
		found[n] = i
	}
	slices.SortFunc(found, func(a, b sandbox.Instance) int { return strings.Compare(a.Node(), b.Node()) })
	return found, nil
}

// find returns the running instance of one node, or nil.
func (r *Runtime) find(ctx context.Context, node string) (*instance, error) {
	all, err := r.scan(ctx, node)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[0], nil
}

// scan finds the running nodes of the sandbox, or the one of that name, and adopts those not known yet.
func (r *Runtime) scan(ctx context.Context, node string) ([]*instance, error) {
	which := r.ours().Add("status", running()...)
	if node != "" {
		which.Add("label", labelNode+"="+node)
	}
	list, err := r.engine.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: which})
	if err != nil {
		return nil, explain("look for the sandbox's containers", err)
	}
	var all []*instance
	for _, c := range list.Items {
		if checkName(c.Labels[labelNode]) != nil {
			continue
		}
		i, err := r.adopt(ctx, c.ID)
		if err != nil {
			return nil, err
		}
		if i != nil && !i.over() {
			all = append(all, i)
		}
	}
	return all, nil
}

// adopt returns the instance of a container: the known one, or a new one that is watched from now on; nil if it has ended.
func (r *Runtime) adopt(ctx context.Context, id string) (*instance, error) {
	r.mu.Lock()
	i := r.known[id]
	r.mu.Unlock()
	if i != nil {
		return i, nil
	}
	found, err := r.engine.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if cerrdefs.IsNotFound(err) {
		return nil, nil //nolint:nilnil // it is gone
	}
	if err != nil {
		return nil, explain("look at container "+id[:idLength], err)
	}
	if !runs(*found.Container.State) {
		return nil, nil //nolint:nilnil // it has ended
	}
	return r.own(found.Container), nil
}

// own makes the instance of a container that runs, and watches it.
func (r *Runtime) own(c container.InspectResponse) *instance {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := r.known[c.ID]; i != nil {
		return i
	}
	started, err := time.Parse(time.RFC3339Nano, c.State.StartedAt)
	if err != nil {
		started = time.Now()
	}
	labels := c.Config.Labels
	i := &instance{
		r: r, id: c.ID, node: labels[labelNode], kind: sandbox.Kind(labels[labelKind]), hash: labels[labelSpec],
		started: started, done: make(chan struct{}),
	}
	r.known[c.ID] = i
	r.watches.Go(i.watch)
	return i
}

// watchAgain is the pause before the engine is asked again after it did not answer.
const watchAgain = 200 * time.Millisecond

// runs tells whether a container runs, be it paused: Docker says of a paused one that it runs, Podman that it does not.
func runs(s container.State) bool { return s.Running || s.Paused }

// watch waits for the end of the container, or of the runtime. An engine that does not answer, because it is restarted, is
// asked again: the container may live on without it.
func (i *instance) watch() {
	ctx := i.r.life
	for {
		wait := i.r.engine.ContainerWait(ctx, i.id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
		select {
		case <-wait.Result:
		case err := <-wait.Error:
			_ = err // what has happened is asked for below
		}
		found, err := i.r.engine.ContainerInspect(ctx, i.id, client.ContainerInspectOptions{})
		switch {
		case cerrdefs.IsNotFound(err):
			i.end(sandbox.Exit{Code: -1})
			return
		case err == nil && !runs(*found.Container.State):
			exit := exitOf(*found.Container.State)
			if limit := found.Container.HostConfig.Memory; found.Container.State.OOMKilled && limit > 0 {
				exit.Why = fmt.Sprintf("it needed more memory than its limit, %d MiB", limit>>20)
			}
			exit.Log = i.lastWords(ctx)
			i.end(exit)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(watchAgain):
		}
	}
}

func (i *instance) end(exit sandbox.Exit) {
	i.exit = exit
	close(i.done)
	i.r.mu.Lock()
	delete(i.r.known, i.id)
	i.r.mu.Unlock()
}

// exitOf tells how a container ended. The engine gives the number of a signal as 128 more.
func exitOf(s container.State) sandbox.Exit {
	const signalled = 128
	if s.ExitCode > signalled {
		if name := signalName(s.ExitCode - signalled); name != "" {
			return sandbox.Exit{Code: -1, Signal: name}
		}
	}
	return sandbox.Exit{Code: s.ExitCode}
}
