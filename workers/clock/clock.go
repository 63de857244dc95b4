// Package clock is the one seam through which time, and chance that shapes behaviour, enter a worker. A sandbox's
// clock can be frozen, set and moved, so that time windows and expiry are tested without waiting; every worker applies
// the setting that it reads from the bus. Infrastructure (timeouts, back-off, metrics) uses the machine's own clock.
package clock

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Mode says how a clock runs.
type Mode string

const (
	Machine Mode = "machine" // the machine's clock
	Running Mode = "running" // runs, at an offset to the machine's clock
	Frozen  Mode = "frozen"  // stands still
)

// Setting is one setting of a sandbox's clock. The zero value is the machine's clock.
type Setting struct {
	Version int64         `json:"version"`            // grows by one with each change
	Mode    Mode          `json:"mode"`               //
	At      time.Time     `json:"at,omitzero"`        // the time shown, when Frozen
	Offset  time.Duration `json:"offsetNs,omitempty"` // added to the machine's clock, when Running, in nanoseconds
}

// Now is the time that a clock with this setting shows when the machine's clock shows machine.
func (s Setting) Now(machine time.Time) time.Time {
	switch s.Mode {
	case Frozen:
		return s.At.UTC()
	case Running:
		return machine.Add(s.Offset).UTC()
	default:
		return machine.UTC()
	}
}

// Freeze makes the clock stand still at t.
func (s Setting) Freeze(t time.Time) Setting {
	return Setting{Version: s.Version + 1, Mode: Frozen, At: t.UTC()}
}

// Set makes the clock run on from t.
func (s Setting) Set(t, machine time.Time) Setting {
	return Setting{Version: s.Version + 1, Mode: Running, Offset: t.Sub(machine)}
}

// Advance moves the clock by d, and leaves it frozen or running as it was.
func (s Setting) Advance(d time.Duration) Setting {
	next := s
	next.Version++
	if s.Mode == Frozen {
		next.At = s.At.Add(d)
		return next
	}
	next.Mode, next.Offset = Running, s.Offset+d
	return next
}

// Resume gives the clock back to the machine.
func (s Setting) Resume() Setting { return Setting{Version: s.Version + 1, Mode: Machine} }

func (s Setting) String() string {
	switch s.Mode {
	case Frozen:
		return "frozen at " + s.At.UTC().Format(time.RFC3339Nano)
	case Running:
		return fmt.Sprintf("running, %v from the machine's clock", s.Offset)
	default:
		return "the machine's clock"
	}
}

// Clock is the clock of one worker; safe for concurrent use. Its zero value shows the machine's time.
type Clock struct {
	mu      sync.RWMutex
	setting Setting
}

// Now is the sandbox's time, in UTC.
func (c *Clock) Now() time.Time {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.setting.Now(time.Now())
}

// Apply takes a setting over, unless a later one has been applied already.
func (c *Clock) Apply(s Setting) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.Version >= c.setting.Version {
		c.setting = s
	}
}

// Setting is the one in force.
func (c *Clock) Setting() Setting {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.setting
}

// Chance is the source of randomness that shapes behaviour (order of groups, choice of partitions, jitter); never
// of secrets or identifiers. Safe for concurrent use.
type Chance struct {
	mu sync.Mutex
	r  *rand.Rand
}

// NewChance gives the same sequence for the same seed; seed 0 gives a different one each time.
func NewChance(seed uint64) *Chance {
	if seed == 0 {
		seed = rand.Uint64() //nolint:gosec // chance, not secrets
	}
	return &Chance{r: rand.New(rand.NewPCG(seed, seed))} //nolint:gosec // chance, not secrets
}

// IntN is a number from 0 to n-1; n must be positive.
func (c *Chance) IntN(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.r.IntN(n)
}

// Shuffle puts n things in random order.
func (c *Chance) Shuffle(n int, swap func(i, j int)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.r.Shuffle(n, swap)
}
