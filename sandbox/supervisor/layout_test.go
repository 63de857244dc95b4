package supervisor

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/process"
)

// units gives the units of a sandbox by name; each port has a number of its own.
func units(t *testing.T, change func(*sandbox.Spec)) map[string]unit {
	t.Helper()
	spec := sandbox.DefaultSpec("test")
	change(&spec)
	l := layout{spec: spec, ports: map[string]int{}, routes: process.Routes{}}
	for i, key := range portKeys(spec) {
		l.ports[key] = 7001 + i
	}
	all := map[string]unit{}
	for _, u := range l.units() {
		all[u.name] = u
	}
	return all
}

// TestThreeBrokers: they know each other, the first is the controller, and workers wait for the topics only, since one broker
// may be away.
func TestThreeBrokers(t *testing.T) {
	t.Parallel()
	all := units(t, func(s *sandbox.Spec) { s.Brokers = 3 })
	names := []string{"kafka-1", "kafka-2", "kafka-3"}
	if got := all[taskTopics].after; !slices.Equal(got, names) {
		t.Errorf("the topics are made after %v", got)
	}
	controller := all["kafka-1"].spec.Ports[portController]
	peers := map[string]int{"kafka-1": controller, "kafka-2": 0, "kafka-3": 0}
	seen := map[int]bool{}
	for _, name := range names {
		spec := all[name].spec
		if diff := cmp.Diff(peers, spec.Peers); diff != "" || controller == 0 {
			t.Errorf("peers of %s (-want +got):\n%s", name, diff)
		}
		if port := spec.Ports[portBroker]; port == 0 || seen[port] {
			t.Errorf("%s listens on %d", name, port)
		} else {
			seen[port] = true
		}
	}
	if after := all["database-1"].after; slices.ContainsFunc(after, func(n string) bool { return slices.Contains(names, n) }) {
		t.Errorf("a worker starts after %v", after)
	}
}

// TestOneBroker: it is alone, and workers are started again after it.
func TestOneBroker(t *testing.T) {
	t.Parallel()
	all := units(t, func(*sandbox.Spec) {})
	if got := all["kafka-1"].spec; len(got.Peers) != 1 || got.Peers["kafka-1"] != got.Ports[portController] || got.Ports[portController] == 0 {
		t.Errorf("it is given %+v", got)
	}
	if after := all["database-1"].after; !slices.Contains(after, "kafka-1") {
		t.Errorf("a worker starts after %v", after)
	}
}

// TestLimits: each node has those of its type.
func TestLimits(t *testing.T) {
	t.Parallel()
	limits := map[string]sandbox.Limit{
		"postgres": {MemoryBytes: 1 << 30}, "kafka": {MemoryBytes: 2 << 30, CPUs: 2}, "rest": {CPUs: 0.5},
	}
	all := units(t, func(s *sandbox.Spec) { s.Limits, s.Brokers, s.Replicas["rest"] = limits, 3, 2 })
	want := map[string]sandbox.Limit{
		"postgres": limits["postgres"], "kafka-1": limits["kafka"], "kafka-2": limits["kafka"], "kafka-3": limits["kafka"],
		"rest-1": limits["rest"], "rest-2": limits["rest"], "database-1": {}, "crypto-1": {}, "lb-1": {},
	}
	got := map[string]sandbox.Limit{}
	for name, u := range all {
		if u.spec != nil {
			got[name] = sandbox.Limit{MemoryBytes: u.spec.MemoryLimit, CPUs: u.spec.CPULimit}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
