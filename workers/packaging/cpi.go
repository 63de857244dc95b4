// Package packaging reads, verifies and makes the packages of a ledger application, format 2.0: CPKs (one CorDapp), CPBs
// (the CPKs of an application) and CPIs (an application with the policy of a membership group). What it accepts, Corda
// 5.0 accepts.
//
// For the workers that store packages and for the commands that make them. It must not import a worker or the sandbox.
package packaging

import (
	"context"
	"crypto/x509"
	"io"
	"path"
	"strings"
	"time"

	"github.com/cordage-sandbox/cordage/workers/packaging/archive"
	"github.com/cordage-sandbox/cordage/workers/packaging/fault"
	"github.com/cordage-sandbox/cordage/workers/packaging/jarsign"
	"github.com/cordage-sandbox/cordage/workers/packaging/policy"
	"github.com/cordage-sandbox/cordage/workers/record"
)

// groupPolicyEntry is where a CPI keeps its group policy.
const (
	groupPolicyEntry = "META-INF/GroupPolicy.json"
	groupPolicyFile  = "GroupPolicy.json"
	maxGroupPolicy   = 4 << 20 // bytes
)

// CPI is a verified package. Close it when its CPKs are no longer read.
type CPI struct {
	ID           record.CPIIdentifier
	FileChecksum string // SHA-256:HEX of the file
	GroupPolicy  []byte // JSON text as it is in the file
	GroupID      string // UUID, or CREATE_ID for an MGM's CPI
	Policy       *policy.Policy
	Signers      []*jarsign.Signer
	CPB          *CPB   // nil for a CPI without CPKs
	CPKs         []*CPK // those of the CPB
	Warnings     []string

	spool *spool
}

// Close gives back what keeps the parts of the package. The CPKs cannot be read afterwards.
func (c *CPI) Close() error { return c.spool.close() }

// Metadata is the record of the CPI, made at a time; version is that of the stored row.
func (c *CPI) Metadata(version int, at time.Time) record.CPIMetadata {
	m := record.CPIMetadata{
		ID: c.ID, Hash: c.FileChecksum, GroupPolicy: string(c.GroupPolicy), GroupID: c.GroupID, Version: version, Timestamp: at,
		CPKs: make([]record.CPKMetadata, len(c.CPKs)),
	}
	for i, cpk := range c.CPKs {
		m.CPKs[i] = cpk.Metadata(at)
	}
	return m
}

// ReadCPI verifies a CPI of size bytes and everything in it, in the order in which Corda does. r must stay readable
// until the CPI is closed. Memory stays small whatever the size; see [VerifyOptions.TempDir].
//
// Errors about the contents are [*FaultError]; inside may be an [*ExpiredError] or an [*UntrustedError].
//
// Source: Corda 5.0, CpiV2Verifier and what it calls; CpiValidatorImpl.
func ReadCPI(ctx context.Context, r io.ReaderAt, size int64, opts VerifyOptions) (*CPI, error) {
	rd := newReading(opts)
	c, err := rd.readCPI(ctx, r, size)
	if err != nil {
		_ = rd.spool.close() // its file has no name any more; the fault matters more
		return nil, fault.At(opts.Name, err)
	}
	return c, nil
}

func (r *reading) readCPI(ctx context.Context, in io.ReaderAt, size int64) (*CPI, error) {
	r.step("Verifying CPI")
	a, err := archive.Open(in, size, r.Limits, r.meter)
	if err != nil {
		return nil, zipFault(err)
	}
	whole, err := blobOf(ctx, Source{R: in, Size: size})
	if err != nil {
		return nil, err
	}
	c := &CPI{spool: r.spool, FileChecksum: Checksum(whole.sum[:])}
	parts := &cpiParts{r: r, a: a}
	opts := r.jar()
	opts.Visit = parts.visit
	jar, err := jarsign.Verify(ctx, a, opts)
	if err != nil {
		return nil, zipFault(err)
	}
	c.Signers, c.Warnings = jar.Signers, jar.Warnings
	if err := checkFormat(jar.Manifest, attrCPIFormat); err != nil {
		return nil, err
	}
	if len(parts.cpbs) > 1 {
		return nil, fault.New(fault.Packaging, "there are %d CPBs in it, %s; at most one may be", len(parts.cpbs), strings.Join(parts.names, " and "))
	}
	for i, b := range parts.cpbs {
		if c.CPB, err = r.readCPB(ctx, b); err != nil {
			return nil, fault.At(parts.names[i], err)
		}
	}
	if err := parts.policyInto(c); err != nil {
		return nil, err
	}
	if err := c.describe(jar.Manifest); err != nil {
		return nil, err
	}
	if c.CPB != nil {
		if err := c.CPB.describe(); err != nil {
			return nil, fault.At(parts.names[0], err)
		}
		c.CPKs = c.CPB.CPKs
		for _, w := range c.CPB.Warnings {
			c.Warnings = append(c.Warnings, parts.names[0]+"/"+w)
		}
	}
	r.step("Validating group policy")
	if c.Policy, err = policy.Parse(c.GroupPolicy); err != nil {
		return nil, err
	}
	c.GroupID = c.Policy.GroupID
	c.Warnings = append(c.Warnings, c.Policy.Warnings...)
	return c, nil
}

// describe reads the CPI's own attributes and the hash of its signers.
func (c *CPI) describe(m *jarsign.Manifest) (err error) {
	if c.ID.Name, err = need(m, attrCPIName); err != nil {
		return err
	}
	if c.ID.Version, err = need(m, attrCPIVer); err != nil {
		return err
	}
	var all []*x509.Certificate
	for _, s := range c.Signers {
		all = append(all, s.Chain...)
	}
	if len(all) == 0 { // unsigned, at level Any
		return nil
	}
	c.ID.SignerSummaryHash, err = SignerSummaryHash(all)
	return err
}

// cpiParts gathers the parts of a CPI while its jar is verified.
type cpiParts struct {
	r        *reading
	a        *archive.Archive
	cpbs     []*blob
	names    []string
	policies []string // names of the entries that may be meant as group policy
	policy   []byte
}

func (p *cpiParts) visit(e *archive.Entry, contents io.Reader) (err error) {
	switch {
	case !strings.Contains(e.Name, "/") && strings.EqualFold(path.Ext(e.Name), ".cpb"):
		var b *blob
		if b, err = p.r.spool.keep(p.a, e, contents); err == nil {
			p.cpbs, p.names = append(p.cpbs, b), append(p.names, e.Name)
		}
	case strings.EqualFold(e.Name, groupPolicyEntry):
		p.policies = append(p.policies, e.Name)
		p.policy, err = readLimited(e, contents, maxGroupPolicy)
	case strings.HasSuffix(e.Name, groupPolicyFile):
		p.policies = append(p.policies, e.Name)
	}
	return err
}

func (p *cpiParts) policyInto(c *CPI) error {
	switch {
	case p.policy == nil:
		return fault.New(fault.Packaging, "there is no group policy, %s", groupPolicyEntry)
	case len(p.policies) > 1:
		return fault.New(fault.Packaging, "there is more than one group policy: %s", strings.Join(p.policies, ", "))
	}
	c.GroupPolicy = p.policy
	return nil
}
