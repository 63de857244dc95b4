package keys

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
)

// HashPassword hashes the password of a REST user, which takes about 20 ms: the base64 text of PBKDF2-HMAC-SHA256,
// 65,536 rounds, 256 bits.
//
// Source: Corda 5.0, hash and salt of rbac_user.
func HashPassword(password, salt string) string {
	key, err := pbkdf2.Key(sha256.New, password, []byte(salt), rounds, keySize)
	if err != nil {
		panic(err) // only for lengths that FIPS 140 forbids, and these are constants
	}
	return base64.StdEncoding.EncodeToString(key)
}

// NewPasswordSalt is a salt for [HashPassword]: 100 random letters and digits, as in Corda 5.0.
func NewPasswordSalt() string { return RandomPassword(100) }

// CheckPassword tells whether password has this hash, in a time that does not depend on how much of it is right. It
// takes as long as HashPassword.
func CheckPassword(hash, salt, password string) bool {
	return subtle.ConstantTimeCompare([]byte(hash), []byte(HashPassword(password, salt))) == 1
}

const (
	// scramRounds is what PostgreSQL takes itself, and the fewest that clients in Java accept.
	scramRounds = 4096
	// scramRoundsOfRandom is for passwords that nobody can guess: rounds slow down guessing, and nothing else.
	scramRoundsOfRandom = 1
	// unguessable is the length from which a random password has more entropy than the verifier's hash.
	unguessable = 43
)

// SCRAMVerifier gives what PostgreSQL stores for a role's password, to be put into CREATE ROLE … PASSWORD in place of the
// password, which then appears in no statement and no log of the server. It takes about 1 ms, and the server about 6 ms
// to check that it is not that of an empty password. The password must be plain ASCII: others would need a normal form
// first.
//
// Source: RFC 5802 and PostgreSQL's manual, pg_authid: SCRAM-SHA-256$ROUNDS:SALT$STOREDKEY:SERVERKEY.
func SCRAMVerifier(password string) (string, error) {
	return scramVerifier(password, scramSalt(), scramRounds)
}

// SCRAMVerifierOfRandom is [SCRAMVerifier] for a long random password, and takes next to no time, here, in the server and
// in clients. Clients in Java refuse it.
func SCRAMVerifierOfRandom(password string) (string, error) {
	if len(password) < unguessable {
		return "", fmt.Errorf("make a SCRAM verifier: a password of %d characters, fewer than %d, could be guessed", len(password), unguessable)
	}
	return scramVerifier(password, scramSalt(), scramRoundsOfRandom)
}

func scramSalt() []byte {
	var salt [16]byte
	_, _ = rand.Read(salt[:]) // never fails
	return salt[:]
}

func scramVerifier(password string, salt []byte, rounds int) (string, error) {
	for _, c := range []byte(password) {
		if c < ' ' || c > '~' {
			return "", errors.New("make a SCRAM verifier: the password holds characters outside printable ASCII")
		}
	}
	salted, err := pbkdf2.Key(sha256.New, password, salt, rounds, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("make a SCRAM verifier: %w", err)
	}
	sign := func(text string) []byte {
		mac := hmac.New(sha256.New, salted)
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
	stored := sha256.Sum256(sign("Client Key"))
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", rounds, b64(salt), b64(stored[:]), b64(sign("Server Key"))), nil
}
