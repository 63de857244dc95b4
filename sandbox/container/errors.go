package container

import (
	"errors"
	"fmt"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// EngineError says that the engine does not answer.
type EngineError struct {
	Attempt string
	Err     error
	Remedy  string // the way out, where it is not the usual one
}

func (e *EngineError) Error() string { return e.Attempt + ": " + short(e.Err) }
func (e *EngineError) Unwrap() error { return e.Err }

// Hint tells how to get an engine, or do without one.
func (e *EngineError) Hint() string {
	if e.Remedy != "" {
		return e.Remedy
	}
	if strings.Contains(e.Err.Error(), "permission denied") {
		return "join the group that may use its socket (sudo usermod -aG docker $USER, then log in anew), use a rootless engine, or do without: cordage up --runtime process"
	}
	return "start Docker (systemctl start docker, or Docker Desktop), name another engine in DOCKER_HOST, or do without: cordage up --runtime process"
}

// RunningError says that a node runs which must not.
type RunningError struct {
	Attempt string
	Node    string
	ID      string // of the container
}

func (e *RunningError) Error() string {
	return fmt.Sprintf("%s: node %s is running (container %s)", e.Attempt, e.Node, e.ID)
}

// Hint tells how to stop it.
func (e *RunningError) Hint() string { return "stop the sandbox first: cordage down" }

// StartError says that a container could not be started.
type StartError struct {
	Node  string
	Image string
	Err   error
}

func (e *StartError) Error() string {
	return fmt.Sprintf("start %s in a container of %s: %s", e.Node, e.Image, short(e.Err))
}
func (e *StartError) Unwrap() error { return e.Err }

// Hint tells the way out of the usual faults.
func (e *StartError) Hint() string {
	text := e.Err.Error()
	switch {
	case cerrdefs.IsNotFound(e.Err) && strings.Contains(text, "image"):
		return "the image is not at the engine; see what is: cordage images list; have it again: cordage images build"
	case strings.Contains(text, "port is already allocated"), strings.Contains(text, "address already in use"):
		return "something listens on that port; see what: cordage doctor; let Cordage choose another: cordage up --port PURPOSE=0"
	case noSpace(e.Err):
		return "free some space at the engine (docker system df, docker system prune), then run the command again"
	default:
		return "see what the engine says of it: docker ps --all --filter label=" + labelNode + "=" + e.Node
	}
}

// NetworkError says that the sandbox's network could not be made.
type NetworkError struct{ Err error }

func (e *NetworkError) Error() string { return "make the sandbox's network: " + short(e.Err) }
func (e *NetworkError) Unwrap() error { return e.Err }

// Hint tells the way out.
func (e *NetworkError) Hint() string {
	text := e.Err.Error()
	// Engines before 23 and since say it in these words.
	if strings.Contains(text, "non-overlapping IPv4 address pool") || strings.Contains(text, "fully subnetted") {
		return "the engine has no addresses left for another network: remove networks that nothing uses (docker network prune), purge sandboxes that are not needed (cordage list), or give the engine more (default-address-pools in its daemon.json)"
	}
	return "see what the engine has: docker network ls"
}

// OtherEngineError says that a sandbox has its data at an engine other than the one that would be used now.
type OtherEngineError struct {
	Sandbox   string
	Host, Now string // where it is, and which engine would be used
	File      string // that tells where it is
}

func (e *OtherEngineError) Error() string {
	return fmt.Sprintf("use sandbox %s: its containers and data are at the container engine at %s, and the one in use now is at %s", e.Sandbox, e.Host, e.Now)
}

// Hint tells how to come back to it.
func (e *OtherEngineError) Hint() string {
	return fmt.Sprintf("name that engine: DOCKER_HOST=%s; if it is gone for good, forget it and what it had: rm %s", e.Host, e.File)
}

// DiskFullError says that the engine has no space left.
type DiskFullError struct {
	Attempt string
	Err     error
}

func (e *DiskFullError) Error() string {
	return fmt.Sprintf("%s: no space left on the engine's disk", e.Attempt)
}
func (e *DiskFullError) Unwrap() error { return e.Err }

// Hint tells how to go on.
func (e *DiskFullError) Hint() string {
	return "free some space at the engine (docker system df, docker system prune), then run the command again"
}

func noSpace(err error) bool {
	return err != nil && strings.Contains(err.Error(), "no space left on device")
}

// explain makes the usual faults of the engine readable and adds what was attempted.
func explain(attempt string, err error) error {
	switch {
	case err == nil:
		return nil
	case gone(err):
		return &EngineError{Attempt: attempt, Err: err}
	case noSpace(err):
		return &DiskFullError{Attempt: attempt, Err: err}
	default:
		return fmt.Errorf("%s: %w", attempt, err)
	}
}

// gone tells whether an error means that the engine does not answer.
func gone(err error) bool {
	if client.IsErrConnectionFailed(err) {
		return true
	}
	text := err.Error()
	for _, sign := range []string{"connection refused", "connection reset", "unexpected EOF", "no such file or directory: dial", "Cannot connect to the Docker daemon", "broken pipe"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

// short makes a message of the engine fit into a sentence.
func short(err error) string {
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner // what wraps it repeats it
	}
	return strings.TrimSpace(strings.ReplaceAll(strings.TrimPrefix(err.Error(), "Error response from daemon: "), "\n", " "))
}
