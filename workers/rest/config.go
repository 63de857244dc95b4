package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/settings"
)

// putConfig replaces a section. It is checked here against its schema, and again by the database worker, which stores and
// publishes it.
func (s *service) putConfig(ctx context.Context, r *request) (answer, error) {
	var body UpdateConfigParameters
	if err := r.bind(&body); err != nil {
		return answer{}, err
	}
	version := record.SchemaVersion{Major: int(body.SchemaVersion.Major), Minor: int(body.SchemaVersion.Minor)}
	var section map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body.Config), &section); err != nil || section == nil {
		return answer{}, badInput("config", "config must be a JSON object, or a string that holds one (HOCON is not supported): %s", reason(err))
	}
	if err := s.validate(body.Section, version, body.Config); err != nil {
		return answer{}, invalidSection(clip(body.Section), err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.settings.get().timeout)
	defer cancel()
	response, err := s.cluster.config.Call(ctx, record.ConfigurationManagementRequest{
		Section: body.Section, Config: body.Config, SchemaVersion: version, Version: int(body.Version), UpdateActor: r.who.Login,
	})
	if err != nil {
		return answer{}, remote(err, "update configuration")
	}
	if f := response.Failure; f != nil {
		return answer{}, refusedConfig(*f, body)
	}
	return answer{http.StatusAccepted, UpdateConfigResponse{
		Section: response.Section, Config: response.Config, Version: int32(response.Version), //nolint:gosec // a column of type int
		SchemaVersion: describeVersion(response.SchemaVersion),
	}}, nil
}

// invalidSection says all that is wrong with a section.
func invalidSection(name string, err error) error {
	if errors.Is(err, settings.ErrUnknownSection) {
		return badInput("section", "There is no configuration section %s", name)
	}
	why := err.Error()
	if invalid, ok := errors.AsType[*settings.InvalidError](err); ok {
		var all []string
		for _, f := range invalid.Faults {
			all = append(all, f.String())
		}
		why = strings.Join(all, "; ")
	}
	return badInput("config", "Configuration of %s is not valid: %s", name, why)
}

func reason(err error) string {
	if err == nil {
		return "it is null"
	}
	return err.Error()
}

// refusedConfig says that the database worker has refused a section: 409 if somebody else was faster.
func refusedConfig(f record.Failure, body UpdateConfigParameters) error {
	status := http.StatusInternalServerError
	if f.Type == record.FailureWrongConfigVersion {
		status = http.StatusConflict
	}
	return fail(status, "%s: %s", f.Type, f.Message).
		with("schemaVersion", fmt.Sprintf("%d.%d", body.SchemaVersion.Major, body.SchemaVersion.Minor)).with("config", body.Config)
}

func describeVersion(v record.SchemaVersion) ConfigSchemaVersion {
	return ConfigSchemaVersion{Major: int32(v.Major), Minor: int32(v.Minor)} //nolint:gosec // columns of type int
}

// getConfig gives a section as this worker knows it.
func (s *service) getConfig(_ context.Context, r *request) (answer, error) {
	name := r.path("section")
	section, known := s.cluster.sections.Get(name)
	if !known {
		return answer{}, fail(http.StatusNotFound, "Configuration for section %s not found.", clip(name))
	}
	return ok(GetConfigResponse{
		Section: name, SourceConfig: section.Source, ConfigWithDefaults: string(section.Value),
		SchemaVersion: describeVersion(section.SchemaVersion), Version: int32(section.Version), //nolint:gosec // a column of type int
	})
}
