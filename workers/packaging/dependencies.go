package packaging

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"hash"
	"io"
	"strings"

	"github.com/cordage-sandbox/cordage/workers/packaging/fault"
	"github.com/cordage-sandbox/cordage/workers/packaging/schema"
)

//go:embed schemas/cpk-dependencies.json
var dependenciesSchema []byte

const maxDependencies = 4 << 20 // bytes of a CPKDependencies.json

// Dependency is a CPK that another one needs, found by the other's Bundle-SymbolicName and Bundle-Version.
type Dependency struct {
	Name       string    `json:"name"`
	Version    string    `json:"version"`
	SameSigner bool      `json:"verifySameSignerAsMe,omitempty"`
	FileHash   *FileHash `json:"verifyFileHash,omitempty"`
}

// FileHash names the exact file of a CPK.
type FileHash struct {
	Algorithm string `json:"algorithm"` // SHA-256, SHA-384 or SHA-512
	Hash      []byte `json:"fileHash"`  // base64 in JSON
}

// parseDependencies reads a CPKDependencies.json.
func parseDependencies(text []byte) ([]Dependency, error) {
	s, err := schema.Compile("cpk-dependencies.json", dependenciesSchema)
	if err != nil {
		return nil, err
	}
	if err := s.Check(text); err != nil {
		return nil, fault.Because(fault.Dependencies, err, "%s", dependenciesEntry)
	}
	root, err := schema.Keep(text, "dependencies")
	if err != nil {
		return nil, fault.Because(fault.Dependencies, err, "%s", dependenciesEntry)
	}
	var list []Dependency
	if err := json.Unmarshal(root["dependencies"], &list); err != nil {
		return nil, fault.Because(fault.Dependencies, err, "%s", dependenciesEntry)
	}
	for _, d := range list {
		if d.FileHash == nil {
			continue
		}
		h, ok := newHash(d.FileHash.Algorithm)
		if !ok || h.Size() != len(d.FileHash.Hash) {
			return nil, fault.New(fault.Dependencies, "%s: the file hash of %s is not a SHA-256, SHA-384 or SHA-512 (%s, %d bytes)",
				dependenciesEntry, d.Name, d.FileHash.Algorithm, len(d.FileHash.Hash))
		}
	}
	return list, nil
}

func newHash(algorithm string) (hash.Hash, bool) {
	switch strings.ToUpper(algorithm) {
	case "SHA-256":
		return sha256.New(), true
	case "SHA-384":
		return sha512.New384(), true
	case "SHA-512":
		return sha512.New(), true
	}
	return nil, false
}

// resolve finds every dependency of every CPK among the CPKs of one CPB.
//
// Source: Corda 5.0, CpbV2Verifier.
func resolve(cpks []*CPK) error {
	byName := map[string]*CPK{}
	for _, c := range cpks {
		name := c.Manifest.BundleSymbolicName
		if other, twice := byName[name]; twice {
			return fault.New(fault.Packaging, "%s and %s are the same CorDapp: both have the %s %s", other.FileName, c.FileName, attrBundleName, name)
		}
		byName[name] = c
	}
	for _, c := range cpks {
		for _, d := range c.Dependencies {
			if err := c.resolve(d, byName[d.Name]); err != nil {
				return fault.At(c.FileName, err)
			}
		}
	}
	return nil
}

// resolve checks one dependency of c against the CPK of its name, nil if there is none.
func (c *CPK) resolve(d Dependency, found *CPK) error {
	fail := func(why string) error {
		return fault.New(fault.Resolution, "it needs the CPK %s %s: %s", d.Name, d.Version, why)
	}
	switch {
	case found == nil:
		return fail("there is none of that name beside it")
	case found.Manifest.BundleVersion != d.Version:
		return fail("beside it is version " + found.Manifest.BundleVersion)
	case d.SameSigner:
		if !sameSet(c.SignerCertificates, found.SignerCertificates) {
			return fail("it must have the same signers, and " + found.FileName + " has others")
		}
		return nil
	}
	h, _ := newHash(d.FileHash.Algorithm) // checked when the list was read
	if _, err := io.Copy(h, found.Open()); err != nil {
		return err
	}
	if sum := h.Sum(nil); !bytes.Equal(sum, d.FileHash.Hash) {
		return fail("it must be the file with the " + d.FileHash.Algorithm + " " + base64.StdEncoding.EncodeToString(d.FileHash.Hash) +
			", and " + found.FileName + " has " + base64.StdEncoding.EncodeToString(sum))
	}
	return nil
}

// sameSet compares sets of certificates.
func sameSet(a, b [][]byte) bool {
	set := func(list [][]byte) map[string]bool {
		out := map[string]bool{}
		for _, c := range list {
			out[string(c)] = true
		}
		return out
	}
	x, y := set(a), set(b)
	if len(x) != len(y) {
		return false
	}
	for c := range x {
		if !y[c] {
			return false
		}
	}
	return true
}
