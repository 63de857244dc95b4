package logs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func writeLog(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestTail gives the last lines, also where some of them are in files put aside.
func TestTail(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 40<<10) + "\n"
	for name, tc := range map[string]struct {
		log, first, second string // second is the oldest
		want               map[int]string
	}{
		"one file":           {log: "a\nb\nc\n", want: map[int]string{-1: "a\nb\nc\n", 0: "", 1: "c\n", 2: "b\nc\n", 3: "a\nb\nc\n", 9: "a\nb\nc\n"}},
		"a line without end": {log: "a\nb", want: map[int]string{1: "b", 2: "a\nb"}},
		"empty":              {want: map[int]string{-1: "", 3: ""}},
		"empty lines":        {log: "\n\n", want: map[int]string{1: "\n", 2: "\n\n"}},
		"put aside":          {log: "d\n", first: "b\nc\n", second: "a\n", want: map[int]string{-1: "a\nb\nc\nd\n", 1: "d\n", 2: "c\nd\n", 4: "a\nb\nc\nd\n"}},
		"just put aside":     {first: "b\nc\n", want: map[int]string{1: "c\n"}},
		"long lines":         {log: long + "b\n" + long, want: map[int]string{1: long, 2: "b\n" + long, 3: long + "b\n" + long}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := File{Path: filepath.Join(t.TempDir(), "log"), Kept: 2}
			writeLog(t, f.Path, tc.log)
			for i, text := range []string{tc.first, tc.second} {
				if text != "" {
					writeLog(t, fmt.Sprintf("%s.%d", f.Path, i+1), text)
				}
			}
			for tail, want := range tc.want {
				r, err := f.Open(t.Context(), tail, false)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(r)
				r.Close()
				if err != nil || string(got) != want {
					t.Errorf("the last %d lines are %.80q, %v, want %.80q", tail, got, err, want)
				}
			}
		})
	}
}

func TestNothingLogged(t *testing.T) {
	t.Parallel()
	f := File{Path: filepath.Join(t.TempDir(), "log"), Kept: 2}
	if _, err := f.Open(t.Context(), -1, true); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a log that is not there: %v", err)
	}
	if err := f.Remove(); err != nil {
		t.Error(err)
	}
}

// TestFollowerMissesNothing that was written before the log was put aside, or after it.
func TestFollowerMissesNothing(t *testing.T) {
	t.Parallel()
	f := File{Path: filepath.Join(t.TempDir(), "log"), Kept: 2}
	writeLog(t, f.Path+".1", "of an earlier time\n")
	writeLog(t, f.Path, "before\n")
	r, err := f.Open(t.Context(), 0, true)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	lines := make(chan string)
	go func() {
		defer close(lines)
		b := make([]byte, 1)
		for line := ""; ; {
			if _, err := io.ReadFull(r, b); err != nil {
				return
			}
			if line += string(b); strings.HasSuffix(line, "\n") {
				lines <- line
				line = ""
			}
		}
	}()
	want := func(line string) {
		t.Helper()
		select {
		case got := <-lines:
			if got != line {
				t.Fatalf("the follower gets %q, want %q", got, line)
			}
		case <-time.After(limit):
			t.Fatalf("the follower does not get %q", line)
		}
	}
	for i := range 3 {
		for _, when := range []string{"early", "late"} { // the second comes while the follower waits
			writeLog(t, f.Path, fmt.Sprintf("%s %d\n", when, i))
		}
		want(fmt.Sprintf("early %d\n", i))
		if err := f.putAside(); err != nil {
			t.Fatal(err)
		}
		writeLog(t, f.Path, fmt.Sprintf("after %d\n", i))
		want(fmt.Sprintf("late %d\n", i))
		want(fmt.Sprintf("after %d\n", i))
	}
	// A log that was emptied by hand has left nothing to read.
	if err := os.Truncate(f.Path, 0); err != nil {
		t.Fatal(err)
	}
	writeLog(t, f.Path, "end\n")
	want("end\n")
}

func TestTend(t *testing.T) {
	t.Parallel()
	f := File{Path: filepath.Join(t.TempDir(), "log"), Kept: 1}
	writeLog(t, f.Path, strings.Repeat("x", 100))
	done, ended := make(chan struct{}), make(chan struct{})
	go func() { f.Tend(done, 50, time.Millisecond); close(ended) }()
	late := time.After(limit)
	for tick := time.NewTicker(time.Millisecond); ; {
		if info, err := os.Stat(f.Path); err == nil && info.Size() == 0 {
			break
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("it is not put aside")
		}
	}
	close(done)
	<-ended
	old, err := os.ReadFile(f.Path + ".1")
	if err != nil || len(old) != 100 {
		t.Errorf("put aside are %d bytes, %v", len(old), err)
	}
}
