package ident

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// ErrShortHash is wrapped by every error of [ParseShortHash].
var ErrShortHash = errors.New("not a valid holding identity short hash")

// ShortHash is the first 48 bits of a holding identity's full hash: 12 upper-case hex digits. Two identities may
// share one; creating the second must fail.
type ShortHash string

// ParseShortHash reads exactly 12 hex digits in either case; the result is upper case.
// Errors wrap [ErrShortHash] and quote s.
//
// Source: Corda 5.0, ShortHash.parse.
func ParseShortHash(s string) (ShortHash, error) {
	if len(s) != 12 {
		return "", fmt.Errorf("%w: %q has %d characters, 12 hex digits are needed", ErrShortHash, s, len(s))
	}
	if _, err := hex.DecodeString(s); err != nil {
		return "", fmt.Errorf("%w: %q holds characters that are no hex digits", ErrShortHash, s)
	}
	return ShortHash(strings.ToUpper(s)), nil
}

// Lower is the form used in SQL names.
func (h ShortHash) Lower() string { return strings.ToLower(string(h)) }

// HoldingIdentity is a member of a membership group: the identity that a virtual node holds.
type HoldingIdentity struct {
	X500Name string `json:"x500Name"` // canonical text of a [Name]
	GroupID  string `json:"groupId"`
}

// NewHoldingIdentity puts a parsed name and a group id together.
func NewHoldingIdentity(name Name, groupID string) HoldingIdentity {
	return HoldingIdentity{X500Name: name.String(), GroupID: groupID}
}

// FullHash is 64 upper-case hex digits of SHA-256 over the UTF-8 text of the name directly followed by the group id.
//
// Source: Corda 5.0, HoldingIdentity.
func (h HoldingIdentity) FullHash() string {
	sum := sha256.Sum256([]byte(h.X500Name + h.GroupID))
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// ShortHash is the first 12 digits of [HoldingIdentity.FullHash].
func (h HoldingIdentity) ShortHash() ShortHash { return ShortHash(h.FullHash()[:12]) }
