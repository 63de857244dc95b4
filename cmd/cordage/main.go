// Command cordage is the command line, the supervisor and every worker of Cordage. The commands parse, call and print;
// they decide nothing. Nothing imports it.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// execute is main without the process around it. It returns the exit code.
func execute(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	a := &app{in: in, out: out, err: errOut}
	root := a.newRootCmd()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	used, err := root.ExecuteContextC(ctx)
	if err != nil && !a.started {
		err = &usageError{err}
	}
	return a.report(ctx, used, err)
}
