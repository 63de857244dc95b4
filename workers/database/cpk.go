package database

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/telemetry"
)

// FileChunk is a part of a CPK on cpk.file as its publisher needs to know it: whether the last part is there. It is
// record.FileChunk without the data, so that the worker does not keep all CPKs in memory.
type FileChunk struct {
	PartNumber int    `json:"partNumber"`
	Checksum   string `json:"checksum"`
}

// cpkPublisher brings cpk.file in line with config.cpk_file: at start, after an upload, and in intervals. A CPK is
// there when its last part is; parts of an earlier try are written again.
type cpkPublisher struct {
	config    *pgxpool.Pool
	published *bus.Compacted[FileChunk]
	publisher *bus.Publisher
	interval  func() time.Duration
	wake      chan struct{}
	partSize  int // bytes
	log       *slog.Logger
	status    telemetry.Mark
}

// cpkPartMargin is the room for the rest of a record, in bytes. Source: Corda 5.0, chunking of files.
const (
	cpkPartMargin   = 20 << 10
	defaultMaxBytes = 972_800
)

func partSize(maxMessageBytes int) int {
	if maxMessageBytes <= 0 {
		maxMessageBytes = defaultMaxBytes
	}
	return min(max(maxMessageBytes-cpkPartMargin, cpkPartMargin), maxPart)
}

// Run publishes until ctx ends.
func (p *cpkPublisher) Run(ctx context.Context, ready func()) error {
	ready()
	retry := reconcileRetryFirst
	for {
		wait := p.interval()
		if err := p.round(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			p.status.Down(err.Error())
			p.log.WarnContext(ctx, "CPKs are not published yet", "error", err, "again", retry.String())
			wait, retry = retry, min(2*retry, reconcileRetryLast)
		} else {
			p.status.Up()
			retry = reconcileRetryFirst
		}
		if !pauseUntil(ctx, wait, p.wake) {
			return nil
		}
	}
}

func (p *cpkPublisher) round(ctx context.Context) error {
	there := map[string]bool{}
	for _, c := range p.published.All() {
		if c.Checksum != "" {
			there[c.Checksum] = true
		}
	}
	rows, err := p.config.Query(ctx, `SELECT file_checksum, octet_length(data) FROM cpk_file WHERE NOT is_deleted ORDER BY insert_ts`)
	if err != nil {
		return fmt.Errorf("list CPKs: %w", err)
	}
	type cpk struct {
		Checksum string
		Size     int
	}
	stored, err := pgx.CollectRows(rows, pgx.RowToStructByPos[cpk])
	if err != nil {
		return fmt.Errorf("list CPKs: %w", err)
	}
	for _, c := range stored {
		if there[c.Checksum] {
			continue
		}
		if err := p.publish(ctx, c.Checksum, c.Size); err != nil {
			return fmt.Errorf("publish CPK %s: %w", c.Checksum, err)
		}
		p.log.InfoContext(ctx, "a CPK is published", "checksum", c.Checksum, "bytes", c.Size)
	}
	return nil
}

// publish sends one CPK, part by part: one part is in memory.
func (p *cpkPublisher) publish(ctx context.Context, checksum string, size int) error {
	part := 0
	for offset := 0; offset < size; offset += p.partSize {
		var data []byte
		err := p.config.QueryRow(ctx, `SELECT substring(data FROM $2 FOR $3) FROM cpk_file WHERE file_checksum = $1`,
			checksum, offset+1, p.partSize).Scan(&data)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil // it was removed meanwhile
		}
		if err != nil {
			return err
		}
		if err := p.send(ctx, checksum, record.FileChunk{RequestID: checksum, PartNumber: part, Offset: int64(offset), Data: data}); err != nil {
			return err
		}
		part++
	}
	return p.send(ctx, checksum, record.FileChunk{RequestID: checksum, Checksum: checksum, PartNumber: part, Offset: int64(size)})
}

func (p *cpkPublisher) send(ctx context.Context, checksum string, chunk record.FileChunk) error {
	key := record.Key(record.CPKChunkID{Checksum: checksum, PartNumber: chunk.PartNumber})
	return p.publisher.Publish(ctx, bus.Message{Topic: record.TopicCPKFile, Key: key, Value: chunk})
}
