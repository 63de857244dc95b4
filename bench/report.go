package main

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"
)

const docsFile = "docs/benchmarks.md"

// sample is what one figure was in each round.
type sample struct {
	unit   string // s, ms, /s, MB, ×
	values []float64
}

func (s *sample) add(v float64) { s.values = append(s.values, v) }

// median is the middle value, NaN of none.
func (s *sample) median() float64 { return s.quantile(0.5) }

// quantile is the value below which that share of all lies (nearest rank; of an even number the median is the mean of
// the two in the middle).
func (s *sample) quantile(q float64) float64 {
	n := len(s.values)
	if n == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(s.values))
	if q == 0.5 && n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[min(n-1, max(0, int(math.Ceil(q*float64(n)))-1))]
}

// String gives median, number and range.
func (s *sample) String() string {
	if len(s.values) == 1 {
		return quantity(s.values[0], s.unit)
	}
	return fmt.Sprintf("%s (median of %d, %s–%s)", quantity(s.median(), s.unit), len(s.values),
		number(slices.Min(s.values), s.unit), number(slices.Max(s.values), s.unit))
}

func quantity(v float64, unit string) string {
	if unit == "/s" {
		return number(v, unit) + unit
	}
	return number(v, unit) + " " + unit
}

// number writes three digits that count; rates of more are whole.
func number(v float64, unit string) string {
	switch {
	case math.IsNaN(v):
		return "—"
	case v >= 100 || unit == "/s" && v >= 10:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// row is a line of a table; what does not apply is empty.
type row struct{ figure, measured, limit, ratio, within string }

// section is the report of one measurement.
type section struct {
	name, title, where string
	rows               []row
	notes              []string // paragraphs after the table
}

// plain is a figure that has no limit, and may be compared: ratio is empty or told by [times].
func (s *section) plain(figure string, v *sample, ratio string) {
	s.rows = append(s.rows, row{figure: figure, measured: v.String(), ratio: ratio})
}

// atMost is a figure with an upper limit in its own unit; what names the limit if its number does not.
func (s *section) atMost(figure string, v *sample, limit float64, what, ratio string) {
	s.limited(figure, v, "≤ ", limit, what, ratio, v.median() <= limit)
}

// atLeast is a figure with a lower limit.
func (s *section) atLeast(figure string, v *sample, limit float64, what, ratio string) {
	s.limited(figure, v, "≥ ", limit, what, ratio, v.median() >= limit)
}

func (s *section) limited(figure string, v *sample, sign string, limit float64, what, ratio string, ok bool) {
	text := sign + quantity(limit, v.unit)
	if what != "" {
		text = fmt.Sprintf("%s%s (%s)", sign, quantity(limit, v.unit), what)
	}
	within := "yes"
	if !ok {
		within = "**no**"
	}
	s.rows = append(s.rows, row{figure, v.String(), text, cmp.Or(ratio, times(v.median()/limit)+" of the limit"), within})
}

func (s *section) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// times writes a ratio.
func times(v float64) string { return number(v, "×") + " ×" }

// markdown is the section as it is printed and kept.
func (s *section) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n%s.\n\n| figure | measured | limit | ratio | within |\n|---|---|---|---|---|\n", s.title, s.where)
	for _, r := range s.rows {
		cells := []string{r.figure, r.measured, cmp.Or(r.limit, "—"), cmp.Or(r.ratio, "—"), cmp.Or(r.within, "—")}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	for _, n := range s.notes {
		fmt.Fprintf(&b, "\n%s\n", n)
	}
	return b.String()
}

// keep replaces the section in the file, between its two markers.
func keep(file string, s section) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("keep the figures of %s (run it in the top folder): %w", s.name, err)
	}
	begin, end := fmt.Sprintf("<!-- begin: %s -->\n", s.name), fmt.Sprintf("<!-- end: %s -->", s.name)
	head, rest, ok := strings.Cut(string(text), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("keep the figures of %s: %s has no pair of lines %q and %q", s.name, file, strings.TrimSpace(begin), end)
	}
	text = []byte(head + begin + "\n" + s.markdown() + "\n" + end + tail)
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return fmt.Errorf("keep the figures of %s: %w", s.name, err)
	}
	return nil
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }
