package bus

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/cordage-sandbox/cordage/workers/bus/wire"
	"github.com/cordage-sandbox/cordage/workers/record"
)

func testBus(t testing.TB, limit int) *Bus {
	t.Helper()
	m, err := newMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return &Bus{c: Config{MaxMessageBytes: limit + chunkMargin}, m: m}
}

// chunked is a value as it is read: in records of at most limit bytes.
func chunked(t testing.TB, key, value string, limit int) []Record {
	t.Helper()
	b := testBus(t, limit)
	outs := b.split(nil, "client", "topic", wire.Out{
		Topic: "topic", Key: []byte(key), Value: []byte(value), Headers: []wire.Header{{Key: headerType, Value: []byte("T")}},
	})
	r := &reader{topic: "topic"}
	var list []Record
	for i, out := range outs {
		list = append(list, r.record(&wire.Record{Offset: int64(i), Key: out.Key, Value: out.Value, Headers: out.Headers}))
	}
	return list
}

// summary is what a reader sees of records.
func summary(records []Record) []string {
	var list []string
	for _, r := range records {
		text := r.Key + "=" + string(r.Value)
		if r.broken != nil {
			text = r.Key + ": " + r.broken.Error()
		}
		list = append(list, text)
	}
	return list
}

func small(key string) Record { return Record{Key: key, Value: []byte("v")} }

func TestAssembler(t *testing.T) {
	t.Parallel()
	big := chunked(t, "k", "0123456789", 4) // three chunks
	other := chunked(t, "o", "abcdefgh", 4)
	altered := slices.Clone(big)
	altered[0].Value = []byte("012x")
	lost := fmt.Sprintf("k: %v", errChunksLost)
	for name, tc := range map[string]struct {
		in         []Record
		want, held []string // without and with holding back
	}{
		"small ones":          {[]Record{small("a"), small("b")}, []string{"a=v", "b=v"}, []string{"a=v", "b=v"}},
		"a whole value":       {big, []string{"k=0123456789"}, []string{"k=0123456789"}},
		"others between":      {[]Record{big[0], small("a"), big[1], small("b"), big[2], small("c")}, []string{"a=v", "b=v", "k=0123456789", "c=v"}, []string{"a=v", "b=v", "k=0123456789", "c=v"}},
		"two at once":         {[]Record{big[0], other[0], big[1], big[2], small("a"), other[1]}, []string{"k=0123456789", "a=v", "o=abcdefgh"}, []string{"k=0123456789", "a=v", "o=abcdefgh"}},
		"a chunk twice":       {[]Record{big[0], big[0], big[1], big[2]}, []string{"k=0123456789"}, []string{"k=0123456789"}},
		"the first is gone":   {[]Record{big[1], big[2], small("a")}, []string{lost, "a=v"}, []string{lost, "a=v"}},
		"only the last":       {[]Record{big[2]}, []string{lost}, []string{lost}},
		"the last is missing": {[]Record{big[0], big[1], small("a")}, []string{"a=v"}, nil},
		"altered":             {altered, []string{"k: the SHA-256 of the value is not that of its chunks"}, []string{"k: the SHA-256 of the value is not that of its chunks"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, hold := range []bool{false, true} {
				a := assembler{hold: hold}
				var got []Record
				for _, r := range tc.in {
					got = append(got, a.add(r)...)
				}
				want := tc.want
				if hold {
					want = tc.held
				}
				if diff := cmp.Diff(want, summary(got)); diff != "" {
					t.Errorf("hold %v (-want +got):\n%s", hold, diff)
				}
			}
		})
	}
}

// TestAssemblerIsBounded: what nobody completes is given up, and the records behind it are given.
func TestAssemblerIsBounded(t *testing.T) {
	t.Parallel()
	begun := chunked(t, "k", "0123456789", 4)[0]
	a := assembler{hold: true}
	a.add(begun)
	var got int
	for range maxHeldRecords + 1 {
		got += len(a.add(small("a")))
	}
	if got != maxHeldRecords+1 || !a.empty() {
		t.Errorf("%d records given, want %d, and nothing kept", got, maxHeldRecords+1)
	}

	a = assembler{}
	for i := range 3 * maxChunkedValue / (8 << 20) {
		r := begun
		r.Value = make([]byte, 8<<20)
		r.headers = []header{{headerChunkSet, fmt.Append(nil, i)}, {headerChunkPart, []byte("1")}}
		a.add(r)
	}
	if a.bytes > maxChunkedValue {
		t.Errorf("%d bytes kept, want at most %d", a.bytes, maxChunkedValue)
	}
}

