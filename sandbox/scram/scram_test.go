package scram

import (
	"encoding/base64"
	"strings"
	"testing"
)

// The vector of RFC 7677, section 3: user "user", password "pencil".
func TestSCRAMVector(t *testing.T) {
	t.Parallel()
	salt, err := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	if err != nil {
		t.Fatal(err)
	}
	const want = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
	if got, err := With("pencil", salt, 4096); err != nil || got != want {
		t.Errorf("verifier is %s, %v; want %s", got, err, want)
	}
	if !Matches(want, "pencil") || Matches(want, "pen") {
		t.Error("the verifier does not tell its password from others")
	}
}

func TestSCRAM(t *testing.T) {
	t.Parallel()
	one, err := New("secret")
	if err != nil {
		t.Fatal(err)
	}
	other, err := New("secret")
	if err != nil {
		t.Fatal(err)
	}
	if one == other || strings.Contains(one, "secret") {
		t.Errorf("verifiers %s and %s: want two salts and no password", one, other)
	}
	if !Matches(one, "secret") || Matches(one, "Secret") {
		t.Error("the verifier does not tell its password from others")
	}
	for _, bad := range []string{"", "md5abc", "SCRAM-SHA-256$", "SCRAM-SHA-256$x:y$z", "SCRAM-SHA-256$0:AAAA$x:y", "SCRAM-SHA-256$999999999:AAAA$x:y"} {
		if Matches(bad, "secret") {
			t.Errorf("%q matches", bad)
		}
	}
}
