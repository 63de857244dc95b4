package image

import (
	"fmt"
	"strings"
)

// MissingError says that an image is not at the engine and cannot be had.
type MissingError struct {
	For    string // what it is for: "PostgreSQL"
	Image  string // its name
	Why    error  // why it cannot be had
	Remedy string // the way out
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("have the image of %s (%s): %v", e.For, e.Image, e.Why)
}
func (e *MissingError) Unwrap() error { return e.Why }

// Hint tells the way out.
func (e *MissingError) Hint() string { return e.Remedy }

// BuildError says that an image could not be built.
type BuildError struct {
	Image string
	Cause string // what the engine said
	Log   []string
	Base  string // image that it is built on; "" for none
}

func (e *BuildError) Error() string {
	text := fmt.Sprintf("build image %s: %s", e.Image, e.Cause)
	if len(e.Log) > 0 {
		text += "; its output ends:\n  " + strings.Join(e.Log, "\n  ")
	}
	return text
}

// Hint tells the way out.
func (e *BuildError) Hint() string {
	if e.Base == "" {
		return "free some space at the engine: docker system df"
	}
	return fmt.Sprintf("it is built on %s, which must be at the engine or to be pulled, and have Java 17 or a network to install it from; without a registry make one: debootstrap --variant=minbase bookworm DIR; tar -C DIR -c . | docker import - NAME; cordage images build --base NAME", e.Base)
}

// ProgramError says that a program cannot be a worker image.
type ProgramError struct {
	Path string
	Why  string
}

func (e *ProgramError) Error() string {
	return fmt.Sprintf("make a worker image of %s: %s", e.Path, e.Why)
}

// Hint tells how to get a program that can.
func (e *ProgramError) Hint() string {
	return "build Cordage as one static executable: CGO_ENABLED=0 go build ./cmd/cordage; where this system is not Linux, build one more with GOOS=linux and name it in CORDAGE_WORKER_PROGRAM"
}
