package packaging

import (
	"crypto/x509"
	"time"

	"github.com/cordage-sandbox/cordage/workers/packaging/archive"
	"github.com/cordage-sandbox/cordage/workers/packaging/jarsign"
)

// What becomes of signers whose certificates have expired.
const (
	// Refuse expired code signers, as Corda does: [ExpiredError].
	Refuse = jarsign.Refuse
	// Accept them, each with a warning.
	Accept = jarsign.Accept
)

// How much of a package is checked.
const (
	// Trusted checks everything.
	Trusted = jarsign.Trusted
	// Signed checks everything but whether the signers are trusted and their certificates valid.
	Signed = jarsign.Signed
	// Any takes unsigned packages too: for looking at files, never for using them.
	Any = jarsign.Any
)

// VerifyOptions of the Read functions. The zero value trusts nobody.
type VerifyOptions struct {
	Level              jarsign.Level
	Trust              []*x509.Certificate // code-signing certificates; each is an anchor of certificate paths
	At                 time.Time           // the time by which certificates are judged: the sandbox's clock
	ExpiredCodeSigners jarsign.Expired
	Limits             Limits
	// Name of the file, for messages; may be empty.
	Name string
	// TempDir is where parts too large for memory are kept until Close, in a file without a name; the system's if empty.
	TempDir string
	// Step is told what is being done, in the words of a status; may be nil.
	Step func(step string)
}

func (o *VerifyOptions) step(s string) {
	if o.Step != nil {
		o.Step(s)
	}
}

func (o *VerifyOptions) jar() jarsign.Options {
	return jarsign.Options{Level: o.Level, Trust: o.Trust, At: o.At, ExpiredSigners: o.ExpiredCodeSigners}
}

// reading is the state of one call: its options, what it may still expand, and where it keeps parts.
type reading struct {
	VerifyOptions
	meter *archive.Meter
	spool *spool
}

func newReading(opts VerifyOptions) *reading {
	opts.Limits = opts.Limits.WithDefaults()
	return &reading{VerifyOptions: opts, meter: archive.NewMeter(opts.Limits.Total), spool: &spool{dir: opts.TempDir}}
}
