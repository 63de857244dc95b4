package workers

import "runtime/debug"

// Bounds of a worker's memory: garbage is collected when the heap has grown by half, rather than by the whole as is Go's
// default, and more eagerly towards the soft limit. A worker at rest then stays below 40 MB.
const (
	heapGrowth  = 50        // percent
	memoryLimit = 512 << 20 // bytes, soft: large uploads may pass it
)

func limitMemory() {
	debug.SetGCPercent(heapGrowth)
	debug.SetMemoryLimit(memoryLimit)
}

// releaseStart gives memory that only the start needed back to the system.
func releaseStart() {
	debug.FreeOSMemory()
	releaseProgram()
}
