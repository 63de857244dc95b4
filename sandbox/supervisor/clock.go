package supervisor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/probe"
	"github.com/cordage-sandbox/cordage/workers/clock"
	"github.com/cordage-sandbox/cordage/workers/role"
)

// clockLimit bounds how long workers may take to confirm a new setting.
const clockLimit = 30 * time.Second

// Clock is the setting of the sandbox's clock.
func (s *Supervisor) Clock() clock.Setting {
	return s.Snapshot().Sandbox.Clock
}

// SetClock changes the sandbox's clock and returns when every worker that runs has confirmed the change: its /status
// shows it. A worker that starts later reads the setting before it is ready.
func (s *Supervisor) SetClock(ctx context.Context, change sandbox.ClockChange) (clock.Setting, error) {
	s.control.Lock()
	defer s.control.Unlock()
	var l layout
	var phase sandbox.Phase
	var now clock.Setting
	s.loop.ask(func() { l, phase, now = s.loop.state.layout, s.loop.state.info.Phase, s.loop.state.info.Clock })
	if phase != sandbox.PhaseReady && phase != sandbox.PhaseDegraded {
		return now, &sandbox.BusyError{Attempt: "change the clock", Phase: phase}
	}
	next, err := change.Apply(now, time.Now())
	if err != nil {
		return now, err
	}
	if err := s.remember(func(st *State) { st.Clock = next }); err != nil {
		return now, err
	}
	s.loop.ask(func() {
		s.loop.state.info.Clock = next
		s.loop.emitSandbox()
	})
	if err := s.config.cluster.PublishClock(ctx, l, next); err != nil {
		return next, fmt.Errorf("publish the clock's setting: %w", err)
	}
	p := clockProbe{s, next.Version}
	if err := probe.Wait(ctx, p, clockLimit, probe.Watched{}); err != nil {
		return next, fmt.Errorf("change the clock: %w", err)
	}
	return next, nil
}

// clockProbe is ready when every running worker that reads the bus shows a version of the clock.
type clockProbe struct {
	s       *Supervisor
	version int64
}

func (p clockProbe) String() string {
	return fmt.Sprintf("every worker to show clock version %d", p.version)
}

func (p clockProbe) Ask(ctx context.Context) error {
	var missing []string
	for _, n := range p.s.Snapshot().Nodes {
		r, _ := role.ByName(n.Role)
		if n.Kind != sandbox.Worker || !r.Grants.Has(role.Bus) {
			continue // the load balancer has no clock: it reads no bus and judges no time
		}
		if n.State != sandbox.Ready && n.State != sandbox.Degraded {
			continue // it will read the setting before it is ready
		}
		seen, err := p.s.config.cluster.ClockSeen(ctx, n)
		if err != nil {
			missing = append(missing, fmt.Sprintf("%s: %v", n.Name, err))
		} else if seen < p.version {
			missing = append(missing, fmt.Sprintf("%s shows version %d", n.Name, seen))
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s", strings.Join(missing, "; "))
	}
	return nil
}
