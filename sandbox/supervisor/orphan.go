package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// StopOrphans stops the nodes that a killed supervisor left, in the order of a stop, and removes all that the sandbox
// keeps if purge is set. It returns the names of the nodes. The caller holds the sandbox's lock.
func StopOrphans(ctx context.Context, d sandbox.Dir, r sandbox.Runtime, purge bool) (names []string, err error) {
	found, err := r.Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for nodes of sandbox %s: %w", d.Name, err)
	}
	slices.SortFunc(found, func(a, b sandbox.Instance) int {
		return cmp.Or(cmp.Compare(stageOf(b.Node()), stageOf(a.Node())), cmp.Compare(a.Node(), b.Node()))
	})
	var faults []error
	for _, instance := range found {
		names = append(names, instance.Node())
		_ = instance.Unpause(ctx) // in case it was paused: it could not stop
		faults = append(faults, stopWithin(ctx, instance))
	}
	if err := errors.Join(faults...); err != nil {
		return names, err
	}
	if purge {
		return names, errors.Join(r.Purge(ctx), d.Remove())
	}
	state, err := ReadState(d)
	if err != nil || !state.Wanted {
		return names, nil //nolint:nilerr // a damaged file is left for whoever starts the sandbox to tell of
	}
	state.Wanted = false
	return names, state.write(d)
}

func stopWithin(ctx context.Context, instance sandbox.Instance) error {
	kind := sandbox.Worker
	if n := instance.Node(); n == nodePostgres || roleOf(n) == kafkaRole {
		kind = sandbox.Kafka
	}
	ctx, cancel := context.WithTimeout(ctx, stopLimit(kind))
	defer cancel()
	return instance.Stop(ctx)
}

// stageOf is the stage of the stop of a node.
func stageOf(node string) int {
	if stage, ok := stages[node]; ok {
		return stage
	}
	return stages[roleOf(node)]
}
