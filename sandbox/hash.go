package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Paused is the state of a node that has been frozen by request.
const Paused State = "paused"

// Runs tells whether a node in this state has a running instance.
func (s State) Runs() bool {
	return s == Starting || s == Ready || s == Degraded || s == Paused || s == Stopping
}

// Hash identifies what a node is started with, except the content of its files: secrets stay out of it, and new
// upstreams do not make the load balancer another node. It is the same in every process, so that a supervisor can tell
// whether a node that an earlier one started is the node it wants.
func (s NodeSpec) Hash() string {
	names := slices.Sorted(maps.Keys(s.Files))
	text, err := json.Marshal(struct {
		NodeSpec
		FileNames []string
	}{s, names})
	if err != nil { // strings and numbers only; anything else is a mistake in this program
		panic(fmt.Sprintf("hash of node %s: %v", s.Name, err))
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}
