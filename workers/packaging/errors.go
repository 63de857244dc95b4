package packaging

import (
	"errors"

	"github.com/cordage-sandbox/cordage/workers/packaging/archive"
	"github.com/cordage-sandbox/cordage/workers/packaging/fault"
	"github.com/cordage-sandbox/cordage/workers/packaging/jarsign"
)

// Names for callers, so that they need to know this package only.
type (
	// FaultError is every error about the contents of a package; other errors are of reading it.
	FaultError = fault.Error
	// Kind is the class by which Corda reports a fault.
	Kind = fault.Kind
	// ExpiredError is inside a fault when a code-signing certificate has expired.
	ExpiredError = jarsign.ExpiredError
	// UntrustedError is inside a fault when no trusted certificate vouches for a signer.
	UntrustedError = jarsign.UntrustedError
	// Limits bound what a package may cost.
	Limits = archive.Limits
)

// KindOf is the kind of the fault in err, or "" if err is not about the contents of a package.
func KindOf(err error) Kind { return fault.KindOf(err) }

// zipFault makes errors of the archive faults; others are left alone.
func zipFault(err error) error {
	if err == nil || fault.KindOf(err) != "" {
		return err
	}
	limit, tooMuch := errors.AsType[*archive.LimitError](err)
	_, malformed := errors.AsType[*archive.FormatError](err)
	switch {
	case tooMuch:
		f := fault.Because(fault.Zip, err, "")
		f.Way = "if " + limit.What + " is rightly that large, split the package"
		return f
	case malformed:
		return fault.Because(fault.Zip, err, "")
	}
	return err
}
