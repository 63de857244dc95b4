package rest

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/cordage-sandbox/cordage/workers/record"
)

// maxChain bounds what is imported at a time, in bytes.
const maxChain = 1 << 20

// maxAlias is the length of the column that it is stored in, in characters.
const maxAlias = 255

// usageOf reads the usage in the path, in any case.
func usageOf(r *request) (string, error) {
	given := r.path("usage")
	usage := strings.ToLower(strings.TrimSpace(given))
	switch usage {
	case "p2p-tls", "p2p-session", "rest-tls", "code-signer":
		return usage, nil
	}
	return "", invalid("usage", "Unknown certificate usage '"+clip(given)+"'; known are p2p-tls, p2p-session, rest-tls and code-signer")
}

// invalid is 400 in the form that certificates have it.
func invalid(parameter, reason string) *failure {
	return fail(http.StatusBadRequest, "Invalid input data.").with(parameter, reason)
}

// clip shortens a text of the client for a message.
func clip(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return s
}

// putCertificate stores a chain in place of what is under the alias. Chains are not validated on import, as in Corda 5.0;
// each certificate must be one.
func (s *service) putCertificate(ctx context.Context, r *request) (answer, error) {
	usage, err := usageOf(r)
	if err != nil {
		return answer{}, err
	}
	if usage == "p2p-session" {
		return answer{}, invalid("usage", "Session certificates belong to virtual nodes, not to the cluster")
	}
	alias, chain, err := readChain(r)
	if err != nil {
		return answer{}, err
	}
	_, err = s.askCertificates(ctx, "import certificates", record.CertificateRequest{
		Usage: usage, Import: &record.CertificateImport{Alias: alias, PEM: chain},
	})
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}

// readChain reads alias and certificates from the form.
func readChain(r *request) (alias, chain string, err error) {
	f, err := r.form()
	if err != nil {
		return "", "", err
	}
	var files []string
	for {
		part, err := f.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", "", err
		}
		switch isFile := part.FileName() != ""; {
		case isFile && part.FormName() == "certificate":
			raw, err := io.ReadAll(io.LimitReader(part, maxChain+1))
			if err != nil {
				return "", "", unread(err)
			}
			if len(raw) > maxChain || len(files) == 100 {
				return "", "", invalid("certificate", "The certificates are more than 1 MiB or 100 files")
			}
			files = append(files, strings.TrimSpace(string(raw)))
		case !isFile && strings.EqualFold(part.FormName(), "alias"):
			if alias, err = text64K(part); err != nil {
				return "", "", err
			}
		}
	}
	if alias == "" {
		return "", "", invalid("alias", "The alias is missing or blank")
	}
	if !storable(alias, maxAlias) {
		return "", "", invalid("alias", "The alias must be text of at most 255 characters")
	}
	chain = strings.Join(files, "\n") + "\n"
	if len(chain) > maxChain {
		return "", "", invalid("certificate", "The certificates are more than 1 MiB or 100 files")
	}
	return alias, chain, checkChain(chain)
}

// checkChain checks that a text holds certificates in PEM form, and nothing else in that form.
func checkChain(chain string) error {
	rest, count := []byte(chain), 0
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return invalid("certificate", "There is a "+clip(block.Type)+" among the certificates")
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return invalid("certificate", "A certificate cannot be read: "+err.Error())
		}
		count++
	}
	switch {
	case count == 0:
		return invalid("certificate", "There is no certificate in PEM form")
	case strings.TrimSpace(string(rest)) != "" && strings.Contains(string(rest), "-----BEGIN"):
		return invalid("certificate", "A certificate is not in proper PEM form")
	}
	return nil
}

// getCertificateAliases lists the aliases of a usage, in ascending order.
func (s *service) getCertificateAliases(ctx context.Context, r *request) (answer, error) {
	usage, err := usageOf(r)
	if err != nil {
		return answer{}, err
	}
	response, err := s.askCertificates(ctx, "list certificates", record.CertificateRequest{Usage: usage, List: true})
	if err != nil {
		return answer{}, err
	}
	aliases := append([]string{}, response.Aliases...)
	slices.Sort(aliases)
	return ok(aliases)
}

// getCertificate gives the chain of an alias, if it has that usage.
func (s *service) getCertificate(ctx context.Context, r *request) (answer, error) {
	usage, err := usageOf(r)
	if err != nil {
		return answer{}, err
	}
	alias := r.path("alias")
	response, err := s.askCertificates(ctx, "retrieve certificates", record.CertificateRequest{Usage: usage, Get: alias})
	if err != nil {
		return answer{}, err
	}
	if response.PEM == nil {
		return answer{}, fail(http.StatusNotFound, "Certificate '%s' with usage %s not found.", clip(alias), usage)
	}
	return ok(rawText(*response.PEM))
}

func (s *service) askCertificates(ctx context.Context, attempted string, q record.CertificateRequest) (record.CertificateResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, s.settings.get().timeout)
	defer cancel()
	response, err := s.cluster.certificates.Call(ctx, q)
	if err != nil {
		return response, remote(err, attempted)
	}
	if f := response.Failure; f != nil {
		switch f.Type {
		case record.FailureInvalidCertificate:
			return response, invalid("certificate", f.Message)
		case record.FailureInvalidAlias:
			return response, invalid("alias", f.Message)
		}
		return response, fail(http.StatusInternalServerError, "Could not %s: %s", attempted, f.Message)
	}
	return response, nil
}
