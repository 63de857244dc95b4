package artefact

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const manifestName = ".cordage-manifest.json"

// manifest records what a directory of the cache held when it was verified.
type manifest struct {
	Digest string          `json:"digest"` // of the pins it was made from
	Files  []manifestEntry `json:"files"`
}

type manifestEntry struct {
	Path     string    `json:"path"` // relative, with slashes
	Size     int64     `json:"size,omitempty"`
	Modified time.Time `json:"modified,omitzero"`
	SHA256   string    `json:"sha256,omitempty"`
	Link     string    `json:"link,omitempty"` // target, for a symbolic link
}

// record hashes every file below dir and writes the manifest.
func record(dir, digest string) error {
	m := manifest{Digest: digest}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == manifestName {
			return err
		}
		e, err := describe(dir, path)
		if err != nil {
			return err
		}
		if e.Link == "" {
			if e.SHA256, err = hashFile(path); err != nil {
				return err
			}
		}
		m.Files = append(m.Files, e)
		return nil
	})
	if err != nil {
		return fmt.Errorf("record checksums of %s: %w", dir, err)
	}
	return writeManifest(dir, m)
}

func writeManifest(dir string, m manifest) error {
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("record checksums of %s: %w", dir, err)
	}
	tmp := filepath.Join(dir, manifestName+".new")
	if err := os.WriteFile(tmp, b, 0o644); err != nil {
		return explainDisk(tmp, err)
	}
	return os.Rename(tmp, filepath.Join(dir, manifestName))
}

func describe(dir, path string) (manifestEntry, error) {
	rel, err := filepath.Rel(dir, path)
	if err != nil {
		return manifestEntry{}, err
	}
	e := manifestEntry{Path: filepath.ToSlash(rel)}
	info, err := os.Lstat(path)
	if err != nil {
		return e, err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		e.Link, err = os.Readlink(path)
		return e, err
	}
	e.Size, e.Modified = info.Size(), info.ModTime().UTC()
	return e, nil
}

func readManifest(dir, digest string) (manifest, error) {
	path := filepath.Join(dir, manifestName)
	var m manifest
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, &DamagedError{File: dir, Reason: "is missing or incomplete"}
	} else if err != nil {
		return m, err
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, &DamagedError{File: path, Reason: "cannot be read: " + err.Error()}
	}
	if m.Digest != digest {
		return m, &DamagedError{File: path, Reason: "belongs to other versions"}
	}
	return m, nil
}

// quick compares names, sizes and times with the manifest, without reading contents (about 5 ms for PostgreSQL's
// thousand files). It returns a *DamagedError for the first file that differs.
func quick(dir, digest string) error {
	m, err := readManifest(dir, digest)
	if err != nil {
		return err
	}
	for _, want := range m.Files {
		path := filepath.Join(dir, filepath.FromSlash(want.Path))
		got, err := describe(dir, path)
		switch {
		case err != nil:
			return &DamagedError{File: path, Reason: "cannot be read: " + err.Error()}
		case got.Link != want.Link || got.Size != want.Size:
			return &DamagedError{File: path, Reason: fmt.Sprintf("has %d bytes, recorded are %d", got.Size, want.Size)}
		case !got.Modified.Equal(want.Modified):
			return &DamagedError{File: path, Reason: "was changed after it was verified"}
		}
	}
	return nil
}

// verify reads every file and compares it with the manifest. Where only times differ (a restored or copied cache)
// it records the new ones, so that the next quick check succeeds.
func verify(dir, digest string) error {
	m, err := readManifest(dir, digest)
	if err != nil {
		return err
	}
	touched := false
	for i, want := range m.Files {
		path := filepath.Join(dir, filepath.FromSlash(want.Path))
		got, err := describe(dir, path)
		if err != nil {
			return &DamagedError{File: path, Reason: "cannot be read: " + err.Error()}
		}
		if got.Link != want.Link {
			return &DamagedError{File: path, Reason: "is another link than recorded"}
		}
		if want.Link == "" {
			hash, err := hashFile(path)
			if err != nil {
				return &DamagedError{File: path, Reason: "cannot be read: " + err.Error()}
			}
			if hash != want.SHA256 {
				return &DamagedError{File: path, Reason: "its SHA-256 is not the recorded one"}
			}
		}
		if !got.Modified.Equal(want.Modified) {
			m.Files[i].Modified, touched = got.Modified, true
		}
	}
	if touched {
		return writeManifest(dir, m)
	}
	return nil
}

func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
