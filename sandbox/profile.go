package sandbox

import (
	"slices"
	"time"
)

// Profile is how the start spent its time.
type Profile struct {
	Took     time.Duration `json:"tookNs"` // from the supervisor's start to ready; 0 while it is not
	Steps    []Step        `json:"steps"`
	Critical []Segment     `json:"critical"` // the chain of steps that made it last so long, in order
}

// Segment is a part of the critical path.
type Segment struct {
	Step string        `json:"step"`
	Wait time.Duration `json:"waitNs"` // between the end of what it came after and its own start
	Took time.Duration `json:"tookNs"`
}

// NewProfile finds the critical path: from the step that ended last back to the start, over the predecessor that ended
// last each time. Steps that have not ended are left out.
func NewProfile(took time.Duration, steps []Step) Profile {
	p := Profile{Took: took, Steps: steps, Critical: []Segment{}}
	byName := map[string]Step{}
	var last Step
	for _, s := range steps {
		if s.State != StepDone {
			continue
		}
		byName[s.Name] = s
		if s.Ended > last.Ended {
			last = s
		}
	}
	for at := last; at.Name != ""; {
		var before Step
		for _, name := range at.After {
			if b := byName[name]; b.Ended > before.Ended && b.Ended <= at.Ended {
				before = b
			}
		}
		p.Critical = append(p.Critical, Segment{Step: at.Name, Wait: max(0, at.Started-before.Ended), Took: at.Ended - max(at.Started, before.Ended)})
		at = before
	}
	slices.Reverse(p.Critical)
	return p
}
