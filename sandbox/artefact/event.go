package artefact

// Step is a stage of bringing a set of artefacts into the cache.
type Step string

// The steps, in their order.
const (
	Waiting     Step = "waiting"     // another process fills the same cache
	Repairing   Step = "repairing"   // What names the damaged file
	Resolving   Step = "resolving"   // Maven starts
	Downloading Step = "downloading" // Maven has brought Done of Total bytes
	Verifying   Step = "verifying"   // checksums are compared
	Unpacking   Step = "unpacking"   // Done of Total bytes read
	Preparing   Step = "preparing"   // something is made once from the artefacts; What says what
	Ready       Step = "ready"       // the set is in place
)

// Event tells how far a set of artefacts is.
type Event struct {
	Set   string // what is fetched: "kafka 3.2.0"
	Step  Step
	What  string // a file or a thing, for people; may be empty
	Done  int64  // bytes
	Total int64  // bytes; 0: not known
}

// Fraction is how much of the step is done, 0 to 1, or -1 if that is not known.
func (e Event) Fraction() float64 {
	if e.Total <= 0 {
		return -1
	}
	return min(1, float64(e.Done)/float64(e.Total))
}
