package database

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/packaging"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/settings"
	"github.com/cordage-sandbox/cordage/workers/store"
)

// finish works on a file whose last part has come, and gives its final status.
func (u *uploads) finish(ctx context.Context, last record.FileChunk) ([]bus.Message, error) {
	ctx, span := u.tracer.Start(ctx, "CPI upload")
	defer span.End()
	done, err := u.storedBy(ctx, last.RequestID)
	if err != nil {
		return nil, err
	}
	if done != "" { // the worker that stored it was killed before it could say so
		u.stored()
		return u.succeeded(ctx, last.RequestID, done, nil), nil
	}
	if last.Checksum == "" {
		return nil, refuseUpload("the upload broke off after %d bytes", last.Offset)
	}
	sequence := 0
	step := func(message string) error {
		sequence++
		return u.progress(ctx, last.RequestID, sequence, message)
	}
	if err := step("Validating upload"); err != nil {
		return nil, err
	}
	up, err := u.assemble(ctx, last)
	if err != nil {
		return nil, err
	}
	defer up.file.Close()

	cpi, err := u.verify(ctx, up, step)
	if err != nil {
		return nil, err
	}
	defer cpi.Close()
	if err := step("Persisting CPI"); err != nil {
		return nil, err
	}
	metadata, err := u.persist(ctx, up, cpi)
	if err != nil {
		return nil, err
	}
	if err := step("Notifying flow workers"); err != nil {
		return nil, err
	}
	// Before the final status, so that whoever reads that it is done finds the CPI.
	err = u.publisher.Publish(ctx, bus.Message{Topic: record.TopicCPIInfo, Key: record.Key(metadata.ID), Value: metadata})
	if err != nil {
		return nil, &busError{fmt.Errorf("publish CPI %s %s: %w", cpi.ID.Name, cpi.ID.Version, err)}
	}
	u.stored()
	u.log.InfoContext(ctx, "a CPI is stored", "upload", last.RequestID, "cpi", cpi.ID.Name, "version", cpi.ID.Version, "checksum", cpi.FileChecksum)
	return u.succeeded(ctx, last.RequestID, cpi.FileChecksum, cpi.Warnings), nil
}

func (u *uploads) succeeded(ctx context.Context, request, checksum string, warnings []string) []bus.Message {
	return []bus.Message{statusMessage(record.UploadStatus{
		Key: record.UploadStatusKey{RequestID: request, SequenceNumber: finalSequence}, Complete: true, Message: "OK",
		Checksum: checksum, Warnings: warnings, Timestamp: u.clock.Now(),
	}).Continue(ctx)}
}

// storedBy is the checksum of the CPI that the request stored, "" if it has not.
func (u *uploads) storedBy(ctx context.Context, request string) (string, error) {
	tx, err := u.config.Query(ctx, `SELECT file_checksum FROM cpi WHERE file_upload_request_id = $1`, request)
	if err != nil {
		return "", fmt.Errorf("look for the CPI of upload %s: %w", request, err)
	}
	found, err := pgx.CollectRows(tx, pgx.RowTo[string])
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0], nil
}

// upload is an assembled file.
type upload struct {
	request  string
	file     *os.File // without a name
	size     int64
	fileName string
}

// assemble puts the parts together, in a temporary file, and checks that nothing is missing or wrong.
func (u *uploads) assemble(ctx context.Context, last record.FileChunk) (up *upload, err error) {
	file, err := os.CreateTemp("", "cordage-cpi-*")
	if err != nil {
		return nil, fmt.Errorf("make a temporary file for upload %s: %w", last.RequestID, err)
	}
	defer func() {
		if err != nil {
			_ = file.Close()
		}
	}()
	if err := os.Remove(file.Name()); err != nil {
		return nil, fmt.Errorf("unlink the temporary file of upload %s: %w", last.RequestID, err)
	}
	rows, err := u.config.Query(ctx, `
		SELECT part_nr, data_offset, data FROM file_upload WHERE request_id = $1 AND data IS NOT NULL ORDER BY part_nr`, last.RequestID)
	if err != nil {
		return nil, fmt.Errorf("read upload %s: %w", last.RequestID, err)
	}
	sum := sha256.New()
	var size, offset int64
	var part int
	var data []byte
	parts := 0
	_, err = pgx.ForEachRow(rows, []any{&part, &offset, &data}, func() error {
		if part != parts || offset != size {
			return refuseUpload("part %d of the upload is missing or out of place", parts)
		}
		parts++
		size += int64(len(data))
		sum.Write(data)
		_, err := file.Write(data)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("assemble upload %s: %w", last.RequestID, err)
	}
	switch checksum := packaging.Checksum(sum.Sum(nil)); {
	case parts != last.PartNumber || size != last.Offset:
		return nil, refuseUpload("the upload has %d parts with %d bytes, where %d parts with %d bytes were announced", parts, size, last.PartNumber, last.Offset)
	case !strings.EqualFold(checksum, last.Checksum):
		return nil, refuseUpload("the checksum of the upload is %s, where %q was announced", checksum, last.Checksum)
	}
	name, err := u.property(ctx, last, record.PropertyFileName)
	if err != nil {
		return nil, err
	}
	force, err := u.property(ctx, last, record.PropertyForceUpload)
	if err != nil {
		return nil, err
	}
	if force == "true" {
		return nil, refuseUpload("the forced replacement of a CPI is not supported")
	}
	return &upload{request: last.RequestID, file: file, size: size, fileName: name}, nil
}

// property is a property of the upload, whichever part brought it.
func (u *uploads) property(ctx context.Context, last record.FileChunk, key string) (string, error) {
	var value string
	err := u.config.QueryRow(ctx, `SELECT coalesce(value, '') FROM file_upload_props WHERE request_id = $1 AND key = $2`, last.RequestID, key).Scan(&value)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return "", fmt.Errorf("read upload %s: %w", last.RequestID, err)
	}
	return value, nil
}

