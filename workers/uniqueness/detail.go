package uniqueness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// detail is the JSON of a stored rejection (column error_details), with the names that Corda 5.0's Jackson mixins give,
// so that a database of either can be read by the other. Times are seconds since the epoch with nine decimals.
//
// 5.0 fails the whole group when the text passes 1,024 bytes. The column is bytea, which has no such limit; the list is
// stored in full, so that every repeat gets the full first answer.
type detail struct {
	Type        string           `json:"type"`
	Conflicting []detailConflict `json:"conflictingStates,omitempty"`
	Unknown     []detailRef      `json:"unknownStates,omitempty"`
	Evaluated   *detailTime      `json:"evaluationTimestamp,omitempty"`
	Lower       *detailTime      `json:"timeWindowLowerBound,omitempty"`
	Upper       *detailTime      `json:"timeWindowUpperBound,omitempty"`
	Text        string           `json:"errorText,omitempty"`
}

type detailConflict struct {
	Type     string    `json:"type"`
	Consumer *string   `json:"consumingTxId"`
	Ref      detailRef `json:"stateRef"`
}

type detailRef struct {
	Type  string `json:"type"`
	Tx    string `json:"txHash"`
	Index int32  `json:"stateIndex"`
}

const (
	detailStateType = "uniquenessStateDetailsImpl"
	detailRefType   = "uniquenessStateRefImpl"
)

// detailTypes are the names of the kinds. Corda 5.0 knows how to read malformedReqImpl, and never stores it.
var detailTypes = map[Kind]string{ //nolint:gochecknoglobals // a table of constants
	InputConflict:     "inputStateConflictImpl",
	InputUnknown:      "inputStateUnknownImpl",
	ReferenceConflict: "refStateConflictImpl",
	ReferenceUnknown:  "refStateUnknownImpl",
	OutOfTimeWindow:   "timeWindowOobImpl",
	Malformed:         "malformedReqImpl",
}

// encodeDetail writes the error_details of a rejection.
func encodeDetail(v *Verdict) ([]byte, error) {
	d := detail{Type: detailTypes[v.Kind], Text: v.Text}
	switch v.Kind {
	case InputConflict, ReferenceConflict:
		d.Conflicting = make([]detailConflict, len(v.States))
		for i, s := range v.States {
			d.Conflicting[i] = detailConflict{Type: detailStateType, Ref: newDetailRef(s.Ref)}
			if !s.Consumer.IsZero() {
				by := s.Consumer.String()
				d.Conflicting[i].Consumer = &by
			}
		}
	case InputUnknown, ReferenceUnknown:
		d.Unknown = make([]detailRef, len(v.States))
		for i, s := range v.States {
			d.Unknown[i] = newDetailRef(s.Ref)
		}
	case OutOfTimeWindow:
		evaluated, upper := detailTime(v.Evaluated), detailTime(v.Upper)
		d.Evaluated, d.Upper, d.Lower = &evaluated, &upper, (*detailTime)(v.Lower)
	case Malformed:
	case Success, UnhandledException:
		return nil, fmt.Errorf("encode error details: a verdict %s has none", v.Kind)
	}
	return json.Marshal(d)
}

// decodeDetail reads error_details back into a verdict decided at the given time.
func decodeDetail(raw []byte, at time.Time) (*Verdict, error) {
	var d detail
	if err := json.Unmarshal(raw, &d); err != nil {
		return nil, fmt.Errorf("decode error details: %w", err)
	}
	v := &Verdict{At: at, Text: d.Text}
	for kind, name := range detailTypes {
		if name == d.Type {
			v.Kind = kind
		}
	}
	if v.Kind == "" {
		return nil, fmt.Errorf("decode error details: unknown error type %q", d.Type)
	}
	for _, ref := range d.Unknown {
		state, err := ref.state()
		if err != nil {
			return nil, err
		}
		v.States = append(v.States, State{Ref: state})
	}
	for _, c := range d.Conflicting {
		state, err := c.state()
		if err != nil {
			return nil, err
		}
		v.States = append(v.States, state)
	}
	if d.Evaluated != nil {
		v.Evaluated = time.Time(*d.Evaluated)
	}
	if d.Upper != nil {
		v.Upper = time.Time(*d.Upper)
	}
	v.Lower = (*time.Time)(d.Lower)
	return v, nil
}

func newDetailRef(r StateRef) detailRef {
	return detailRef{Type: detailRefType, Tx: r.Tx.String(), Index: r.Index}
}

func (r detailRef) state() (StateRef, error) {
	tx, err := ParseTxID(r.Tx)
	if err != nil {
		return StateRef{}, fmt.Errorf("decode error details: %w", err)
	}
	return StateRef{Tx: tx, Index: r.Index}, nil
}

func (c detailConflict) state() (State, error) {
	ref, err := c.Ref.state()
	if err != nil || c.Consumer == nil {
		return State{Ref: ref}, err
	}
	by, err := ParseTxID(*c.Consumer)
	if err != nil {
		return State{}, fmt.Errorf("decode error details: consuming transaction: %w", err)
	}
	return State{Ref: ref, Consumer: by}, nil
}

// detailTime is an instant as Jackson's JavaTimeModule writes it by default: decimal seconds, nine decimals.
// It reads ISO 8601 text too, which other settings of that module write.
type detailTime time.Time

func (t detailTime) MarshalJSON() ([]byte, error) {
	at := time.Time(t)
	seconds, nanos := at.Unix(), at.Nanosecond()
	if seconds < 0 && nanos > 0 { // the decimals of a negative number count the other way
		return fmt.Appendf(nil, "-%d.%09d", -(seconds + 1), 1_000_000_000-nanos), nil
	}
	return fmt.Appendf(nil, "%d.%09d", seconds, nanos), nil
}

func (t *detailTime) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '"' {
		var at time.Time
		if err := json.Unmarshal(raw, &at); err != nil {
			return err
		}
		*t = detailTime(at.UTC())
		return nil
	}
	negative := bytes.HasPrefix(raw, []byte("-"))
	whole, fraction, _ := bytes.Cut(bytes.TrimPrefix(raw, []byte("-")), []byte("."))
	seconds, err := strconv.ParseInt(string(whole), 10, 64)
	if err != nil {
		return fmt.Errorf("%s is not a time in seconds", raw)
	}
	nanos, err := strconv.ParseInt((string(fraction) + "000000000")[:9], 10, 64)
	if err != nil {
		return fmt.Errorf("%s is not a time in seconds", raw)
	}
	if negative {
		seconds, nanos = -seconds, -nanos
	}
	*t = detailTime(time.Unix(seconds, nanos).UTC())
	return nil
}
