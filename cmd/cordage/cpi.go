package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordage-sandbox/cordage/sandbox/client"
)

func (a *app) newCPICmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "cpi", Short: "Upload CPIs and list them", Example: "  cordage cpi upload demo.cpi\n  cordage cpi list",
	}
	var noWait bool
	var timeout time.Duration
	upload := a.restCmd(cobra.Command{
		Use: "upload FILE", Short: "Upload a CPI, and wait until the cluster has verified and stored it",
		Example: "  cordage cpi upload demo.cpi", Args: cobra.ExactArgs(1),
	}, func(ctx context.Context, r *client.REST, args []string) error {
		if _, err := os.Stat(args[0]); err != nil {
			return &usageError{fmt.Errorf("upload a CPI: %w", err)}
		}
		id, err := r.UploadCPI(ctx, args[0], nil)
		if err != nil {
			return fmt.Errorf("upload %s: %w", args[0], err)
		}
		if noWait {
			return a.answer(map[string]string{"id": id}, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "upload %s is accepted; see: cordage cpi status %[1]s\n", id)
				return err
			})
		}
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		cpi, err := awaitCPI(ctx, r, id)
		if err != nil {
			return fmt.Errorf("upload %s: %w", args[0], err)
		}
		return a.answer(cpi, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%s %s is uploaded, checksum %s\n", cpi.ID.Name, cpi.ID.Version, cpi.Checksum)
			return err
		})
	})
	upload.Flags().BoolVar(&noWait, "no-wait", false, "return as soon as the cluster has the file")
	upload.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, "how long to wait")
	cmd.AddCommand(upload,
		a.restCmd(cobra.Command{
			Use: "list", Short: "List the uploaded CPIs", Example: "  cordage cpi list", Args: cobra.NoArgs,
		}, func(ctx context.Context, r *client.REST, _ []string) error {
			cpis, err := r.CPIs(ctx)
			if err != nil {
				return err
			}
			return answerList(a, cpis, []string{"NAME", "VERSION", "CHECKSUM", "UPLOADED"}, func(c client.CPI) []string {
				return []string{c.ID.Name, c.ID.Version, c.Checksum, c.Timestamp.Format(time.RFC3339)}
			})
		}),
		a.restCmd(cobra.Command{
			Use: "status ID", Short: "Show how far an upload has come", Example: "  cordage cpi status 6f1c…", Args: cobra.ExactArgs(1),
		}, func(ctx context.Context, r *client.REST, args []string) error {
			s, err := r.CPIStatus(ctx, args[0])
			if err != nil {
				return err
			}
			return a.answer(s, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "%s %s\n", s.Status, s.Checksum)
				return err
			})
		}),
	)
	return cmd
}

// awaitCPI waits until an upload is done and the CPI is listed. The first questions may be answered with 400: the REST
// worker has not yet seen the upload's status on the bus.
func awaitCPI(ctx context.Context, r *client.REST, id string) (cpi client.CPI, err error) {
	began := time.Now()
	const unseen = 5 * time.Second
	err = until(ctx, maxWait(ctx), "the cluster to take the CPI", func() (bool, error) {
		s, err := r.CPIStatus(ctx, id)
		refused, ok := errors.AsType[*client.RefusedError](err)
		if ok && refused.Status == 400 && len(refused.Details) == 0 && time.Since(began) < unseen {
			return false, nil // not yet known
		}
		if err != nil || s.Status != "OK" {
			return false, err
		}
		cpis, err := r.CPIs(ctx)
		for _, c := range cpis {
			if c.Checksum == s.Checksum {
				cpi = c
				return true, nil
			}
		}
		return false, err
	})
	return cpi, err
}

// maxWait is what is left of a context's time, for messages.
func maxWait(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return time.Hour
	}
	return time.Until(deadline).Round(time.Second)
}
