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
	"strconv"
	"strings"
)

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

// SCRAMVerifierWithSalt is [SCRAMVerifier] with a salt, which must not be used for another password: the same password
// gives the same verifier.
func SCRAMVerifierWithSalt(password string, salt [16]byte) (string, error) {
	return scramVerifier(password, salt[:], scramRounds)
}

// maxScramRounds bounds the work that a verifier from a file can ask for.
const maxScramRounds = 1 << 20

// MatchesSCRAM tells whether a verifier was made from the password. One that is ill-formed was not.
func MatchesSCRAM(verifier, password string) bool {
	rest, ok := strings.CutPrefix(verifier, "SCRAM-SHA-256$")
	if !ok {
		return false
	}
	head, _, _ := strings.Cut(rest, "$")
	count, salt64, _ := strings.Cut(head, ":")
	rounds, err := strconv.Atoi(count)
	if err != nil || rounds < 1 || rounds > maxScramRounds {
		return false
	}
	salt, err := base64.StdEncoding.DecodeString(salt64)
	if err != nil {
		return false
	}
	again, err := scramVerifier(password, salt, rounds)
	return err == nil && subtle.ConstantTimeCompare([]byte(again), []byte(verifier)) == 1
}
