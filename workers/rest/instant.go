package rest

import (
	"encoding/json"
	"fmt"
	"time"
)

// Instant is a point in time as Corda writes it: UTC, Z, and 0, 3, 6 or 9 digits of fraction, as many as are needed.
type Instant time.Time

// MarshalJSON writes a JSON string.
func (i Instant) MarshalJSON() ([]byte, error) {
	t := time.Time(i).UTC()
	layout := "2006-01-02T15:04:05"
	switch ns := t.Nanosecond(); {
	case ns == 0:
	case ns%1_000_000 == 0:
		layout += ".000"
	case ns%1_000 == 0:
		layout += ".000000"
	default:
		layout += ".000000000"
	}
	return []byte(`"` + t.Format(layout+"Z") + `"`), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (i *Instant) UnmarshalJSON(text []byte) error {
	var t time.Time
	if err := json.Unmarshal(text, &t); err != nil {
		return fmt.Errorf("read an instant: %w", err)
	}
	*i = Instant(t)
	return nil
}
