package wire

import (
	"cmp"
	"slices"
)

// assign spreads the partitions 0 to n-1 of a topic evenly over members, and leaves with each as many of those that it
// has had as its share allows. owned has an entry for each member. The outcome depends on nothing else.
func assign(n int32, owned map[string][]int32) map[string][]int32 {
	names := make([]string, 0, len(owned))
	for name := range owned {
		names = append(names, name)
	}
	if len(names) == 0 {
		return nil
	}
	// Those that have more come first, so that the shares of one more fall to them.
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(owned[b]), len(owned[a])), cmp.Compare(a, b))
	})
	free := map[int32]bool{}
	for p := range n {
		free[p] = true
	}
	plan := map[string][]int32{}
	share := func(i int) int {
		least, more := int(n)/len(names), int(n)%len(names)
		if i < more {
			return least + 1
		}
		return least
	}
	for i, name := range names {
		for _, p := range slices.Sorted(slices.Values(owned[name])) {
			if free[p] && len(plan[name]) < share(i) {
				plan[name] = append(plan[name], p)
				delete(free, p)
			}
		}
	}
	next := int32(0)
	for i, name := range names {
		for len(plan[name]) < share(i) {
			for !free[next] {
				next++
			}
			plan[name] = append(plan[name], next)
			delete(free, next)
		}
		slices.Sort(plan[name])
	}
	return plan
}
