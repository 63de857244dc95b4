package database

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/trace"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/clock"
	"github.com/cordage-sandbox/cordage/workers/keys"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/store"
)

// uploads works on cpi.upload: it keeps the parts of a file in config.file_upload, and when the last one is there, verifies
// and stores the CPI. Everything can come again: parts that are there are left alone, and a request whose CPI is stored
// reports success again. The final status is committed together with the position in the topic, so there is exactly one;
// rows of a request are removed with the storing of its CPI, or, if it failed, by the sweeper after that status.
//
// The forced replacement of a CPI is not covered.
type uploads struct {
	config    *pgxpool.Pool
	secrets   *keys.Secrets
	publisher *bus.Publisher
	sections  *bus.Compacted[record.Configuration]
	stored    func() // tells that a CPI was stored: its CPKs are to be published
	clock     *clock.Clock
	log       *slog.Logger
	tracer    trace.Tracer
}

// Limits of an upload. Source of the part's size: Corda 5.0, table file_upload.
const (
	maxUpload      = 256 << 20 // bytes of a file
	maxPart        = 8 << 20   // bytes of a part
	maxParts       = 1 << 20   // parts of a file
	uploadBatch    = 8         // records of up to about 1.3 MB each
	finalSequence  = 1000      // sequence number of the last status of a request, however far it came: the highest number wins
	maxFileName    = 255       // characters, as the column
	maxRequestName = 255
)

// handle works on a batch of one partition in order. What cannot be read becomes a dead letter.
func (u *uploads) handle(ctx context.Context, batch []bus.Record) ([]bus.Message, error) {
	var out []bus.Message
	for _, r := range batch {
		chunk, err := bus.Decode[record.FileChunk](r)
		if err == nil && (chunk.RequestID == "" || chunk.RequestID != r.Key || !storableText(chunk.RequestID, maxRequestName)) {
			err = fmt.Errorf("the request id is not the key of the record, or not text of 1 to %d characters", maxRequestName)
		}
		if err != nil {
			u.log.ErrorContext(ctx, "a part of an upload cannot be read", "key", r.Key, "error", err)
			out = append(out, bus.DeadLetter(r, err))
			continue
		}
		answer, err := u.part(r.Context(ctx), chunk)
		if err != nil {
			return nil, err
		}
		out = append(out, answer...)
	}
	return out, nil
}

// part stores one part, and works on the file if it is the last one. The error is that of ctx, of the bus, or of a database
// that is away; then the batch comes again.
func (u *uploads) part(ctx context.Context, chunk record.FileChunk) ([]bus.Message, error) {
	var answer []bus.Message
	err := untilDatabase(ctx, u.log, "store a part of an upload", func() (err error) {
		if err := u.keep(ctx, chunk); err != nil || len(chunk.Data) > 0 {
			return err
		}
		answer, err = u.finish(ctx, chunk)
		return err
	})
	var refused *uploadError
	if errors.As(err, &refused) { // the final part's status tells, unless it is this one
		if len(chunk.Data) > 0 {
			return nil, nil
		}
		return u.failed(ctx, chunk, refused), nil
	}
	if err != nil && ctx.Err() == nil && !isBusError(err) && !store.IsTransient(err) {
		return u.failed(ctx, chunk, err), nil
	}
	if err == nil && chunk.PartNumber == 0 {
		err = u.progress(ctx, chunk.RequestID, 0, "Uploading")
	}
	return answer, err
}

// uploadError is what is wrong with an upload, as its status tells it.
type uploadError struct {
	kind string // see record.FailureInvalidCPI
	err  error
}

func (e *uploadError) Error() string { return e.err.Error() }
func (e *uploadError) Unwrap() error { return e.err }

func refuseUpload(format string, args ...any) error {
	return &uploadError{record.FailureInvalidCPI, fmt.Errorf(format, args...)}
}

