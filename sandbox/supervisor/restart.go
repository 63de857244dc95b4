package supervisor

import (
	"slices"
	"time"
)

// restartPolicy says when a node that died is started again, and when it is given up.
type restartPolicy struct {
	base time.Duration // pause before the first restart; doubles with each further one in a row
	most time.Duration // longest pause
	fail int           // so many deaths in a row before being ready mean a crash loop
	many int           // so many deaths within window mean a crash loop, ready in between or not
	over time.Duration // the window
}

// defaultPolicy restarts at once what worked before, and gives up what cannot start in about six seconds.
func defaultPolicy() restartPolicy {
	return restartPolicy{base: 100 * time.Millisecond, most: 10 * time.Second, fail: 6, many: 60, over: 5 * time.Minute}
}

// deaths is the record of a node's deaths that nobody asked for.
type deaths struct {
	inARow int         // since the node was last ready
	recent []time.Time // within the policy's window
}

// record notes a death at now of an instance that had been ready or not.
func (d *deaths) record(p restartPolicy, wasReady bool, now time.Time) {
	if wasReady {
		d.inARow = 0
	}
	d.inARow++
	d.recent = slices.DeleteFunc(append(d.recent, now), func(t time.Time) bool { return now.Sub(t) > p.over })
}

// clear forgets all deaths: somebody asked for a restart.
func (d *deaths) clear() { *d = deaths{} }

// verdict says how long to wait before the next start, or that the node is in a crash loop.
func (p restartPolicy) verdict(d deaths) (pause time.Duration, crashed bool) {
	if d.inARow >= p.fail || len(d.recent) >= p.many {
		return 0, true
	}
	return p.backoff(d.inARow), false
}

// backoff is the pause before the restart that follows the nth death in a row, n from 1.
func (p restartPolicy) backoff(n int) time.Duration {
	pause := p.base
	for i := 1; i < n && pause < p.most; i++ {
		pause *= 2
	}
	return min(pause, p.most)
}
