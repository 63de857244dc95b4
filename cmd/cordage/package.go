package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordage-sandbox/cordage/fixtures/cert"
	"github.com/cordage-sandbox/cordage/workers/packaging"
	"github.com/cordage-sandbox/cordage/workers/packaging/jarsign"
)

// newPackageCmd is "cordage package": everything about package files. It needs no sandbox.
func (a *app) newPackageCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "package",
		Short: "Build, sign, verify and inspect packages: CPKs, CPBs and CPIs",
		Long: `A CorDapp is a CPK; an application is a CPB, a set of CPKs that need nothing but each other; what is uploaded to a
cluster is a CPI, an application with the group policy of its network. Each is a signed jar.

From a CorDapp to a CPI: package keygen, package cpb, package group-policy, package cpi.
No sandbox is needed. No file is ever overwritten.`,
		Example: `  cordage package keygen --key dev-key.pem --certificate dev-cert.pem
  cordage package cpb contracts.jar workflows.jar --name app --version 1.0 --key dev-key.pem --out app.cpb
  cordage package group-policy --name "O=Alice, L=London, C=GB" --out policy.json
  cordage package cpi --cpb app.cpb --group-policy policy.json --name app --version 1.0 --key dev-key.pem --out app.cpi
  cordage package verify app.cpi --trust dev-cert.pem`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		a.newPackageKeygenCmd(), a.newPackageCPBCmd(), a.newPackageGroupPolicyCmd(), a.newPackageCPICmd(), a.newPackageSignCmd(),
		a.newPackageVerifyCmd(), a.newPackageInspectCmd(), a.newPackageR3RootCmd(),
	)
	return cmd
}

func (a *app) newPackageR3RootCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "r3-root",
		Short: "Print the root certificate to which R3's released packages lead",
		Long: `Print DigiCert Trusted Root G4 as PEM: the public certificate to which the signer of R3's released CPKs leads. Whoever
imports it as a code signer trusts every code signer below it.`,
		Example: "  cordage package r3-root > r3-root.pem\n  cordage package verify notary.jar --trust r3-root.pem --at 2026-05-01T00:00:00Z",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.out.Write(cert.DigiCertTrustedRootG4PEM())
			return err
		},
	}
}

// packageFaultError is a package that is not as it should be.
type packageFaultError struct {
	err  error
	code int
}

func (e *packageFaultError) Error() string { return e.err.Error() }
func (e *packageFaultError) Unwrap() error { return e.err }
func (e *packageFaultError) ExitCode() int { return e.code }

// Hint is the way out; for "package verify" also in its own flags.
func (e *packageFaultError) Hint() string {
	hint := ""
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](e.err); ok {
		hint = h.Hint()
	}
	if e.code != exitChecks {
		return hint
	}
	if expired, ok := errors.AsType[*packaging.ExpiredError](e.err); ok && !expired.Stamped {
		return fmt.Sprintf("to see whether it was valid: --at %s; to let expired signers pass: --accept-expired. For a sandbox: %s",
			expired.ValidMoment().Format(time.RFC3339), hint)
	}
	if untrusted, ok := errors.AsType[*packaging.UntrustedError](e.err); ok {
		return "give the certificate of " + untrusted.Missing + " with --trust. For a sandbox: " + hint
	}
	return hint
}

// packageFault gives errors about the contents of a package an exit code.
func packageFault(err error, code int) error {
	if packaging.KindOf(err) == "" {
		return err
	}
	return &packageFaultError{err, code}
}

// openPackage opens a file to read a package from.
func openPackage(name string) (packaging.Source, io.Closer, error) {
	f, err := os.Open(name)
	if err != nil {
		return packaging.Source{}, nil, &usageError{fmt.Errorf("read the package: %w", err)}
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = &usageError{fmt.Errorf("%s is not a file", name)}
	}
	if err != nil {
		_ = f.Close()
		return packaging.Source{}, nil, err
	}
	return packaging.Source{Name: filepath.Base(name), R: f, Size: st.Size()}, f, nil
}

// writeNew makes a file that must not be there yet, and removes it if write fails. mode is that of the new file.
func writeNew(name string, mode os.FileMode, write func(io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if os.IsExist(err) {
		return &usageError{fmt.Errorf("%s is there already; nothing is overwritten", name)}
	}
	if err != nil {
		return &usageError{err}
	}
	err = write(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = os.Remove(name) // the first error tells more
	}
	return err
}

// builtPackage is the answer of the commands that write a package.
type builtPackage struct {
	File     string   `json:"file"`
	Type     string   `json:"type"`
	Name     string   `json:"name,omitempty"`
	Version  string   `json:"version,omitempty"`
	Checksum string   `json:"checksum"`
	Signers  []string `json:"signers"`
}

// built reads a package back and tells what was made.
func (a *app) built(cmd *cobra.Command, file string, key jarsign.Key) error {
	src, f, err := openPackage(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := inspectPackage(cmd.Context(), src, packaging.VerifyOptions{Level: packaging.Signed, Name: src.Name})
	if err != nil {
		return fmt.Errorf("read back what was written: %w", err)
	}
	out := builtPackage{File: file, Type: info.Type, Name: info.Name, Version: info.Version, Checksum: info.Checksum}
	for _, s := range info.Signers {
		out.Signers = append(out.Signers, s.Subject)
	}
	return a.answer(out, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s: %s %s\nchecksum   %s\nsigned by  %s\n", file, out.Type, strings.TrimSpace(out.Name+" "+out.Version),
			out.Checksum, jarsign.Subject(key.Chain[0]))
		return err
	})
}