// check finds parts that are not stored because of their size or number.
func checkPart(chunk record.FileChunk) error {
	switch {
	case chunk.PartNumber < 0 || chunk.PartNumber > maxParts:
		return refuseUpload("part number %d of an upload is not from 0 to %d", chunk.PartNumber, maxParts)
	case len(chunk.Data) > maxPart:
		return refuseUpload("part %d of an upload has %d bytes, at most %d are accepted", chunk.PartNumber, len(chunk.Data), maxPart)
	case chunk.Offset < 0 || chunk.Offset+int64(len(chunk.Data)) > maxUpload:
		return refuseUpload("the file has more than %d bytes", maxUpload)
	case !storableText(chunk.Properties[record.PropertyFileName], maxFileName):
		return refuseUpload("the file name must be text of at most %d characters", maxFileName)
	case !storableText(chunk.Properties[record.PropertyActor], maxFileName):
		return refuseUpload("the actor must be text of at most %d characters", maxFileName)
	}
	return nil
}

// keep stores a part and the properties that come with it.
func (u *uploads) keep(ctx context.Context, chunk record.FileChunk) error {
	if err := checkPart(chunk); err != nil {
		return err
	}
	batch := &pgx.Batch{}
	var checksum *string
	if len(chunk.Data) == 0 {
		checksum = &chunk.Checksum
		chunk.Data = nil // the last part is the one without data
	}
	batch.Queue(`INSERT INTO file_upload (request_id, checksum, part_nr, data_offset, data) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT DO NOTHING`, chunk.RequestID, checksum, chunk.PartNumber, chunk.Offset, chunk.Data)
	for _, key := range []string{record.PropertyFileName, record.PropertyForceUpload, record.PropertyActor} {
		if value, ok := chunk.Properties[key]; ok {
			batch.Queue(`INSERT INTO file_upload_props (update_ts, request_id, key, value) VALUES ($1, $2, $3, $4)
				ON CONFLICT DO NOTHING`, u.clock.Now(), chunk.RequestID, key, value)
		}
	}
	err := pgx.BeginFunc(ctx, u.config, func(tx pgx.Tx) error { return tx.SendBatch(ctx, batch).Close() })
	if err != nil {
		return fmt.Errorf("store part %d of upload %s: %w", chunk.PartNumber, chunk.RequestID, err)
	}
	return nil
}

// progress publishes a status on the way.
func (u *uploads) progress(ctx context.Context, request string, sequence int, message string) error {
	status := record.UploadStatus{
		Key: record.UploadStatusKey{RequestID: request, SequenceNumber: sequence}, Message: message, Timestamp: u.clock.Now()}
	if err := u.publisher.Publish(ctx, statusMessage(status)); err != nil {
		return &busError{fmt.Errorf("publish the status of upload %s: %w", request, err)}
	}
	return nil
}

func statusMessage(s record.UploadStatus) bus.Message {
	return bus.Message{Topic: record.TopicCPIUploadStatus, Key: record.Key(s.Key), Value: s}
}

// failed is the final status of a request that failed.
func (u *uploads) failed(ctx context.Context, chunk record.FileChunk, err error) []bus.Message {
	kind := "InternalServerException"
	if refused, ok := errors.AsType[*uploadError](err); ok {
		kind = refused.kind
	}
	u.log.WarnContext(ctx, "a CPI is refused", "upload", chunk.RequestID, "errorType", kind, "error", err)
	message := err.Error()
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok && h.Hint() != "" {
		message += "; " + h.Hint()
	}
	return []bus.Message{statusMessage(record.UploadStatus{
		Key: record.UploadStatusKey{RequestID: chunk.RequestID, SequenceNumber: finalSequence}, Message: message,
		Failure: &record.Failure{Type: kind, Message: message}, Timestamp: u.clock.Now(),
	}).Continue(ctx)}
}

func isBusError(err error) bool {
	_, ok := errors.AsType[*busError](err)
	return ok
}

// untilDatabase calls fn until it ends with anything but a failure that passes by itself, for up to transientLimit.
func untilDatabase(ctx context.Context, log *slog.Logger, what string, fn func() error) error {
	began := time.Now()
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := fn()
		if err == nil || ctx.Err() != nil || !store.IsTransient(err) || time.Since(began) > transientLimit {
			return err
		}
		log.WarnContext(ctx, "waiting for the database", "to", what, "error", err, "again", wait.String())
		if !pause(ctx, wait) {
			return context.Cause(ctx)
		}
	}
}
