package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/cordage-sandbox/cordage/fixtures/cert"
	"github.com/cordage-sandbox/cordage/workers/packaging"
	"github.com/cordage-sandbox/cordage/workers/packaging/jarsign"
	"github.com/cordage-sandbox/cordage/workers/packaging/policy"
)

// buildFlags are those of the commands that write a new package.
type buildFlags struct {
	signingFlags
	name, version, out string
	upgrade            bool
}

func (f *buildFlags) add(cmd *cobra.Command) {
	f.signingFlags.add(cmd)
	cmd.Flags().StringVar(&f.name, "name", "", "`name` of the package")
	cmd.Flags().StringVar(&f.version, "version", "", "`version` of the package")
	cmd.Flags().StringVarP(&f.out, "out", "o", "", "`file` to write")
	cmd.Flags().BoolVar(&f.upgrade, "upgrade", false, "mark the package as an upgrade")
	require(cmd, "name", "version", "out")
}

// write builds a package into the new file and tells what was made.
func (f *buildFlags) write(a *app, cmd *cobra.Command, build func(context.Context, io.Writer, packaging.BuildOptions) error) error {
	key, err := f.load(a)
	if err != nil {
		return err
	}
	err = writeNew(f.out, 0o644, func(w io.Writer) error {
		return build(cmd.Context(), w, packaging.BuildOptions{
			Name: f.name, Version: f.version, Upgrade: f.upgrade, Key: key, Sign: f.options(),
			Verify: packaging.VerifyOptions{Level: packaging.Signed},
		})
	})
	if err != nil {
		return packageFault(fmt.Errorf("build %s: %w", f.out, err), exitUsage)
	}
	return a.built(cmd, f.out, key)
}

func (a *app) newPackageCPBCmd() *cobra.Command {
	f := &buildFlags{}
	cmd := &cobra.Command{
		Use:   "cpb CPK...",
		Short: "Build a CPB from CPKs and sign it",
		Long: `Build a CPB: an application of CPKs. Each CPK's signature is checked (not whether its signer is trusted), and whether the
CPKs need nothing but each other. The CPKs themselves are not changed.`,
		Example: "  cordage package cpb contracts.jar workflows.jar --name app --version 1.0 --key dev-key.pem --out app.cpb",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var cpks []packaging.Source
			for _, name := range args {
				src, file, err := openPackage(name)
				if err != nil {
					return err
				}
				defer file.Close()
				cpks = append(cpks, src)
			}
			return f.write(a, cmd, func(ctx context.Context, w io.Writer, o packaging.BuildOptions) error {
				return packaging.BuildCPB(ctx, w, cpks, o)
			})
		},
	}
	f.add(cmd)
	return cmd
}

func (a *app) newPackageCPICmd() *cobra.Command {
	f := &buildFlags{}
	var cpb, groupPolicy string
	cmd := &cobra.Command{
		Use:   "cpi",
		Short: "Build a CPI from a CPB and a group policy, and sign it",
		Long: `Build a CPI: an application with the group policy of its network. The policy and the CPB's signatures are checked (not
whether their signers are trusted). Without a CPB it is a CPI for an MGM.`,
		Example: "  cordage package cpi --cpb app.cpb --group-policy policy.json --name app --version 1.0 --key dev-key.pem --out app.cpi",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := a.readPolicy(groupPolicy)
			if err != nil {
				return err
			}
			var src *packaging.Source
			if cpb != "" {
				s, file, err := openPackage(cpb)
				if err != nil {
					return err
				}
				defer file.Close()
				src = &s
			}
			return f.write(a, cmd, func(ctx context.Context, w io.Writer, o packaging.BuildOptions) error {
				o.Verify.Name = cpb
				return packaging.BuildCPI(ctx, w, src, text, o)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&cpb, "cpb", "", "`file` of the CPB; none for an MGM")
	cmd.Flags().StringVar(&groupPolicy, "group-policy", "", "`file` of the group policy (JSON), - for standard input")
	require(cmd, "group-policy")
	return cmd
}

func (a *app) readPolicy(name string) ([]byte, error) {
	in := a.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, &usageError{fmt.Errorf("read the group policy: %w", err)}
		}
		defer f.Close()
		in = f
	}
	const limit = 4 << 20
	text, err := io.ReadAll(io.LimitReader(in, limit+1))
	if len(text) > limit {
		return nil, &usageError{fmt.Errorf("group policy %s is longer than %d bytes", name, limit)}
	}
	return text, err
}

