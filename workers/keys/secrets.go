package keys

import (
	"bytes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ErrSecret is wrapped by every error of reading a secret. None of them shows the secret or its encrypted form.
var ErrSecret = errors.New("the secret cannot be read")

// Mask stands for a secret where a configuration is shown or validated. Source: Corda 5.0.
const Mask = "*****"

// Secrets encrypts and decrypts the secrets of the configuration. It keeps the derived key, so that only making one is
// expensive. Safe for concurrent use.
type Secrets struct {
	aead cipher.AEAD
	key  []byte
}

// NewSecrets derives the secrets key of a cluster, which takes about 20 ms. A blank passphrase or salt is refused.
func NewSecrets(passphrase, salt string) (*Secrets, error) {
	key, err := derive(passphrase, salt)
	if err != nil {
		return nil, fmt.Errorf("derive the secrets key: %w", err)
	}
	aead, err := newAEAD(key)
	if err != nil {
		return nil, fmt.Errorf("secrets key: %w", err)
	}
	return &Secrets{aead: aead, key: key}, nil
}

// Encrypt gives the standard base64 text of nonce ‖ encrypted text ‖ tag. The text may be empty.
func (s *Secrets) Encrypt(plain string) (string, error) {
	return base64.StdEncoding.EncodeToString(s.aead.Seal(nil, nil, []byte(plain), nil)), nil
}

// Decrypt reads what [Secrets.Encrypt] made. Errors wrap [ErrSecret].
func (s *Secrets) Decrypt(text string) (string, error) {
	if strings.TrimSpace(text) == "" {
		return "", fmt.Errorf("%w: it is blank", ErrSecret)
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "", fmt.Errorf("%w: it is not base64", ErrSecret)
	}
	plain, err := s.aead.Open(nil, nil, raw, nil)
	if err != nil {
		return "", fmt.Errorf("%w: it was altered, or made with another passphrase or salt", ErrSecret)
	}
	return string(plain), nil
}

// Password derives a password of n characters of 0-9, A-Z and a-z for the thing called label. The same key and label
// give the same password, so whatever is made again after a crash, or by two workers at once, gets one password.
// Whoever has the secrets key could decrypt a stored password too, so that this reveals nothing more.
func (s *Secrets) Password(label string, n int) (string, error) {
	// Bytes at or above the largest multiple of the alphabet's size are left out, so that each character is as likely
	// as any other: 8 of 256, so twice the bytes is far more than enough.
	const limit = 256 / len(alphanumeric) * len(alphanumeric)
	stream, err := hkdf.Key(sha256.New, s.key, nil, "cordage password "+label, 2*n+64)
	if err != nil {
		return "", fmt.Errorf("derive the password of %s: %w", label, err)
	}
	out := make([]byte, 0, n)
	for _, b := range stream {
		if int(b) < limit && len(out) < n {
			out = append(out, alphanumeric[int(b)%len(alphanumeric)])
		}
	}
	if len(out) < n {
		return "", fmt.Errorf("derive the password of %s: too few usable bytes", label)
	}
	return string(out), nil
}

// String keeps the key out of anything that prints the value.
func (s *Secrets) String() string { return Mask }

// GoString is String.
func (s *Secrets) GoString() string { return Mask }

// MarshalJSON is the mask.
func (s *Secrets) MarshalJSON() ([]byte, error) { return []byte(`"` + Mask + `"`), nil }

// secretObject is how a secret stands in a configuration, in place of a string.
//
// Source: Corda 5.0.
type secretObject struct {
	ConfigSecret *struct {
		EncryptedSecret *string `json:"encryptedSecret"`
	} `json:"configSecret"`
}

// Hide gives the JSON object that stands for the string plain in a configuration.
func (s *Secrets) Hide(plain string) (json.RawMessage, error) {
	text, err := s.Encrypt(plain)
	if err != nil {
		return nil, err
	}
	return json.RawMessage(`{"configSecret":{"encryptedSecret":"` + text + `"}}`), nil
}

// Reveal reads a string of a configuration, which may be given as a secret. Errors wrap [ErrSecret].
func (s *Secrets) Reveal(value json.RawMessage) (string, error) {
	var plain string
	if json.Unmarshal(value, &plain) == nil && !bytes.Equal(bytes.TrimSpace(value), []byte("null")) {
		return plain, nil
	}
	var o secretObject
	switch err := json.Unmarshal(value, &o); {
	case err != nil || o.ConfigSecret == nil:
		return "", fmt.Errorf("%w: it is neither a string nor an object with configSecret", ErrSecret)
	case o.ConfigSecret.EncryptedSecret == nil:
		return "", fmt.Errorf("%w: configSecret has no encryptedSecret", ErrSecret)
	}
	return s.Decrypt(*o.ConfigSecret.EncryptedSecret)
}
