package packaging

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/cordage-sandbox/cordage/workers/packaging/archive"
	"github.com/cordage-sandbox/cordage/workers/packaging/fault"
	"github.com/cordage-sandbox/cordage/workers/packaging/jarsign"
	"github.com/cordage-sandbox/cordage/workers/record"
)

// Entries of a CPK.
const (
	dependenciesEntry = "META-INF/CPKDependencies.json"
	channelsEntry     = "config/external-channels.json"
	librariesFolder   = "META-INF/privatelib/"
)

// mainBundle is what Corda 5.0 writes where format 1 named a jar.
const mainBundle = "CPK Format Version 2 Main Bundle Placeholder"

// CPK is one verified CorDapp package.
type CPK struct {
	ID                 record.CPKIdentifier
	FileChecksum       string // SHA-256:HEX of the file
	FileName           string // in the CPB
	Size               int64  // bytes of the file
	Manifest           record.CorDappManifest
	Libraries          []string // entries below META-INF/privatelib/
	Type               string   // CORDA_API or UNKNOWN
	Signers            []*jarsign.Signer
	SignerCertificates [][]byte // DER of the signers' leaf certificates
	Dependencies       []Dependency
	ExternalChannels   json.RawMessage // nil without
	ChangeLogs         []ChangeLog
	Warnings           []string

	jar  *jarsign.Jar
	blob *blob
}

// Open gives the bytes of the CPK. They can be read until the package that it came with is closed.
func (c *CPK) Open() *io.SectionReader { return c.blob.open() }

// Metadata is the record of the CPK, made at a time.
func (c *CPK) Metadata(at time.Time) record.CPKMetadata {
	m := record.CPKMetadata{
		ID: c.ID, FormatVersion: FormatVersion, MainBundle: mainBundle, Libraries: c.Libraries, Manifest: c.Manifest,
		Type: c.Type, Hash: c.FileChecksum, Certificates: c.SignerCertificates, Timestamp: at,
	}
	if c.ExternalChannels != nil {
		m.ExternalChannels = &c.ExternalChannels
	}
	return m
}

// readCPK verifies the jar of a CPK and reads its parts, but leaves its manifest attributes to [CPK.describe]: Corda
// checks those after the jars of the whole package.
func (r *reading) readCPK(ctx context.Context, name string, b *blob) (*CPK, error) {
	a, err := archive.Open(b.r, b.size, r.Limits, r.meter)
	if err != nil {
		return nil, fault.At(name, zipFault(err))
	}
	c := &CPK{FileName: name, FileChecksum: Checksum(b.sum[:]), Size: b.size, Libraries: []string{}, blob: b}
	for _, e := range a.Entries {
		if strings.HasPrefix(e.Name, librariesFolder) {
			c.Libraries = append(c.Libraries, e.Name)
		}
	}
	parts := &cpkParts{r: r, a: a, logs: &changeLogs{r: r}}
	opts := r.jar()
	opts.Visit = parts.visit
	c.jar, err = jarsign.Verify(ctx, a, opts)
	if err != nil {
		return nil, fault.At(name, zipFault(err))
	}
	if err := parts.into(c); err != nil {
		return nil, fault.At(name, zipFault(err))
	}
	return c, nil
}

// cpkParts gathers the parts of a CPK while its jar is verified.
type cpkParts struct {
	r            *reading
	a            *archive.Archive
	logs         *changeLogs
	dependencies []byte
	channels     []byte
}

func (p *cpkParts) visit(e *archive.Entry, contents io.Reader) (err error) {
	switch {
	case e.Name == dependenciesEntry:
		p.dependencies, err = readLimited(e, contents, maxDependencies)
	case e.Name == channelsEntry:
		p.channels, err = readLimited(e, contents, maxChannels)
	case isMigration(e.Name):
		err = p.logs.file(e.Name, contents)
	case isJar(e.Name):
		var b *blob
		forget := p.r.spool.until()
		if b, err = p.r.spool.keep(p.a, e, contents); err == nil {
			err = p.logs.jar(e.Name, b, 1)
		}
		forget()
	}
	return err
}

func readLimited(e *archive.Entry, contents io.Reader, limit int64) ([]byte, error) {
	if e.Size > limit {
		return nil, &archive.LimitError{What: "size", Entry: e.Name, Limit: limit, Unit: "bytes"}
	}
	return io.ReadAll(contents)
}

func (p *cpkParts) into(c *CPK) (err error) {
	if p.dependencies == nil {
		return fault.New(fault.Packaging, "there is no %s", dependenciesEntry)
	}
	if c.Dependencies, err = parseDependencies(p.dependencies); err != nil {
		return err
	}
	c.ExternalChannels, c.ChangeLogs = p.channels, p.logs.found
	c.Warnings = slices.Concat(c.jar.Warnings, p.logs.warnings)
	c.Signers = c.jar.Signers
	seen := map[string]bool{}
	var leaves []*x509.Certificate
	for _, s := range c.Signers {
		if leaf := s.Leaf(); !seen[string(leaf.Raw)] {
			seen[string(leaf.Raw)] = true
			leaves = append(leaves, leaf)
			c.SignerCertificates = append(c.SignerCertificates, leaf.Raw)
		}
	}
	if len(leaves) == 0 { // unsigned, at level Any
		return nil
	}
	c.ID.SignerSummaryHash, err = SignerSummaryHash(leaves)
	return err
}

// describe checks and reads the manifest attributes of a CPK.
func (c *CPK) describe() (err error) {
	m := c.jar.Manifest
	if err := checkFormat(m, attrCPKFormat); err != nil {
		return fault.At(c.FileName, err)
	}
	if c.Manifest, err = cordappManifest(m); err != nil {
		return fault.At(c.FileName, err)
	}
	c.ID.Name, c.ID.Version = c.Manifest.BundleSymbolicName, c.Manifest.BundleVersion
	if name, ok := m.Main.Get(attrCPKName); ok && strings.TrimSpace(name) != "" {
		c.ID.Name = name
	}
	c.Type = TypeUnknown
	if strings.EqualFold(m.Main.Value(attrCPKType), "corda-api") {
		c.Type = TypeCordaAPI
	}
	return nil
}
