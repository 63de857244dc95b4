package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordage-sandbox/cordage/sandbox/client"
)

func (a *app) newConfigCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "config", Short: "Show what a sandbox is to be; read and change the cluster's configuration",
		Example: "  cordage config show\n  cordage config get corda.messaging\n  cordage config put cordage.packaging '{\"expiredCodeSigners\":\"accept\"}'",
	}
	var defaults bool
	get := a.restCmd(cobra.Command{
		Use: "get SECTION", Short: "Print a section as it was given, or with defaults",
		Example: "  cordage config get --defaults corda.reconciliation", Args: cobra.ExactArgs(1),
	}, func(ctx context.Context, r *client.REST, args []string) error {
		s, err := r.Config(ctx, args[0])
		if err != nil {
			return err
		}
		return a.answer(s, func(w io.Writer) error {
			text := s.Source
			if defaults {
				text = s.WithDefaults
			}
			_, err := fmt.Fprintln(w, indented(text))
			return err
		})
	})
	get.Flags().BoolVar(&defaults, "defaults", false, "with the defaults of what was not given")
	put := a.restCmd(cobra.Command{
		Use: "put SECTION JSON|-", Short: "Replace a section's text, and wait until the cluster shows it",
		Example: "  cordage config put cordage.packaging '{\"expiredCodeSigners\":\"accept\"}'\n  cordage config put corda.messaging - < messaging.json",
		Args:    cobra.ExactArgs(2),
	}, func(ctx context.Context, r *client.REST, args []string) error {
		return a.putConfig(ctx, r, args[0], args[1])
	})
	cmd.AddCommand(a.newConfigShowCmd(), newConfigSchemaCmd(a.out), get, put)
	return cmd
}

// configLimit is how long a change may take to show.
const configLimit = 30 * time.Second

func (a *app) putConfig(ctx context.Context, r *client.REST, section, text string) error {
	if text == "-" {
		const most = 1 << 20
		read, err := io.ReadAll(io.LimitReader(a.in, most))
		if err != nil {
			return fmt.Errorf("read the section from standard input: %w", err)
		}
		text = string(read)
	}
	if !json.Valid([]byte(text)) {
		return &usageError{errors.New("the section's text is no JSON")}
	}
	now, err := r.Config(ctx, section)
	if err != nil {
		return err
	}
	if err := r.PutConfig(ctx, section, json.RawMessage(text), now); err != nil {
		return err
	}
	var after client.Section
	err = until(ctx, configLimit, "the cluster to show the change", func() (bool, error) {
		s, err := r.Config(ctx, section)
		done := err == nil && s.Version > now.Version
		if done {
			after = s
		}
		return done, err
	})
	if err != nil {
		return fmt.Errorf("change %s: %w", section, err)
	}
	return a.answer(after, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s is at version %d\n", section, after.Version)
		return err
	})
}

func indented(text string) string {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return text
	}
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return text
	}
	return string(out)
}

func (a *app) newVersionCmd() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the versions of Cordage and of what it launches", Example: "  cordage version --json",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := versions()
			return a.answer(v, func(w io.Writer) error {
				return table(w, [][]string{{"cordage", v["cordage"]}, {"PostgreSQL", v["postgres"]}, {"Kafka", v["kafka"]}, {"Go", v["go"]}})
			})
		},
	}
}
