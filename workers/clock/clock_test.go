package clock_test

import (
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/workers/clock"
)

func TestSetting(t *testing.T) {
	t.Parallel()
	machine := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	at := time.Date(2020, 6, 1, 0, 0, 0, 0, time.UTC)
	later := machine.Add(time.Hour)
	var zero clock.Setting
	for name, tc := range map[string]struct {
		s    clock.Setting
		want time.Time // an hour after machine
	}{
		"untouched":               {zero, later},
		"frozen stands still":     {zero.Freeze(at), at},
		"frozen and advanced":     {zero.Freeze(at).Advance(time.Minute), at.Add(time.Minute)},
		"set runs on":             {zero.Set(at, machine), at.Add(time.Hour)},
		"set and advanced":        {zero.Set(at, machine).Advance(time.Minute), at.Add(time.Hour + time.Minute)},
		"machine's, moved back":   {zero.Advance(-time.Hour), machine},
		"resumed after a freeze":  {zero.Freeze(at).Resume(), later},
		"resumed after an offset": {zero.Set(at, machine).Resume(), later},
	} {
		if got := tc.s.Now(later); !got.Equal(tc.want) {
			t.Errorf("%s: %v shows %v, want %v", name, tc.s, got, tc.want)
		}
	}
}

func TestClockKeepsTheLatestSetting(t *testing.T) {
	t.Parallel()
	at := time.Date(2020, 6, 1, 0, 0, 0, 0, time.UTC)
	var zero clock.Setting
	first, second := zero.Freeze(at), zero.Freeze(at).Advance(time.Hour)
	var c clock.Clock
	c.Apply(second)
	c.Apply(first)
	if got := c.Now(); !got.Equal(at.Add(time.Hour)) || c.Setting().Version != 2 {
		t.Errorf("after an old setting arrived late the clock shows %v, %+v", got, c.Setting())
	}
}

func TestChanceRepeatsForASeed(t *testing.T) {
	t.Parallel()
	a, b := clock.NewChance(7), clock.NewChance(7)
	for range 100 {
		if x, y := a.IntN(1000), b.IntN(1000); x != y {
			t.Fatalf("two sources of seed 7 gave %d and %d", x, y)
		}
	}
}
