package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/cordage-sandbox/cordage/sandbox/client"
	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/record"
	notary "github.com/cordage-sandbox/cordage/workers/uniqueness/client"
)

// notaryFlags are what "cordage notary check" is told.
type notaryFlags struct {
	vnode    string
	requests string
	timeout  time.Duration
}

func (a *app) newNotaryCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "notary", Short: "Ask the uniqueness checker as a notary's flow does",
		Example: "  cordage notary check --vnode 226D5D9460A4 --requests batches.json",
	}
	var f notaryFlags
	check := &cobra.Command{
		Use:   "check --vnode NAME|HASH --requests FILE|-",
		Short: "Have batches of states checked for uniqueness by a virtual node's checker",
		Long: `Have batches of uniqueness checks decided, over the bus, as a flow worker does it. The file is a JSON array of batches, each
an array of requests:

  [[{"txId": "SHA-256:00FF…", "inputStates": ["SHA-256:AA…:0"], "referenceStates": [], "numOutputStates": 1,
     "timeWindowLowerBound": "2026-01-01T00:00:00Z", "timeWindowUpperBound": "2030-01-01T00:00:00Z",
     "originatorX500Name": "O=Alice, L=London, C=GB"}]]

Lists, the lower bound and the originator may be left out. A batch is sent as one transaction and answered before the next is
sent. The answer has the results in the order of the requests. A verdict other than success is an answer, and no error; what
the checker could not decide ends with exit code 6. Standard error tells by which trace it can be followed hop by hop.`,
		Example: "  cordage notary check --vnode 226D5D9460A4 --requests batches.json --json\n" +
			"  generate | cordage notary check --vnode 'O=Notary, L=London, C=GB' --requests - --json",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.notaryCheck(cmd.Context(), f) },
	}
	check.Flags().StringVar(&f.vnode, "vnode", "", "the virtual node whose checker is asked: `NAME|HASH`")
	check.Flags().StringVar(&f.requests, "requests", "", "`FILE` with the batches, - for standard input")
	check.Flags().DurationVar(&f.timeout, "timeout", time.Minute, "how long to wait for the answers to a batch")
	require(check, "vnode", "requests")
	cmd.AddCommand(check)
	return cmd
}

func (a *app) notaryCheck(ctx context.Context, f notaryFlags) error {
	batches, err := a.readBatches(f.requests)
	if err != nil {
		return &usageError{err}
	}
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	cr, err := c.Credentials(ctx)
	if err != nil {
		return err
	}
	r, err := client.NewREST(cr.REST)
	if err != nil {
		return err
	}
	node, err := findVNode(ctx, r, f.vnode)
	if err != nil {
		return err
	}
	holder, err := identity(node)
	if err != nil {
		return err
	}
	tel, flush, err := c.Telemetry(ctx, "cordage")
	if err != nil {
		return err
	}
	results, err := a.askNotary(ctx, notary.Options{Timeout: f.timeout, Telemetry: tel}, cr.Kafka, holder, batches)
	if err := errors.Join(err, flush(context.WithoutCancel(ctx))); err != nil {
		return err
	}
	out := &plain{w: a.out}
	if a.json {
		err = notary.WriteFile(out, results)
	} else {
		err = printVerdicts(out, results)
	}
	return errors.Join(err, out.flush(), undecided(results))
}

func (a *app) readBatches(file string) ([][]record.UniquenessCheckRequest, error) {
	if file == "-" {
		return notary.ParseFile(a.in, "standard input", notary.Defaults{})
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read requests: %w", err)
	}
	defer f.Close()
	return notary.ParseFile(f, file, notary.Defaults{})
}

// identity is the holding identity of a virtual node.
func identity(n client.VNode) (ident.HoldingIdentity, error) {
	name, err := ident.ParseName(n.HoldingIdentity.X500Name)
	if err != nil {
		return ident.HoldingIdentity{}, fmt.Errorf("virtual node %s: %w", n.HoldingIdentity.ShortHash, err)
	}
	return ident.NewHoldingIdentity(name, n.HoldingIdentity.GroupID), nil
}

// askNotary has the batches decided, one after the other, in one trace.
func (a *app) askNotary(ctx context.Context, o notary.Options, brokers string, holder ident.HoldingIdentity, batches [][]record.UniquenessCheckRequest) (
	results [][]record.UniquenessCheckResponse, err error,
) {
	asker, err := notary.Dial(ctx, strings.Split(brokers, ","), o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, asker.Close()) }()
	ctx, span := o.Telemetry.Tracer.Start(ctx, "cordage notary check", trace.WithAttributes(attribute.Int("cordage.batches", len(batches))))
	defer func() {
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
		const shown = 12 // of the id's digits, as in the list of traces
		a.note("follow it with: cordage trace %s%s", span.SpanContext().TraceID().String()[:shown], nameFlag(a.name))
	}()
	for i, batch := range batches {
		answers, err := asker.Check(ctx, holder, batch)
		if err != nil {
			return results, fmt.Errorf("batch %d of %d: %w", i+1, len(batches), err)
		}
		results = append(results, answers)
	}
	return results, nil
}

// undecided is an error if the checker could not decide something.
func undecided(results [][]record.UniquenessCheckResponse) error {
	n, why := 0, ""
	for _, batch := range results {
		for _, r := range batch {
			if r.Result == record.ResultException {
				n++
				if why == "" && r.Exception != nil {
					why = r.Exception.Message
				}
			}
		}
	}
	if n == 0 {
		return nil
	}
	return &failedError{fmt.Sprintf("%d requests could not be decided, the first because: %s", n, why), "cordage logs database"}
}
