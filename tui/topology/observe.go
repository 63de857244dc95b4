package topology

import (
	"context"
	"iter"
	"reflect"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// changes gives the observations that show something new. Of a sandbox of which nothing is asked each is as the one before,
// and to lay out and draw the same graph once a second would be most of what the UI costs.
func changes(follow func(context.Context) iter.Seq2[sandbox.Topology, error]) func(context.Context) iter.Seq2[sandbox.Topology, error] {
	return func(ctx context.Context) iter.Seq2[sandbox.Topology, error] {
		return func(yield func(sandbox.Topology, error) bool) {
			var last sandbox.Topology
			for t, err := range follow(ctx) {
				if err == nil && same(last, t) {
					continue
				}
				if err == nil {
					last = t
				}
				if !yield(t, err) {
					return
				}
			}
		}
	}
}

// same tells whether two observations show the same. Nodes are left out, since the state of the sandbox has fresher ones.
func same(a, b sandbox.Topology) bool {
	if a.Time.IsZero() { // there is none yet
		return false
	}
	a.Time, a.Nodes = b.Time, b.Nodes
	return reflect.DeepEqual(a, b)
}
