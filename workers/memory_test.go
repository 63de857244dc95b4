package workers

import "testing"

// TestPace: work begins with much garbage in a second, and ends with little, not with a pause between two batches.
func TestPace(t *testing.T) {
	t.Parallel()
	p := pace{allocated: 1 << 20}
	total := p.allocated
	for i, step := range []struct {
		grown         uint64
		busy, changed bool
	}{
		{300 << 10, false, false},
		{4 << 20, false, false},
		{20 << 20, true, true},
		{60 << 20, true, false},
		{2 << 20, true, false},
		{300 << 10, false, true},
		{2 << 20, false, false},
		{8 << 20, true, true},
	} {
		total += step.grown
		if changed := p.look(total); p.busy != step.busy || changed != step.changed {
			t.Errorf("second %d, %d bytes more: busy %v, changed %v, want %v, %v", i, step.grown, p.busy, changed, step.busy, step.changed)
		}
	}
}
