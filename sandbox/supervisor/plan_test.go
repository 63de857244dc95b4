package supervisor

import (
	"slices"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/process"
)

// testLayout is a sandbox with two rest workers, after its databases have been made.
func testLayout() layout {
	l := layout{spec: sandbox.DefaultSpec("test"), ports: map[string]int{}, routes: process.Routes{}}
	l.spec.Replicas["rest"] = 2
	for i, key := range portKeys(l.spec) {
		l.ports[key] = 20001 + i
	}
	return l
}

// view gives an actual state in which the units have the given states; all others are ready and done.
func view(l layout, changed map[string]nodeView, tasks map[string]sandbox.StepState) actual {
	a := actual{nodes: map[string]nodeView{}, tasks: map[string]taskView{}}
	for _, u := range l.units() {
		if u.spec == nil {
			a.tasks[u.name] = taskView{sandbox.StepDone}
			continue
		}
		a.nodes[u.name] = nodeView{state: sandbox.Ready, hash: u.spec.Hash(), stage: u.stage, routes: routesFor(u, l.units())}
	}
	for name, n := range changed {
		n.stage = stageOf(name)
		a.nodes[name] = n
	}
	for name, s := range tasks {
		a.tasks[name] = taskView{s}
	}
	return a
}

func TestPlan(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	l := testLayout()
	hash := func(name string) string {
		s := &state{units: l.units()}
		u, _ := s.unit(name)
		return u.spec.Hash()
	}
	pending := nodeView{state: sandbox.Pending}
	ready := func(name string) nodeView { return nodeView{state: sandbox.Ready, hash: hash(name)} }
	for name, tc := range map[string]struct {
		goal  goal
		nodes map[string]nodeView
		tasks map[string]sandbox.StepState
		want  []action
		wake  time.Time
	}{
		"all is well": {},
		"PostgreSQL and Kafka start side by side": {
			nodes: map[string]nodeView{"postgres": pending, "kafka-1": pending, "database-1": pending, "crypto-1": pending, "rest-1": pending, "rest-2": pending},
			tasks: map[string]sandbox.StepState{"databases": sandbox.StepWaiting, "topics": sandbox.StepWaiting, "rest-api": sandbox.StepWaiting},
			want:  []action{{startNode, "postgres"}, {startNode, "kafka-1"}},
		},
		"nothing starts before the artefacts are there": {
			nodes: map[string]nodeView{"postgres": pending, "kafka-1": pending, "lb-1": pending},
			tasks: map[string]sandbox.StepState{"prepare": sandbox.StepRunning},
		},
		"databases are made as soon as PostgreSQL answers": {
			nodes: map[string]nodeView{"kafka-1": {state: sandbox.Starting, hash: hash("kafka-1")}, "database-1": pending},
			tasks: map[string]sandbox.StepState{"databases": sandbox.StepWaiting, "topics": sandbox.StepWaiting},
			want:  []action{{runTask, "databases"}},
		},
		"rest needs topics and no databases": {
			nodes: map[string]nodeView{"database-1": pending, "rest-1": pending},
			tasks: map[string]sandbox.StepState{"databases": sandbox.StepRunning},
			want:  []action{{startNode, "rest-1"}},
		},
		"what is under way is not begun again": {
			nodes: map[string]nodeView{"rest-1": {state: sandbox.Starting, busy: true}, "crypto-1": {state: sandbox.Stopping, busy: true}},
		},
		"a node in back-off waits": {
			nodes: map[string]nodeView{"crypto-1": {state: sandbox.Backoff, retryAt: now.Add(3 * time.Second)}, "rest-1": {state: sandbox.Backoff, retryAt: now.Add(time.Second)}},
			wake:  now.Add(time.Second),
		},
		"and then starts": {
			nodes: map[string]nodeView{"crypto-1": {state: sandbox.Backoff, retryAt: now}},
			want:  []action{{startNode, "crypto-1"}},
		},
		"a worker waits for PostgreSQL that is down": {
			nodes: map[string]nodeView{"postgres": {state: sandbox.Backoff, retryAt: now.Add(time.Second)}, "database-1": {state: sandbox.Stopped}},
			wake:  now.Add(time.Second),
		},
		"a crash loop is left alone": {
			nodes: map[string]nodeView{"crypto-1": {state: sandbox.Crashed}},
		},
		"until somebody asks": {
			nodes: map[string]nodeView{"crypto-1": {state: sandbox.Crashed, restart: true}},
			want:  []action{{startNode, "crypto-1"}},
		},
		"a restart begins with a stop": {
			nodes: map[string]nodeView{"rest-1": {state: sandbox.Ready, hash: hash("rest-1"), restart: true}},
			want:  []action{{stopNode, "rest-1"}},
		},
		"a node of another specification is replaced": {
			nodes: map[string]nodeView{"kafka-1": {state: sandbox.Starting, hash: "other"}},
			want:  []action{{stopNode, "kafka-1"}},
		},
		"the load balancer is told before a rest worker goes": {
			nodes: map[string]nodeView{"rest-3": {state: sandbox.Ready}, "lb-1": {state: sandbox.Ready, hash: hash("lb-1"), routes: []string{"rest-1", "rest-2", "rest-3"}}},
			want:  []action{{reloadNode, "lb-1"}},
		},
		"and then it goes": {
			nodes: map[string]nodeView{"rest-3": {state: sandbox.Ready}},
			want:  []action{{stopNode, "rest-3"}},
		},
		"and is forgotten": {
			nodes: map[string]nodeView{"rest-3": {state: sandbox.Stopped}},
			want:  []action{{forgetNode, "rest-3"}},
		},
		"a stop begins with the load balancer": {
			goal: goalStop, want: []action{{stopNode, "lb-1"}},
		},
		"then both rest workers": {
			goal: goalStop, nodes: map[string]nodeView{"lb-1": {state: sandbox.Stopped}},
			want: []action{{stopNode, "rest-1"}, {stopNode, "rest-2"}},
		},
		"nothing else while one of them runs": {
			goal: goalStop, nodes: map[string]nodeView{"lb-1": {state: sandbox.Stopped}, "rest-1": {state: sandbox.Stopped}, "rest-2": {state: sandbox.Stopping, busy: true}},
		},
		"PostgreSQL comes last": {
			goal: goalStop, nodes: map[string]nodeView{
				"lb-1": {state: sandbox.Stopped}, "rest-1": {state: sandbox.Stopped}, "rest-2": {state: sandbox.Stopped}, "crypto-1": {state: sandbox.Crashed},
				"database-1": {state: sandbox.Backoff}, "kafka-1": {state: sandbox.Stopped}, "postgres": ready("postgres"),
			},
			want: []action{{stopNode, "postgres"}},
		},
		"a paused node is stopped too": {
			goal: goalStop, nodes: map[string]nodeView{"lb-1": {state: sandbox.Paused}}, want: []action{{stopNode, "lb-1"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, wake := plan(desired{tc.goal, l.units()}, view(l, tc.nodes, tc.tasks), now)
			if !slices.Equal(got, tc.want) {
				t.Errorf("the plan is %v, want %v", got, tc.want)
			}
			if !wake.Equal(tc.wake) {
				t.Errorf("it looks again at %v, want %v", wake, tc.wake)
			}
		})
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	p := restartPolicy{base: 100 * time.Millisecond, most: 10 * time.Second, fail: 6, many: 60, over: 5 * time.Minute}
	for name, tc := range map[string]struct {
		deaths int
		want   time.Duration
	}{
		"the first restart comes soon": {1, 100 * time.Millisecond},
		"doubles":                      {3, 400 * time.Millisecond},
		"never above the longest":      {99, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := p.backoff(tc.deaths); got != tc.want {
				t.Errorf("the pause after death %d is %v, want %v", tc.deaths, got, tc.want)
			}
		})
	}
}

func TestCrashLoop(t *testing.T) {
	t.Parallel()
	p := defaultPolicy()
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		deaths  int
		every   time.Duration
		ready   bool // each instance had been ready
		crashed bool
	}{
		"it never gets ready":                   {p.fail, time.Second, false, true},
		"one death less is not enough":          {p.fail - 1, time.Second, false, false},
		"a killer who comes every ten seconds":  {200, 10 * time.Second, true, false},
		"ready, and dead again in no time":      {p.many, time.Second, true, true},
		"a slow start that fails now and again": {1, time.Hour, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var d deaths
			crashed := false
			for i := range tc.deaths {
				d.record(p, tc.ready, began.Add(time.Duration(i)*tc.every))
				_, now := p.verdict(d)
				crashed = crashed || now
			}
			if crashed != tc.crashed {
				t.Errorf("after %d deaths every %v the verdict of a crash loop is %v, want %v", tc.deaths, tc.every, crashed, tc.crashed)
			}
		})
	}
}

func TestBootParametersFitTheGrants(t *testing.T) {
	t.Parallel()
	seen := map[int]string{}
	for _, u := range testLayout().units() {
		if u.spec == nil || u.spec.Kind != sandbox.Worker {
			continue
		}
		id := instanceID(u.name)
		if other := seen[id]; other != "" {
			t.Errorf("%s and %s have the instance id %d", u.name, other, id)
		}
		seen[id] = u.name
		readBoot(t, u.spec.Files[fileBoot]) // checks the grants
	}
	if len(seen) != 5 {
		t.Errorf("%d workers were looked at, want 5", len(seen))
	}
}
