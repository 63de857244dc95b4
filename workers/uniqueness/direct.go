package uniqueness

import (
	"context"
	"time"
)

// Direct is the SQL of one batch and nothing else: no grouping, no evaluation. Benchmarks hold the checker, and the
// way to it over Kafka, against it.
type Direct struct {
	queries   []*query
	decisions []decision
}

// NewDirect prepares a batch of one virtual node whose requests will all succeed. The error is that of a malformed one.
func NewDirect(batch []Request) (*Direct, error) {
	d := &Direct{queries: make([]*query, len(batch)), decisions: make([]decision, len(batch))}
	for i := range batch {
		q, err := batch[i].parse(defaultMaxOutputs)
		if err != nil {
			return nil, err
		}
		d.queries[i] = q
		d.decisions[i] = decision{q, &Verdict{Kind: Success, At: time.Now().UTC().Truncate(time.Millisecond)}}
	}
	return d, nil
}

// Run reads and writes once. Any error of the database fails it.
func (d *Direct) Run(ctx context.Context, db DB) error {
	if _, err := read(ctx, db, d.queries, func(string, time.Duration) {}); err != nil {
		return err
	}
	return write(ctx, db, d.decisions, false)
}
