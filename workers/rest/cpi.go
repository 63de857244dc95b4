package rest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/record"
)

// partSize is the size of the parts that a CPI is cut into, in bytes: a message of 972,800 bytes less 20,480.
//
// Source: Corda 5.0, ChunkWriter with the default maxAllowedMessageSize.
const partSize = 952_320

// maxFileName is the length of the column that it is stored in, in characters.
const maxFileName = 255

// postCPI sends a CPI on to the database worker, part by part as it comes in. The file is never held as a whole.
func (s *service) postCPI(ctx context.Context, r *request) (answer, error) {
	form, err := r.form()
	if err != nil {
		return answer{}, err
	}
	file, err := form.file("upload")
	if err != nil {
		return answer{}, err
	}
	name := file.FileName()
	if !storable(name, maxFileName) {
		return answer{}, badInput("upload", "The file name must be text of at most %d characters", maxFileName)
	}
	id := uuid.NewString()
	if err := s.sendChunks(ctx, id, name, r.who.Login, file); err != nil {
		return answer{}, err
	}
	return ok(CpiUploadResponse{Id: id})
}

// sendChunks publishes a file as parts, then an empty part with the checksum. If the file does not come to its end, that
// last part has no checksum, so that the database worker need not keep the others.
func (s *service) sendChunks(ctx context.Context, id, name, actor string, file io.Reader) error {
	u := &sending{publisher: s.cluster.chunks, id: id, properties: map[string]string{record.PropertyFileName: name, record.PropertyActor: actor}}
	checksum, err := u.parts(ctx, file)
	if err == nil {
		return u.publish(ctx, record.FileChunk{Checksum: checksum})
	}
	if u.begun {
		if giveUpErr := u.publish(context.WithoutCancel(ctx), record.FileChunk{}); giveUpErr != nil {
			s.tel.Log.WarnContext(ctx, "the parts of an upload that broke off stay until the database worker gives it up", "upload", id, "error", giveUpErr)
		}
	}
	return err
}

// sending is a file on its way to the database worker.
type sending struct {
	publisher  *bus.Publisher
	id         string
	properties map[string]string
	begun      bool // a part may be published
	part       int
	offset     int64 // bytes
}

// parts publishes all parts but the last one, and gives the file's checksum.
func (u *sending) parts(ctx context.Context, file io.Reader) (checksum string, err error) {
	buffer := make([]byte, partSize)
	sum := sha256.New()
	for {
		n, err := io.ReadFull(file, buffer)
		switch {
		case err == nil, errors.Is(err, io.ErrUnexpectedEOF) && n > 0:
		case errors.Is(err, io.EOF) && !u.begun:
			return "", badInput("upload", "The file is empty")
		case errors.Is(err, io.EOF):
			return "SHA-256:" + strings.ToUpper(hex.EncodeToString(sum.Sum(nil))), nil
		default:
			return "", unread(err)
		}
		sum.Write(buffer[:n])
		if err := u.publish(ctx, record.FileChunk{Data: buffer[:n]}); err != nil {
			return "", err
		}
	}
}

// publish sends the next part.
func (u *sending) publish(ctx context.Context, c record.FileChunk) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	c.RequestID, c.PartNumber, c.Offset, c.Properties = u.id, u.part, u.offset, u.properties
	u.begun = true
	if err := u.publisher.Publish(ctx, bus.Message{Topic: record.TopicCPIUpload, Key: u.id, Value: c}); err != nil {
		return late(err, "publish a part of a CPI")
	}
	u.part++
	u.offset += int64(len(c.Data))
	return nil
}

// getCPIs lists all CPIs, by name and version.
func (s *service) getCPIs(context.Context, *request) (answer, error) {
	list := GetCPIsResponse{Cpis: []CpiMetadata{}}
	for _, c := range s.cluster.cpis.All() {
		list.Cpis = append(list.Cpis, describeCPI(c))
	}
	slices.SortFunc(list.Cpis, func(a, b CpiMetadata) int {
		return cmp.Or(cmp.Compare(a.Id.CpiName, b.Id.CpiName), cmp.Compare(a.Id.CpiVersion, b.Id.CpiVersion),
			cmp.Compare(a.CpiFileFullChecksum, b.CpiFileFullChecksum))
	})
	return ok(list)
}

func describeCPI(c record.CPIMetadata) CpiMetadata {
	out := CpiMetadata{
		Id: describeCPIIdentifier(c.ID), CpiFileChecksum: shortChecksum(c.Hash), CpiFileFullChecksum: fullChecksum(c.Hash),
		Cpks: []CpkMetadata{}, GroupPolicy: optional(c.GroupPolicy), Timestamp: Instant(c.Timestamp),
	}
	for _, k := range c.CPKs {
		libraries := k.Libraries
		if libraries == nil {
			libraries = []string{}
		}
		out.Cpks = append(out.Cpks, CpkMetadata{
			Id:         CpkIdentifier{Name: k.ID.Name, Version: k.ID.Version, SignerSummaryHash: optional(k.ID.SignerSummaryHash)},
			MainBundle: k.MainBundle, Libraries: libraries, Type: k.Type, Hash: k.Hash, Timestamp: Instant(k.Timestamp),
		})
	}
	return out
}

func describeCPIIdentifier(id record.CPIIdentifier) CpiIdentifier {
	return CpiIdentifier{CpiName: id.Name, CpiVersion: id.Version, SignerSummaryHash: optional(id.SignerSummaryHash)}
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// getCPIStatus tells how far an upload is.
func (s *service) getCPIStatus(ctx context.Context, r *request) (answer, error) {
	id := r.path("id")
	statuses := s.cluster.uploadsByRequest.find(id)
	if len(statuses) == 0 && uuid.Validate(id) == nil {
		again, cancel := context.WithTimeout(ctx, lookAgain)
		defer cancel()
		first := record.Key(record.UploadStatusKey{RequestID: id})
		err := s.cluster.uploads.AwaitKey(again, first, func(_ record.UploadStatus, ok bool) bool { return ok })
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return answer{}, err
		}
		statuses = s.cluster.uploadsByRequest.find(id)
	}
	if len(statuses) == 0 {
		return answer{}, fail(http.StatusBadRequest, "No upload with request id '%.80s' found.", id)
	}
	return describeUpload(slices.MaxFunc(statuses, func(a, b record.UploadStatus) int {
		return cmp.Compare(a.Key.SequenceNumber, b.Key.SequenceNumber)
	}))
}

// describeUpload gives the answer that a status means.
func describeUpload(u record.UploadStatus) (answer, error) {
	f := u.Failure
	if f == nil {
		if u.Complete {
			return ok(CpiUploadStatus{Status: "OK", CpiFileChecksum: shortChecksum(u.Checksum)})
		}
		return ok(CpiUploadStatus{Status: u.Message})
	}
	switch f.Type {
	case record.FailureDuplicateCPI:
		return answer{}, fail(http.StatusConflict, "%s", f.Message)
	case record.FailureInvalidCPI:
		return answer{}, refusedCPI(http.StatusBadRequest, u)
	default:
		return answer{}, refusedCPI(http.StatusInternalServerError, u)
	}
}

func refusedCPI(status int, u record.UploadStatus) *failure {
	return fail(status, "%s", u.Failure.Message).
		with("errorType", u.Failure.Type).with("errorMessage", u.Failure.Message).with("message", u.Message)
}