// verify reads the package. Anything wrong with it is an [uploadError].
func (u *uploads) verify(ctx context.Context, up *upload, step func(string) error) (*packaging.CPI, error) {
	trust, err := codeSigners(ctx, u.config)
	if err != nil {
		return nil, err
	}
	if len(trust) == 0 {
		return nil, refuseUpload("no code-signing certificate is trusted: import one first: cordage certificate import ALIAS FILE, or PUT /api/v1/certificates/cluster/code-signer")
	}
	section, _ := u.sections.Get(settings.SectionPackaging)
	rules, err := settings.Packaging(section.Value)
	if err != nil {
		return nil, fmt.Errorf("read configuration section %s: %w", settings.SectionPackaging, err)
	}
	expired := packaging.Refuse
	if rules.AcceptExpired() {
		expired = packaging.Accept
	}
	var failed error
	cpi, err := packaging.ReadCPI(ctx, up.file, up.size, packaging.VerifyOptions{
		Trust: trust, At: u.clock.Now(), ExpiredCodeSigners: expired, Name: up.fileName,
		Step: func(s string) {
			if failed == nil {
				failed = step(s)
			}
		},
	})
	if failed != nil {
		return nil, failed
	}
	if packaging.KindOf(err) != "" {
		return nil, &uploadError{record.FailureInvalidCPI, err}
	}
	if err != nil {
		return nil, fmt.Errorf("verify %s: %w", up.fileName, err)
	}
	if err := u.admit(cpi); err != nil {
		_ = cpi.Close()
		return nil, err
	}
	return cpi, nil
}

// admit finds what is wrong with a valid package for this cluster.
func (u *uploads) admit(cpi *packaging.CPI) error {
	texts := []string{cpi.ID.Name, cpi.ID.Version, cpi.GroupID}
	for _, cpk := range cpi.CPKs {
		texts = append(texts, cpk.ID.Name, cpk.ID.Version, cpk.FileName)
		for _, l := range cpk.ChangeLogs {
			texts = append(texts, l.Path)
		}
	}
	for _, text := range texts {
		if !storableText(text, 255) {
			return refuseUpload("%.100q cannot be stored: names, versions and paths must be text of at most 255 characters", text)
		}
	}
	if !storableText(string(cpi.GroupPolicy), len(cpi.GroupPolicy)) {
		return refuseUpload("the group policy is not UTF-8 text")
	}
	var gateway struct {
		SSL struct {
			Type string `json:"tlsType"`
		} `json:"sslConfig"`
	}
	section, ok := u.sections.Get("corda.p2p.gateway")
	if ok {
		if err := json.Unmarshal(section.Value, &gateway); err != nil {
			return fmt.Errorf("read configuration section corda.p2p.gateway: %w", err)
		}
	}
	if wanted := cpi.Policy.ClusterTLSType(); wanted != "" && gateway.SSL.Type != "" && wanted != gateway.SSL.Type {
		return refuseUpload("the group policy wants TLS of type %s, the cluster has %s (corda.p2p.gateway, sslConfig.tlsType)", wanted, gateway.SSL.Type)
	}
	return nil
}

// persist stores the CPI in one transaction, and removes the parts of the upload with it.
func (u *uploads) persist(ctx context.Context, up *upload, cpi *packaging.CPI) (record.CPIMetadata, error) {
	network, err := u.prepareStaticNetwork(ctx, cpi)
	if err != nil {
		return record.CPIMetadata{}, err
	}
	var metadata record.CPIMetadata
	err = store.Tx(ctx, u.config, func(tx pgx.Tx) error {
		row := cpiRow{cpi: cpi, up: up, policy: string(cpi.GroupPolicy), now: u.clock.Now()}
		var exists bool
		err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM cpi WHERE name = $1 AND version = $2 AND signer_summary_hash = $3)`,
			cpi.ID.Name, cpi.ID.Version, cpi.ID.SignerSummaryHash).Scan(&exists)
		if err != nil {
			return err
		}
		if exists {
			return duplicateCPI(cpi)
		}
		if network != nil {
			if row.policy, err = network.inject(ctx, tx, row.policy); err != nil {
				return err
			}
		}
		if err := row.insert(ctx, tx); err != nil {
			return err
		}
		metadata = cpi.Metadata(0, row.now)
		metadata.GroupPolicy = row.policy
		return removeUpload(ctx, tx, up.request)
	})
	if store.IsUniqueViolation(err, "cpi_pk", "db_cpi_uc1") { // another worker stored it at the same time
		err = duplicateCPI(cpi)
	}
	if err != nil {
		return record.CPIMetadata{}, fmt.Errorf("store CPI %s %s: %w", cpi.ID.Name, cpi.ID.Version, err)
	}
	return metadata, nil
}

func duplicateCPI(cpi *packaging.CPI) error {
	return &uploadError{record.FailureDuplicateCPI,
		fmt.Errorf("CPI %s, version %s, signed by %s, already exists", cpi.ID.Name, cpi.ID.Version, cpi.ID.SignerSummaryHash)}
}
