package jarsign

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"
)

// Key is a private key with the certificates of its owner, leaf first.
type Key struct {
	Private crypto.Signer
	Chain   []*x509.Certificate
}

// Check tells whether the key can sign: an RSA or EC key that belongs to the leaf certificate, and a chain in order.
func (k Key) Check() error {
	if len(k.Chain) == 0 || k.Private == nil {
		return errors.New("a private key and at least its own certificate are needed")
	}
	public, ok := k.Private.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(k.Chain[0].PublicKey) {
		return fmt.Errorf("the private key does not belong to the first certificate, %s", Subject(k.Chain[0]))
	}
	if _, err := hashFor(k.Private); err != nil {
		return err
	}
	for i, c := range k.Chain[1:] {
		if err := k.Chain[i].CheckSignatureFrom(c); err != nil {
			return fmt.Errorf("certificate %d, %s, did not issue the one before it: %w", i+2, Subject(c), err)
		}
	}
	return nil
}

// hashFor is the digest that suits a key, as the JDK chooses it.
func hashFor(key crypto.Signer) (crypto.Hash, error) {
	switch pub := key.Public().(type) {
	case *rsa.PublicKey:
		if pub.N.BitLen() > 7680 {
			return crypto.SHA512, nil
		}
		if pub.N.BitLen() > 3072 {
			return crypto.SHA384, nil
		}
		return crypto.SHA256, nil
	case *ecdsa.PublicKey:
		switch {
		case pub.Curve == elliptic.P521():
			return crypto.SHA512, nil
		case pub.Curve == elliptic.P384():
			return crypto.SHA384, nil
		}
		return crypto.SHA256, nil
	}
	return 0, fmt.Errorf("keys of type %T cannot sign packages; RSA and EC keys can", key.Public())
}

// ParsePEM reads a private key (PKCS#8, PKCS#1 or SEC1, not encrypted) and a certificate chain. The two texts may be one.
// Errors never show any of the key.
func ParsePEM(key, chain []byte) (Key, error) {
	var k Key
	for block, rest := pem.Decode(key); block != nil; block, rest = pem.Decode(rest) {
		private, err := parsePrivate(block)
		if err != nil {
			return Key{}, err
		}
		if private != nil {
			k.Private = private
			break
		}
	}
	if k.Private == nil {
		return Key{}, errors.New("there is no PEM private key in the key file")
	}
	var err error
	if k.Chain, err = ParseCertificates(chain); err != nil {
		return Key{}, err
	}
	return k, k.Check()
}

func parsePrivate(block *pem.Block) (crypto.Signer, error) {
	var parsed any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		parsed, err = x509.ParseECPrivateKey(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		return nil, errors.New("the PEM private key is encrypted; use a PKCS#12 file instead")
	default:
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the PEM block %q holds no key that can be read", block.Type)
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T cannot sign", parsed)
	}
	return signer, nil
}

// ParseCertificates reads all certificates of a PEM text; there must be one.
func ParseCertificates(text []byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d is not X.509: %w", len(out)+1, err)
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, errors.New("there is no PEM certificate")
	}
	return out, nil
}

// SelfSigned makes a code-signing certificate for a key, for development: nobody but who imports it trusts it.
func SelfSigned(private crypto.Signer, name pkix.Name, from, to time.Time, serial *big.Int, random io.Reader) (Key, error) {
	template := &x509.Certificate{
		SerialNumber: serial, Subject: name, NotBefore: from, NotAfter: to,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}
	der, err := x509.CreateCertificate(random, template, template, private.Public(), private)
	if err != nil {
		return Key{}, fmt.Errorf("make a code-signing certificate: %w", err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return Key{}, fmt.Errorf("make a code-signing certificate: %w", err)
	}
	return Key{Private: private, Chain: []*x509.Certificate{c}}, nil
}

// NewKey makes an EC P-256 key and a self-signed certificate, see [SelfSigned].
func NewKey(name pkix.Name, from, to time.Time) (Key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Key{}, fmt.Errorf("make a code-signing key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return Key{}, fmt.Errorf("make a code-signing key: %w", err)
	}
	return SelfSigned(private, name, from, to, serial, rand.Reader)
}
