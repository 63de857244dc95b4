package packaging

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Checksum is the text form of a SHA-256 sum: "SHA-256:" and 64 upper-case hex digits.
func Checksum(sum []byte) string { return "SHA-256:" + strings.ToUpper(hex.EncodeToString(sum)) }

// Sum is the checksum of a file's bytes.
func Sum(file []byte) string {
	sum := sha256.Sum256(file)
	return Checksum(sum[:])
}

// ShortChecksum is the first 12 hex digits of a checksum, by which REST names a CPI.
func ShortChecksum(checksum string) string {
	_, digits, _ := strings.Cut(checksum, ":")
	return digits[:min(12, len(digits))]
}

// SignerSummaryHash names the signers of a package by the subjects of their certificates, so a renewed certificate
// keeps the name. Of a CPK it takes the set of leaf certificates, of a CPI every certificate of every chain.
//
// Source: Corda 5.0, packaging Utils (signerSummaryHash); check value in the 5.0 documentation.
func SignerSummaryHash(certificates []*x509.Certificate) (string, error) {
	sums := make([][]byte, 0, len(certificates))
	for _, c := range certificates {
		name, err := subjectText(c)
		if err != nil {
			return "", fmt.Errorf("read the subject of %s: %w", c.Subject, err)
		}
		sum := sha256.Sum256([]byte(name))
		sums = append(sums, sum[:])
	}
	slices.SortFunc(sums, bytes.Compare)
	all := sha256.New()
	for _, sum := range sums {
		all.Write([]byte(Checksum(sum)))
	}
	return Checksum(all.Sum(nil)), nil
}

// ranks of the attributes that count, by the last arc of 2.5.4.x; printing goes from the highest rank to the lowest.
var ranks = map[int]struct {
	rank int
	key  string
}{3: {0, "CN"}, 11: {1, "OU"}, 10: {2, "O"}, 7: {3, "L"}, 8: {4, "ST"}, 6: {5, "C"}}

// subjectText prints CN, OU, O, L, ST and C of a subject as "C=..,ST=..,L=..,O=..,OU=..,CN=..". Attributes of one type
// keep the reverse of their order in the certificate. A part of several attributes counts by the first of them in
// alphabetical order.
func subjectText(c *x509.Certificate) (string, error) {
	var rdns pkix.RDNSequence
	if _, err := asn1.Unmarshal(c.RawSubject, &rdns); err != nil {
		return "", err
	}
	type part struct {
		rank int
		text string
	}
	var parts []part
	for _, rdn := range rdns {
		texts := make([]string, 0, len(rdn))
		first := -1
		for _, at := range rdn {
			r, known := ranks[attributeArc(at.Type)]
			value, isText := at.Value.(string)
			if !known || !isText {
				texts = append(texts, at.Type.String())
				continue
			}
			texts = append(texts, r.key+"="+escapeRDN(value))
		}
		slices.Sort(texts)
		if len(texts) == 0 {
			continue
		}
		for _, r := range ranks {
			if strings.HasPrefix(texts[0], r.key+"=") {
				first = r.rank
			}
		}
		if first >= 0 {
			parts = append(parts, part{first, strings.Join(texts, "+")})
		}
	}
	slices.SortStableFunc(parts, func(x, y part) int { return x.rank - y.rank })
	slices.Reverse(parts)
	texts := make([]string, len(parts))
	for i, p := range parts {
		texts[i] = p.text
	}
	return strings.Join(texts, ","), nil
}

func attributeArc(oid asn1.ObjectIdentifier) int {
	if len(oid) == 4 && oid[0] == 2 && oid[1] == 5 && oid[2] == 4 {
		return oid[3]
	}
	return -1
}

// escapeRDN escapes a value as Java's Rdn.escapeValue does: specials by a backslash, and blanks at both ends.
func escapeRDN(value string) string {
	trimmedLeft := strings.TrimLeft(value, " ")
	lead := len(value) - len(trimmedLeft)
	body := strings.TrimRight(trimmedLeft, " ")
	trail := len(trimmedLeft) - len(body)
	var b strings.Builder
	b.WriteString(strings.Repeat(`\ `, lead))
	for _, r := range body {
		if strings.ContainsRune(`,=+<>#;"\`, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	b.WriteString(strings.Repeat(`\ `, trail))
	return b.String()
}
