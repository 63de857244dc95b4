package wire

import (
	"fmt"
	"slices"
	"testing"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"
)

// TestPartitionFor compares with values of Kafka's own test of its hash (UtilsTest.testMurmur2), made positive as its
// partitioner does, among so many partitions that the hash itself is the answer.
func TestPartitionFor(t *testing.T) {
	t.Parallel()
	k := &Cluster{partitioner: sarama.NewMurmur2Partitioner("")}
	for key, hash := range map[string]int32{
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
		"a-little-bit-longer-string": -1486304829, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971, "abc": 479470107,
	} {
		if got, want := k.PartitionFor([]byte(key), 1<<31-1), (hash&0x7fffffff)%(1<<31-1); got != want {
			t.Errorf("PartitionFor(%q) = %d, want %d", key, got, want)
		}
	}
	if got := k.PartitionFor(nil, 3); got < 0 || got > 2 {
		t.Errorf("PartitionFor(nil, 3) = %d", got)
	}
}

func TestAssign(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		n     int32
		owned map[string][]int32
		want  map[string][]int32
	}{
		"one member":             {3, map[string][]int32{"a": nil}, map[string][]int32{"a": {0, 1, 2}}},
		"a newcomer":             {4, map[string][]int32{"a": {0, 1, 2, 3}, "b": nil}, map[string][]int32{"a": {0, 1}, "b": {2, 3}}},
		"odd, the owner keeps 2": {3, map[string][]int32{"a": nil, "b": {0, 1, 2}}, map[string][]int32{"a": {2}, "b": {0, 1}}},
		"one has left":           {4, map[string][]int32{"a": {1, 3}, "b": {2}}, map[string][]int32{"a": {1, 3}, "b": {0, 2}}},
		"more members than work": {1, map[string][]int32{"a": nil, "b": {0}, "c": nil}, map[string][]int32{"b": {0}}},
		"two claim the same":     {2, map[string][]int32{"a": {0}, "b": {0}}, map[string][]int32{"a": {0}, "b": {1}}},
		"none":                   {2, nil, nil},
		"claims that do not exist": {
			2, map[string][]int32{"a": {7, 1}, "b": nil}, map[string][]int32{"a": {1}, "b": {0}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, assign(tc.n, tc.owned)); diff != "" {
				t.Errorf("assign (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzAssign: each partition goes to one member, shares differ by one at most, and a plan is kept as long as the members
// stay.
func FuzzAssign(f *testing.F) {
	f.Add(uint8(10), []byte{0, 1, 2, 0, 1})
	f.Add(uint8(3), []byte{5})
	f.Fuzz(func(t *testing.T, n uint8, owners []byte) {
		owned := map[string][]int32{"m0": nil, "m1": nil, "m2": nil}
		for p, o := range owners {
			name := fmt.Sprint("m", o%5)
			owned[name] = append(owned[name], int32(p))
		}
		plan := assign(int32(n), owned)
		var all []int32
		least, most := int(n), 0
		for name := range owned {
			all = append(all, plan[name]...)
			least, most = min(least, len(plan[name])), max(most, len(plan[name]))
		}
		slices.Sort(all)
		for p := range int32(n) {
			if int(p) >= len(all) || all[p] != p {
				t.Fatalf("assign(%d, %v) = %v: not each partition once", n, owned, plan)
			}
		}
		if len(all) != int(n) || most-least > 1 {
			t.Fatalf("assign(%d, %v) = %v: not even", n, owned, plan)
		}
		for name := range owned {
			owned[name] = plan[name]
		}
		if again := assign(int32(n), owned); !cmp.Equal(plan, again) {
			t.Fatalf("assign(%d, %v) = %v, and then %v", n, owned, plan, again)
		}
	})
}

func records(offsets ...int64) []*sarama.Record {
	var list []*sarama.Record
	for _, o := range offsets {
		list = append(list, &sarama.Record{OffsetDelta: o, Key: fmt.Append(nil, o)})
	}
	return list
}

// TestRead takes the records of committed transactions out of what a broker sends.
func TestRead(t *testing.T) {
	t.Parallel()
	batch := func(first, last int64, producer int64, list []*sarama.Record) *sarama.Records {
		return &sarama.Records{RecordBatch: &sarama.RecordBatch{
			FirstOffset: first, LastOffsetDelta: int32(last - first), ProducerID: producer, IsTransactional: producer > 0, Records: list,
		}}
	}
	marker := func(at, producer int64, kind byte) *sarama.Records {
		m := batch(at, at, producer, []*sarama.Record{{Key: []byte{0, 0, 0, kind}}})
		m.RecordBatch.Control = true
		return m
	}
	const abort, commit = 0, 1
	block := &sarama.FetchResponseBlock{
		AbortedTransactions: []*sarama.AbortedTransaction{{ProducerID: 2, FirstOffset: 16}, {ProducerID: 1, FirstOffset: 12}},
		RecordsSet: []*sarama.Records{
			batch(8, 11, 1, records(0, 1, 2, 3)), // committed; 8 and 9 are before what was asked for
			batch(12, 13, 1, records(0, 1)),      // aborted
			batch(14, 14, 2, records(0)),         // committed
			marker(15, 1, abort),
			batch(16, 16, 2, records(0)), // aborted
			batch(17, 19, 1, records(2)), // committed; the others were compacted away
			marker(20, 2, abort),
			batch(21, 21, 2, records(0)),
			marker(22, 2, commit),
			batch(23, 23, 0, records(0)), // not in a transaction
			marker(24, 1, commit),
		},
	}
	got := read(block, asked{from: 10})
	var offsets []int64
	for _, r := range got.Records {
		offsets = append(offsets, r.Offset)
	}
	if want := []int64{10, 11, 14, 19, 21, 23}; !slices.Equal(offsets, want) || got.Next != 25 {
		t.Errorf("offsets %v, next %d; want %v, next 25", offsets, got.Next, want)
	}
}

// TestStreamPassesEmptyBatches: compaction leaves batches without records, which sarama does not show. A stream must pass
// them, and must not mistake for one what had no room in an answer.
func TestStreamPassesEmptyBatches(t *testing.T) {
	t.Parallel()
	f := &fetchers{ctx: t.Context()}
	s := &Stream{f: f, next: 5, some: make(chan struct{}, 1)}
	nothing := &sarama.FetchResponseBlock{LastStableOffset: 8}
	s.put(Batch{Next: 5}, nothing, false, nil)
	if next, _, alone := s.wants(); next != 5 || !alone {
		t.Errorf("after nothing: next %d, alone %v; want to be asked for alone at 5", next, alone)
	}
	s.put(Batch{Next: 7, Records: []Record{{Offset: 5}, {Offset: 6}}}, &sarama.FetchResponseBlock{RecordsSet: []*sarama.Records{{}}}, true, nil)
	if next, _, alone := s.wants(); next != 7 || alone {
		t.Errorf("after records: next %d, alone %v; want 7, with others", next, alone)
	}
	s.put(Batch{Next: 7}, nothing, false, nil)
	s.put(Batch{Next: 7}, nothing, false, nil) // of the leader before, which had been asked for more
	if next, _, alone := s.wants(); next != 7 || !alone {
		t.Errorf("after nothing twice, not alone: next %d, alone %v; want to be asked for alone at 7", next, alone)
	}
	s.put(Batch{Next: 7}, nothing, true, nil)
	if next, _, alone := s.wants(); next != 8 || !alone {
		t.Errorf("after nothing, alone: next %d, alone %v; want to be asked for alone at 8", next, alone)
	}
	s.put(Batch{Next: 8}, nothing, true, nil) // the end
	if next, _, alone := s.wants(); next != 8 || alone {
		t.Errorf("at the end: next %d, alone %v; want 8, with others", next, alone)
	}
	var got []int64
	for range 2 {
		b, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, b.Next)
	}
	if want := []int64{7, 8}; !slices.Equal(got, want) {
		t.Errorf("positions %v, want %v", got, want)
	}
}
