// Package fault has the one error type of everything that can be wrong with a package file, named as Corda names it.
// The packages below workers/packaging make these errors; whoever reports them reads the kind. It imports nothing of
// Cordage.
package fault

import (
	"errors"
	"fmt"
	"strings"
)

// Kind is the simple name of the exception class by which Corda 5.0 reports the fault.
type Kind string

// The kinds. Source: Corda 5.0, packages net.corda.libs.packaging.core.exception and the JDK.
const (
	Manifest           Kind = "CordappManifestException"
	Dependencies       Kind = "DependencyMetadataException"
	Resolution         Kind = "DependencyResolutionException"
	Signature          Kind = "InvalidSignatureException"
	Packaging          Kind = "PackagingException"
	UnknownFormat      Kind = "UnknownFormatVersionException"
	Security           Kind = "SecurityException"
	CertPath           Kind = "CertPathValidatorException"
	IllegalArgument    Kind = "IllegalArgumentException"
	Zip                Kind = "ZipException"
	Validation         Kind = "ValidationException"
	ExternalChannels   Kind = "ConfigurationValidationException"
	corePackage             = "net.corda.libs.packaging.core.exception."
	uploadPackage           = "net.corda.libs.cpiupload."
	configurationPckge      = "net.corda.libs.configuration.validation."
)

// ClassName is the full name of the class, as an `errorType` of Corda's REST API shows it.
func (k Kind) ClassName() string {
	switch k {
	case Security, IllegalArgument:
		return "java.lang." + string(k)
	case CertPath:
		return "java.security.cert." + string(k)
	case Zip:
		return "java.util.zip." + string(k)
	case Validation:
		return uploadPackage + string(k)
	case ExternalChannels:
		return configurationPckge + string(k)
	default:
		return corePackage + string(k)
	}
}

// Error says what is wrong with a package: a fault.
type Error struct {
	Kind  Kind
	Where string // the file at fault and the files around it, outermost first: "app.cpi/app.cpb/contracts.jar"; may be empty
	Msg   string // what is wrong, naming the entry, attribute or certificate
	Cause error  // may be nil
	Way   string // a way out, may be empty
}

// New makes a fault without a place; [At] adds it.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Msg: fmt.Sprintf(format, args...)}
}

// Because is New with the error that led to it.
func Because(kind Kind, cause error, format string, args ...any) *Error {
	f := New(kind, format, args...)
	f.Cause = cause
	return f
}

// Error is "place: what is wrong: why".
func (f *Error) Error() string {
	var texts []string
	for _, text := range []string{f.Where, f.Msg} {
		if text != "" {
			texts = append(texts, text)
		}
	}
	if f.Cause != nil {
		texts = append(texts, f.Cause.Error())
	}
	return strings.Join(texts, ": ")
}

// Unwrap gives the cause.
func (f *Error) Unwrap() error { return f.Cause }

// Hint is the way out, or what the cause knows of one.
func (f *Error) Hint() string {
	if f.Way != "" {
		return f.Way
	}
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](f.Cause); ok {
		return h.Hint()
	}
	return ""
}

// At puts place in front of where a fault was found. Errors of other types are left as they are.
func At(place string, err error) error {
	f, ok := err.(*Error) //nolint:errorlint // only the outermost: what wraps it must not be lost
	if !ok || place == "" {
		return err
	}
	g := *f
	if g.Where == "" {
		g.Where = place
	} else {
		g.Where = place + "/" + g.Where
	}
	return &g
}

// KindOf is the kind of the outermost fault in err's chain, or "" if it holds none.
func KindOf(err error) Kind {
	if f, ok := errors.AsType[*Error](err); ok {
		return f.Kind
	}
	return ""
}
