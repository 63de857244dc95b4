package keys

import (
	"encoding/base64"
	"encoding/hex"
	"testing"
)

// Keys that two implementations other than this one derived, text as UTF-8.
func TestDerive(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ passphrase, salt, want string }{
		{"cordage-pass", "cordage-salt", "938128cdcbd6138e6b6dcd2f3fa81a5499d3bb4baf2b075b02bf3e50361cf60c"},
		{"pässword", "sält", "da8e50263b1dd1ad0a5fc11414277a4fc8fa2b09cdc39e5ad8c70966d95cdc94"},
	} {
		got, err := derive(tc.passphrase, tc.salt)
		if err != nil || hex.EncodeToString(got) != tc.want {
			t.Errorf("derive(%q, %q) = %x, %v; want %s", tc.passphrase, tc.salt, got, err, tc.want)
		}
	}
}

// What PostgreSQL 14.4 itself stored for this password and salt.
func TestSCRAMVerifierIsPostgreSQLs(t *testing.T) {
	t.Parallel()
	salt, err := base64.StdEncoding.DecodeString("cUek4nSYVVvhEP2JZ7ig+w==")
	if err != nil {
		t.Fatal(err)
	}
	const want = "SCRAM-SHA-256$4096:cUek4nSYVVvhEP2JZ7ig+w==$trCaHX1X+Pt6iftxefMTeFmjXJvGL3MRyvn0RtQieks=:ysam3etgLd4vQX5ixztYQCOGA0dxgrj96ulvMxhkYuY="
	if got, err := scramVerifier("cordage-pass", salt, scramRounds); err != nil || got != want {
		t.Errorf("verifier = %s, %v; want %s", got, err, want)
	}
}

// The vector of RFC 7677, section 3: user "user", password "pencil".
func TestSCRAMVerifierIsTheStandards(t *testing.T) {
	t.Parallel()
	const want = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
	salt, err := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := SCRAMVerifierWithSalt("pencil", [16]byte(salt)); err != nil || got != want {
		t.Errorf("verifier = %s, %v; want %s", got, err, want)
	}
	if !MatchesSCRAM(want, "pencil") || MatchesSCRAM(want, "pen") {
		t.Error("the verifier does not tell its password from others")
	}
	for _, bad := range []string{"", "md5abc", "SCRAM-SHA-256$", "SCRAM-SHA-256$x:y$z", "SCRAM-SHA-256$0:AAAA$x:y", "SCRAM-SHA-256$999999999:AAAA$x:y"} {
		if MatchesSCRAM(bad, "secret") {
			t.Errorf("%q matches", bad)
		}
	}
}
