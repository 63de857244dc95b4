package jarsign

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/cordage-sandbox/cordage/workers/packaging/fault"
)

// Signer is one signer of a jar.
type Signer struct {
	File      string              // the signature file, "META-INF/X.SF"
	Chain     []*x509.Certificate // as the signature block has it: leaf first, up to a self-issued one or the last that is there
	Timestamp *Timestamp          // nil without one
}

// Leaf is the certificate whose key signed.
func (s *Signer) Leaf() *x509.Certificate { return s.Chain[0] }

// signatureFile is a checked .SF file.
type signatureFile struct {
	name    string
	signers []*Signer
	covers  map[string]bool // names of the manifest's sections that it signs
}

// digests are the algorithms by which manifests and signature files may name contents. MD5 and SHA-1 do not count:
// the JDK treats what only they cover as unsigned.
var digests = []struct {
	name string
	hash crypto.Hash
}{{"SHA-256", crypto.SHA256}, {"SHA-384", crypto.SHA384}, {"SHA-512", crypto.SHA512}}

// expected gives the digests that attributes name with the given suffix, such as "-Digest".
func expected(attrs Attributes, suffix string) (map[crypto.Hash][]byte, error) {
	out := map[crypto.Hash][]byte{}
	for _, d := range digests {
		text, ok := attrs.Get(d.name + suffix)
		if !ok {
			continue
		}
		sum, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(sum) != d.hash.Size() {
			return nil, fmt.Errorf("%s%s is not the base64 text of a digest", d.name, suffix)
		}
		out[d.hash] = sum
	}
	return out, nil
}

// match tells whether all digests hold for content; there must be at least one.
func match(want map[crypto.Hash][]byte, content []byte) bool {
	for hash, sum := range want {
		h := hash.New()
		h.Write(content)
		if string(h.Sum(nil)) != string(sum) {
			return false
		}
	}
	return len(want) > 0
}

// openSignatureFile verifies a .SF file by its block and finds what of the manifest it signs.
func openSignatureFile(name string, raw, block []byte, m *Manifest) (*signatureFile, error) {
	signers, err := parseBlock(block, oidJarContent)
	if err != nil {
		return nil, fault.Because(fault.Security, err, "signature file %s", name)
	}
	sf := &signatureFile{name: name, covers: map[string]bool{}}
	for i := range signers {
		chain, err := signers[i].verify(raw)
		if err != nil {
			return nil, fault.Because(fault.Security, err, "signature file %s", name)
		}
		stamp, err := signers[i].timestamp()
		if err != nil {
			return nil, fault.Because(fault.Security, err, "signature file %s", name)
		}
		sf.signers = append(sf.signers, &Signer{File: name, Chain: chain, Timestamp: stamp})
	}
	parsed, err := ParseManifest(raw)
	if err != nil {
		return nil, fault.Because(fault.Security, err, "signature file %s", name)
	}
	if v := strings.TrimSpace(parsed.Main.Value("Signature-Version")); v != "1.0" {
		return nil, fault.New(fault.Security, "signature file %s: Signature-Version is %q, not 1.0", name, v)
	}
	return sf, sf.cover(parsed, m)
}

// cover finds the sections that the signature file signs: all it names, if it holds the digest of the whole manifest,
// else those whose own digest is right. The main attributes must be signed either way.
func (sf *signatureFile) cover(parsed, m *Manifest) error {
	refuse := func(format string, args ...any) error {
		return fault.New(fault.Security, "signature file %s: "+format, append([]any{sf.name}, args...)...)
	}
	whole, err := expected(parsed.Main, "-Digest-Manifest")
	if err != nil {
		return refuse("%v", err)
	}
	wholeSigned := match(whole, m.raw)
	if !wholeSigned {
		main, err := expected(parsed.Main, "-Digest-Manifest-Main-Attributes")
		if err != nil {
			return refuse("%v", err)
		}
		if !match(main, m.mainRaw) {
			return refuse("the main attributes of the manifest are not those that were signed")
		}
	}
	for _, s := range parsed.Sections {
		section, ok := m.Section(s.Name)
		if !wholeSigned {
			if !ok {
				return refuse("it signs %q, which the manifest does not list", s.Name)
			}
			want, err := expected(s.Attrs, "-Digest")
			if err != nil {
				return refuse("%q: %v", s.Name, err)
			}
			if !match(want, section.raw) {
				return refuse("the manifest's section for %q is not the one that was signed", s.Name)
			}
		}
		sf.covers[s.Name] = true
	}
	return nil
}
