package jarsign

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cordage-sandbox/cordage/workers/packaging/fault"
)

// Expired says what becomes of signers whose certificates have expired.
type Expired int

const (
	// Refuse is what Corda does.
	Refuse Expired = iota
	// Accept takes them with a warning, provided that everything else about them holds.
	Accept
)

// ExpiredError tells that a certificate's time was over when it was judged.
type ExpiredError struct {
	Subject   string    // of the certificate that expired
	NotBefore time.Time // of that certificate
	NotAfter  time.Time // of that certificate
	At        time.Time // the time by which it was judged
	Authority bool      // it belongs to a time stamping authority, not to a signer
	Stamped   bool      // At is the time of a timestamp, not of the clock
}

func (e *ExpiredError) Error() string {
	by := "and the clock stands at"
	if e.Stamped {
		by = "and the signature was made, by its timestamp, at"
	}
	whose := "the certificate of the signer"
	if e.Authority {
		whose = "the certificate of the time stamping authority"
	}
	return fmt.Sprintf("%s %s expired on %s, %s %s", whose, e.Subject, stamp(e.NotAfter), by, stamp(e.At))
}

// Hint names both ways out.
func (e *ExpiredError) Hint() string {
	if e.Stamped {
		return "sign the package again with a certificate that is valid"
	}
	return fmt.Sprintf("move the sandbox's clock to a time when the certificate was valid: cordage clock set %s; "+
		`or accept expired code signers with a warning: in the configuration section cordage.packaging set {"expiredCodeSigners":"accept"}`,
		e.ValidMoment().Format(time.RFC3339))
}

// ValidMoment is a round time at which the certificate was valid: the first day of the month before the last one.
func (e *ExpiredError) ValidMoment() time.Time {
	last := e.NotAfter.UTC()
	t := time.Date(last.Year(), last.Month()-1, 1, 0, 0, 0, 0, time.UTC)
	if t.Before(e.NotBefore) {
		return e.NotBefore.UTC()
	}
	return t
}

// NotYetValidError tells that a certificate's time had not begun when it was judged.
type NotYetValidError struct {
	Subject   string
	NotBefore time.Time
	At        time.Time
}

func (e *NotYetValidError) Error() string {
	return fmt.Sprintf("the certificate of %s is valid from %s, and it was judged at %s", e.Subject, stamp(e.NotBefore), stamp(e.At))
}

// Hint names the way out.
func (e *NotYetValidError) Hint() string {
	return "move the sandbox's clock forward: cordage clock set " + e.NotBefore.UTC().Format(time.RFC3339)
}

// UntrustedError tells that no trusted certificate vouches for a signer.
type UntrustedError struct {
	Subject string // of the signer
	Missing string // subject of the certificate that would have to be trusted
	Trusted int    // how many are
	Other   bool   // a certificate of that subject is trusted, but it is another one
}

func (e *UntrustedError) Error() string {
	if e.Other {
		return fmt.Sprintf("the certificates of the signer %s lead to %s; a code-signing certificate of that name is trusted, but it is another one",
			e.Subject, e.Missing)
	}
	if e.Subject == e.Missing {
		return fmt.Sprintf("the self-signed certificate of the signer %s is not among the %d trusted code-signing certificates", e.Subject, e.Trusted)
	}
	return fmt.Sprintf("the certificates of the signer %s lead to %s, which is not among the %d trusted code-signing certificates",
		e.Subject, e.Missing, e.Trusted)
}

