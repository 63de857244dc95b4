package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/cordage-sandbox/cordage/workers/store"
	"github.com/cordage-sandbox/cordage/workers/telemetry/telemetrytest"
)

// TestStatementsAreCounted by user, one by one and in batches, without what frames transactions.
func TestStatementsAreCounted(t *testing.T) {
	t.Parallel()
	tel := telemetrytest.ForTest(t)
	c := superuser(t)
	for range 2 { // the second pool goes on with the same series
		pool, err := store.Open(t.Context(), c, "test-1", store.CountStatements(tel.Metrics))
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		err = store.Tx(t.Context(), pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), "SELECT 1"); err != nil {
				return err
			}
			var b pgx.Batch
			b.Queue("SELECT 2")
			b.Queue("SELECT 3")
			return tx.SendBatch(t.Context(), &b).Close()
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	families, err := tel.Gatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		if f.GetName() != "cordage_store_statements_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "user" {
					got[l.GetValue()] = m.GetCounter().GetValue()
				}
			}
		}
	}
	if diff := cmp.Diff(map[string]float64{c.User: 6}, got); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
}
