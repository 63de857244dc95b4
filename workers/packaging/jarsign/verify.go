// Package jarsign reads, verifies and makes signed jars as the JDK does: manifest, signature files, PKCS#7 blocks and
// certificate paths. What it verifies is what Corda 5.0 verifies of a CPI, a CPB and a CPK alike.
//
// For workers/packaging and the tools that build packages. It knows jars, not packages: no Corda attribute is read here.
package jarsign

import (
	"context"
	"crypto"
	"crypto/x509"
	"hash"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/cordage-sandbox/cordage/workers/packaging/archive"
	"github.com/cordage-sandbox/cordage/workers/packaging/fault"
)

// ManifestName is where a jar keeps its manifest.
const ManifestName = "META-INF/MANIFEST.MF"

const (
	maxMetadata   = 16 << 20  // bytes of a manifest, and of all signature files together
	maxBlock      = 256 << 10 // bytes of one signature block; deeper nested ASN.1 than fits into it would exhaust the stack
	maxSignatures = 32        // signature files and blocks
)

// Level says how much is demanded of a jar.
type Level int

const (
	// Trusted demands all: every file signed, by signers whose certificates lead to trusted ones.
	Trusted Level = iota
	// Signed demands the same, but does not judge certificates.
	Signed
	// Any demands a manifest only, for looking at files.
	Any
)

// Options of [Verify].
type Options struct {
	Level          Level
	Trust          []*x509.Certificate // code-signing certificates, each an anchor
	At             time.Time           // the time by which certificates are judged
	ExpiredSigners Expired
	// Visit sees each file that is neither manifest nor signature, in order; it need not read to the end. What it
	// reads is verified only when Verify has returned nil. May be nil.
	Visit func(e *archive.Entry, contents io.Reader) error
}

// Jar is what Verify found.
type Jar struct {
	Manifest *Manifest
	Signers  []*Signer // the same for every file; none at level Any
	Warnings []string
}

// Verify checks a jar. In this order: the manifest comes first; signature files, their blocks and all digests hold;
// every file is signed, all by the same signers; there is one; the signers' certificate paths are valid; each file is
// in the manifest, and each file of the manifest is there.
//
// Errors are [*fault.Error] with the kind that Corda gives, or those of reading.
//
// Source: Corda 5.0, JarVerifier; the JDK's JarInputStream and JarVerifier.
func Verify(ctx context.Context, a *archive.Archive, opts Options) (*Jar, error) {
	v := &verifier{a: a, opts: opts, jar: &Jar{}}
	rest, err := v.readManifest()
	if err != nil {
		return nil, err
	}
	if opts.Level != Any {
		if rest, err = v.readSignatures(rest); err != nil {
			return nil, err
		}
	}
	if err := v.readFiles(ctx, rest); err != nil {
		return nil, err
	}
	if opts.Level == Any {
		return v.jar, nil
	}
	if err := v.judgeSigners(); err != nil {
		return nil, err
	}
	for _, s := range v.jar.Manifest.Sections {
		if _, ok := a.Lookup(s.Name); !ok {
			return nil, fault.New(fault.Security, "the manifest lists %q, which is not there", s.Name)
		}
	}
	return v.jar, nil
}

// ReadManifest gives the manifest of a jar alone; nothing is verified.
func ReadManifest(a *archive.Archive) (*Manifest, error) {
	v := &verifier{a: a, jar: &Jar{}}
	_, err := v.readManifest()
	return v.jar.Manifest, err
}

type verifier struct {
	a     *archive.Archive
	opts  Options
	jar   *Jar
	files []*signatureFile
	first string // the first signed file; the others must have its signers
}