func (a *app) newPackageSignCmd() *cobra.Command {
	f := &signingFlags{}
	var out string
	var keep bool
	cmd := &cobra.Command{
		Use:   "sign FILE",
		Short: "Sign a CPK, CPB or CPI again, into a new file",
		Long: `Write a package again with a signature of your own, instead of those it has or, with --keep-signatures, after them. Signing
a CPK again changes its file hash: CPKs that name it by that hash no longer find it.`,
		Example: "  cordage package sign app.cpi --key dev-key.pem --out app-signed.cpi\n" +
			"  cordage package sign app.cpi --key second.p12 --password-file pw --keep-signatures --signature SECOND --out both.cpi",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := f.load(a)
			if err != nil {
				return err
			}
			src, file, err := openPackage(args[0])
			if err != nil {
				return err
			}
			defer file.Close()
			opts := f.options()
			opts.Keep = keep
			err = writeNew(out, 0o644, func(w io.Writer) error {
				return packaging.Sign(cmd.Context(), w, src, packaging.Limits{}, key, opts)
			})
			if err != nil {
				if packaging.KindOf(err) == "" { // a fault begins with the name
					err = fmt.Errorf("%s: %w", args[0], err)
				}
				return packageFault(fmt.Errorf("sign %w", err), exitUsage)
			}
			return a.built(cmd, out, key)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVarP(&out, "out", "o", "", "`file` to write")
	cmd.Flags().BoolVar(&keep, "keep-signatures", false, "keep the signatures that are there")
	require(cmd, "out")
	return cmd
}

func (a *app) newPackageGroupPolicyCmd() *cobra.Command {
	var names []string
	var groupID, endpoint, root, out string
	var mgm bool
	cmd := &cobra.Command{
		Use:   "group-policy",
		Short: "Make the group policy of a static network",
		Long: `Make the group policy of a static network: its members are listed, and nobody has to approve them. A notary is listed like
any member; it becomes one by its registration. Without --trust-root the policy holds a root certificate made for it, whose
key is thrown away: members of a static network on one cluster need none.`,
		Example: `  cordage package group-policy --name "O=Alice, L=London, C=GB" --name "O=Bob, L=Leeds, C=GB" --out policy.json
  cordage package group-policy --mgm`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			text, err := groupPolicyText(names, groupID, endpoint, root, mgm)
			if err != nil {
				return err
			}
			if out == "" {
				_, err := a.out.Write(text)
				return err
			}
			return writeNew(out, 0o644, func(w io.Writer) error { _, err := w.Write(text); return err })
		},
	}
	cmd.Flags().StringArrayVar(&names, "name", nil, "X.500 `name` of a member; repeat for more")
	cmd.Flags().StringVar(&groupID, "group-id", "", "`UUID` of the group; a new one if not given")
	cmd.Flags().StringVar(&endpoint, "endpoint", "https://localhost:8080", "`URL` of the members' gateway")
	cmd.Flags().StringVar(&root, "trust-root", "", "PEM `file` of the root certificates for sessions and TLS")
	cmd.Flags().BoolVar(&mgm, "mgm", false, "the policy of a membership group manager instead")
	cmd.Flags().StringVarP(&out, "out", "o", "", "`file` to write; standard output if not given")
	return cmd
}

func groupPolicyText(names []string, groupID, endpoint, root string, mgm bool) ([]byte, error) {
	if mgm {
		if len(names) > 0 || groupID != "" || root != "" {
			return nil, &usageError{errors.New("--mgm goes with none of --name, --group-id and --trust-root: the group is made when its manager is")}
		}
		return policy.MGMText()
	}
	if len(names) == 0 {
		return nil, &usageError{errors.New("a static network needs at least one member: --name")}
	}
	if groupID == "" {
		groupID = uuid.NewString()
	}
	roots, err := trustRoots(root)
	if err != nil {
		return nil, err
	}
	g := policy.StaticGroup{GroupID: groupID, TrustRoots: roots}
	for _, n := range names {
		g.Members = append(g.Members, policy.StaticMember{Name: n, Endpoint: endpoint})
	}
	text, err := g.Text()
	if err != nil {
		return nil, &usageError{err}
	}
	return text, nil
}

// trustRoots are the PEM certificates of a file, or one that is made and whose key nobody keeps.
func trustRoots(file string) ([]string, error) {
	if file == "" {
		now := time.Now().UTC().Truncate(time.Hour)
		c, err := cert.New(cert.Options{Seed: uuid.NewString(), CA: true, From: now, To: now.AddDate(20, 0, 0)})
		if err != nil {
			return nil, err
		}
		return []string{string(cert.PEM(c.Chain...))}, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, &usageError{fmt.Errorf("read the root certificates: %w", err)}
	}
	certs, err := jarsign.ParseCertificates(text)
	if err != nil {
		return nil, &usageError{fmt.Errorf("%s: %w", file, err)}
	}
	out := make([]string, len(certs))
	for i, c := range certs {
		out[i] = string(cert.PEM(c))
	}
	return out, nil
}
