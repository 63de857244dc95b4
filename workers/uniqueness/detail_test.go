package uniqueness

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func refOf(digit string, index int32) StateRef {
	tx, err := ParseTxID("SHA-256D:" + strings.Repeat(digit, 64))
	if err != nil {
		panic(err)
	}
	return StateRef{Tx: tx, Index: index}
}

var at = time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)

func ptr[T any](v T) *T { return &v }

// The texts are what Corda 5.0's Jackson mapper writes: names of types and properties, and times in decimal seconds.
func TestDetail(t *testing.T) {
	t.Parallel()
	a := `{"type":"uniquenessStateRefImpl","txHash":"SHA-256D:` + strings.Repeat("A", 64) + `","stateIndex":1}`
	consumer := refOf("B", 0).Tx
	for name, tc := range map[string]struct {
		verdict Verdict
		text    string
	}{
		"S05 input unknown": {
			Verdict{Kind: InputUnknown, At: at, States: []State{{Ref: refOf("A", 1)}}},
			`{"type":"inputStateUnknownImpl","unknownStates":[` + a + `]}`,
		},
		"S06 input conflict": {
			Verdict{Kind: InputConflict, At: at, States: []State{{refOf("A", 1), consumer}}},
			`{"type":"inputStateConflictImpl","conflictingStates":[{"type":"uniquenessStateDetailsImpl","consumingTxId":"` +
				consumer.String() + `","stateRef":` + a + `}]}`,
		},
		"S07 reference conflict": {
			Verdict{Kind: ReferenceConflict, At: at, States: []State{{refOf("A", 1), consumer}, {Ref: refOf("A", 1)}}},
			`{"type":"refStateConflictImpl","conflictingStates":[{"type":"uniquenessStateDetailsImpl","consumingTxId":"` +
				consumer.String() + `","stateRef":` + a + `},{"type":"uniquenessStateDetailsImpl","consumingTxId":null,"stateRef":` + a + `}]}`,
		},
		"S08 reference unknown": {
			Verdict{Kind: ReferenceUnknown, At: at, States: []State{{Ref: refOf("A", 1)}}},
			`{"type":"refStateUnknownImpl","unknownStates":[` + a + `]}`,
		},
		"S09 time window": {
			Verdict{Kind: OutOfTimeWindow, At: at, Evaluated: at, Lower: ptr(at.Add(time.Second)), Upper: at.Add(time.Hour)},
			`{"type":"timeWindowOobImpl","evaluationTimestamp":1767323045.678000000,` +
				`"timeWindowLowerBound":1767323046.678000000,"timeWindowUpperBound":1767326645.678000000}`,
		},
		"S09 time window, open below": {
			Verdict{Kind: OutOfTimeWindow, At: at, Evaluated: at, Upper: time.Unix(-2, 750_000_000)},
			`{"type":"timeWindowOobImpl","evaluationTimestamp":1767323045.678000000,"timeWindowUpperBound":-1.250000000}`,
		},
		"S11 malformed": {
			Verdict{Kind: Malformed, At: at, Text: "no"},
			`{"type":"malformedReqImpl","errorText":"no"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := encodeDetail(&tc.verdict)
			if err != nil || string(text) != tc.text {
				t.Fatalf("encoded:\n%s (%v), want\n%s", text, err, tc.text)
			}
			back, err := decodeDetail(text, at)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.verdict, *back); diff != "" {
				t.Errorf("decoded, -want +got:\n%s", diff)
			}
		})
	}
}

// Sizes known of 5.0's own layout: 880 bytes for three conflicts, 1,155 for four; 988 for seven unknown states, 1,122
// for eight. Equal sizes tell that the layout is the same.
func TestDetailSizes(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int{3: 880, 4: 1155} {
		states := make([]State, n)
		for i := range states {
			states[i] = State{refOf("A", int32(i)), refOf("B", 0).Tx}
		}
		if text, _ := encodeDetail(&Verdict{Kind: InputConflict, States: states}); len(text) != want {
			t.Errorf("%d conflicts take %d bytes, want %d", n, len(text), want)
		}
	}
	for n, want := range map[int]int{7: 988, 8: 1122} {
		states := make([]State, n)
		for i := range states {
			states[i] = State{Ref: refOf("A", int32(i))}
		}
		if text, _ := encodeDetail(&Verdict{Kind: InputUnknown, States: states}); len(text) != want {
			t.Errorf("%d unknown states take %d bytes, want %d", n, len(text), want)
		}
	}
}

func TestDetailOfOtherWriters(t *testing.T) {
	t.Parallel()
	got, err := decodeDetail([]byte(`{"timeWindowUpperBound":"2026-01-02T03:04:05.678Z","evaluationTimestamp":1767323045.67800,`+
		`"timeWindowLowerBound":null,"future":1,"type":"timeWindowOobImpl"}`), at)
	want := &Verdict{Kind: OutOfTimeWindow, At: at, Evaluated: at, Upper: at}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v, -want +got:\n%s", err, diff)
	}
	for name, text := range map[string]string{
		"no JSON":          `{`,
		"no type":          `{"unknownStates":[]}`,
		"strange type":     `{"type":"other"}`,
		"broken ref":       `{"type":"inputStateUnknownImpl","unknownStates":[{"txHash":"A","stateIndex":0}]}`,
		"broken conflict":  `{"type":"inputStateConflictImpl","conflictingStates":[{"stateRef":{"txHash":"A","stateIndex":0}}]}`,
		"broken consumer":  `{"type":"inputStateConflictImpl","conflictingStates":[{"consumingTxId":"A","stateRef":{"txHash":"A:AA"}}]}`,
		"index too large":  `{"type":"inputStateUnknownImpl","unknownStates":[{"txHash":"A:AA","stateIndex":2147483648}]}`,
		"time of no sort":  `{"type":"timeWindowOobImpl","evaluationTimestamp":true}`,
		"time of no sort2": `{"type":"timeWindowOobImpl","evaluationTimestamp":"yesterday"}`,
	} {
		if v, err := decodeDetail([]byte(text), at); err == nil {
			t.Errorf("%s: decoded to %+v", name, v)
		}
	}
}

func FuzzDetail(f *testing.F) {
	f.Add(`{"type":"timeWindowOobImpl","evaluationTimestamp":-1767323045.678}`)
	f.Add(`{"type":"inputStateConflictImpl","conflictingStates":[{"consumingTxId":"A:AB","stateRef":{"txHash":"A:aA","stateIndex":-1}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		v, err := decodeDetail([]byte(text), at)
		if err != nil {
			return
		}
		again, err := encodeDetail(v)
		if err != nil {
			t.Fatalf("%+v does not encode: %v", v, err)
		}
		back, err := decodeDetail(again, at)
		if err != nil {
			t.Fatalf("%s does not decode: %v", again, err)
		}
		if third, _ := encodeDetail(back); string(third) != string(again) {
			t.Errorf("%s became %s", again, third)
		}
	})
}
