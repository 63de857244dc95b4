package sandbox_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cordage-sandbox/cordage/sandbox"
)

func TestCriticalPath(t *testing.T) {
	t.Parallel()
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	step := func(name string, began, ended int, after ...string) sandbox.Step {
		return sandbox.Step{Name: name, State: sandbox.StepDone, Started: ms(began), Ended: ms(ended), After: after}
	}
	steps := []sandbox.Step{
		step("prepare", 5, 20),
		step("postgres", 21, 300, "prepare"),
		step("kafka", 20, 1200, "prepare"),
		step("databases", 300, 500, "postgres"),
		step("topics", 1210, 1400, "kafka"),
		step("crypto", 1400, 1450, "databases", "topics"),
		step("database", 1400, 1600, "databases", "topics"),
		step("front", 1600, 1610, "database", "crypto"),
		{Name: "late", State: sandbox.StepRunning, Started: ms(10)},
	}
	want := []sandbox.Segment{
		{Step: "prepare", Wait: ms(5), Took: ms(15)}, {Step: "kafka", Took: ms(1180)}, {Step: "topics", Wait: ms(10), Took: ms(190)},
		{Step: "database", Took: ms(200)}, {Step: "front", Took: ms(10)},
	}
	p := sandbox.NewProfile(ms(1615), steps)
	if diff := cmp.Diff(want, p.Critical); diff != "" {
		t.Errorf("the critical path (-want +got):\n%s", diff)
	}
	var sum time.Duration
	for _, s := range p.Critical {
		sum += s.Wait + s.Took
	}
	if sum != ms(1610) {
		t.Errorf("its segments sum up to %v, not to the end of the last step", sum)
	}
}

func TestClockChange(t *testing.T) {
	t.Parallel()
	machine := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	frozen, err := sandbox.ClockChange{Action: "freeze", Time: at}.Apply(sandbox.Info{}.Clock, machine)
	if err != nil || !frozen.Now(machine.Add(time.Hour)).Equal(at) || frozen.Version != 1 {
		t.Fatalf("frozen: %+v, %v", frozen, err)
	}
	moved, err := sandbox.ClockChange{Action: "advance", By: "-90m"}.Apply(frozen, machine)
	if err != nil || !moved.Now(machine).Equal(at.Add(-90*time.Minute)) || moved.Version != 2 {
		t.Errorf("moved: %+v, %v", moved, err)
	}
	resumed, err := sandbox.ClockChange{Action: "resume"}.Apply(moved, machine)
	if err != nil || !resumed.Now(machine).Equal(machine) || resumed.Version != 3 {
		t.Errorf("resumed: %+v, %v", resumed, err)
	}
	for name, change := range map[string]sandbox.ClockChange{
		"no action": {}, "another action": {Action: "stop"}, "no time": {Action: "freeze"}, "no duration": {Action: "advance"}, "nothing": {Action: "advance", By: "0s"},
		"before 1970": {Action: "set", Time: time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC)},
		"far future":  {Action: "freeze", Time: time.Date(9999, 6, 1, 0, 0, 0, 0, time.UTC)},
	} {
		if next, err := change.Apply(frozen, machine); err == nil || next != frozen {
			t.Errorf("%s: %+v, %v", name, next, err)
		}
	}
}
