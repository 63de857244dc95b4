package database

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/clock"
	"github.com/cordage-sandbox/cordage/workers/keys"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/settings"
	"github.com/cordage-sandbox/cordage/workers/store"
)

// configuration answers on config.management.request, and says what belongs on config.topic. There is no deletion of
// sections, as in Corda 5.0.
type configuration struct {
	config    *pgxpool.Pool
	secrets   *keys.Secrets
	publisher *bus.Publisher
	clock     *clock.Clock
	log       *slog.Logger
}

// handle replaces a section. The version in the request must be the stored one: of two writers one loses, however close
// they are (Corda 5.0 lets the loser of a close race fail as an internal error).
func (c *configuration) handle(ctx context.Context, q record.ConfigurationManagementRequest) (record.ConfigurationManagementResponse, error) {
	answer := record.ConfigurationManagementResponse{Section: q.Section, Config: q.Config, SchemaVersion: q.SchemaVersion, Version: q.Version}
	refuse := func(kind, message string) (record.ConfigurationManagementResponse, error) {
		answer.Failure = &record.Failure{Type: kind, Message: message}
		return answer, nil
	}
	if !storableText(q.Section, 255) || !storableText(q.UpdateActor, 255) || !storableText(q.Config, maxSectionText) {
		return refuse(record.FailureInvalidConfig, "the section's name, text and actor must be text that can be stored")
	}
	if q.SchemaVersion != (record.SchemaVersion{Major: 1}) {
		return refuse(record.FailureInvalidConfig, fmt.Sprintf("schema version %d.%d of section %s is unknown: 1.0 is known",
			q.SchemaVersion.Major, q.SchemaVersion.Minor, q.Section))
	}
	value, err := settings.WithDefaults(q.Section, q.Config)
	if err == nil {
		err = settings.Validate(q.Section, q.Config)
	}
	if err == nil {
		err = c.checkSecrets(value)
	}
	if err != nil {
		return refuse(record.FailureInvalidConfig, err.Error())
	}

	err = store.Tx(ctx, c.config, func(tx pgx.Tx) error { return replaceSection(ctx, tx, q, c.clock.Now()) })
	if wrong, ok := errors.AsType[*wrongVersionError](err); ok {
		return refuse(record.FailureWrongConfigVersion, wrong.Error())
	}
	if err != nil {
		return answer, fmt.Errorf("store configuration section %s: %w", q.Section, err)
	}
	answer.Version = q.Version + 1
	c.log.InfoContext(ctx, "configuration changed", "section", q.Section, "version", answer.Version, "actor", q.UpdateActor)

	err = c.publisher.Publish(ctx, bus.Message{Topic: record.TopicConfig, Key: q.Section, Value: record.Configuration{
		Value: value, Source: q.Config, Version: answer.Version, SchemaVersion: q.SchemaVersion}})
	if err != nil {
		return answer, fmt.Errorf("configuration section %s is stored as version %d and will be published later: %w", q.Section, answer.Version, err)
	}
	return answer, nil
}

// checkSecrets refuses secrets that no worker could decrypt: the section would be stored, and a worker that starts later
// could not use it. Corda 5.0 stores them.
func (c *configuration) checkSecrets(value json.RawMessage) error {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(value, &object); err == nil {
		if _, secret := object["configSecret"]; secret {
			_, err := c.secrets.Reveal(value)
			return err
		}
		for key, inner := range object {
			if err := c.checkSecrets(inner); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
		return nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(value, &list); err != nil {
		return nil //nolint:nilerr // neither object nor list: it holds no secret
	}
	for i, inner := range list {
		if err := c.checkSecrets(inner); err != nil {
			return fmt.Errorf("%d: %w", i, err)
		}
	}
	return nil
}

// maxSectionText bounds a section's text, in characters.
const maxSectionText = 1 << 20

// wrongVersionError tells that a section has another version than the writer thought.
type wrongVersionError struct {
	section        string
	stored, wanted int
}

func (e *wrongVersionError) Error() string {
	return fmt.Sprintf("configuration section %s has version %d, the request was made for version %d", e.section, e.stored, e.wanted)
}

// replaceSection writes a section and its audit row. The audit row gets the new version; Corda 5.0 writes -1 always.
func replaceSection(ctx context.Context, tx pgx.Tx, q record.ConfigurationManagementRequest, now time.Time) error {
	stored := -1
	err := tx.QueryRow(ctx, `SELECT version FROM config WHERE section = $1 FOR UPDATE`, q.Section).Scan(&stored)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	if stored != q.Version {
		return &wrongVersionError{q.Section, stored, q.Version}
	}
	changed, err := tx.Exec(ctx, `
		INSERT INTO config (section, config, schema_version_major, schema_version_minor, version, is_deleted, update_ts, update_actor)
		VALUES ($1, $2, $3, $4, $5 + 1, false, $6, $7)
		ON CONFLICT (section) DO UPDATE SET
			config = excluded.config, schema_version_major = excluded.schema_version_major,
			schema_version_minor = excluded.schema_version_minor, version = excluded.version, is_deleted = false,
			update_ts = excluded.update_ts, update_actor = excluded.update_actor
		WHERE config.version = $5`,
		q.Section, q.Config, q.SchemaVersion.Major, q.SchemaVersion.Minor, q.Version, now, q.UpdateActor)
	if err != nil {
		return err
	}
	if changed.RowsAffected() == 0 { // another writer inserted the first version in between
		return &wrongVersionError{q.Section, q.Version + 1, q.Version}
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO config_audit (change_number, section, config, config_version, update_ts, update_actor)
		VALUES (nextval('config_audit_id_seq'), $1, $2, $3, $4, $5)`,
		q.Section, q.Config, q.Version+1, now, q.UpdateActor)
	return err
}

// entries are the stored sections. A section that cannot be read (its text was changed by hand) is logged and left as it
// was published.
func (c *configuration) entries(ctx context.Context) ([]entry[record.Configuration], error) {
	rows, err := c.config.Query(ctx, `SELECT section, config, version, schema_version_major, schema_version_minor, is_deleted FROM config`)
	if err != nil {
		return nil, err
	}
	var entries []entry[record.Configuration]
	var section string
	var deleted bool
	var r record.Configuration
	_, err = pgx.ForEachRow(rows, []any{&section, &r.Source, &r.Version, &r.SchemaVersion.Major, &r.SchemaVersion.Minor, &deleted}, func() error {
		stored := r
		var err error
		if stored.Value, err = sectionValue(section, stored.Source); err != nil {
			c.log.ErrorContext(ctx, "a stored configuration section cannot be used", "section", section, "error", err)
			return nil
		}
		entries = append(entries, entry[record.Configuration]{
			key: section, deleted: deleted,
			current: func(p record.Configuration) bool { return p.Version >= stored.Version },
			value:   func(context.Context) (record.Configuration, error) { return stored, nil },
		})
		return nil
	})
	return entries, err
}

func sectionValue(section, text string) (json.RawMessage, error) {
	if err := settings.Validate(section, text); err != nil {
		return nil, err
	}
	return settings.WithDefaults(section, text)
}
