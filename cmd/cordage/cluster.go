package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/cordage-sandbox/cordage/sandbox/client"
)

// rest gives a client of the cluster's REST API with the first admin's credentials.
func (a *app) rest(ctx context.Context) (*client.REST, error) {
	c, err := a.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	cr, err := c.Credentials(ctx)
	if err != nil {
		return nil, err
	}
	return client.NewREST(cr.REST)
}

// supervisorCmd makes a command that works with the sandbox's supervisor.
func (a *app) supervisorCmd(c cobra.Command, do func(ctx context.Context, c *client.Client, args []string) error) *cobra.Command {
	c.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := a.connect(cmd.Context())
		if err != nil {
			return err
		}
		defer s.Close()
		return do(cmd.Context(), s, args)
	}
	return &c
}

// restCmd makes a command that works with the REST API.
func (a *app) restCmd(c cobra.Command, do func(ctx context.Context, r *client.REST, args []string) error) *cobra.Command {
	c.RunE = func(cmd *cobra.Command, args []string) error {
		r, err := a.rest(cmd.Context())
		if err != nil {
			return err
		}
		return do(cmd.Context(), r, args)
	}
	return &c
}

func (a *app) newCertificateCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "certificate",
		Short:   "Import and list the certificates that the cluster trusts for signing code",
		Example: "  cordage certificate import r3 r3.pem\n  cordage certificate list",
	}
	cmd.AddCommand(
		a.restCmd(cobra.Command{
			Use: "import ALIAS FILE", Short: "Import a code-signing certificate (PEM) under an alias; the same alias again replaces it",
			Example: "  cordage certificate import r3 r3.pem", Args: cobra.ExactArgs(2),
		}, func(ctx context.Context, r *client.REST, args []string) error {
			if err := r.ImportCertificate(ctx, usageCodeSigner, args[0], args[1]); err != nil {
				return fmt.Errorf("import certificate %s from %s: %w", args[0], args[1], err)
			}
			return a.answer(map[string]string{"usage": usageCodeSigner, "alias": args[0]}, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "imported %s as a code signer\n", args[0])
				return err
			})
		}),
		a.restCmd(cobra.Command{
			Use: "list", Short: "List the aliases of code-signing certificates", Example: "  cordage certificate list", Args: cobra.NoArgs,
		}, func(ctx context.Context, r *client.REST, _ []string) error {
			aliases, err := r.Certificates(ctx, usageCodeSigner)
			if err != nil {
				return err
			}
			return answerList(a, aliases, []string{"ALIAS"}, func(alias string) []string { return []string{alias} })
		}),
		a.restCmd(cobra.Command{
			Use: "get ALIAS", Short: "Print a code-signing certificate as PEM", Example: "  cordage certificate get r3", Args: cobra.ExactArgs(1),
		}, func(ctx context.Context, r *client.REST, args []string) error {
			text, err := r.Certificate(ctx, usageCodeSigner, args[0])
			if err != nil {
				return err
			}
			return a.answer(map[string]string{"alias": args[0], "pem": text}, func(w io.Writer) error {
				_, err := io.WriteString(w, text)
				return err
			})
		}),
	)
	return cmd
}

// usageCodeSigner is Corda's name of the usage.
const usageCodeSigner = "code-signer"

func (a *app) newCredentialsCmd() *cobra.Command {
	return a.supervisorCmd(cobra.Command{
		Use:   "credentials",
		Short: "Print the logins and passwords of the sandbox",
		Long: `Print the logins and passwords of the sandbox, and the certificate authority that its REST API's certificate is signed by.
They are made for this sandbox and open nothing else.`,
		Example: "  cordage credentials\n  cordage credentials --json | jq -r .rest.authority > ca.pem",
		Args:    cobra.NoArgs,
	}, func(ctx context.Context, c *client.Client, _ []string) error {
		cr, err := c.Credentials(ctx)
		if err != nil {
			return err
		}
		return a.answer(cr, func(w io.Writer) error {
			return table(w, [][]string{
				{"WHAT", "WHERE", "LOGIN", "PASSWORD"},
				{"REST API", cr.REST.URL, cr.REST.Login, cr.REST.Password},
				{"PostgreSQL", fmt.Sprintf("%s:%d", cr.PostgreSQL.Host, cr.PostgreSQL.Port), cr.PostgreSQL.User, cr.PostgreSQL.Password},
				{"Kafka", cr.Kafka, "none", "none"},
			})
		})
	})
}
