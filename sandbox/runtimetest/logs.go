package runtimetest

import (
	"bufio"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"
)

func logs(t *testing.T, s Sandbox) {
	r := s()
	for _, word := range []string{"one", "two"} { // the second run adds to the log of the first
		i := start(t, r, workerSpec(t, r, "crypto-1", behaviour{Says: word, Exit: 1}))
		awaitEnd(t, i)
	}
	cases := map[string]struct {
		tail int
		want string
	}{
		"all":       {-1, "one begins\none fails\ntwo begins\ntwo fails\n"},
		"none":      {0, ""},
		"the last":  {1, "two fails\n"},
		"three":     {3, "one fails\ntwo begins\ntwo fails\n"},
		"more than": {100, "one begins\none fails\ntwo begins\ntwo fails\n"},
	}
	for name, c := range cases {
		if got := readLog(t, r, "crypto-1", c.tail); got != c.want {
			t.Errorf("%s: Logs(%d) = %q, want %q", name, c.tail, got, c.want)
		}
	}
}

func logsOfUnknownNode(t *testing.T, s Sandbox) {
	if log, err := s().Logs(t.Context(), "crypto-9", -1, false); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			log.Close()
		}
		t.Errorf("Logs of a node that never ran: %v, want fs.ErrNotExist", err)
	}
}

func followAcrossARestart(t *testing.T, s Sandbox) {
	r := s()
	spec := workerSpec(t, r, "crypto-1", behaviour{Says: "one"})
	i := startReady(t, r, spec)
	log, err := r.Logs(t.Context(), "crypto-1", 1, true)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	lines := make(chan string, 16) //nolint:mnd // more than are written
	go func() {
		defer close(lines)
		for scan := bufio.NewScanner(log); scan.Scan(); {
			lines <- scan.Text()
		}
	}()
	stop(t, i)
	awaitEnd(t, start(t, r, workerSpec(t, r, "crypto-1", behaviour{Says: "two", Exit: 1})))
	want := []string{"one begins", "one got terminated", "one ends", "two begins", "two fails"}
	for _, w := range want {
		select {
		case got := <-lines:
			if got != w {
				t.Fatalf("followed log has line %q, want %q of %s", got, w, strings.Join(want, ", "))
			}
		case <-time.After(limit):
			t.Fatalf("line %q did not come", w)
		}
	}
	if err := log.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	for range lines { // ends, because Close ends the reader
		t.Error("a line came after Close")
	}
}
