package client_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/uniqueness/client"
)

func TestParseFile(t *testing.T) {
	t.Parallel()
	lower := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	upper := time.Date(2030, 1, 1, 1, 0, 0, 500_000_000, time.UTC)
	got, err := client.ParseFile(strings.NewReader(`
		[ [ {"txId": "SHA-256:AB", "inputStates": ["SHA-256:CD:0", "x"], "referenceStates": ["SHA-256:CD:1"], "numOutputStates": -2,
			"timeWindowLowerBound": "2026-01-01T00:00:00Z", "timeWindowUpperBound": "2030-01-01T02:00:00.5+01:00", "originatorX500Name": "O=A"},
			{"numOutputStates": 32767, "timeWindowUpperBound": "2030-01-01T01:00:00.5Z", "timeWindowLowerBound": null, "txId": "y", "originatorX500Name": null} ],
		  [] ]`), "f.json", client.Defaults{Originator: "O=Default"})
	if err != nil {
		t.Fatal(err)
	}
	want := [][]record.UniquenessCheckRequest{{
		{
			TxID: "SHA-256:AB", Inputs: []string{"SHA-256:CD:0", "x"}, References: []string{"SHA-256:CD:1"}, Outputs: -2,
			LowerBound: &lower, UpperBound: upper, Originator: "O=A",
		},
		{TxID: "y", Inputs: []string{}, References: []string{}, Outputs: 32767, UpperBound: upper, Originator: "O=Default"},
	}, {}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestParseFileDefaults(t *testing.T) {
	t.Parallel()
	upper := time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
	got, err := client.ParseFile(strings.NewReader(`[[{"txId": "x"}]]`), "-", client.Defaults{Upper: &upper})
	if err != nil || !got[0][0].UpperBound.Equal(upper) {
		t.Errorf("got %v, %v; want the default upper bound", got, err)
	}
}

func TestParseFileFaults(t *testing.T) {
	t.Parallel()
	const bound = `, "timeWindowUpperBound": "2030-01-01T00:00:00Z"`
	for name, tc := range map[string]struct {
		text string
		want []string // message of each fault
	}{
		"empty":             {``, []string{`f:1:1: not JSON: it ends too early`}},
		"spaces":            {"\n  ", []string{`f:2:3: not JSON: it ends too early`}},
		"no array":          {`{"txId": "x"}`, []string{`f:1:1: the file must be an array of batches, not an object`}},
		"no batch":          {`[{"txId": "x"}]`, []string{`f:1:2: batch 1 must be an array of requests, not an object`}},
		"no request":        {`[[], ["x"]]`, []string{`f:1:7: batch 2, request 1 must be an object, not a string`}},
		"not closed":        {`[[{"txId": "x"` + bound + `}]`, []string{`f:1:65: not JSON: it ends too early`}},
		"cut in a string":   {`[[{"txId": "x`, []string{`f:1:14: not JSON: it ends too early`}},
		"no JSON":           {`[[{"txId": x}]]`, []string{`f:1:12: not JSON: invalid character 'x' looking for beginning of value`}},
		"comma missing":     {"[[{\"txId\": \"x\"\n\"numOutputStates\": 1}]]", []string{`f:2:1: not JSON: invalid character '"' after object key:value pair`}},
		"key is no string":  {`[[{1: 2}]]`, []string{`f:1:4: not JSON: invalid character '1'`}},
		"more after it":     {`[] []`, []string{`f:1:4: something follows the array of batches`}},
		"nothing given":     {`[[{}]]`, []string{`f:1:3: batch 1, request 1: "txId" is missing`, `f:1:3: batch 1, request 1: "timeWindowUpperBound" is missing`}},
		"unknown member":    {`[[{"txId": "x"` + bound + `, "inputs": []}]]`, []string{`f:1:65: batch 1, request 1: a request has no "inputs"; it has txId, inputStates, `}},
		"member twice":      {`[[{"txId": "x", "txId": "y"` + bound + `}]]`, []string{`f:1:17: batch 1, request 1: "txId" is there twice`}},
		"null is no id":     {`[[{"txId": null` + bound + `}]]`, []string{`f:1:12: batch 1, request 1: txId must be a string ALGO:HEX, not null`}},
		"number for list":   {`[[{"txId": "x", "inputStates": 1` + bound + `}]]`, []string{`f:1:32: batch 1, request 1: inputStates must be an array of strings ALGO:HEX:INDEX, not 1`}},
		"null in a list":    {`[[{"txId": "x", "referenceStates": ["a", null]` + bound + `}]]`, []string{`f:1:36: batch 1, request 1: referenceStates must be an array of strings ALGO:HEX:INDEX, not ["a", null]`}},
		"fraction":          {`[[{"txId": "x", "numOutputStates": 1.5` + bound + `}]]`, []string{`f:1:36: batch 1, request 1: numOutputStates must be a whole number, not 1.5`}},
		"string for number": {`[[{"txId": "x", "numOutputStates": "1"` + bound + `}]]`, []string{`must be a whole number, not "1"`}},
		"time without zone": {`[[{"txId": "x", "timeWindowUpperBound": "2030-01-01T00:00:00"}]]`, []string{`f:1:41: batch 1, request 1: timeWindowUpperBound must be a time such as`}},
		"upper bound null":  {`[[{"txId": "x", "timeWindowUpperBound": null}]]`, []string{`timeWindowUpperBound must be a time such as`}},
		"many": {
			"[\n [{\"txId\": 1" + bound + "}],\n [{\"txId\": true" + bound + "},\n  {\"txId\": {}" + bound + "}]]",
			[]string{`f:2:12: batch 1, request 1: txId`, `f:3:12: batch 2, request 1: txId`, `f:4:12: batch 2, request 2: txId`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := client.ParseFile(strings.NewReader(tc.text), "f", client.Defaults{})
			file, ok := errors.AsType[*client.FileError](err)
			if !ok {
				t.Fatalf("ParseFile gave %v, %v; want a FileError", got, err)
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(tc.want) {
				t.Fatalf("faults:\n%v\nwant %d", err, len(tc.want))
			}
			for i, want := range tc.want {
				if !strings.Contains(lines[i], want) {
					t.Errorf("fault %d is\n%s, want\n%s", i+1, lines[i], want)
				}
			}
			_, example, _ := strings.Cut(file.Hint(), "such as ")
			if _, err := client.ParseFile(strings.NewReader(example), "hint", client.Defaults{}); err != nil {
				t.Errorf("the hint's own example is refused: %v", err)
			}
		})
	}
}

func TestParseFileTellsNotTooMuch(t *testing.T) {
	t.Parallel()
	_, err := client.ParseFile(strings.NewReader(`[[`+strings.Repeat(`{"x":1},`, 1000)+`{}]]`), "f", client.Defaults{})
	if err == nil || strings.Count(err.Error(), "\n") != 20 || !strings.HasSuffix(err.Error(), "and 2982 more") {
		t.Errorf("the error is %.3000v, want 20 faults and the number of the others", err)
	}
}

func TestWriteFile(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 1, 0, 0, 0, 5_000_000, time.UTC)
	var b strings.Builder
	err := client.WriteFile(&b, [][]record.UniquenessCheckResponse{
		{{TxID: "a", Result: record.ResultSuccess, CommitTimestamp: &at}},
		nil,
	})
	want := `[
  [
    {
      "txId": "a",
      "result": "success",
      "commitTimestamp": "2026-01-01T00:00:00.005Z",
      "earlier": false
    }
  ],
  []
]
`
	if err != nil || b.String() != want {
		t.Errorf("%v:\n%s, want\n%s", err, b.String(), want)
	}
	b.Reset()
	if err := client.WriteFile(&b, nil); err != nil || b.String() != "[]\n" {
		t.Errorf("no batches are written as %q, %v", b.String(), err)
	}
}

func FuzzParseFile(f *testing.F) {
	f.Add(`[[{"txId": "x", "numOutputStates": 1, "timeWindowUpperBound": "2030-01-01T00:00:00Z"}]]`)
	f.Add(`[[{"txId": "x",, }]]`)
	f.Add("[[{\"a\":[1,{\"b\":null}]}\n],{}]x")
	f.Fuzz(func(t *testing.T, text string) {
		batches, err := client.ParseFile(strings.NewReader(text), "f", client.Defaults{})
		if err == nil {
			for _, b := range batches {
				for _, r := range b {
					if r.UpperBound.IsZero() && !strings.Contains(text, "0001-01-01") {
						t.Fatalf("%q: a request without upper bound passed: %+v", text, r)
					}
				}
			}
			return
		}
		file, ok := errors.AsType[*client.FileError](err)
		if !ok || len(file.Faults) == 0 {
			t.Fatalf("%q: %v is no FileError", text, err)
		}
		lines := strings.Split(text, "\n")
		for _, fault := range file.Faults {
			if fault.Line < 1 || fault.Line > len(lines) || fault.Column < 1 || fault.Column > len(lines[fault.Line-1])+1 {
				t.Fatalf("%q: there is no place %d:%d", text, fault.Line, fault.Column)
			}
		}
	})
}
