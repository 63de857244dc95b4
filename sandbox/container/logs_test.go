package container

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// failing is a worker that says a word and ends at once.
func failing(t *testing.T, word string) sandbox.NodeSpec {
	t.Helper()
	spec := workerOf(t, "crypto-1")
	text, err := json.Marshal(map[string]any{"says": word, "exit": 1})
	if err != nil {
		t.Fatal(err)
	}
	spec.Files[bootFile] = text
	return spec
}

// A node is started so often that who follows its log finds the containers in between gone: their logs are in files, and it
// goes on with those, in the order in which they were written.
func TestFollowOverSeveralRestarts(t *testing.T) {
	t.Parallel()
	r := testRuntime(t)
	var first part
	for _, word := range []string{"one", "two", "three", "four"} {
		i, err := r.Start(t.Context(), failing(t, word))
		if err != nil {
			t.Fatal(err)
		}
		awaitEnd(t, i)
		if word == "one" {
			all, err := r.parts(t.Context(), "crypto-1")
			if err != nil || len(all) != 1 {
				t.Fatalf("parts are %v, %v; want one", all, err)
			}
			first = all[0]
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	defer cancel()
	from, to := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- r.follow(ctx, "crypto-1", first, mark{at: "9999"}, to) }() // what it said of the first has been read
	want := "two begins\ntwo fails\nthree begins\nthree fails\nfour begins\nfour fails\n"
	got := make([]byte, len(want))
	stop := context.AfterFunc(ctx, func() { from.Close() })
	defer stop()
	if _, err := io.ReadFull(from, got); err != nil || string(got) != want {
		t.Errorf("followed is %q, %v; want %q", got, err, want)
	}
	cancel()
	from.Close()
	if err := <-done; err != nil && !strings.Contains(err.Error(), "closed pipe") {
		t.Error(err)
	}
	var whole bytes.Buffer
	log, err := r.Logs(t.Context(), "crypto-1", -1, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(&whole, log); err != nil || whole.String() != "one begins\none fails\n"+want {
		t.Errorf("the log is %q, %v", whole.String(), err)
	}
}

func TestPartAfter(t *testing.T) {
	t.Parallel()
	const s = int64(time.Second)
	file := func(id string, begun int64) part { return part{id: id, begun: begun, path: filepath.Join("logs", id)} }
	two, three, four := file("2222", 200*s+5), file("3333", 200*s+7), part{id: "444444", begun: 201 * s}
	for name, tc := range map[string]struct {
		all  []part
		last part
		want string
	}{
		"it is at the engine, and the last":     {[]part{two, three, four}, four, ""},
		"it has been put aside":                 {[]part{two, three, four}, part{id: "333333", begun: 200 * s}, "444444"},
		"the next has been put aside too":       {[]part{two, three, four}, part{id: "222222", begun: 200 * s}, "3333"},
		"it is not kept any more":               {[]part{two, three, four}, part{id: "111111", begun: 100 * s}, "2222"},
		"it was removed, nothing came since":    {[]part{two, three}, four, ""},
		"it was removed, another came since":    {[]part{two, three, four}, part{id: "355555", begun: 200*s + 9}, "444444"},
		"there is nothing at all":               {nil, four, ""},
		"it is a file, and the next one is too": {[]part{two, three}, two, "3333"},
	} {
		if next, _ := after(tc.all, tc.last); next.id != tc.want {
			t.Errorf("%s: the part after is %q, want %q", name, next.id, tc.want)
		}
	}
}

// What is read again from a time on is given once, also by an engine whose times are whole seconds.
func TestMark(t *testing.T) {
	t.Parallel()
	type piece struct{ at, text string }
	log := []piece{{"2026-01-01T00:00:01Z", "a"}, {"2026-01-01T00:00:01Z", "b"}, {"2026-01-01T00:00:01Z", "c"}, {"2026-01-01T00:00:02Z", "d"}, {"2026-01-01T00:00:02Z", "e"}}
	for split := range log {
		var m mark
		got := ""
		give := func(text []byte) error {
			got += string(text)
			return nil
		}
		for _, until := range []int{split, len(log), len(log)} {
			since := m.at
			each := m.beyond(give)
			for _, p := range log[:until] {
				if p.at >= since {
					if err := each(p.at, []byte(p.text)); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if got != "abcde" {
			t.Errorf("after a break at %d the log is %q", split, got)
		}
	}
}
