package workers

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Bounds of a worker's memory. At rest garbage is collected when the heap has grown by half, rather than by the whole as is
// Go's default: a worker then stays below 40 MB. While much is allocated that would cost a fifth of the worker's time, for
// memory that only rest is short of; so the heap may grow more then, and is given back afterwards.
const (
	restGrowth  = 50        // percent
	workGrowth  = 200       // percent
	memoryLimit = 512 << 20 // bytes, soft: large uploads may pass it

	busyRate  = 8 << 20 // bytes allocated in a second, from which on a worker is at work
	quietRate = 1 << 20 // and below which it is at rest again
)

func limitMemory() {
	debug.SetGCPercent(restGrowth)
	debug.SetMemoryLimit(memoryLimit)
}

// releaseStart gives memory that only the start needed back to the system.
func releaseStart() {
	debug.FreeOSMemory()
	releaseProgram()
}

// paceGarbage looks each second how much is allocated, until ctx ends.
func paceGarbage(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	allocated := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(allocated)
	p := pace{allocated: allocated[0].Value.Uint64()}
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		metrics.Read(allocated)
		if changed := p.look(allocated[0].Value.Uint64()); !changed {
			continue
		}
		if p.busy {
			debug.SetGCPercent(workGrowth)
		} else {
			debug.SetGCPercent(restGrowth)
			debug.FreeOSMemory()
		}
	}
}

// pace is whether a worker is at work.
type pace struct {
	allocated uint64 // bytes, since the process began
	busy      bool
}

// look is told every second what has been allocated in all, and tells whether work has begun or ended.
func (p *pace) look(allocated uint64) (changed bool) {
	grown := allocated - p.allocated
	p.allocated = allocated
	was := p.busy
	p.busy = grown >= busyRate || was && grown >= quietRate
	return p.busy != was
}