// Hint names the way out.
func (e *UntrustedError) Hint() string {
	return "if you trust it, import the certificate of " + e.Missing + " as a code signer: cordage certificate import ALIAS FILE, " +
		"or PUT /api/v1/certificates/cluster/code-signer"
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// judge validates the path of a signer, and of the authority that stamped it, and gives warnings.
//
// Source: Corda 5.0 by way of the JDK's PKIX validation, without revocation: the path is taken as it was shipped, and
// its last certificate must be issued by a trusted one (a self-issued one is its own issuer).
func judge(s *Signer, trust []*x509.Certificate, at time.Time, expired Expired) ([]string, error) {
	judged, stamped := at, false
	var warnings []string
	if s.Timestamp != nil {
		judged, stamped = s.Timestamp.Time, true
		w, err := validate(s.Timestamp.Chain, trust, at, expired, true, false)
		if err != nil {
			return nil, fault.Because(fault.CertPath, err, "timestamp of %s", s.File)
		}
		warnings = append(warnings, w...)
	}
	w, err := validate(s.Chain, trust, judged, expired, false, stamped)
	if err != nil {
		return nil, fault.Because(fault.CertPath, err, "signature file %s", s.File)
	}
	return append(warnings, w...), nil
}

func validate(chain, trust []*x509.Certificate, at time.Time, expired Expired, authority, stamped bool) ([]string, error) {
	leaf, top := chain[0], chain[len(chain)-1]
	var anchors []*x509.Certificate
	namesakes := 0
	for _, c := range trust {
		switch {
		case !bytes.Equal(c.RawSubject, top.RawIssuer):
		case signedBy(top, c):
			anchors = append(anchors, c)
		default:
			namesakes++
		}
	}
	if len(anchors) == 0 {
		return nil, &UntrustedError{Subject: Subject(leaf), Missing: nameText(top.Issuer), Trusted: len(trust), Other: namesakes > 0}
	}
	var warnings []string
	moment := at
	for _, c := range chain {
		if at.Before(c.NotBefore) {
			return nil, &NotYetValidError{Subject: Subject(c), NotBefore: c.NotBefore, At: at}
		}
		if !at.After(c.NotAfter) {
			continue
		}
		e := &ExpiredError{Subject: Subject(c), NotBefore: c.NotBefore, NotAfter: c.NotAfter, At: at, Authority: authority, Stamped: stamped}
		if expired == Refuse {
			return nil, e
		}
		warnings = append(warnings, e.Error()+"; it is accepted, since expired code signers are allowed")
		if c.NotAfter.Before(moment) {
			moment = c.NotAfter
		}
	}
	return warnings, verifyPath(chain, anchors, moment, authority)
}

// signedBy tells whether it is the certificate itself, or its key has signed it, whatever else may be wrong with it.
func signedBy(c, by *x509.Certificate) bool {
	if c.Equal(by) {
		return true
	}
	err := by.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature)
	_, insecure := errors.AsType[x509.InsecureAlgorithmError](err)
	return err == nil || insecure
}

// verifyPath checks signatures, names and constraints of the path at a moment when all of it was valid.
func verifyPath(chain, anchors []*x509.Certificate, moment time.Time, authority bool) error {
	middle := x509.NewCertPool()
	for _, c := range chain[1:] {
		middle.AddCert(c)
	}
	usage := x509.ExtKeyUsageAny
	if authority {
		usage = x509.ExtKeyUsageTimeStamping
	}
	var errs []error
	for _, anchor := range anchors {
		roots := x509.NewCertPool()
		roots.AddCert(anchor)
		when := moment
		if when.After(anchor.NotAfter) { // the dates of an anchor do not count unless it was shipped in the path
			when = anchor.NotAfter
		}
		_, err := chain[0].Verify(x509.VerifyOptions{
			Roots: roots, Intermediates: middle, CurrentTime: when, KeyUsages: []x509.ExtKeyUsage{usage},
		})
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Subject prints who a certificate is for, by the attributes that people know: CN, OU, O, L, ST, C.
func Subject(c *x509.Certificate) string { return nameText(c.Subject) }

func nameText(n pkix.Name) string {
	short := pkix.Name{
		CommonName: n.CommonName, OrganizationalUnit: n.OrganizationalUnit, Organization: n.Organization,
		Locality: n.Locality, Province: n.Province, Country: n.Country,
	}
	text := strings.ReplaceAll(short.String(), ",", ", ")
	if text == "" {
		return n.String()
	}
	return strings.ReplaceAll(text, `\, `, `\,`)
}
