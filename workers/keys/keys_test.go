package keys_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/cordage-sandbox/cordage/workers/keys"
)

// Vectors that two implementations other than this one agree on; the layout is Corda's.
const (
	passphrase = "cordage-pass"
	salt       = "cordage-salt"
	keyHex     = "938128cdcbd6138e6b6dcd2f3fa81a5499d3bb4baf2b075b02bf3e50361cf60c"
	secretText = "AAECAwQFBgcICQoLDDu2TZ5b/o7tp4NAkJ8QBpPR8pic/7ijBgC1X1Li" // of "cordage secret"
	wrappedHex = "000102030405060708090a0b6f55c62afb399da996cbea39f9e600f5ba2d51125b1c93391add5f6ea78da41ec1e5393eae8c755d8ecfcecfe5d2f9ce"
)

func newSecrets(t *testing.T) *keys.Secrets {
	t.Helper()
	s, err := keys.NewSecrets(passphrase, salt)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSecretsReadCordasForm(t *testing.T) {
	t.Parallel()
	if got, err := newSecrets(t).Decrypt(secretText); err != nil || got != "cordage secret" {
		t.Errorf("Decrypt = %q, %v; want %q", got, err, "cordage secret")
	}
}

func TestSecretsRoundTrip(t *testing.T) {
	t.Parallel()
	s := newSecrets(t)
	for _, plain := range []string{"", "x", "pässword ✓", strings.Repeat("long", 10_000)} {
		one, err := s.Encrypt(plain)
		if err != nil {
			t.Fatal(err)
		}
		two, err := s.Encrypt(plain)
		if err != nil {
			t.Fatal(err)
		}
		if one == two {
			t.Errorf("%.20q is encrypted twice to the same text", plain)
		}
		if got, err := s.Decrypt(one); err != nil || got != plain {
			t.Errorf("%.20q comes back as %.20q, %v", plain, got, err)
		}
	}
}

func TestSecretsRefuse(t *testing.T) {
	t.Parallel()
	s := newSecrets(t)
	other, err := keys.NewSecrets(passphrase, "another salt")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Decrypt(secretText); !errors.Is(err, keys.ErrSecret) {
		t.Errorf("another salt: error = %v, want ErrSecret", err)
	}
	raw, _ := base64.StdEncoding.DecodeString(secretText)
	raw[len(raw)-1] ^= 1
	for name, text := range map[string]string{
		"blank": " ", "no base64": "%%%", "too short": "AAAA", "cut off": secretText[:len(secretText)-1],
		"altered": base64.StdEncoding.EncodeToString(raw),
	} {
		_, err := s.Decrypt(text)
		if !errors.Is(err, keys.ErrSecret) || len(text) > 4 && strings.Contains(err.Error(), text) {
			t.Errorf("%s: error = %v, want ErrSecret without the text", name, err)
		}
	}
	for _, blank := range []string{"", " \t"} {
		_, noPassphrase := keys.NewSecrets(blank, salt)
		_, noSalt := keys.NewSecrets(passphrase, blank)
		if noPassphrase == nil || noSalt == nil {
			t.Errorf("blank input %q is accepted: %v, %v", blank, noPassphrase, noSalt)
		}
	}
}

func TestRevealAndHide(t *testing.T) {
	t.Parallel()
	s := newSecrets(t)
	hidden, err := s.Hide("cordage secret")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ value, want string }{
		"hidden":         {string(hidden), "cordage secret"},
		"Corda's form":   {`{"configSecret":{"encryptedSecret":"` + secretText + `"}}`, "cordage secret"},
		"a plain string": {`"plain"`, "plain"},
	} {
		if got, err := s.Reveal(json.RawMessage(tc.value)); err != nil || got != tc.want {
			t.Errorf("%s: Reveal = %q, %v; want %q", name, got, err, tc.want)
		}
	}
	for _, bad := range []string{``, `null`, `7`, `[]`, `{}`, `{"configSecret":null}`, `{"configSecret":{}}`, `{"configSecret":{"vaultPath":"p","vaultKey":"k"}}`, `{"configSecret":{"encryptedSecret":""}}`, `{`} {
		if _, err := s.Reveal(json.RawMessage(bad)); !errors.Is(err, keys.ErrSecret) {
			t.Errorf("Reveal(%s) error = %v, want ErrSecret", bad, err)
		}
	}
}

func TestDerivedPasswords(t *testing.T) {
	t.Parallel()
	s := newSecrets(t)
	one, err := s.Password("role a", 64)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := newSecrets(t).Password("role a", 64)
	other, _ := s.Password("role b", 64)
	stranger, err := keys.NewSecrets("other", salt)
	if err != nil {
		t.Fatal(err)
	}
	foreign, _ := stranger.Password("role a", 64)
	if len(one) != 64 || one != again || one == other || one == foreign {
		t.Errorf("passwords are %q, again %q, of another label %q, of another key %q", one, again, other, foreign)
	}
	if rest := strings.Trim(one, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"); rest != "" {
		t.Errorf("password holds %q", rest)
	}
	for n := range 300 {
		if p, err := s.Password(fmt.Sprint(n), n); err != nil || len(p) != n {
			t.Fatalf("a password of %d characters has %d, %v", n, len(p), err)
		}
	}
}

