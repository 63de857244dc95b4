package topology

import "time"

// rates makes rates of counters: the growth over the last few looks. What is counted anew, because a worker was started
// again, has no rate at first.
type rates struct{ series map[string][]sample }

type sample struct {
	at    time.Time
	value float64
}

// window is how many looks a rate goes back: a single record then is a rate for as many seconds.
const window = 3

// next takes the value of a counter, and gives its rate a second.
func (r *rates) next(name string, value float64, at time.Time) float64 {
	if r.series == nil {
		r.series = map[string][]sample{}
	}
	s := r.series[name]
	if n := len(s); n > 0 && value < s[n-1].value {
		s = nil
	}
	s = append(s, sample{at, value})
	s = s[max(0, len(s)-window-1):]
	r.series[name] = s
	passed := at.Sub(s[0].at).Seconds()
	if passed <= 0 {
		return 0
	}
	return (value - s[0].value) / passed
}

// keepOnly forgets the counters that have not been seen at the latest look.
func (r *rates) keepOnly(at time.Time) {
	for name, s := range r.series {
		if s[len(s)-1].at.Before(at) {
			delete(r.series, name)
		}
	}
}
