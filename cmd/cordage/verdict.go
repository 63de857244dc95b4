package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/cordage-sandbox/cordage/workers/record"
)

// printVerdicts prints the answers of all batches as a table.
func printVerdicts(w io.Writer, results [][]record.UniquenessCheckResponse) error {
	rows := [][]string{{"BATCH", "TRANSACTION", "VERDICT", "EARLIER", "DETAIL"}}
	for i, batch := range results {
		for _, r := range batch {
			earlier := ""
			if r.Earlier {
				earlier = "yes"
			}
			rows = append(rows, []string{strconv.Itoa(i + 1), short(r.TxID), verdictSign(r.Result) + " " + string(r.Result), earlier, verdictDetail(r)})
		}
	}
	return table(w, rows)
}

func verdictSign(r record.UniquenessResult) string {
	if r == record.ResultSuccess {
		return "✓"
	}
	return "✗"
}

// short shows the algorithm and the first digits of a hash or state.
func short(id string) string {
	algorithm, rest, _ := strings.Cut(id, ":")
	const shown = 10
	hash, index, ref := strings.Cut(rest, ":")
	if len(hash) > shown {
		hash = hash[:shown] + "…"
	}
	if ref {
		hash += ":" + index
	}
	return algorithm + ":" + hash
}

func verdictDetail(r record.UniquenessCheckResponse) string {
	at := func(t *time.Time) string {
		if t == nil {
			return "none"
		}
		return t.UTC().Format(time.RFC3339Nano)
	}
	switch r.Result {
	case record.ResultSuccess:
		return "committed " + at(r.CommitTimestamp)
	case record.ResultInputUnknown, record.ResultReferenceUnknown:
		return "unknown: " + states(r.UnknownStates, nil)
	case record.ResultInputConflict, record.ResultReferenceConflict:
		return "conflicts: " + states(r.ConflictingStates, r.ConsumingTx)
	case record.ResultTimeWindow:
		return fmt.Sprintf("decided at %s, window from %s to %s", at(r.EvaluationTimestamp), at(r.LowerBound), at(r.UpperBound))
	case record.ResultException:
		if r.Exception != nil {
			return r.Exception.Type + ": " + r.Exception.Message
		}
	}
	return r.ErrorText
}

// states lists the first states, with what consumed them.
func states(refs []string, consumed []record.ConsumedState) string {
	by := map[string]string{}
	for _, c := range consumed {
		by[c.State] = c.ConsumingTx
	}
	const shown = 3
	var list []string
	for i, ref := range refs {
		if i == shown {
			list = append(list, fmt.Sprintf("and %d more", len(refs)-shown))
			break
		}
		text := short(ref)
		if tx := by[ref]; tx != "" {
			text += " by " + short(tx)
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}