// The master key of the vector unwraps what Corda's layout holds: the key 00…1f.
func TestMasterKey(t *testing.T) {
	t.Parallel()
	m, err := keys.DeriveMaster("root1", passphrase, salt)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, _ := hex.DecodeString(wrappedHex)
	k, err := m.Unwrap(wrapped)
	if err != nil {
		t.Fatal(err)
	}
	again := m.Wrap(k)
	if len(again) != keys.WrappedKeySize || keys.WrappedKeySize != 60 {
		t.Errorf("a wrapped key has %d bytes, want 60", len(again))
	}
	if back, err := m.Unwrap(again); err != nil || !back.Equal(k) {
		t.Errorf("a key wrapped again comes back different, %v", err)
	}
	if random := keys.NewWrappingKey(); random.Equal(k) || random.Equal(keys.NewWrappingKey()) {
		t.Error("new wrapping keys are not different")
	}

	other, err := keys.DeriveMaster("root1", "pässword", "sält")
	if err != nil {
		t.Fatal(err)
	}
	altered := append([]byte(nil), wrapped...)
	altered[20] ^= 1
	for name, unwrap := range map[string]func() (*keys.WrappingKey, error){
		"another master key": func() (*keys.WrappingKey, error) { return other.Unwrap(wrapped) },
		"altered":            func() (*keys.WrappingKey, error) { return m.Unwrap(altered) },
		"too short":          func() (*keys.WrappingKey, error) { return m.Unwrap(wrapped[:59]) },
		"nothing":            func() (*keys.WrappingKey, error) { return m.Unwrap(nil) },
	} {
		if _, err := unwrap(); !errors.Is(err, keys.ErrUnwrap) {
			t.Errorf("%s: error = %v, want ErrUnwrap", name, err)
		}
	}
}

func TestKeysDoNotShow(t *testing.T) {
	t.Parallel()
	s := newSecrets(t)
	m, err := keys.DeriveMaster("root1", passphrase, salt)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, _ := hex.DecodeString(wrappedHex)
	k, err := m.Unwrap(wrapped)
	if err != nil {
		t.Fatal(err)
	}
	key, _ := hex.DecodeString(keyHex)
	for _, v := range []any{s, m, k} {
		var log strings.Builder
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		shown := fmt.Sprintf("%v %+v %#v %s", v, v, v, v) + log.String()
		for _, form := range []string{string(key), keyHex, "147 129 40 205 203 214", "0 1 2 3 4 5", "000102030405"} {
			if strings.Contains(shown, form) {
				t.Errorf("%T shows its key: %s", v, shown)
			}
		}
	}
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	// The hash is that of a key derived from the same text: the same function in Corda.
	key, _ := hex.DecodeString(keyHex)
	hash := base64.StdEncoding.EncodeToString(key)
	if got := keys.HashPassword(passphrase, salt); got != hash {
		t.Errorf("HashPassword = %s, want %s", got, hash)
	}
	if !keys.CheckPassword(hash, salt, passphrase) {
		t.Error("the right password is refused")
	}
	if keys.CheckPassword(hash, salt, "other") || keys.CheckPassword(hash, "other", passphrase) || keys.CheckPassword("", salt, passphrase) {
		t.Error("a wrong password, salt or hash is accepted")
	}
	if a, b := keys.NewPasswordSalt(), keys.NewPasswordSalt(); len(a) != 100 || a == b {
		t.Errorf("salts are %q and %q", a, b)
	}
	if a, b := keys.RandomPassword(32), keys.RandomPassword(32); len(a) != 32 || a == b {
		t.Errorf("passwords are %q and %q", a, b)
	}
}

// A password that would need a normal form first is refused.
func TestSCRAMVerifier(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"pässword", "a\nb", "a\x00b"} {
		if v, err := keys.SCRAMVerifier(bad); err == nil {
			t.Errorf("SCRAMVerifier(%q) = %s, want an error", bad, v)
		}
	}
	one, err := keys.SCRAMVerifier("secret")
	if err != nil {
		t.Fatal(err)
	}
	two, _ := keys.SCRAMVerifier("secret")
	if one == two || !strings.HasPrefix(one, "SCRAM-SHA-256$4096:") || strings.Contains(one, "secret") {
		t.Errorf("verifiers are %s and %s", one, two)
	}
	if v, err := keys.SCRAMVerifierOfRandom(keys.RandomPassword(64)); err != nil || !strings.HasPrefix(v, "SCRAM-SHA-256$1:") {
		t.Errorf("verifier of a random password is %s, %v", v, err)
	}
	if v, err := keys.SCRAMVerifierOfRandom("short"); err == nil {
		t.Errorf("a short password gets the verifier %s of one round", v)
	}
}
