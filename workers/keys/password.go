package keys

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
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
