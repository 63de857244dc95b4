package screen

import (
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// keptSamples of usage for each node: at one a second or two, a few minutes.
const keptSamples = 120

// Usage is what a node has used lately, oldest first.
type Usage struct {
	CPU []float64 // share of one core: 1 is a core fully used
	RSS []float64 // bytes

	instance string
	cpu      time.Duration
	at       time.Time
}

// Last is the latest sample.
func (u *Usage) Last() (cpu, rss float64) {
	if u == nil || len(u.RSS) == 0 {
		return 0, 0
	}
	if len(u.CPU) > 0 {
		cpu = u.CPU[len(u.CPU)-1]
	}
	return cpu, u.RSS[len(u.RSS)-1]
}

func (s *State) sample(n sandbox.Node, at time.Time) {
	if n.RSS == 0 && n.CPU == 0 {
		return
	}
	u := s.Usage[n.Name]
	if u == nil {
		u = &Usage{}
		s.Usage[n.Name] = u
	}
	if u.instance == n.Instance && u.cpu == n.CPU && at.Sub(u.at) < time.Second/2 {
		return // the state changed, not the usage
	}
	if took := at.Sub(u.at); u.instance == n.Instance && took > 0 && n.CPU >= u.cpu {
		u.CPU = push(u.CPU, float64(n.CPU-u.cpu)/float64(took))
	}
	u.RSS = push(u.RSS, float64(n.RSS))
	u.instance, u.cpu, u.at = n.Instance, n.CPU, at
}

func push(samples []float64, v float64) []float64 {
	if len(samples) < keptSamples {
		return append(samples, v)
	}
	copy(samples, samples[1:])
	samples[len(samples)-1] = v
	return samples
}