// readManifest finds the manifest where a streaming reader would: first, or second after the entry of META-INF/.
func (v *verifier) readManifest() (rest []*archive.Entry, err error) {
	entries := v.a.Entries
	if len(entries) > 0 && strings.EqualFold(entries[0].Name, "META-INF/") {
		entries = entries[1:]
	}
	if len(entries) == 0 || !strings.EqualFold(entries[0].Name, ManifestName) {
		return nil, fault.New(fault.Manifest, "the manifest, %s, is missing or not the first file", ManifestName)
	}
	raw, err := v.a.ReadAll(entries[0], maxMetadata)
	if err != nil {
		return nil, err
	}
	if v.jar.Manifest, err = ParseManifest(raw); err != nil {
		return nil, fault.Because(fault.Manifest, err, "%s", ManifestName)
	}
	for _, e := range entries[1:] {
		if strings.EqualFold(e.Name, ManifestName) {
			return nil, fault.New(fault.Manifest, "there is a second manifest, %s", e.Name)
		}
	}
	return entries[1:], nil
}

// readSignatures reads the signature files that follow the manifest, and gives what comes after them.
func (v *verifier) readSignatures(entries []*archive.Entry) (rest []*archive.Entry, err error) {
	meta := map[string][]byte{} // by upper-case name
	var order []string
	i, left := 0, int64(maxMetadata)
	for ; i < len(entries); i++ {
		name := strings.ToUpper(entries[i].Name)
		if !isSignatureOrBlock(name) && (!entries[i].IsDir() || !strings.HasPrefix(name, "META-INF/")) {
			break
		}
		if entries[i].IsDir() {
			continue
		}
		if _, twice := meta[name]; twice {
			return nil, fault.New(fault.Security, "signature file %s is there twice", entries[i].Name)
		}
		limit := left
		if path.Ext(name) != ".SF" {
			limit = min(left, maxBlock)
		}
		if len(order) == maxSignatures {
			return nil, fault.New(fault.Signature, "there are more than %d signature files", maxSignatures)
		}
		if meta[name], err = v.a.ReadAll(entries[i], limit); err != nil {
			return nil, err
		}
		left -= entries[i].Size
		order = append(order, name)
	}
	for _, e := range entries[i:] {
		if isSignatureOrBlock(strings.ToUpper(e.Name)) {
			return nil, fault.New(fault.Signature, "signature file %s must follow directly on the manifest, but %s comes before it", e.Name, entries[i].Name)
		}
	}
	for _, name := range order {
		base, isSF := strings.CutSuffix(name, ".SF")
		if !isSF {
			continue
		}
		for _, ext := range []string{".RSA", ".EC", ".DSA"} {
			block, ok := meta[base+ext]
			if !ok {
				continue
			}
			sf, err := openSignatureFile(name, meta[name], block, v.jar.Manifest)
			if err != nil {
				return nil, err
			}
			v.files = append(v.files, sf)
		}
	}
	if len(v.files) == 0 {
		return nil, fault.New(fault.Signature, "it is not signed: no signature file with its block follows the manifest")
	}
	return entries[i:], nil
}

// readFiles reads every file once: for its digests and for the visitor.
func (v *verifier) readFiles(ctx context.Context, entries []*archive.Entry) error {
	var unsigned, foreign string
	buf := make([]byte, 64<<10)
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if e.IsDir() {
			continue
		}
		signed, err := v.readFile(ctx, e, buf)
		if err != nil {
			return err
		}
		if v.opts.Level == Any || isSigningFile(e.Name) {
			continue
		}
		var by []*Signer
		if signed {
			by = v.signersOf(e.Name)
		}
		switch {
		case len(by) == 0 && unsigned == "":
			unsigned = e.Name
		case len(by) > 0 && v.first == "":
			v.first, v.jar.Signers = e.Name, by
		case len(by) > 0 && foreign == "" && !slices.Equal(by, v.jar.Signers):
			foreign = e.Name
		}
	}
	switch {
	case v.opts.Level == Any:
		return nil
	case unsigned != "":
		return fault.New(fault.Signature, "file %q is not signed", unsigned)
	case foreign != "":
		return fault.New(fault.Signature, "files %q and %q do not have the same signers", v.first, foreign)
	case v.first == "":
		return fault.New(fault.Signature, "there is no signed file")
	}
	return nil
}

