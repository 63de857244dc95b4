package uniqueness

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// Whatever the requests are, the parts hold each query once and in order, and what depends on each other is in one part.
func TestSplit(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for range 50 {
		g := randomGroup(r, minSplit+r.IntN(60), 1+r.IntN(700))
		parts := g.split(1 + r.IntN(4))
		at := map[*query]int{}
		order := map[*query]int{}
		for i, q := range g.queries {
			order[q] = i
		}
		for i, p := range parts {
			last := -1
			for j, q := range p.queries {
				if order[q] <= last {
					t.Fatalf("seed %d: part %d is not in order", seed, i)
				}
				if _, twice := at[q]; twice {
					t.Fatalf("seed %d: a query is in two parts", seed)
				}
				if p.results[j] != g.results[order[q]] {
					t.Fatalf("seed %d: a query lost its result", seed)
				}
				last, at[q] = order[q], i
			}
		}
		if len(at) != len(g.queries) {
			t.Fatalf("seed %d: %d of %d queries are in parts", seed, len(at), len(g.queries))
		}
		for _, a := range g.queries {
			for _, b := range g.queries {
				if why := dependent(a, b); why != "" && at[a] != at[b] {
					t.Fatalf("seed %d: %s, in parts %d and %d", seed, why, at[a], at[b])
				}
			}
		}
	}
}

// dependent says why the verdict on b can depend on that on a; empty if it cannot.
func dependent(a, b *query) string {
	if a != b && a.tx == b.tx {
		return fmt.Sprintf("transaction %s twice", a.tx)
	}
	for _, in := range a.inputs {
		for _, other := range append(append([]StateRef(nil), b.inputs...), b.references...) {
			if in == other {
				return fmt.Sprintf("state %s is spent by one", in)
			}
		}
	}
	for _, uses := range append(append([]StateRef(nil), b.inputs...), b.references...) {
		if uses.Tx == a.tx {
			return fmt.Sprintf("state %s is issued by one", uses)
		}
	}
	return ""
}

func randomGroup(r *rand.Rand, queries, ids int) *group {
	g := &group{}
	id := func() TxID { return TxID{"SHA-256", fmt.Sprint(r.IntN(ids))} }
	refs := func() []StateRef {
		some := make([]StateRef, r.IntN(3))
		for i := range some {
			some[i] = StateRef{id(), int32(r.IntN(3))}
		}
		return some
	}
	for range queries {
		g.queries = append(g.queries, &query{tx: id(), inputs: refs(), references: refs()})
		g.results = append(g.results, &Result{})
	}
	return g
}

// Independent requests are shared out evenly.
func TestSplitIsEven(t *testing.T) {
	t.Parallel()
	g := &group{}
	shared := StateRef{TxID{"SHA-256", "shared"}, 0}
	for i := range 1000 {
		spent := TxID{"SHA-256", fmt.Sprint("spent", i)}
		g.queries = append(g.queries, &query{
			tx: TxID{"SHA-256", fmt.Sprint(i)}, inputs: []StateRef{{spent, 0}, {spent, 1}}, references: []StateRef{shared}, outputs: 2,
		})
		g.results = append(g.results, &Result{})
	}
	parts := g.split(2)
	if len(parts) != 2 || len(parts[0].queries) != 500 {
		t.Errorf("%d parts, the first of %d queries; want two of 500", len(parts), len(parts[0].queries))
	}
	g.queries, g.results = g.queries[:minSplit-1], g.results[:minSplit-1]
	if parts := g.split(2); len(parts) != 1 {
		t.Errorf("a small group has %d parts", len(parts))
	}
}
