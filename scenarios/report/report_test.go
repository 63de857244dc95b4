package report_test

import (
	"encoding/xml"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cordage-sandbox/cordage/scenarios/report"
	"github.com/cordage-sandbox/cordage/scenarios/run"
)

func result() *run.Result {
	return &run.Result{
		Name: "demo", Place: "demo.yaml", Status: run.Failed, Duration: 1500 * time.Millisecond,
		Started: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC),
		Steps: []*run.Result{
			{Name: "first", Place: "demo.yaml:3:5", Status: run.Passed, Duration: 12 * time.Millisecond},
			{Name: "both", Place: "demo.yaml:5:5", Status: run.Failed, Error: "a step inside failed", Steps: []*run.Result{
				{Name: "left", Place: "demo.yaml:6:5", Status: run.Passed},
				{Name: "right", Place: "demo.yaml:7:5", Status: run.Failed, Error: "demo.yaml:7:5: status is 500, not 200\n  outcome: <x>"},
			}},
			{Name: "last", Place: "demo.yaml:9:5", Status: run.Skipped},
		},
	}
}

func TestTree(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := report.Tree(&b, result()); err != nil {
		t.Fatal(err)
	}
	want := `✗ demo  1.5 s
├─ ✓ first  12 ms
├─ ✗ both  0 ms
│  ├─ ✓ left  0 ms
│  └─ ✗ right  0 ms
│       demo.yaml:7:5: status is 500, not 200
│         outcome: <x>
└─ - last
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestJUnit(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := report.JUnit(&b, []*run.Result{result()}); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Skipped  int `xml:"skipped,attr"`
		Cases    []struct {
			Name    string `xml:"name,attr"`
			Failure string `xml:"failure"`
		} `xml:"testsuite>testcase"`
	}
	if err := xml.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatalf("%v in\n%s", err, b.String())
	}
	if got.Tests != 4 || got.Failures != 1 || got.Skipped != 1 || len(got.Cases) != 4 {
		t.Errorf("counts are wrong in\n%s", b.String())
	}
	if c := got.Cases[2]; c.Name != "both / right" || !strings.Contains(c.Failure, "outcome: <x>") {
		t.Errorf("third case is %+v", c)
	}
}
