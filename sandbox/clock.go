package sandbox

import (
	"errors"
	"fmt"
	"time"

	"github.com/cordage-sandbox/cordage/workers/clock"
)

// ClockChange is a change of a sandbox's clock.
type ClockChange struct {
	Action string    `json:"action"`             // freeze, set, advance or resume
	Time   time.Time `json:"time,omitzero"`      // of freeze and set
	By     string    `json:"duration,omitempty"` // of advance, as Go writes it: 1h30m
}

// Bounds of what a clock can show: outside them certificates and RFC 3339 have no times.
var ( //nolint:gochecknoglobals // constants
	earliest = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
)

// Apply gives the setting that follows from s.
func (c ClockChange) Apply(s clock.Setting, machine time.Time) (clock.Setting, error) {
	next, err := c.next(s, machine)
	if err != nil {
		return s, fmt.Errorf("change the clock: %w", err)
	}
	if t := next.Now(machine); t.Before(earliest) || t.After(latest) {
		return s, fmt.Errorf("change the clock: it would show %s, which is outside %d to %d",
			t.Format(time.RFC3339), earliest.Year(), latest.Year())
	}
	return next, nil
}

func (c ClockChange) next(s clock.Setting, machine time.Time) (clock.Setting, error) {
	switch c.Action {
	case "freeze", "set":
		if c.Time.IsZero() {
			return s, fmt.Errorf("%s needs a time", c.Action)
		}
		if c.Action == "freeze" {
			return s.Freeze(c.Time), nil
		}
		return s.Set(c.Time, machine), nil
	case "advance":
		by, err := time.ParseDuration(c.By)
		if err != nil {
			return s, fmt.Errorf("%q is no duration: write it as 90s, 15m or 1h30m", c.By)
		}
		if by == 0 {
			return s, errors.New("advance needs a duration other than 0")
		}
		return s.Advance(by), nil
	case "resume":
		return s.Resume(), nil
	}
	return s, fmt.Errorf("action %q: it is freeze, set, advance or resume", c.Action)
}
