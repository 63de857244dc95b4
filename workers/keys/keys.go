// Package keys is the key hierarchy of a cluster. The secrets key (from the passphrase and salt that a worker is given at
// start) encrypts the secrets of the configuration; a master key (from a passphrase and salt that are such secrets) wraps
// one wrapping key for each tenant. It also hashes passwords: those of REST users, and those of PostgreSQL roles.
//
// It holds no key of its own, reads and writes no database, and imports nothing of Cordage; no value of it shows a key
// when printed.
package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

const (
	// rounds of PBKDF2, for keys and for passwords of REST users. Source: Corda 5.0.
	rounds = 65_536
	// keySize is that of AES-256, in bytes.
	keySize = 32
	// overhead of encryption: a nonce of 12 bytes before the text and a tag of 16 after it.
	overhead = 12 + 16
)

// derive makes an AES-256 key of a passphrase and a salt, both as UTF-8. It takes about 20 ms.
//
// Source: Corda 5.0: PBKDF2-HMAC-SHA256, 65,536 rounds, 256 bits; blank input is refused.
func derive(passphrase, salt string) ([]byte, error) {
	switch {
	case strings.TrimSpace(passphrase) == "":
		return nil, errors.New("the passphrase is blank")
	case strings.TrimSpace(salt) == "":
		return nil, errors.New("the salt is blank")
	}
	return pbkdf2.Key(sha256.New, passphrase, []byte(salt), rounds, keySize)
}

// newAEAD is AES-256-GCM with a random nonce for each encryption; what it makes is nonce ‖ text ‖ tag, as in Corda 5.0.
func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("AES-256: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

const alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// RandomPassword is n random characters of 0-9, A-Z and a-z, each with 5.95 bits.
func RandomPassword(n int) string {
	limit := big.NewInt(int64(len(alphanumeric)))
	b := make([]byte, n)
	for i := range b {
		at, err := rand.Int(rand.Reader, limit)
		if err != nil {
			panic(err) // crypto/rand ends the program before it returns an error
		}
		b[i] = alphanumeric[at.Int64()]
	}
	return string(b)
}
