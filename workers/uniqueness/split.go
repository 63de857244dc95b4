package uniqueness

// minSplit is the number of requests below which a group is not worth two transactions.
const minSplit = 64

// split puts the group's queries into at most n groups that share nothing: no transaction id, no state that one of them
// spends, no state that one of them issues. They can be decided at the same time, with the verdicts of the given
// order. Within each the order is kept.
func (g *group) split(n int) []*group {
	if n < 2 || len(g.queries) < minSplit {
		return []*group{g}
	}
	sets := g.connected()
	parts := make([]*group, n)
	for i := range parts {
		parts[i] = &group{holder: g.holder, node: g.node}
	}
	home := map[int]*group{} // of each set, by its root
	load := map[*group]int{}
	for i, q := range g.queries {
		root := sets.root(i)
		to := home[root]
		if to == nil {
			to = parts[0]
			for _, p := range parts[1:] {
				if load[p] < load[to] {
					to = p
				}
			}
			home[root] = to
		}
		to.queries, to.results = append(to.queries, q), append(to.results, g.results[i])
		load[to] += 1 + q.states()
	}
	used := parts[:0]
	for _, p := range parts {
		if len(p.queries) > 0 {
			used = append(used, p)
		}
	}
	return used
}

// connected joins the queries whose verdicts can depend on each other. Queries that only reference one state do not.
func (g *group) connected() disjoint {
	sets := newDisjoint(len(g.queries))
	deciders := make(map[TxID]int, len(g.queries))
	spenders := make(map[StateRef]int, 2*len(g.queries))
	for i, q := range g.queries {
		if j, ok := deciders[q.tx]; ok {
			sets.join(i, j)
		} else {
			deciders[q.tx] = i
		}
		for _, ref := range q.inputs {
			if j, ok := spenders[ref]; ok {
				sets.join(i, j)
			} else {
				spenders[ref] = i
			}
		}
	}
	for i, q := range g.queries {
		for _, ref := range q.inputs {
			if j, ok := deciders[ref.Tx]; ok {
				sets.join(i, j)
			}
		}
		for _, ref := range q.references {
			if j, ok := deciders[ref.Tx]; ok {
				sets.join(i, j)
			}
			if j, ok := spenders[ref]; ok {
				sets.join(i, j)
			}
		}
	}
	return sets
}

// disjoint is a union of sets of 0..n-1.
type disjoint []int

func newDisjoint(n int) disjoint {
	d := make(disjoint, n)
	for i := range d {
		d[i] = i
	}
	return d
}

func (d disjoint) root(i int) int {
	for d[i] != i {
		d[i] = d[d[i]]
		i = d[i]
	}
	return i
}

func (d disjoint) join(i, j int) { d[d.root(i)] = d.root(j) }