// readFile gives e to the visitor, compares its digests and tells whether the manifest has any.
func (v *verifier) readFile(ctx context.Context, e *archive.Entry, buf []byte) (bool, error) {
	var want map[crypto.Hash][]byte
	if section, ok := v.jar.Manifest.Section(e.Name); ok && v.opts.Level != Any {
		var err error
		if want, err = expected(section.Attrs, "-Digest"); err != nil {
			return false, fault.Because(fault.Security, err, "manifest section for %q", e.Name)
		}
	}
	sums := map[crypto.Hash]hash.Hash{}
	for h := range maps.Keys(want) {
		sums[h] = h.New()
	}
	in := &digesting{ctx: ctx, src: v.a.Open(e), sums: sums}
	if v.opts.Visit != nil {
		if err := v.opts.Visit(e, in); err != nil {
			return false, err
		}
	}
	if _, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{in}, buf); err != nil {
		return false, err
	}
	for h, sum := range sums {
		if string(sum.Sum(nil)) != string(want[h]) {
			return false, fault.New(fault.Security, "file %q was altered: its %s digest is not the one in the manifest", e.Name, h)
		}
	}
	return len(want) > 0, nil
}

func (v *verifier) signersOf(name string) []*Signer {
	var by []*Signer
	for _, sf := range v.files {
		if sf.covers[name] {
			by = append(by, sf.signers...)
		}
	}
	return by
}

func (v *verifier) judgeSigners() error {
	if v.opts.Level != Trusted {
		return nil
	}
	if len(v.opts.Trust) == 0 {
		f := fault.New(fault.IllegalArgument, "there is no trusted code-signing certificate to check signers against")
		f.Way = "import one: cordage certificate import ALIAS FILE, or PUT /api/v1/certificates/cluster/code-signer"
		return f
	}
	for _, s := range v.jar.Signers {
		warnings, err := judge(s, v.opts.Trust, v.opts.At, v.opts.ExpiredSigners)
		if err != nil {
			return err
		}
		v.jar.Warnings = append(v.jar.Warnings, warnings...)
	}
	return nil
}

// isSignatureOrBlock knows the files that make up signatures, by upper-case name.
func isSignatureOrBlock(name string) bool {
	file, ok := strings.CutPrefix(name, "META-INF/")
	if !ok || strings.Contains(file, "/") {
		return false
	}
	switch path.Ext(file) {
	case ".SF", ".RSA", ".DSA", ".EC":
		return true
	}
	return false
}

// isSigningFile knows the files that need not be signed themselves, by name in any case: the above, the manifest, and
// META-INF/SIG-* without an extension or with one of more than three letters and digits.
//
// Source: Corda 5.0, SigningHelpers. The JDK has it the other way round (one to three letters and digits); files that
// only it leaves unsigned are refused by Corda, and so here.
func isSigningFile(name string) bool {
	name = strings.ToUpper(name)
	if name == ManifestName || isSignatureOrBlock(name) {
		return true
	}
	file, ok := strings.CutPrefix(name, "META-INF/")
	if !ok || strings.Contains(file, "/") || !strings.HasPrefix(file, "SIG-") {
		return false
	}
	_, ext, has := strings.Cut(path.Ext(file), ".")
	return !has || len(ext) > 3 && strings.Trim(ext, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
}

// digesting feeds what is read through it to digests, and stops when the work is called off.
type digesting struct {
	ctx  context.Context
	src  io.Reader
	sums map[crypto.Hash]hash.Hash
}

func (d *digesting) Read(p []byte) (int, error) {
	if err := d.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := d.src.Read(p)
	for _, h := range d.sums {
		h.Write(p[:n])
	}
	return n, err
}
