package jarsign

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"io"
	"path"
	"regexp"
	"strings"

	"github.com/smallstep/pkcs7"

	"github.com/cordage-sandbox/cordage/workers/packaging/archive"
	"github.com/cordage-sandbox/cordage/workers/packaging/fault"
)

// DefaultSignature is the base name of the signature files that [Sign] and [Build] write.
const DefaultSignature = "CORDAGE"

// File is a file to put into a jar.
type File struct {
	Name     string
	Contents *io.SectionReader // read twice
}

// FileOf makes a file of bytes.
func FileOf(name string, contents []byte) File {
	return File{Name: name, Contents: io.NewSectionReader(bytes.NewReader(contents), 0, int64(len(contents)))}
}

// SignOptions of [Sign] and [Build].
type SignOptions struct {
	Signature string      // base name of the signature files, up to 8 letters, digits, - and _; [DefaultSignature] if empty
	Keep      bool        // Sign keeps the signatures that are there and adds one
	Timestamp Timestamper // nil: no timestamp
}

// Build writes a signed jar with the given main attributes (after Manifest-Version) and files. The bytes depend on
// nothing but the arguments, if the key's signatures do not. Jars and archives inside are stored, other files deflated.
func Build(ctx context.Context, w io.Writer, main Attributes, files []File, key Key, opts SignOptions) error {
	items := make([]item, len(files))
	for i, f := range files {
		items[i] = &newItem{File: f}
	}
	all := append(Attributes{{"Manifest-Version", "1.0"}}, main...)
	return write(ctx, w, appendSection(nil, all), items, key, opts, nil)
}

// Sign writes a jar again with a new signature, after those it has or instead of them. Files and their order stay; of
// the manifest the main attributes stay. A jar whose signatures are kept must list all its files in its manifest.
func Sign(ctx context.Context, w io.Writer, a *archive.Archive, key Key, opts SignOptions) error {
	m, err := ReadManifest(a)
	if err != nil {
		return err
	}
	var items, kept []item
	for _, e := range a.Entries {
		upper := strings.ToUpper(e.Name)
		old := &oldItem{a: a, e: e}
		switch {
		case upper == ManifestName:
		case isSignatureOrBlock(upper):
			kept = append(kept, old)
		default:
			items = append(items, old)
		}
	}
	if !opts.Keep {
		return write(ctx, w, m.mainRaw, items, key, opts, nil)
	}
	for _, k := range kept {
		base := strings.TrimSuffix(path.Base(k.name()), path.Ext(k.name()))
		if strings.EqualFold(base, opts.signature()) {
			taken := fault.New(fault.IllegalArgument, "there is a signature %s already", base)
			taken.Way = "give the new one another name: --signature NAME"
			return taken
		}
	}
	return write(ctx, w, nil, items, key, opts, &keeping{m, kept})
}

func (o SignOptions) signature() string {
	if o.Signature == "" {
		return DefaultSignature
	}
	return strings.ToUpper(o.Signature)
}

// keeping holds what stays when a signature is added: the manifest to the byte, and the signatures that are there.
type keeping struct {
	manifest *Manifest
	files    []item
}

// item is a file or directory on its way into a jar.
type item interface {
	name() string
	read() io.Reader
	write(*zip.Writer) error
}

// write makes manifest and signature, then the jar. main is the main section of a new manifest.
func write(ctx context.Context, w io.Writer, main []byte, items []item, key Key, opts SignOptions, keep *keeping) error {
	if err := key.Check(); err != nil {
		return err
	}
	if !regexp.MustCompile(`^[A-Z0-9_-]{1,8}$`).MatchString(opts.signature()) {
		return fmt.Errorf("the signature name %q is not 1 to 8 letters, digits, - and _", opts.signature())
	}
	manifest, err := listFiles(ctx, main, items, keep)
	if err != nil {
		return err
	}
	sf := signatureFileFor(manifest)
	block, ext, err := signBlock(ctx, sf, key, opts.Timestamp)
	if err != nil {
		return err
	}
	base := "META-INF/" + opts.signature()
	head := []item{
		&newItem{File: FileOf(ManifestName, manifest.raw)}, &newItem{File: FileOf(base+".SF", sf)}, &newItem{File: FileOf(base+ext, block)},
	}
	if keep != nil {
		head = append(head, keep.files...)
	}
	z := zip.NewWriter(w)
	for _, it := range append(head, items...) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := it.write(z); err != nil {
			return fmt.Errorf("write %s: %w", it.name(), err)
		}
	}
	return z.Close()
}

// listFiles gives the manifest: the one that is kept, if it lists all files, or main with a section for each file.
func listFiles(ctx context.Context, main []byte, items []item, keep *keeping) (*Manifest, error) {
	text := bytes.Clone(main)
	seen := map[string]bool{}
	for _, it := range items {
		name := it.name()
		if seen[name] {
			return nil, fmt.Errorf("file %q is there twice", name)
		}
		seen[name] = true
		if strings.HasSuffix(name, "/") || isSigningFile(name) {
			continue
		}
		if keep != nil {
			if _, ok := keep.manifest.Section(name); !ok {
				return nil, fmt.Errorf("a signature cannot be added: %q is not in the manifest, which cannot change without breaking the others", name)
			}
			continue
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, contextReader{ctx, it.read()}); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		text = appendSection(text, Attributes{{"Name", name}, {"SHA-256-Digest", base64.StdEncoding.EncodeToString(sum.Sum(nil))}})
	}
	if keep != nil {
		return keep.manifest, nil
	}
	return ParseManifest(text)
}

