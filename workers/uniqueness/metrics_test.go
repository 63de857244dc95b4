package uniqueness_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cordage-sandbox/cordage/workers/clock"
	"github.com/cordage-sandbox/cordage/workers/uniqueness"
)

// Dashboards made for Corda 5.0 find the same names and labels.
func TestMetrics(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	registry := prometheus.NewRegistry()
	config := uniqueness.Config{Stores: s.nodes, Clock: s.clock, Chance: clock.NewChance(0), Metrics: registry}
	_, s.checker = uniqueness.New(config), uniqueness.New(config) // two share the collectors
	state := fresh()
	r := tx([]string{state}, nil)
	bad := tx(nil, nil)
	bad.Outputs = -1
	s.check(r, r, bad, by(holderOf(7), tx(nil, nil)))

	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := make([]string, 0, 4)
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			n := m.GetCounter().GetValue()
			if h := m.GetHistogram(); h != nil {
				n = float64(h.GetSampleCount())
			}
			got = append(got, fmt.Sprintf("%s{%s} %v", strings.TrimPrefix(f.GetName(), "corda_uniqueness_"), strings.Join(labels, ","), n))
		}
	}
	node, other := "virtualnode_source="+string(notary.ShortHash()), "virtualnode_source="+string(holderOf(7).ShortHash())
	want := []string{
		"backingstore_db_commit_time_seconds{" + node + "} 1",
		"backingstore_db_read_time_seconds{operation_name=getStateDetails," + node + "} 1",
		"backingstore_db_read_time_seconds{operation_name=getTransactionDetails," + node + "} 1",
		"backingstore_session_execution_time_seconds{" + node + "} 1",
		"backingstore_transaction_attempts{" + node + "} 1",
		"backingstore_transaction_error_count{error_type=other," + other + "} 1",
		"backingstore_transaction_execution_time_seconds{" + node + "} 1",
		"checker_batch_execution_time_seconds{} 1",
		"checker_batch_size{} 1",
		"checker_request_count{duplicate=false,error_type=,result_type=inputStateUnknown," + node + "} 1",
		"checker_request_count{duplicate=false,error_type=,result_type=malformedRequest," + node + "} 1",
		"checker_request_count{duplicate=true,error_type=,result_type=inputStateUnknown," + node + "} 1",
		"checker_request_count{duplicate=false,error_type=DatabaseConfiguration,result_type=unhandledException," + other + "} 1",
		"checker_subbatch_execution_time_seconds{" + node + "} 1",
		"checker_subbatch_execution_time_seconds{" + other + "} 1",
		"checker_subbatch_size{" + node + "} 1",
		"checker_subbatch_size{" + other + "} 1",
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("metrics:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
