package jarsign_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/workers/packaging/jarsign"
)

// FuzzParsePEM: what is read as a key and its chain fit together, what is not says so without showing any of the key, and the
// certificates of a text written again are the same.
func FuzzParsePEM(f *testing.F) {
	block := func(kind, content string) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: []byte(content)}))
	}
	whole, err := jarsign.NewKey(pkix.Name{CommonName: "Fuzz"}, time.Now(), time.Now().Add(time.Hour))
	if err != nil {
		f.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(whole.Private)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(block("PRIVATE KEY", string(private)), block("CERTIFICATE", string(whole.Chain[0].Raw)))
	f.Add(block("PRIVATE KEY", "secret"), block("CERTIFICATE", "x"))
	f.Add(block("EC PRIVATE KEY", "secret")+block("CERTIFICATE", "x"), "")
	f.Add("-----BEGIN PRIVATE KEY-----", "-----BEGIN CERTIFICATE-----\n\n-----END CERTIFICATE-----\n")
	f.Fuzz(func(t *testing.T, key, chain string) {
		k, err := jarsign.ParsePEM([]byte(key), []byte(chain))
		if err == nil {
			if err := k.Check(); err != nil {
				t.Errorf("a key that was accepted is refused: %v", err)
			}
		} else {
			for rest := []byte(key); ; {
				var b *pem.Block
				if b, rest = pem.Decode(rest); b == nil {
					break
				}
				if len(b.Bytes) > 8 && strings.Contains(b.Type, "PRIVATE KEY") && strings.Contains(err.Error(), string(b.Bytes)) {
					t.Errorf("the error shows the key: %v", err)
				}
			}
		}
		all, err := jarsign.ParseCertificates([]byte(chain))
		if err != nil {
			return
		}
		var again bytes.Buffer
		for _, c := range all {
			if err := pem.Encode(&again, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}); err != nil {
				t.Fatal(err)
			}
		}
		same, err := jarsign.ParseCertificates(again.Bytes())
		if err != nil || len(same) != len(all) {
			t.Errorf("%d certificates written again are %d, %v", len(all), len(same), err)
		}
	})
}
