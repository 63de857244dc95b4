package database

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/clock"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/store"
)

// sweeper removes the parts of uploads that ended without a CPI: those with a final status, as soon as it is on the bus,
// and those that nobody finished. Corda 5.0 never removes them.
type sweeper struct {
	config   *pgxpool.Pool
	statuses *bus.Compacted[record.UploadStatus]
	wake     chan struct{}
	clock    *clock.Clock
	log      *slog.Logger
}

// Rests between sweeps, and the age at which an upload that is not finished is given up.
const (
	sweepEvery     = time.Minute
	abandonedAfter = 24 * time.Hour
)

// watch wakes the sweeper when an upload ends. It must be called before the statuses are read.
func (s *sweeper) watch() {
	s.statuses.OnChange(func(_ context.Context, _ string, _, status *record.UploadStatus) {
		if status != nil && ended(*status) {
			wakeUp(s.wake)
		}
	})
}

func ended(s record.UploadStatus) bool { return s.Complete || s.Failure != nil }

// Run sweeps until ctx ends. A sweep that fails is made again later.
func (s *sweeper) Run(ctx context.Context, ready func()) error {
	ready()
	for {
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "parts of ended uploads are not removed yet", "error", err)
		}
		if !pauseUntil(ctx, sweepEvery, s.wake) {
			return nil
		}
	}
}

func (s *sweeper) sweep(ctx context.Context) error {
	rows, err := s.config.Query(ctx, `
		SELECT f.request_id, coalesce(min(p.update_ts) < $1, false) FROM file_upload f LEFT JOIN file_upload_props p USING (request_id)
		GROUP BY f.request_id`, s.clock.Now().Add(-abandonedAfter))
	if err != nil {
		return fmt.Errorf("list uploads: %w", err)
	}
	var request string
	var abandoned bool
	var gone []string
	_, err = pgx.ForEachRow(rows, []any{&request, &abandoned}, func() error {
		last, ok := s.statuses.Get(record.Key(record.UploadStatusKey{RequestID: request, SequenceNumber: finalSequence}))
		if abandoned || ok && ended(last) {
			gone = append(gone, request)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list uploads: %w", err)
	}
	for _, request := range gone {
		if err := store.Tx(ctx, s.config, func(tx pgx.Tx) error { return removeUpload(ctx, tx, request) }); err != nil {
			return fmt.Errorf("remove the parts of upload %s: %w", request, err)
		}
	}
	return nil
}
