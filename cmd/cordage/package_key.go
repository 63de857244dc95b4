package main

import (
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/cordage-sandbox/cordage/fixtures/cert"
	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/packaging/jarsign"
)

func (a *app) newPackageKeygenCmd() *cobra.Command {
	var keyFile, certFile, subject string
	var days int
	cmd := &cobra.Command{
		Use:   "keygen",
		Short: "Make a code-signing key for development",
		Long: `Make an EC key (P-256) and a self-signed code-signing certificate. The key file holds both and is readable by you only;
the certificate file is what clusters must import as a code signer.`,
		Example: "  cordage package keygen --key dev-key.pem --certificate dev-cert.pem\n" +
			`  cordage package keygen --key k.pem --certificate c.pem --subject "CN=Dev, O=Acme, L=Leeds, C=GB" --days 30`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			name, err := ident.ParseName(subject)
			if err != nil {
				return &usageError{err}
			}
			if days < 1 || days > 36500 {
				return &usageError{fmt.Errorf("--days must be from 1 to 36500, not %d", days)}
			}
			return a.keygen(keyFile, certFile, certificateName(name), days)
		},
	}
	cmd.Flags().StringVar(&keyFile, "key", "", "`file` to write the key and the certificate to (PEM)")
	cmd.Flags().StringVar(&certFile, "certificate", "", "`file` to write the certificate to (PEM)")
	cmd.Flags().StringVar(&subject, "subject", "CN=Development Code Signer, O=Cordage, L=London, C=GB", "X.500 `name` of the signer")
	cmd.Flags().IntVar(&days, "days", 3650, "validity, from now")
	require(cmd, "key", "certificate")
	return cmd
}

func certificateName(n ident.Name) pkix.Name {
	list := func(s string) []string {
		if s == "" {
			return nil
		}
		return []string{s}
	}
	return pkix.Name{
		CommonName: n.CommonName, OrganizationalUnit: list(n.OrganisationUnit), Organization: list(n.Organisation),
		Locality: list(n.Locality), Province: list(n.State), Country: list(n.Country),
	}
}

func (a *app) keygen(keyFile, certFile string, name pkix.Name, days int) error {
	now := time.Now().UTC().Truncate(time.Second)
	// Some time ago, so that a sandbox whose clock was set back a little takes it too.
	key, err := jarsign.NewKey(name, now.AddDate(-1, 0, 0), now.AddDate(0, 0, days))
	if err != nil {
		return err
	}
	private, err := cert.KeyPEM(key)
	if err != nil {
		return err
	}
	public := cert.PEM(key.Chain...)
	if err := writeNew(certFile, 0o644, func(w io.Writer) error { _, err := w.Write(public); return err }); err != nil {
		return err
	}
	err = writeNew(keyFile, 0o600, func(w io.Writer) error { _, err := w.Write(append(private, public...)); return err })
	if err != nil {
		_ = os.Remove(certFile) // made just now; without its key it is of no use
		return err
	}
	answer := struct {
		Key         string    `json:"key"`
		Certificate string    `json:"certificate"`
		Subject     string    `json:"subject"`
		NotAfter    time.Time `json:"notAfter"`
	}{keyFile, certFile, name.String(), key.Chain[0].NotAfter}
	return a.answer(answer, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s: key of %s\n%s: its certificate, valid until %s\n", keyFile, answer.Subject, certFile, answer.NotAfter.Format(time.DateOnly))
		return err
	})
}

// signingFlags say with what key a package is signed.
type signingFlags struct {
	key, certificate, passwordFile, signature, tsa string
}

func (f *signingFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.key, "key", "", "`file` of the private key: PEM, or PKCS#12 (.p12, .pfx)")
	cmd.Flags().StringVar(&f.certificate, "certificate", "", "PEM `file` of the certificate chain, leaf first, if the key's file does not hold it")
	cmd.Flags().StringVar(&f.passwordFile, "password-file", "", "`file` with the password of the PKCS#12 file; asked for if not given")
	cmd.Flags().StringVar(&f.signature, "signature", jarsign.DefaultSignature, "base `name` of the signature files in the jar")
	cmd.Flags().StringVar(&f.tsa, "tsa", "", "`URL` of a time stamping authority (RFC 3161); its timestamp outlives the certificate")
	require(cmd, "key")
}

// options say how the jar is signed.
func (f *signingFlags) options() jarsign.SignOptions {
	o := jarsign.SignOptions{Signature: f.signature}
	if f.tsa != "" {
		o.Timestamp = jarsign.TSA(&http.Client{Timeout: 30 * time.Second}, f.tsa)
	}
	return o
}

// load reads the key. Passwords come from a file or the terminal, never from arguments or the environment.
func (f *signingFlags) load(a *app) (jarsign.Key, error) {
	text, err := readSecret(f.key)
	if err != nil {
		return jarsign.Key{}, err
	}
	switch strings.ToLower(filepath.Ext(f.key)) {
	case ".p12", ".pfx":
		password, err := f.password(a)
		if err != nil {
			return jarsign.Key{}, err
		}
		return fileKey(f.key)(jarsign.ParsePKCS12(text, password))
	}
	chain := text
	if f.certificate != "" {
		if chain, err = os.ReadFile(f.certificate); err != nil {
			return jarsign.Key{}, &usageError{fmt.Errorf("read the certificate chain: %w", err)}
		}
	}
	return fileKey(f.key)(jarsign.ParsePEM(text, chain))
}

// fileKey names the file in errors about a key.
func fileKey(name string) func(jarsign.Key, error) (jarsign.Key, error) {
	return func(k jarsign.Key, err error) (jarsign.Key, error) {
		if err != nil {
			return jarsign.Key{}, &usageError{fmt.Errorf("%s: %w", name, err)}
		}
		return k, nil
	}
}

func (f *signingFlags) password(a *app) (string, error) {
	if f.passwordFile != "" {
		text, err := readSecret(f.passwordFile)
		return strings.TrimRight(string(text), "\r\n"), err
	}
	in, ok := a.in.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return "", &usageError{errors.New("the PKCS#12 file needs a password: give --password-file, or run in a terminal")}
	}
	fmt.Fprintf(a.err, "password of %s: ", f.key)
	text, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(a.err)
	return string(text), err
}

// readSecret reads a file that nobody else may read.
func readSecret(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, &usageError{fmt.Errorf("read the key or its password: %w", err)}
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if st.Mode().Perm()&0o077 != 0 {
		return nil, &openSecretError{name, st.Mode().Perm()}
	}
	const limit = 1 << 20
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if len(text) > limit {
		return nil, &usageError{fmt.Errorf("%s is too large for a key or a password", name)}
	}
	return text, err
}

// openSecretError is a secret that others can read.
type openSecretError struct {
	name string
	mode os.FileMode
}

func (e *openSecretError) Error() string {
	return fmt.Sprintf("others can read %s (mode %04o); a key or a password must be yours only", e.name, e.mode)
}
func (e *openSecretError) Hint() string  { return "chmod 600 " + e.name }
func (e *openSecretError) ExitCode() int { return exitUsage }
