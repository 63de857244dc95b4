// Package report prints what came of scenarios: a tree for people, and JUnit XML for CI.
package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cordage-sandbox/cordage/scenarios/run"
)

// signs tell a status without colour.
func sign(s run.Status) string {
	switch s {
	case run.Passed:
		return "✓"
	case run.Failed:
		return "✗"
	case run.Skipped:
		return "-"
	default:
		return "…"
	}
}

// Tree prints a scenario's result as a tree, with times and what failed.
func Tree(w io.Writer, r *run.Result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s  %s\n", sign(r.Status), r.Name, seconds(r.Duration))
	if r.Error != "" {
		fmt.Fprintf(&b, "  %s\n", indented(r.Error, "  "))
	}
	branches(&b, r.Steps, "")
	_, err := io.WriteString(w, b.String())
	return err
}

func branches(b *strings.Builder, steps []*run.Result, margin string) {
	for i, s := range steps {
		branch, below := "├─ ", "│  "
		if i == len(steps)-1 {
			branch, below = "└─ ", "   "
		}
		took := ""
		if s.Status != run.Skipped {
			took = "  " + seconds(s.Duration)
		}
		fmt.Fprintf(b, "%s%s%s %s%s\n", margin, branch, sign(s.Status), s.Name, took)
		if s.Error != "" && len(s.Steps) == 0 {
			fmt.Fprintf(b, "%s%s  %s\n", margin, below, indented(s.Error, margin+below+"  "))
		}
		if s.Status != run.Passed || len(s.Steps) <= maxShown {
			branches(b, s.Steps, margin+below)
		} else {
			fmt.Fprintf(b, "%s%s└─ %s %d steps\n", margin, below, sign(run.Passed), len(s.Steps))
		}
	}
}

// maxShown is how many inner steps of a step that passed are shown one by one.
const maxShown = 12

func indented(text, margin string) string { return strings.ReplaceAll(text, "\n", "\n"+margin) }

func seconds(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// Summary prints one line on all scenarios.
func Summary(w io.Writer, results []*run.Result) error {
	failed := 0
	for _, r := range results {
		if r.Status != run.Passed {
			failed++
		}
	}
	_, err := fmt.Fprintf(w, "%d passed, %d failed\n", len(results)-failed, failed)
	return err
}

// The JUnit form that CI systems read: a suite for each scenario, a case for each step, inner steps by path.
type (
	suites struct {
		XMLName  xml.Name `xml:"testsuites"`
		Name     string   `xml:"name,attr"`
		Tests    int      `xml:"tests,attr"`
		Failures int      `xml:"failures,attr"`
		Skipped  int      `xml:"skipped,attr"`
		Time     string   `xml:"time,attr"`
		Suites   []suite  `xml:"testsuite"`
	}
	suite struct {
		Name      string     `xml:"name,attr"`
		Tests     int        `xml:"tests,attr"`
		Failures  int        `xml:"failures,attr"`
		Skipped   int        `xml:"skipped,attr"`
		Time      string     `xml:"time,attr"`
		Timestamp string     `xml:"timestamp,attr"`
		Cases     []testcase `xml:"testcase"`
	}
	testcase struct {
		Name    string    `xml:"name,attr"`
		Class   string    `xml:"classname,attr"`
		File    string    `xml:"file,attr"`
		Time    string    `xml:"time,attr"`
		Failure *failure  `xml:"failure,omitempty"`
		Skipped *struct{} `xml:"skipped,omitempty"`
	}
	failure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit prints the results as JUnit XML.
func JUnit(w io.Writer, results []*run.Result) error {
	all := suites{Name: "cordage"}
	var total time.Duration
	for _, r := range results {
		s := suite{Name: r.Name, Time: xmlSeconds(r.Duration), Timestamp: r.Started.UTC().Format("2006-01-02T15:04:05")}
		if r.Error != "" {
			s.add(testcase{Name: r.Name, Class: r.Name, File: r.Place, Time: xmlSeconds(r.Duration), Failure: newFailure(r.Error)})
		}
		s.steps(r.Name, "", r.Steps)
		all.Tests, all.Failures, all.Skipped = all.Tests+s.Tests, all.Failures+s.Failures, all.Skipped+s.Skipped
		total += r.Duration
		all.Suites = append(all.Suites, s)
	}
	all.Time = xmlSeconds(total)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *suite) steps(class, path string, steps []*run.Result) {
	for _, r := range steps {
		name := path + r.Name
		if len(r.Steps) > 0 {
			s.steps(class, name+" / ", r.Steps)
			continue
		}
		c := testcase{Name: name, Class: class, File: r.Place, Time: xmlSeconds(r.Duration)}
		switch r.Status {
		case run.Failed:
			c.Failure = newFailure(r.Error)
		case run.Skipped:
			c.Skipped = &struct{}{}
		}
		s.add(c)
	}
}

func (s *suite) add(c testcase) {
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	if c.Skipped != nil {
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

func newFailure(text string) *failure {
	first, _, _ := strings.Cut(text, "\n")
	return &failure{Message: first, Text: text}
}

func xmlSeconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
