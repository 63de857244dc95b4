package keys

import (
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
)

// How wrapping keys are described where they are stored (crypto_wrapping_key). Source: Corda 5.0.
const (
	WrappingKeyAlgorithm       = "AES"
	WrappingKeyEncodingVersion = 1
	// WrappedKeySize is the size of a wrapped wrapping key, in bytes.
	WrappedKeySize = keySize + overhead
)

// ErrUnwrap is wrapped by every error of [MasterKey.Unwrap].
var ErrUnwrap = errors.New("the wrapping key cannot be unwrapped")

// MasterKey wraps wrapping keys. It is never stored: the same alias, passphrase and salt make it again.
type MasterKey struct {
	alias string
	aead  cipher.AEAD
}

// DeriveMaster derives the master key that the configuration calls alias, which takes about 20 ms. The passphrase and
// the salt are taken as text, even if they look like base64.
func DeriveMaster(alias, passphrase, salt string) (*MasterKey, error) {
	key, err := derive(passphrase, salt)
	if err != nil {
		return nil, fmt.Errorf("derive the master key %s: %w", alias, err)
	}
	aead, err := newAEAD(key)
	if err != nil {
		return nil, fmt.Errorf("master key %s: %w", alias, err)
	}
	return &MasterKey{alias: alias, aead: aead}, nil
}

// Alias is the name of the key in the configuration; wrapped keys are stored with it.
func (m *MasterKey) Alias() string { return m.alias }

// String keeps the key out of anything that prints the value.
func (m *MasterKey) String() string { return "master key " + m.alias }

// GoString is String.
func (m *MasterKey) GoString() string { return m.String() }

// WrappingKey is the AES-256 key of one tenant, under which the tenant's private keys are kept.
type WrappingKey struct{ raw [keySize]byte }

// NewWrappingKey makes a random one.
func NewWrappingKey() *WrappingKey {
	var k WrappingKey
	_, _ = rand.Read(k.raw[:]) // never fails
	return &k
}

// Equal tells whether both are the same key.
func (k *WrappingKey) Equal(other *WrappingKey) bool { return k.raw == other.raw }

// String keeps the key out of anything that prints the value.
func (k *WrappingKey) String() string { return "wrapping key" }

// GoString is String.
func (k *WrappingKey) GoString() string { return k.String() }

// Wrap encrypts a wrapping key for storage: [WrappedKeySize] bytes.
func (m *MasterKey) Wrap(k *WrappingKey) []byte { return m.aead.Seal(nil, nil, k.raw[:], nil) }

// Unwrap reads what [MasterKey.Wrap] made. Errors wrap [ErrUnwrap].
func (m *MasterKey) Unwrap(wrapped []byte) (*WrappingKey, error) {
	if len(wrapped) != WrappedKeySize {
		return nil, fmt.Errorf("%w with master key %s: it has %d bytes, not %d", ErrUnwrap, m.alias, len(wrapped), WrappedKeySize)
	}
	raw, err := m.aead.Open(nil, nil, wrapped, nil)
	if err != nil {
		return nil, fmt.Errorf("%w with master key %s: it was altered, or wrapped with another key", ErrUnwrap, m.alias)
	}
	return &WrappingKey{raw: [keySize]byte(raw)}, nil
}
