package jarsign

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	// The hashes that a signature may use.
	_ "crypto/sha256"
	_ "crypto/sha512"

	"github.com/smallstep/pkcs7"
)

var (
	oidPSS              = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	oidECPublicKey      = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidEd25519          = asn1.ObjectIdentifier{1, 3, 101, 112}
	oidTimestampToken   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 14}
	oidTimestampContent = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
)

// attribute is one attribute of a signer, as RFC 5652 lays it out.
type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue `asn1:"set"`
}

// blockSigner is one signer of a PKCS#7 block, copied out of the parser's own types.
type blockSigner struct {
	serial     *big.Int
	issuer     []byte // DER
	digest     pkix.AlgorithmIdentifier
	signature  pkix.AlgorithmIdentifier
	value      []byte
	signed     []attribute
	unsigned   []attribute
	allCerts   []*x509.Certificate
	embedded   []byte // what the block carries of the content, nil for a detached signature
	wantedType asn1.ObjectIdentifier
}

// parseBlock reads a PKCS#7 SignedData.
func parseBlock(der []byte, contentType asn1.ObjectIdentifier) ([]blockSigner, error) {
	p7, err := pkcs7.Parse(der)
	if err != nil {
		return nil, fmt.Errorf("read the PKCS#7 block: %w", err)
	}
	if len(p7.Signers) == 0 {
		return nil, errors.New("the PKCS#7 block has no signer")
	}
	var out []blockSigner
	for _, s := range p7.Signers {
		b := blockSigner{
			serial: s.IssuerAndSerialNumber.SerialNumber, issuer: s.IssuerAndSerialNumber.IssuerName.FullBytes,
			digest: s.DigestAlgorithm, signature: s.DigestEncryptionAlgorithm, value: s.EncryptedDigest,
			allCerts: p7.Certificates, embedded: p7.Content, wantedType: contentType,
		}
		for _, a := range s.AuthenticatedAttributes {
			b.signed = append(b.signed, attribute(a))
		}
		for _, a := range s.UnauthenticatedAttributes {
			b.unsigned = append(b.unsigned, attribute(a))
		}
		out = append(out, b)
	}
	return out, nil
}

// verify checks the signature over content and gives the signer's certificates, leaf first, as the block has them.
func (b *blockSigner) verify(content []byte) ([]*x509.Certificate, error) {
	if len(b.embedded) > 0 && !bytes.Equal(b.embedded, content) {
		return nil, errors.New("the content inside the block is not the content it should sign")
	}
	leaf := b.leaf()
	if leaf == nil {
		return nil, errors.New("the block does not hold the certificate of its signer")
	}
	const anySigning = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
	if leaf.KeyUsage != 0 && leaf.KeyUsage&anySigning == 0 {
		return nil, fmt.Errorf("the key of %s may not be used for signatures", Subject(leaf))
	}
	hash, err := hashOf(b.digest.Algorithm)
	if err != nil {
		return nil, err
	}
	signedBytes, err := b.signedBytes(content, hash)
	if err != nil {
		return nil, err
	}
	if err := checkSignature(leaf.PublicKey, b.signature, hash, signedBytes, b.value); err != nil {
		return nil, fmt.Errorf("signature of %s: %w", Subject(leaf), err)
	}
	return chainOf(leaf, b.allCerts), nil
}

func (b *blockSigner) leaf() *x509.Certificate {
	for _, c := range b.allCerts {
		if b.serial != nil && c.SerialNumber.Cmp(b.serial) == 0 && bytes.Equal(c.RawIssuer, b.issuer) {
			return c
		}
	}
	return nil
}

// signedBytes is the content itself, or the signed attributes, which then must hold the content's digest and type.
func (b *blockSigner) signedBytes(content []byte, hash crypto.Hash) ([]byte, error) {
	if len(b.signed) == 0 {
		return content, nil
	}
	var digest []byte
	if err := attributeValue(b.signed, pkcs7.OIDAttributeMessageDigest, &digest); err != nil {
		return nil, fmt.Errorf("signed attribute message-digest: %w", err)
	}
	h := hash.New()
	h.Write(content)
	if !bytes.Equal(h.Sum(nil), digest) {
		return nil, errors.New("the signature is for other content: digests differ")
	}
	var contentType asn1.ObjectIdentifier
	if err := attributeValue(b.signed, pkcs7.OIDAttributeContentType, &contentType); err != nil {
		return nil, fmt.Errorf("signed attribute content-type: %w", err)
	}
	if !contentType.Equal(b.wantedType) {
		return nil, fmt.Errorf("the signed content type is %s, not %s", contentType, b.wantedType)
	}
	encoded, err := asn1.Marshal(struct {
		A []attribute `asn1:"set"`
	}{b.signed})
	if err != nil {
		return nil, fmt.Errorf("encode the signed attributes: %w", err)
	}
	var outer asn1.RawValue
	if _, err := asn1.Unmarshal(encoded, &outer); err != nil {
		return nil, fmt.Errorf("encode the signed attributes: %w", err)
	}
	return outer.Bytes, nil
}

