package packaging

import (
	"context"
	"io"

	"github.com/cordage-sandbox/cordage/workers/packaging/archive"
	"github.com/cordage-sandbox/cordage/workers/packaging/fault"
	"github.com/cordage-sandbox/cordage/workers/packaging/jarsign"
)

// Type tells CPKs, CPBs and CPIs apart.
type Type string

// The types of packages.
const (
	TypeCPK Type = "CPK"
	TypeCPB Type = "CPB"
	TypeCPI Type = "CPI"
)

// TypeOf finds by its manifest what a file is. Signatures are not looked at.
func TypeOf(ctx context.Context, r io.ReaderAt, size int64, limits Limits) (Type, error) {
	a, err := archive.Open(r, size, limits, nil)
	if err != nil {
		return "", zipFault(err)
	}
	m, err := jarsign.ReadManifest(a)
	if err != nil {
		return "", zipFault(err)
	}
	for _, t := range []struct {
		attribute string
		is        Type
	}{{attrCPIFormat, TypeCPI}, {attrCPBFormat, TypeCPB}, {attrCPKFormat, TypeCPK}} {
		if _, ok := m.Main.Get(t.attribute); ok {
			return t.is, nil
		}
	}
	return "", fault.New(fault.UnknownFormat, "its manifest has none of %s, %s and %s, so it is no package of format %s",
		attrCPIFormat, attrCPBFormat, attrCPKFormat, FormatVersion)
}