// TestLastChunkHasTheKey: so a tombstone of the key takes it from a compacted topic.
func TestLastChunkHasTheKey(t *testing.T) {
	t.Parallel()
	var keys []string
	for _, r := range chunked(t, "k", "0123456789", 4) {
		keys = append(keys, r.Key)
	}
	if want := []string{"k\x00chunk1", "k\x00chunk2", "k"}; !slices.Equal(keys, want) {
		t.Errorf("keys %q, want %q", keys, want)
	}
}

func FuzzAssembler(f *testing.F) {
	f.Add("key", []byte("some value"), uint8(3), []byte{0, 1, 2})
	f.Add("", []byte(strings.Repeat("x", 300)), uint8(1), []byte{255, 7})
	f.Fuzz(func(t *testing.T, key string, value []byte, limit uint8, between []byte) {
		parts := chunked(t, key, string(value), int(limit)+1)
		for _, hold := range []bool{false, true} {
			a := assembler{hold: hold}
			var got []Record
			for i, p := range parts {
				got = append(got, a.add(p)...)
				for range int(at(between, i)) % 3 {
					got = append(got, a.add(small("between"))...)
				}
			}
			n := 0
			for _, r := range got {
				if r.broken != nil {
					t.Fatalf("%v", r.broken)
				}
				if r.Type == "T" && r.Key == key && bytes.Equal(r.Value, value) {
					n++
				}
			}
			if n != 1 || !a.empty() {
				t.Fatalf("the value comes %d times, want once", n)
			}
		}
	})
}

func at(list []byte, i int) byte {
	if len(list) == 0 {
		return 0
	}
	return list[i%len(list)]
}

func TestRecent(t *testing.T) {
	t.Parallel()
	r := newRecent(2)
	for i, step := range []struct {
		s     string
		isNew bool
	}{{"a", true}, {"a", false}, {"b", true}, {"a", false}, {"c", true}, {"b", false}, {"a", true}} {
		if got := r.add(step.s); got != step.isNew {
			t.Errorf("step %d: add(%q) = %v, want %v", i, step.s, got, step.isNew)
		}
	}
}

func TestFailureOf(t *testing.T) {
	t.Parallel()
	known := record.Failure{Type: "T", Message: "m"}
	for name, tc := range map[string]struct {
		err  error
		want record.Failure
	}{
		"a failure":            {known, known},
		"a pointer to one":     {&known, known},
		"in another error":     {fmt.Errorf("make it: %w", known), record.Failure{Type: "T", Message: "make it: m"}},
		"another's":            {&RemoteError{"R", "r"}, record.Failure{Type: "R", Message: "r"}},
		"nothing that is ours": {errors.New("x"), record.Failure{Type: "UnhandledException", Message: "x"}},
	} {
		if got := failureOf(tc.err); got != tc.want {
			t.Errorf("%s: failureOf = %+v, want %+v", name, got, tc.want)
		}
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	type V struct {
		N int `json:"n"`
	}
	at := Record{Topic: "t", Partition: 1, Offset: 5, Type: "V", Value: []byte(`{"n":1,"later":true}`)}
	if v, err := Decode[V](at); err != nil || v.N != 1 {
		t.Errorf("Decode = %v, %v; want members that are not known to be ignored", v, err)
	}
	for want, change := range map[string]func(*Record){
		"record at t/1 offset 5 is not a V: it is a tombstone":               func(r *Record) { r.Value = nil },
		`record at t/1 offset 5 is not a V: its type is "W"`:                 func(r *Record) { r.Type = "W" },
		"record at t/1 offset 5 is not a V: unexpected end of JSON input":    func(r *Record) { r.Value = []byte(`{"n":`) },
		"record at t/1 offset 5 is not a V: chunks of the value are missing": func(r *Record) { r.broken = errChunksLost },
	} {
		r := at
		change(&r)
		v, err := Decode[V](r)
		if err == nil || err.Error() != want || v != (V{}) {
			t.Errorf("Decode = %v, %v; want %s", v, err, want)
		}
	}
}
