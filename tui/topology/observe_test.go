package topology

import (
	"context"
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/tuitest"
)

func TestOnlyChangesAreObserved(t *testing.T) {
	t.Parallel()
	first := tuitest.Topology()
	later := tuitest.Topology()
	later.Time = first.Time.Add(time.Second)
	later.Nodes = []sandbox.Node{{Name: "kafka-1", RSS: 1}} // the state of the sandbox tells of nodes
	busy := tuitest.Topology()
	busy.Edges[0].Rate += 3
	broken := errors.New("the stream broke")
	follow := func(context.Context) iter.Seq2[sandbox.Topology, error] {
		return func(yield func(sandbox.Topology, error) bool) {
			for _, o := range []sandbox.Topology{first, later, later, busy, later} {
				if !yield(o, nil) {
					return
				}
			}
			yield(sandbox.Topology{}, broken)
		}
	}
	for range 2 { // each time that the stream is opened anew it begins with what is there
		var rates []float64
		var err error
		for o, e := range changes(follow)(t.Context()) {
			if err = e; e == nil {
				rates = append(rates, o.Edges[0].Rate)
			}
		}
		if r := first.Edges[0].Rate; len(rates) != 3 || rates[0] != r || rates[1] != r+3 || rates[2] != r {
			t.Errorf("of five observations these have come: rates %v", rates)
		}
		if !errors.Is(err, broken) {
			t.Errorf("the stream ends with %v", err)
		}
	}
}
