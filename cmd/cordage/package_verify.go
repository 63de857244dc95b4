package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordage-sandbox/cordage/workers/packaging"
	"github.com/cordage-sandbox/cordage/workers/packaging/jarsign"
)

func (a *app) newPackageVerifyCmd() *cobra.Command {
	var trust []string
	var at, kind string
	var accept bool
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Check a package as a cluster would when it is uploaded",
		Long: `Check a CPI, a CPB or a CPK with everything in it: zip structure, manifests, every file's digest, signatures, certificates up
to those that are trusted, dependencies, group policy. The exit code is 0 if it would be accepted and 8 if not.`,
		Example: "  cordage package verify app.cpi --trust dev-cert.pem\n" +
			"  cordage package verify app.cpi --trust dev-cert.pem --trust r3-root.pem --at 2026-05-01T00:00:00Z",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts := packaging.VerifyOptions{At: time.Now(), Name: args[0]}
			if at != "" {
				t, err := time.Parse(time.RFC3339, at)
				if err != nil {
					return &usageError{fmt.Errorf("--at %s is not a time like 2026-05-01T00:00:00Z", at)}
				}
				opts.At = t
			}
			if accept {
				opts.ExpiredCodeSigners = packaging.Accept
			}
			for _, name := range trust {
				text, err := os.ReadFile(name)
				if err != nil {
					return &usageError{fmt.Errorf("read the trusted certificates: %w", err)}
				}
				certs, err := jarsign.ParseCertificates(text)
				if err != nil {
					return &usageError{fmt.Errorf("%s: %w", name, err)}
				}
				opts.Trust = append(opts.Trust, certs...)
			}
			return a.verifyPackage(cmd.Context(), args[0], strings.ToUpper(kind), opts)
		},
	}
	cmd.Flags().StringArrayVar(&trust, "trust", nil, "PEM `file` of trusted code-signing certificates; repeat for more")
	cmd.Flags().StringVar(&at, "at", "", "`time` by which certificates are judged (RFC 3339); now if not given")
	cmd.Flags().BoolVar(&accept, "accept-expired", false, "accept expired code-signing certificates, with a warning")
	cmd.Flags().StringVar(&kind, "type", "", "what the file must be: cpk, cpb or cpi")
	require(cmd, "trust")
	return cmd
}

func (a *app) verifyPackage(ctx context.Context, name, kind string, opts packaging.VerifyOptions) error {
	src, file, err := openPackage(name)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := inspectPackage(ctx, src, opts)
	if err != nil {
		return packageFault(err, exitChecks)
	}
	if kind != "" && kind != info.Type {
		return &usageError{fmt.Errorf("%s is a %s, not a %s", name, info.Type, kind)}
	}
	for _, w := range info.Warnings {
		a.note("warning: %s", w)
	}
	return a.answer(info, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s: %s %s %s is valid at %s\n", name, info.Type, info.Name, info.Version, opts.At.UTC().Format(time.RFC3339))
		return err
	})
}

func (a *app) newPackageInspectCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "inspect FILE",
		Short: "Show what a package holds and who signed it",
		Long: `Show names, checksums, signers, CPKs, dependencies and group policy of a package. No trusted certificate
is needed for that; whether its signatures hold is shown.`,
		Example: "  cordage package inspect app.cpi\n  cordage package inspect app.cpi --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			src, file, err := openPackage(args[0])
			if err != nil {
				return err
			}
			defer file.Close()
			info, err := inspectAnyway(cmd.Context(), src)
			if err != nil {
				return packageFault(err, exitUsage)
			}
			return a.answer(info, info.print)
		},
	}
}

// inspectAnyway reads a package even if its signatures do not hold, and says so.
func inspectAnyway(ctx context.Context, src packaging.Source) (*packageInfo, error) {
	opts := packaging.VerifyOptions{Level: packaging.Signed, Name: src.Name}
	info, err := inspectPackage(ctx, src, opts)
	if err == nil {
		return info, nil
	}
	if packaging.KindOf(err) == "" {
		return nil, err
	}
	opts.Level = packaging.Any
	info, again := inspectPackage(ctx, src, opts)
	if again != nil {
		return nil, again
	}
	info.Signature = "not valid: " + err.Error()
	return info, nil
}
