package runtimetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// Worker is what workers of the suite run: a program called as "worker ROLE --boot FILE", like Cordage itself, that
// behaves as its boot file says. It answers /isHealthy with what it was told to say, reads its file again on SIGHUP, and
// stops on SIGTERM. It returns the exit code.
//
// The test binary of a runtime is its own worker: TestMain calls Worker when its arguments begin with "worker".
func Worker(args []string, out io.Writer) int {
	const called = 4 // worker ROLE --boot FILE
	if len(args) != called || args[0] != "worker" || args[2] != "--boot" {
		fmt.Fprintf(out, "called with %q\n", args)
		return 2
	}
	var now atomic.Pointer[behaviour]
	read := func() error {
		text, err := os.ReadFile(args[3])
		if err != nil {
			return err
		}
		b := new(behaviour)
		if err := json.Unmarshal(text, b); err != nil {
			return err
		}
		now.Store(b)
		return nil
	}
	if err := read(); err != nil {
		fmt.Fprintln(out, err)
		return 2
	}
	b := now.Load()
	fmt.Fprintf(out, "%s begins\n", b.Says)
	if b.Eat > 0 {
		eaten := make([]byte, b.Eat)
		for n := 0; n < len(eaten); n += os.Getpagesize() {
			eaten[n] = 1
		}
		fmt.Fprintf(out, "%s has eaten %d bytes\n", b.Says, len(eaten))
	}
	if b.Exit != 0 {
		fmt.Fprintf(out, "%s fails\n", b.Says)
		return b.Exit
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP)
	listener, err := net.Listen("tcp", b.Monitor)
	if err != nil {
		fmt.Fprintln(out, err)
		return 1
	}
	server := http.Server{ReadHeaderTimeout: time.Second}
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, now.Load().Says) })
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(out, err)
		}
	}()
	for s := range signals {
		fmt.Fprintf(out, "%s got %s\n", b.Says, s)
		if s == syscall.SIGHUP {
			if err := read(); err != nil {
				fmt.Fprintln(out, err)
			}
			continue
		}
		if !b.Stubborn {
			break
		}
	}
	_ = server.Shutdown(context.Background())
	fmt.Fprintf(out, "%s ends\n", b.Says)
	return 0
}
