package packaging

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/cordage-sandbox/cordage/workers/packaging/archive"
	"github.com/cordage-sandbox/cordage/workers/packaging/fault"
	"github.com/cordage-sandbox/cordage/workers/packaging/jarsign"
)

// CPB is a verified application: CPKs that need nothing but each other.
type CPB struct {
	Name, Version string
	FileChecksum  string // SHA-256:HEX of the file
	Signers       []*jarsign.Signer
	CPKs          []*CPK
	Warnings      []string

	jar   *jarsign.Jar
	spool *spool // nil inside a CPI
}

// readCPB verifies the jar of a CPB and the jars of its CPKs.
func (r *reading) readCPB(ctx context.Context, b *blob) (*CPB, error) {
	a, err := archive.Open(b.r, b.size, r.Limits, r.meter)
	if err != nil {
		return nil, zipFault(err)
	}
	type found struct {
		name string
		blob *blob
	}
	var files []found
	opts := r.jar()
	opts.Visit = func(e *archive.Entry, contents io.Reader) error {
		if strings.Contains(e.Name, "/") || !isJar(e.Name) {
			return nil
		}
		kept, err := r.spool.keep(a, e, contents)
		files = append(files, found{e.Name, kept})
		return err
	}
	c := &CPB{FileChecksum: Checksum(b.sum[:])}
	if c.jar, err = jarsign.Verify(ctx, a, opts); err != nil {
		return nil, zipFault(err)
	}
	c.Signers, c.Warnings = c.jar.Signers, c.jar.Warnings
	for _, f := range files {
		cpk, err := r.readCPK(ctx, f.name, f.blob)
		if err != nil {
			return nil, err
		}
		c.CPKs = append(c.CPKs, cpk)
		for _, w := range cpk.Warnings {
			c.Warnings = append(c.Warnings, fmt.Sprintf("%s: %s", f.name, w))
		}
	}
	return c, nil
}

// describe checks the manifest attributes of the CPB and its CPKs, and that the CPKs fit together.
func (c *CPB) describe() (err error) {
	m := c.jar.Manifest
	if err := checkFormat(m, attrCPBFormat); err != nil {
		return err
	}
	if c.Name, err = need(m, attrCPBName); err != nil {
		return err
	}
	if c.Version, err = need(m, attrCPBVer); err != nil {
		return err
	}
	if len(c.CPKs) == 0 {
		return fault.New(fault.Packaging, "there is no CPK in it: no file ending in .jar beside the META-INF folder")
	}
	for _, cpk := range c.CPKs {
		if err := cpk.describe(); err != nil {
			return err
		}
	}
	if err := resolve(c.CPKs); err != nil {
		return err
	}
	for _, cpk := range c.CPKs {
		if cpk.ExternalChannels == nil {
			continue
		}
		if err := checkChannels(cpk.ExternalChannels); err != nil {
			return fault.At(cpk.FileName, err)
		}
	}
	return nil
}