// signatureFileFor digests a manifest as a whole, its main attributes and each section.
func signatureFileFor(m *Manifest) []byte {
	digest := func(b []byte) string {
		sum := sha256.Sum256(b)
		return base64.StdEncoding.EncodeToString(sum[:])
	}
	text := appendSection(nil, Attributes{
		{"Signature-Version", "1.0"},
		{"Created-By", "Cordage"},
		{"SHA-256-Digest-Manifest", digest(m.raw)},
		{"SHA-256-Digest-Manifest-Main-Attributes", digest(m.mainRaw)},
	})
	for _, s := range m.Sections {
		text = appendSection(text, Attributes{{"Name", s.Name}, {"SHA-256-Digest", digest(s.raw)}})
	}
	return text
}

// signBlock makes the PKCS#7 block of a signature file, without signed attributes, and the extension of its file.
func signBlock(ctx context.Context, sf []byte, key Key, stamp Timestamper) (block []byte, ext string, err error) {
	sd, err := pkcs7.NewSignedData(sf)
	if err != nil {
		return nil, "", fmt.Errorf("sign: %w", err)
	}
	hash, err := hashFor(key.Private)
	if err != nil {
		return nil, "", err
	}
	switch hash {
	case crypto.SHA384:
		sd.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA384)
	case crypto.SHA512:
		sd.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA512)
	default:
		sd.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	}
	if err := sd.SignWithoutAttr(key.Chain[0], steadySigner{key.Private}, pkcs7.SignerInfoConfig{}); err != nil {
		return nil, "", fmt.Errorf("sign: %w", err)
	}
	if stamp != nil {
		signer := &sd.GetSignedData().SignerInfos[0]
		token, err := stamp(ctx, signer.EncryptedDigest)
		if err != nil {
			return nil, "", err
		}
		if err := signer.SetUnauthenticatedAttributes([]pkcs7.Attribute{{Type: oidTimestampToken, Value: asn1.RawValue{FullBytes: token}}}); err != nil {
			return nil, "", fmt.Errorf("sign: %w", err)
		}
	}
	for _, c := range key.Chain[1:] {
		sd.AddCertificate(c)
	}
	sd.Detach()
	block, err = sd.Finish()
	if err != nil {
		return nil, "", fmt.Errorf("sign: %w", err)
	}
	if _, ok := key.Private.Public().(*rsa.PublicKey); ok {
		return block, ".RSA", nil
	}
	return block, ".EC", nil
}

// steadySigner signs without randomness (RFC 6979 for EC keys), so the same input gives the same jar.
type steadySigner struct{ crypto.Signer }

func (s steadySigner) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return s.Signer.Sign(nil, digest, opts)
}

// newItem is a file that is not in a jar yet.
type newItem struct{ File }

func (n *newItem) name() string    { return n.Name }
func (n *newItem) read() io.Reader { return io.NewSectionReader(n.Contents, 0, n.Contents.Size()) }

func (n *newItem) write(z *zip.Writer) error {
	h := header(n.Name)
	switch strings.ToLower(path.Ext(n.Name)) {
	case ".jar", ".cpb", ".cpi": // compressed inside already; stored ones are read in place
		return n.store(z, h)
	}
	h.Method = zip.Deflate
	out, err := z.CreateHeader(h)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, n.read())
	return err
}

// store writes sizes before contents: Java reads no stored entry that has them behind.
func (n *newItem) store(z *zip.Writer, h *zip.FileHeader) error {
	sum := crc32.NewIEEE()
	size, err := io.Copy(sum, n.read())
	if err != nil {
		return err
	}
	h.Method, h.CRC32 = zip.Store, sum.Sum32()
	h.CompressedSize64, h.UncompressedSize64 = uint64(size), uint64(size)
	out, err := z.CreateRaw(h)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, n.read())
	return err
}

// oldItem is an entry of another jar, whose compressed bytes are taken as they are.
type oldItem struct {
	a *archive.Archive
	e *archive.Entry
}

func (o *oldItem) name() string    { return o.e.Name }
func (o *oldItem) read() io.Reader { return o.a.Open(o.e) }

func (o *oldItem) write(z *zip.Writer) error {
	h := header(o.e.Name)
	h.Method, h.CRC32 = o.e.Method, o.e.CRC32
	h.CompressedSize64, h.UncompressedSize64 = uint64(o.e.Compressed), uint64(o.e.Size)
	out, err := z.CreateRaw(h)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, o.a.Raw(o.e))
	return err
}

// header has the date that build tools write into reproducible jars, 1980-02-01.
func header(name string) *zip.FileHeader {
	h := &zip.FileHeader{Name: name}
	h.ModifiedDate = 2<<5 | 1 //nolint:staticcheck // the newer field would add an extra field to each entry
	if strings.ContainsFunc(name, func(r rune) bool { return r > 126 }) {
		h.Flags |= 0x800 // the name is UTF-8
	}
	return h
}

// contextReader stops when the work is called off.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
