// Package artefact brings what Cordage launches but does not contain into a cache of the user: PostgreSQL and
// Kafka through Maven, with pinned checksums, and finds the Java they need. Everything it hands out has been
// verified; once the cache is complete no network is used. Workers must not import it: they are given what they
// need by the supervisor.
//
// Several processes may use one cache at once. A complete set is read without a lock; whoever finds one missing or
// damaged takes the lock of the cache, looks again, makes the set in a temporary directory beside and moves it into
// place in one rename. A reader therefore sees a whole set or none.
package artefact

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Options say where a cache is and how it is filled. The zero value is the user's own cache, online and silent.
type Options struct {
	Dir      string      // directory of the cache, absolute; "" is DefaultDir
	Offline  bool        // never ask Maven: what is missing is an *OfflineError
	Progress func(Event) // called in order while a set is made, from one goroutine; nil: no progress
}

// Cache is a directory of verified artefacts. It is safe for concurrent use.
type Cache struct {
	dir      string
	offline  bool
	progress func(Event)
}

// DefaultDir is the cache of the user: $XDG_CACHE_HOME/cordage where that is set, /var/cache/cordage for root, else
// the cordage folder in the system's cache folder of the user (~/.cache on Linux). Root's differs because PostgreSQL
// never runs as root and the account it drops to cannot enter root's home.
func DefaultDir() (string, error) {
	if xdg := os.Getenv("XDG_CACHE_HOME"); filepath.IsAbs(xdg) { // a relative one is to be ignored, says the standard
		return filepath.Join(xdg, "cordage"), nil
	}
	if os.Geteuid() == 0 {
		return "/var/cache/cordage", nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", &CacheError{Err: fmt.Errorf("XDG_CACHE_HOME is not set, and there is no home directory: %w", err)}
	}
	return filepath.Join(home, ".cache", "cordage"), nil
}

// Open returns the cache in o.Dir and makes the directory if need be. It fetches nothing.
func Open(o Options) (*Cache, error) {
	dir := o.Dir
	if dir == "" {
		d, err := DefaultDir()
		if err != nil {
			return nil, err
		}
		dir = d
	}
	if !filepath.IsAbs(dir) {
		return nil, fmt.Errorf("open cache %s: the path must be absolute", dir)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, &CacheError{Dir: dir, Err: explainDisk(dir, err)}
	}
	if err := trusted(dir); err != nil {
		return nil, &CacheError{Dir: dir, Err: err}
	}
	progress := o.Progress
	if progress == nil {
		progress = func(Event) {}
	}
	return &Cache{dir: dir, offline: o.Offline, progress: progress}, nil
}

// trusted refuses a directory that somebody else can change, except root: what is in it is run, and its checksums, which
// are in it too, show damage but no malice.
func trusted(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Uid != 0 && int(s.Uid) != os.Geteuid() {
		return fmt.Errorf("it belongs to the account with uid %d, whose programs would be run", s.Uid)
	}
	const othersWrite = 0o002
	if info.Mode().Perm()&othersWrite != 0 {
		return errors.New("everybody can write there, and what is there is run")
	}
	return nil
}

// With returns the same cache with another receiver of progress; nil for none.
func (c *Cache) With(progress func(Event)) *Cache {
	if progress == nil {
		progress = func(Event) {}
	}
	return &Cache{dir: c.dir, offline: c.offline, progress: progress}
}

// Dir is the directory of the cache. What others keep there (prepared data directories) they keep in folders of their
// own and with [Cache.Build].
func (c *Cache) Dir() string { return c.dir }

// PostgreSQL returns the directory of PostgreSQL's binaries for this machine, fetching them if need be.
//
// Errors: *MissingToolError without Maven, *OfflineError, *ChecksumError, *FetchError, *DiskFullError,
// *PlatformError where no binaries exist for this kind of machine.
func (c *Cache) PostgreSQL(ctx context.Context) (PostgreSQL, error) {
	s, err := postgreSQLSet()
	if err != nil {
		return PostgreSQL{}, err
	}
	dir, err := c.ensure(ctx, s)
	if err != nil {
		return PostgreSQL{}, err
	}
	return PostgreSQL{Dir: dir, Version: s.version}, nil
}

// Kafka returns the directory of Kafka's jars, fetching them if need be. Errors as for [Cache.PostgreSQL].
func (c *Cache) Kafka(ctx context.Context) (Kafka, error) {
	s := kafkaSet()
	dir, err := c.ensure(ctx, s)
	if err != nil {
		return Kafka{}, err
	}
	k := Kafka{Version: s.version}
	for _, sum := range s.sums {
		k.Jars = append(k.Jars, filepath.Join(dir, sum.name))
	}
	return k, nil
}

// Maven returns the jars of coords, without what they depend on, in their order. Each must have a checksum in
// pin/cordapp.sums: nothing unpinned enters the cache. Errors as for [Cache.PostgreSQL].
func (c *Cache) Maven(ctx context.Context, coords ...Coordinate) ([]string, error) {
	s, err := jarSet(coords)
	if err != nil {
		return nil, err
	}
	dir, err := c.ensure(ctx, s)
	if err != nil {
		return nil, err
	}
	files := make([]string, len(coords))
	for i, co := range coords {
		files[i] = filepath.Join(dir, co.file())
	}
	return files, nil
}

// Finding is one fault that [Cache.Check] found.
type Finding struct {
	Set  string // "postgresql 14.4.0", or the name of what was built
	Dir  string // of the set
	File string // absolute path
	Err  error
}

// Check reads every file of PostgreSQL, of Kafka and of what was built, and compares it with the recorded checksum. A set
// that is not there yet is no fault, but is missing. It repairs nothing. The next [Cache.PostgreSQL] or [Cache.Kafka] does
// where a file's size or time differ too; a file that looks untouched must be removed first.
func (c *Cache) Check(ctx context.Context) (found []Finding, missing []string, err error) {
	sets := []set{kafkaSet()}
	if pg, err := postgreSQLSet(); err == nil {
		sets = append(sets, pg)
	}
	for _, s := range sets {
		dir := filepath.Join(c.dir, s.dir)
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, s.String())
			continue
		}
		if err := ctx.Err(); err != nil {
			return found, missing, err
		}
		if err := verify(dir, s.digest()); err != nil {
			found = append(found, Finding{Set: s.String(), Dir: dir, File: damagedFile(dir, err), Err: err})
		}
	}
	built, err := c.built()
	if err != nil {
		return found, missing, err
	}
	for _, name := range built {
		if err := ctx.Err(); err != nil {
			return found, missing, err
		}
		dir := filepath.Join(c.dir, name)
		if err := verify(dir, builtDigest(name)); err != nil {
			found = append(found, Finding{Set: filepath.Base(name), Dir: dir, File: damagedFile(dir, err), Err: err})
		}
	}
	return found, missing, nil
}

// built lists what [Cache.Build] has made: what has a manifest that says so.
func (c *Cache) built() (names []string, err error) {
	manifests, err := fs.Glob(os.DirFS(c.dir), "*/*/"+manifestName)
	if err != nil {
		return nil, err
	}
	for _, path := range manifests {
		name := filepath.Dir(filepath.FromSlash(path))
		if _, err := readManifest(filepath.Join(c.dir, name), builtDigest(name)); err == nil {
			names = append(names, name)
		}
	}
	return names, nil
}

func damagedFile(dir string, err error) string {
	if damaged, ok := errors.AsType[*DamagedError](err); ok {
		return damaged.File
	}
	return dir
}
