package jarsign

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"

	"software.sslmate.com/src/go-pkcs12"
)

// ParsePKCS12 reads a PKCS#12 file (.p12, .pfx), such as keytool makes, with one private key and its certificates.
// Errors never show the password.
func ParsePKCS12(file []byte, password string) (Key, error) {
	private, leaf, others, err := pkcs12.DecodeChain(file, password)
	if errors.Is(err, pkcs12.ErrIncorrectPassword) {
		return Key{}, errors.New("the password of the PKCS#12 file is wrong")
	}
	if err != nil {
		return Key{}, fmt.Errorf("read the PKCS#12 file: %w", err)
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return Key{}, fmt.Errorf("the PKCS#12 file holds a key of type %T, which cannot sign", private)
	}
	k := Key{Private: signer, Chain: chainOf(leaf, append([]*x509.Certificate{leaf}, others...))}
	return k, k.Check()
}
