package uniqueness_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cordage-sandbox/cordage/workers/clock"
	"github.com/cordage-sandbox/cordage/workers/uniqueness"
)

const second = time.Second

func TestTimeWindow(t *testing.T) {
	t.Parallel()
	once(t, "U35 inside", func(s *suite) {
		r := tx(s.issue(1), nil)
		r.Lower, r.Upper = ptr(s.clock.peek().Add(-10*second)), s.clock.peek().Add(10*second)
		s.kinds(s.check(r), success)
	})
	once(t, "U36 a success stays one after the window", func(s *suite) {
		r := tx(s.issue(1), nil)
		r.Lower, r.Upper = ptr(s.clock.peek().Add(-10*second)), s.clock.peek().Add(10*second)
		first := s.check(r)
		s.kinds(first, success)
		s.clock.advance(100 * second)
		s.same(first[0], s.check(r)[0])
	})
	once(t, "U37 too early", func(s *suite) {
		r := tx(s.issue(1), nil)
		r.Lower, r.Upper = ptr(s.clock.peek().Add(10*second)), s.clock.peek().Add(20*second)
		got := s.check(r)[0]
		want := uniqueness.Verdict{Kind: outOfWindow, At: s.clock.peek(), Evaluated: s.clock.peek(), Lower: r.Lower, Upper: r.Upper}
		if diff := cmp.Diff(want, got.Verdict); diff != "" {
			s.Errorf("-want +got:\n%s", diff)
		}
	})
	once(t, "U38 too early stays a rejection", func(s *suite) {
		r := tx(s.issue(1), nil)
		r.Lower, r.Upper = ptr(s.clock.peek().Add(10*second)), s.clock.peek().Add(1000*second)
		first := s.check(r)
		s.kinds(first, outOfWindow)
		s.clock.advance(100 * second)
		s.same(first[0], s.check(r)[0])
	})
	once(t, "U39 too late", func(s *suite) {
		s.clock.advance(1000 * second)
		r := tx(s.issue(1), nil)
		r.Upper = s.clock.peek().Add(-10 * second)
		got := s.check(r)[0]
		want := uniqueness.Verdict{Kind: outOfWindow, At: s.clock.peek(), Evaluated: s.clock.peek(), Upper: r.Upper}
		if diff := cmp.Diff(want, got.Verdict); diff != "" {
			s.Errorf("-want +got:\n%s", diff)
		}
		s.same(got, s.check(r)[0])
	})
}

func TestTimeWindowBounds(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 500_999_999, time.UTC) // read as .500
	shown := now.Truncate(time.Millisecond)
	s := newSuite(t)
	frozen := &clock.Clock{}
	frozen.Apply(clock.Setting{}.Freeze(now))
	s.checker = uniqueness.New(uniqueness.Config{Stores: s.nodes, Clock: frozen, Chance: clock.NewChance(0)})

	for name, tc := range map[string]struct {
		lower *time.Time
		upper time.Time
		want  uniqueness.Kind
	}{
		"lower is inclusive":          {ptr(shown), far, success},
		"a millisecond early":         {ptr(shown.Add(time.Millisecond)), far, outOfWindow},
		"upper is exclusive":          {nil, shown, outOfWindow},
		"a millisecond before upper":  {nil, shown.Add(time.Millisecond), success},
		"bounds have milliseconds":    {nil, shown.Add(999 * time.Microsecond), outOfWindow},
		"other zones":                 {ptr(shown.In(time.FixedZone("", 3600))), far.In(time.FixedZone("", -3600)), success},
		"lower after upper":           {ptr(shown.Add(-second)), shown.Add(-2 * second), outOfWindow},
		"a window of one millisecond": {ptr(shown), shown.Add(time.Millisecond), success},
		"upper beyond the tables":     {nil, time.UnixMilli(1 << 62).UTC(), success},
		"upper before the tables":     {nil, time.Date(-9999, 1, 1, 0, 0, 0, 0, time.UTC), outOfWindow},
		"lower beyond the tables":     {ptr(time.Date(300000, 1, 1, 0, 0, 0, 0, time.UTC)), far, outOfWindow},
	} {
		t.Run(name, func(t *testing.T) {
			s := &suite{TB: t, checker: s.checker, clock: s.clock, nodes: s.nodes}
			r := tx(nil, nil)
			r.Lower, r.Upper = tc.lower, tc.upper
			got := s.check(r)
			s.kinds(got, tc.want)
			if !got[0].At.Equal(shown) {
				t.Errorf("the verdict has the time %v, want %v", got[0].At, shown)
			}
			s.same(got[0], s.check(r)[0])
		})
	}
}

func ptr[T any](v T) *T { return &v }
