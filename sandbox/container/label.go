package container

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"os"

	"github.com/moby/moby/client"

	"github.com/cordage-sandbox/cordage/sandbox/image"
)

// Labels of all that belongs to a sandbox: containers, volumes and the network. By them it is found, also without any file
// of Cordage's.
const (
	labelSandbox = "cordage.sandbox"    // name of the sandbox
	labelOwner   = "cordage.owner"      // identifies the sandbox among those of all users and machines
	labelDir     = "cordage.dir"        // its directory
	labelNode    = "cordage.node"       // name of the node
	labelKind    = image.LabelKind      // its kind
	labelSpec    = "cordage.spec"       // hash of its specification
	labelVersion = image.LabelVersion   // of the Cordage that made it
	labelPrefix  = "cordage."           // of all of them
	labelSession = "org.testcontainers" // of the library, which are left out: others remove by them
)

// ownerOf identifies the sandbox of a directory of this machine.
func ownerOf(dir string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	sum := sha256.Sum256([]byte(host + "\x00" + dir))
	return hex.EncodeToString(sum[:6])
}

func (r *Runtime) labels(more map[string]string) map[string]string {
	all := map[string]string{
		labelSandbox: r.o.Sandbox, labelOwner: r.owner, labelDir: r.o.Dir, labelVersion: r.o.Version,
	}
	maps.Copy(all, more)
	return all
}

// ours finds what belongs to the sandbox.
func (r *Runtime) ours() client.Filters {
	return make(client.Filters).Add("label", labelOwner+"="+r.owner)
}

// name of something of the sandbox at the engine, where names are shared by everybody.
func (r *Runtime) name(of string) string {
	name := "cordage-" + r.o.Sandbox + "-" + r.owner[:6]
	if of != "" {
		name += "-" + of
	}
	return name
}
