package jarsign

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/smallstep/pkcs7"
)

// Timestamp is what a time stamping authority (TSA) vouches for: the signature existed at that time.
type Timestamp struct {
	Time  time.Time
	Chain []*x509.Certificate // of the authority, leaf first
}

// tstInfo is the content of a timestamp token. Source: RFC 3161, section 2.4.2.
type tstInfo struct {
	Version int
	Policy  asn1.ObjectIdentifier
	Imprint struct {
		Algorithm pkix.AlgorithmIdentifier
		Digest    []byte
	}
	Serial *big.Int
	Time   asn1.RawValue // GeneralizedTime, perhaps with fractions of a second
	// what follows is not needed
}

// timestamp reads the token beside a signature; nil, nil where there is none. The authority's path is not judged here.
func (b *blockSigner) timestamp() (*Timestamp, error) {
	var token asn1.RawValue
	present := false
	for _, a := range b.unsigned {
		present = present || a.Type.Equal(oidTimestampToken)
	}
	if !present {
		return nil, nil
	}
	if err := attributeValue(b.unsigned, oidTimestampToken, &token); err != nil {
		return nil, fmt.Errorf("timestamp token: %w", err)
	}
	signers, err := parseBlock(token.FullBytes, oidTimestampContent)
	if err != nil {
		return nil, fmt.Errorf("timestamp token: %w", err)
	}
	if len(signers) != 1 || len(signers[0].embedded) == 0 || len(signers[0].signed) == 0 {
		return nil, errors.New("timestamp token: it must have one signer with signed attributes and its content inside")
	}
	chain, err := signers[0].verify(signers[0].embedded)
	if err != nil {
		return nil, fmt.Errorf("timestamp token: %w", err)
	}
	var info tstInfo
	if _, err := asn1.Unmarshal(signers[0].embedded, &info); err != nil {
		return nil, fmt.Errorf("timestamp token: read its content: %w", err)
	}
	hash, err := hashOf(info.Imprint.Algorithm.Algorithm)
	if err != nil {
		return nil, fmt.Errorf("timestamp token: %w", err)
	}
	h := hash.New()
	h.Write(b.value)
	if !bytes.Equal(h.Sum(nil), info.Imprint.Digest) {
		return nil, errors.New("timestamp token: it is for another signature")
	}
	at, err := time.Parse("20060102150405Z", string(info.Time.Bytes)) // Parse takes fractions unasked
	if err != nil || info.Time.Tag != asn1.TagGeneralizedTime {
		return nil, fmt.Errorf("timestamp token: %q is not a time", info.Time.Bytes)
	}
	return &Timestamp{Time: at.UTC(), Chain: chain}, nil
}

// The content type of what a signature file's block signs.
var oidJarContent = pkcs7.OIDData
