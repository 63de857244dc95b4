package uniqueness_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/workers/uniqueness"
)

func TestMalformed(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	st := s.issue(3)
	hash := strings.Repeat("AB", 32)
	for name, tc := range map[string]struct {
		change func(r *uniqueness.Request)
		says   string // part of the error text
	}{
		"U01 no upper bound":               {func(r *uniqueness.Request) { r.Upper = time.Time{} }, "upper bound"},
		"U02 -1 outputs":                   {func(r *uniqueness.Request) { r.Outputs = -1 }, "-1"},
		"U25 an input twice":               {func(r *uniqueness.Request) { r.Inputs = []string{st[0], st[1], st[0]} }, st[0]},
		"U26 a reference twice":            {func(r *uniqueness.Request) { r.References = []string{st[2], st[2]} }, st[2]},
		"U25 an input twice among many":    {func(r *uniqueness.Request) { r.Inputs = append(freshStates(20), st[0], st[0]) }, "input state " + st[0]},
		"U27 input and reference, of many": {func(r *uniqueness.Request) { r.Inputs, r.References = append(freshStates(20), st[1]), st }, "both as input and as reference"},
		"U27 input and reference":          {func(r *uniqueness.Request) { r.Inputs, r.References = st[1:2], st[1:2] }, st[1]},
		"an index in two spellings":        {func(r *uniqueness.Request) { r.Inputs = []string{st[0], strings.TrimSuffix(st[0], "0") + "+00"} }, st[0]},
		"too many outputs":                 {func(r *uniqueness.Request) { r.Outputs = 1_000_001 }, "1000000"},
		"far too many outputs":             {func(r *uniqueness.Request) { r.Outputs = 1 << 40 }, "1000000"},
		"id without colon":                 {func(r *uniqueness.Request) { r.TxID = hash }, "no colon"},
		"empty id":                         {func(r *uniqueness.Request) { r.TxID = "" }, "no colon"},
		"id without algorithm":             {func(r *uniqueness.Request) { r.TxID = ":" + hash }, "algorithm is missing"},
		"id without hash":                  {func(r *uniqueness.Request) { r.TxID = "SHA-256:" }, "hash is missing"},
		"id with odd hex":                  {func(r *uniqueness.Request) { r.TxID = "SHA-256:ABC" }, "odd number"},
		"id with other letters":            {func(r *uniqueness.Request) { r.TxID = "SHA-256:XY" }, "no hex digits"},
		"id with a long algorithm":         {func(r *uniqueness.Request) { r.TxID = "SHA3-512X:" + hash }, "more than 8 characters"},
		"id with a long hash":              {func(r *uniqueness.Request) { r.TxID = "SHA-256:" + strings.Repeat("AB", 65) }, "more than 64 bytes"},
		"id with a zero byte in algorithm": {func(r *uniqueness.Request) { r.TxID = "SHA\x00:" + hash }, "printable ASCII"},
		"id beyond ASCII":                  {func(r *uniqueness.Request) { r.TxID = "SHÄ:" + hash }, "printable ASCII"},
		"input without index":              {func(r *uniqueness.Request) { r.Inputs = []string{"SHA-256:" + hash} }, "32-bit number"},
		"input with a large index":         {func(r *uniqueness.Request) { r.Inputs = []string{"SHA-256:" + hash + ":2147483648"} }, "32-bit number"},
		"second reference broken":          {func(r *uniqueness.Request) { r.References = []string{st[0], "SHA-256:" + hash + ":x"} }, "reference state 2"},
		"a text of a megabyte":             {func(r *uniqueness.Request) { r.TxID = strings.Repeat("A", 1<<20) }, "…"},
		"long originator":                  {func(r *uniqueness.Request) { r.Originator = strings.Repeat("é", 1025) }, "1024 characters"},
		"originator with a zero byte":      {func(r *uniqueness.Request) { r.Originator = "O=A\x00" }, "zero byte"},
		"originator is no UTF-8":           {func(r *uniqueness.Request) { r.Originator = "O=\xff" }, "UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &suite{TB: t, checker: s.checker, clock: s.clock, nodes: s.nodes}
			good, bad := tx(nil, nil), tx(nil, nil)
			tc.change(&bad)
			results := s.check(good, bad) // a malformed request does not harm its neighbours
			s.kinds(results, success, malformed)
			if text := results[1].Text; !strings.Contains(text, tc.says) || len(text) > 1000 {
				t.Errorf("error text is %q, want one with %q", text, tc.says)
			}
		})
	}
}

func freshStates(n int) []string {
	states := make([]string, n)
	for i := range states {
		states[i] = fresh()
	}
	return states
}

func TestMalformedIsForgotten(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	good := tx(s.issue(1), nil)
	bad := good
	bad.Outputs = -1
	s.kinds(s.check(bad, good, bad), malformed, success, malformed) // a malformed repeat of a decided transaction is malformed
	s.kinds(s.check(bad), malformed)
}

// What just fits the tables is accepted.
func TestLongest(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	r := tx(nil, nil)
	r.TxID = "SHA-256D:" + strings.Repeat("AB", 64)
	r.Originator = strings.Repeat("é", 1024)
	s.kinds(s.check(r), success)
	s.kinds(s.check(tx(outputsOf(r), nil)), success)
}

// A reference that the tables could not hold cannot exist.
func TestUnstorableStatesAreUnknown(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	long := "SHA-256:" + strings.Repeat("AB", 4000) + ":0"
	s.names(s.check(tx([]string{long}, nil))[0], inputUnknown, unknown(long))
	strange := "AN-ALGORITHM-OF-ANOTHER-AGE:AB:0"
	s.names(s.check(tx(nil, []string{strange}))[0], referenceUnknown, unknown(strange))
}
