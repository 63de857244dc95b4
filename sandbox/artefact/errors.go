package artefact

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// MissingToolError says that a program Cordage needs is not installed, or not in a version that does.
type MissingToolError struct {
	Tool   string // "mvn", "java"
	Reason string // what was looked for and found
	Advice string // how to get it
}

func (e *MissingToolError) Error() string { return fmt.Sprintf("%s: %s", e.Tool, e.Reason) }

// Hint tells how to install the tool.
func (e *MissingToolError) Hint() string { return e.Advice }

// OfflineError says that something is not in the cache (or damaged there) and that the network must not be used.
type OfflineError struct {
	Set string
	Err error // what is missing; names the file
}

func (e *OfflineError) Error() string {
	return fmt.Sprintf("%s cannot be used offline: %v", e.Set, e.Err)
}
func (e *OfflineError) Unwrap() error { return e.Err }

// Hint tells how to fill the cache.
func (e *OfflineError) Hint() string {
	return "run the command once without --offline: it fetches what is missing"
}

// DamagedError says that a file in the cache is not as it was recorded.
type DamagedError struct {
	File   string // absolute path
	Reason string
}

func (e *DamagedError) Error() string { return fmt.Sprintf("cache file %s: %s", e.File, e.Reason) }

// ChecksumError says that Maven brought a file that is not the pinned one.
type ChecksumError struct {
	File      string // name of the jar
	Got, Want string // SHA-256, hex; Got is "" if the file did not come at all
}

func (e *ChecksumError) Error() string {
	if e.Got == "" {
		return fmt.Sprintf("verify %s: Maven did not bring it", e.File)
	}
	return fmt.Sprintf("verify %s: its SHA-256 is %s, pinned is %s", e.File, e.Got, e.Want)
}

// Hint tells where a wrong file may come from.
func (e *ChecksumError) Hint() string {
	return "the Maven repository or mirror serves another file under this name: check the mirrors in Maven's settings.xml"
}

// FetchError says that Maven failed.
type FetchError struct {
	Set     string
	Command string   // as a person would type it
	Exit    int      // exit code
	Lines   []string // Maven's last error lines
}

func (e *FetchError) Error() string {
	return fmt.Sprintf("fetch %s: %s ended with exit code %d\n  %s", e.Set, e.Command, e.Exit, strings.Join(e.Lines, "\n  "))
}

// Hint tells what to look at.
func (e *FetchError) Hint() string {
	return "check that Maven reaches its repository (network, proxy and mirrors in Maven's settings.xml), then run the command again"
}

// DiskFullError says that no space is left where something had to be written.
type DiskFullError struct {
	Path string
	Need int64 // bytes, about; 0: not known
	Err  error
}

func (e *DiskFullError) Error() string {
	if e.Need > 0 {
		return fmt.Sprintf("write %s: no space left on the disk (about %d MiB are needed)", e.Path, (e.Need+1<<20-1)>>20)
	}
	return fmt.Sprintf("write %s: no space left on the disk", e.Path)
}
func (e *DiskFullError) Unwrap() error { return e.Err }

// Hint tells how to go on.
func (e *DiskFullError) Hint() string {
	return "free some space, or set XDG_CACHE_HOME to a directory on another disk"
}

// CacheError says that the directory of the cache cannot be used.
type CacheError struct {
	Dir string // "": it cannot be told where it is
	Err error
}

func (e *CacheError) Error() string {
	if e.Dir == "" {
		return fmt.Sprintf("find the cache: %v", e.Err)
	}
	return fmt.Sprintf("open cache %s: %v", e.Dir, e.Err)
}
func (e *CacheError) Unwrap() error { return e.Err }

// Hint tells how to use another directory.
func (e *CacheError) Hint() string {
	return "set XDG_CACHE_HOME to a directory that you can write, and nobody else"
}

// PlatformError says that there are no PostgreSQL binaries for this kind of machine.
type PlatformError struct{ Platform string } // "linux/riscv64"

func (e *PlatformError) Error() string {
	return fmt.Sprintf("PostgreSQL %s: no binaries for %s", PostgreSQLVersion, e.Platform)
}

// Hint tells the other way.
func (e *PlatformError) Hint() string {
	return "run Cordage on Linux or macOS, on amd64 or arm64"
}

// explainDisk makes a full disk readable and passes every other error on.
func explainDisk(path string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &DiskFullError{Path: path, Err: err}
	}
	return err
}