// attributeValue reads the one value of an attribute.
func attributeValue(attrs []attribute, oid asn1.ObjectIdentifier, out any) error {
	found := false
	for _, a := range attrs {
		if !a.Type.Equal(oid) {
			continue
		}
		if found {
			return errors.New("it is there twice")
		}
		found = true
		rest, err := asn1.Unmarshal(a.Value.Bytes, out)
		if err != nil {
			return err
		}
		if len(rest) > 0 {
			return errors.New("it has more than one value")
		}
	}
	if !found {
		return errors.New("it is missing")
	}
	return nil
}

// hashOf knows the digests that the JDK still accepts in signed jars.
func hashOf(oid asn1.ObjectIdentifier) (crypto.Hash, error) {
	switch {
	case oid.Equal(pkcs7.OIDDigestAlgorithmSHA256):
		return crypto.SHA256, nil
	case oid.Equal(pkcs7.OIDDigestAlgorithmSHA384):
		return crypto.SHA384, nil
	case oid.Equal(pkcs7.OIDDigestAlgorithmSHA512):
		return crypto.SHA512, nil
	case oid.Equal(pkcs7.OIDDigestAlgorithmSHA1):
		return 0, errors.New("it uses SHA-1, which is no longer secure; SHA-256, SHA-384 or SHA-512 is needed")
	}
	return 0, fmt.Errorf("digest algorithm %s is none of SHA-256, SHA-384, SHA-512", oid)
}

func checkSignature(key any, alg pkix.AlgorithmIdentifier, hash crypto.Hash, signed, value []byte) error {
	h := hash.New()
	h.Write(signed)
	sum := h.Sum(nil)
	oid := alg.Algorithm
	var ok bool
	switch pub := key.(type) {
	case *rsa.PublicKey:
		if pub.N.BitLen() < 1024 {
			return fmt.Errorf("an RSA key of %d bits is too short", pub.N.BitLen())
		}
		switch {
		case oid.Equal(oidPSS):
			ok = rsa.VerifyPSS(pub, hash, sum, value, nil) == nil
		case oid.Equal(pkcs7.OIDEncryptionAlgorithmRSA), oid.Equal(combined(rsaWith, hash)):
			ok = rsa.VerifyPKCS1v15(pub, hash, sum, value) == nil
		default:
			return fmt.Errorf("algorithm %s does not fit an RSA key and %s", oid, hash)
		}
	case *ecdsa.PublicKey:
		if !oid.Equal(oidECPublicKey) && !oid.Equal(combined(ecdsaWith, hash)) {
			return fmt.Errorf("algorithm %s does not fit an EC key and %s", oid, hash)
		}
		ok = ecdsa.VerifyASN1(pub, sum, value)
	case ed25519.PublicKey:
		if !oid.Equal(oidEd25519) {
			return fmt.Errorf("algorithm %s does not fit an Ed25519 key", oid)
		}
		ok = ed25519.Verify(pub, signed, value)
	default:
		return fmt.Errorf("keys of type %T are not supported; RSA, EC (NIST curves) and Ed25519 are", key)
	}
	if !ok {
		return errors.New("it does not hold for this content and key")
	}
	return nil
}

// Families of algorithm identifiers that name key and digest together.
const (
	rsaWith = iota
	ecdsaWith
)

func combined(family int, hash crypto.Hash) asn1.ObjectIdentifier {
	if family == rsaWith {
		switch hash {
		case crypto.SHA256:
			return pkcs7.OIDEncryptionAlgorithmRSASHA256
		case crypto.SHA384:
			return pkcs7.OIDEncryptionAlgorithmRSASHA384
		default:
			return pkcs7.OIDEncryptionAlgorithmRSASHA512
		}
	}
	switch hash {
	case crypto.SHA256:
		return pkcs7.OIDDigestAlgorithmECDSASHA256
	case crypto.SHA384:
		return pkcs7.OIDDigestAlgorithmECDSASHA384
	default:
		return pkcs7.OIDDigestAlgorithmECDSASHA512
	}
}

// chainOf orders certs behind the leaf, each issued by the next, until one issued itself or its issuer is not there.
//
// Source: the JDK's SignerInfo.getCertificateChain: names decide, signatures are checked when the path is validated.
func chainOf(leaf *x509.Certificate, certs []*x509.Certificate) []*x509.Certificate {
	chain := []*x509.Certificate{leaf}
	used := map[*x509.Certificate]bool{leaf: true}
	for last := leaf; !selfIssued(last); {
		var next *x509.Certificate
		for _, c := range certs {
			if !used[c] && bytes.Equal(c.RawSubject, last.RawIssuer) {
				next = c
				break
			}
		}
		if next == nil {
			break
		}
		used[next] = true
		chain = append(chain, next)
		last = next
	}
	return chain
}

func selfIssued(c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, c.RawIssuer) }
