package artefact

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const lockName = "cache.lock"

// ensure returns the directory of a complete s, making it if it is missing or damaged.
func (c *Cache) ensure(ctx context.Context, s set) (string, error) {
	dir := filepath.Join(c.dir, s.dir)
	if quick(dir, s.digest()) == nil {
		return dir, nil
	}
	unlock, err := c.lock(ctx, lockName, func() { c.progress(Event{Set: s.String(), Step: Waiting}) })
	if err != nil {
		return "", fmt.Errorf("fetch %s: %w", s, err)
	}
	defer unlock()

	fault := quick(dir, s.digest()) // another process may have made it while we waited
	if fault == nil {
		return dir, nil
	}
	if fault = verify(dir, s.digest()); fault == nil { // only times differ
		return dir, nil
	}
	if c.offline {
		return "", &OfflineError{Set: s.String(), Err: fault}
	}
	if _, err := os.Stat(dir); err == nil {
		c.progress(Event{Set: s.String(), Step: Repairing, What: damagedFile(dir, fault)})
	}
	if err := c.make(ctx, s, dir); err != nil {
		return "", c.explain(s, err)
	}
	c.progress(Event{Set: s.String(), Step: Ready, What: dir})
	return dir, nil
}

func (c *Cache) explain(s set, err error) error {
	err = explainDisk(c.dir, err)
	if full, ok := errors.AsType[*DiskFullError](err); ok && full.Need == 0 {
		full.Need = s.bytes() * unpackFactor
	}
	return err
}

// unpackFactor is how much bigger than its jars a set is on disk while it is made, about.
const unpackFactor = 6

// make brings s into a temporary directory and then to dir in one rename. The lock is held.
func (c *Cache) make(ctx context.Context, s set, dir string) error {
	work, err := c.workDir(s.name)
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)

	jars := filepath.Join(work, "jars")
	if err := c.download(ctx, s, work, jars); err != nil {
		return err
	}
	made := jars
	if s.unpack != nil {
		made = filepath.Join(work, "tree")
		u := unpacking{ctx: ctx, to: made, progress: func(done, total int64) {
			c.progress(Event{Set: s.String(), Step: Unpacking, Done: done, Total: total})
		}}
		if err := s.unpack(u, filepath.Join(jars, s.sums[0].name)); err != nil {
			return fmt.Errorf("unpack %s: %w", s, err)
		}
	}
	if err := openToAll(made); err != nil {
		return err
	}
	if err := record(made, s.digest()); err != nil {
		return err
	}
	return replace(made, dir, filepath.Join(work, "old"))
}

// download has Maven bring the jars of s and verifies them. If one is not as pinned, the fault may be in Maven's
// local repository, so it asks once more with an empty one.
func (c *Cache) download(ctx context.Context, s set, work, jars string) error {
	run := mavenRun{set: s, dir: work, out: jars, progress: c.progress}
	if err := run.do(ctx); err != nil {
		return err
	}
	c.progress(Event{Set: s.String(), Step: Verifying})
	err := checkPins(s, jars)
	if _, wrong := errors.AsType[*ChecksumError](err); !wrong {
		return err
	}
	if err := os.RemoveAll(jars); err != nil {
		return err
	}
	run.local = filepath.Join(work, "repository")
	if err := run.do(ctx); err != nil {
		return err
	}
	c.progress(Event{Set: s.String(), Step: Verifying})
	return checkPins(s, jars)
}

// checkPins compares the jars with the pinned checksums and removes what nobody asked for.
func checkPins(s set, jars string) error {
	want := map[string]bool{}
	for _, p := range s.sums {
		want[p.name] = true
		got, err := hashFile(filepath.Join(jars, p.name))
		if errors.Is(err, fs.ErrNotExist) {
			return &ChecksumError{File: p.name, Want: p.sha256}
		} else if err != nil {
			return err
		}
		if got != p.sha256 {
			return &ChecksumError{File: p.name, Got: got, Want: p.sha256}
		}
	}
	entries, err := os.ReadDir(jars)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !want[e.Name()] {
			if err := os.RemoveAll(filepath.Join(jars, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// workDir makes an empty temporary directory in the cache (on the same file system, so that rename works) and
// removes those that killed processes left. The lock is held.
func (c *Cache) workDir(name string) (string, error) {
	parent := filepath.Join(c.dir, "tmp")
	left, _ := filepath.Glob(filepath.Join(parent, name+"-*"))
	for _, l := range left {
		os.RemoveAll(l)
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", err
	}
	return os.MkdirTemp(parent, name+"-")
}

// replace moves made to dir, and what was at dir to old. A process that has files of the old one open keeps them.
func replace(made, dir, old string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.Rename(dir, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(made, dir)
}

// openToAll lets every account read the tree, whatever the umask: PostgreSQL runs under another uid than root.
func openToAll(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm() | 0o644
		if d.IsDir() || mode&0o100 != 0 {
			mode |= 0o755
		}
		return os.Chmod(path, mode)
	})
}

// Build returns the directory name inside the cache, calling build to fill it if it is not there or is damaged: once,
// however many processes ask at the same time, and whole or not at all. name says by itself what it was built from
// (versions, hashes): what is whole is never built again. build gets a new, empty directory. What it made is recorded file
// by file, as what was fetched is; nobody may change it.
func (c *Cache) Build(ctx context.Context, name, what string, build func(ctx context.Context, dir string) error) (string, error) {
	dir := filepath.Join(c.dir, name)
	if quick(dir, builtDigest(name)) == nil {
		return dir, nil
	}
	base := filepath.Base(name)
	unlock, err := c.lock(ctx, base+".lock", func() { c.progress(Event{Set: base, Step: Waiting, What: what}) })
	if err != nil {
		return "", fmt.Errorf("prepare %s: %w", what, err)
	}
	defer unlock()
	fault := quick(dir, builtDigest(name))
	if fault == nil {
		return dir, nil
	}
	if _, err := os.Stat(dir); err == nil {
		if fault = verify(dir, builtDigest(name)); fault == nil { // only times differ
			return dir, nil
		}
		c.progress(Event{Set: base, Step: Repairing, What: damagedFile(dir, fault)})
	}
	c.progress(Event{Set: base, Step: Preparing, What: what})
	if err := c.build(ctx, name, build); err != nil {
		return "", fmt.Errorf("prepare %s: %w", what, explainDisk(dir, err))
	}
	c.progress(Event{Set: base, Step: Ready, What: what})
	return dir, nil
}

// build fills the directory name. Its lock is held.
func (c *Cache) build(ctx context.Context, name string, build func(ctx context.Context, dir string) error) error {
	work, err := c.workDir(filepath.Base(name))
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	made := filepath.Join(work, "made")
	if err := os.Mkdir(made, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(work, 0o755); err != nil { // the unprivileged account of PostgreSQL passes through it
		return err
	}
	if err := build(ctx, made); err != nil {
		return err
	}
	if err := record(made, builtDigest(name)); err != nil {
		return err
	}
	return replace(made, filepath.Join(c.dir, name), filepath.Join(work, "old"))
}

// builtDigest stands in a manifest for what a thing was built from, which its name says.
func builtDigest(name string) string { return "built as " + filepath.ToSlash(name) }
