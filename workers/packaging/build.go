package packaging

import (
	"context"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/cordage-sandbox/cordage/workers/packaging/archive"
	"github.com/cordage-sandbox/cordage/workers/packaging/fault"
	"github.com/cordage-sandbox/cordage/workers/packaging/jarsign"
	"github.com/cordage-sandbox/cordage/workers/packaging/policy"
)

// Source is a file to build from. It must stay readable while it is built from.
type Source struct {
	Name string // file name without folders
	R    io.ReaderAt
	Size int64
}

func (s Source) file(name string) jarsign.File {
	return jarsign.File{Name: name, Contents: io.NewSectionReader(s.R, 0, s.Size)}
}

// BuildOptions of [BuildCPB] and [BuildCPI].
type BuildOptions struct {
	Name, Version string
	Upgrade       bool // written into the manifest; nothing reads it
	Key           jarsign.Key
	Sign          jarsign.SignOptions
	// Verify is how the parts are checked first; [Signed] is enough to build.
	Verify VerifyOptions
}

func (o BuildOptions) check() error {
	if strings.TrimSpace(o.Name) == "" || strings.TrimSpace(o.Version) == "" {
		return fmt.Errorf("a package needs a name and a version, not %q and %q", o.Name, o.Version)
	}
	return nil
}

// BuildCPB writes a signed CPB of CPKs, after checking each of them and that they need nothing but each other.
func BuildCPB(ctx context.Context, w io.Writer, cpks []Source, opts BuildOptions) error {
	if err := opts.check(); err != nil {
		return err
	}
	if len(cpks) == 0 {
		return fault.New(fault.Packaging, "a CPB needs at least one CPK")
	}
	rd := newReading(opts.Verify)
	defer rd.spool.close() //nolint:errcheck // its file has no name any more
	var read []*CPK
	var files []jarsign.File
	for _, s := range cpks {
		if strings.ContainsAny(s.Name, `/\`) {
			return fmt.Errorf("%q is not a plain file name", s.Name)
		}
		b, err := blobOf(ctx, s)
		if err != nil {
			return err
		}
		c, err := rd.readCPK(ctx, s.Name, b)
		if err != nil {
			return err
		}
		if err := c.describe(); err != nil {
			return err
		}
		read = append(read, c)
		// The loader sees only files that end in .jar.
		files = append(files, s.file(strings.TrimSuffix(s.Name, path.Ext(s.Name))+".jar"))
	}
	if err := resolve(read); err != nil {
		return err
	}
	main := jarsign.Attributes{
		{Name: attrCPBFormat, Value: FormatVersion}, {Name: attrCPBName, Value: opts.Name}, {Name: attrCPBVer, Value: opts.Version},
		{Name: "Corda-CPB-Upgrade", Value: strconv.FormatBool(opts.Upgrade)},
	}
	return jarsign.Build(ctx, w, main, files, opts.Key, opts.Sign)
}

// BuildCPI writes a signed CPI of a CPB (nil for an MGM's) and a group policy, after checking both.
func BuildCPI(ctx context.Context, w io.Writer, cpb *Source, groupPolicy []byte, opts BuildOptions) error {
	if err := opts.check(); err != nil {
		return err
	}
	if _, err := policy.Parse(groupPolicy); err != nil {
		return err
	}
	var files []jarsign.File
	if cpb != nil {
		b, err := ReadCPB(ctx, cpb.R, cpb.Size, opts.Verify)
		if err != nil {
			return err
		}
		if err := b.Close(); err != nil {
			return err
		}
		files = append(files, cpb.file(strings.TrimSuffix(path.Base(cpb.Name), path.Ext(cpb.Name))+".cpb"))
	}
	files = append(files, jarsign.FileOf(groupPolicyEntry, groupPolicy))
	main := jarsign.Attributes{
		{Name: attrCPIFormat, Value: FormatVersion}, {Name: attrCPIName, Value: opts.Name}, {Name: attrCPIVer, Value: opts.Version},
		{Name: "Corda-CPI-Upgrade", Value: strconv.FormatBool(opts.Upgrade)},
	}
	return jarsign.Build(ctx, w, main, files, opts.Key, opts.Sign)
}

// Sign writes a package of any kind again with a new signature; see [jarsign.Sign].
func Sign(ctx context.Context, w io.Writer, s Source, limits Limits, key jarsign.Key, opts jarsign.SignOptions) error {
	a, err := archive.Open(s.R, s.Size, limits, nil)
	if err != nil {
		return fault.At(s.Name, zipFault(err))
	}
	if err := jarsign.Sign(ctx, w, a, key, opts); err != nil {
		return fault.At(s.Name, zipFault(err))
	}
	return nil
}
