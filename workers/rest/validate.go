package rest

import (
	"fmt"

	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/settings"
)

// validateSection checks the text of a section against its schema, of which there is one version.
func validateSection(section string, version record.SchemaVersion, text string) error {
	if (version != record.SchemaVersion{Major: 1}) {
		return fmt.Errorf("its schema has no version %d.%d, only 1.0", version.Major, version.Minor)
	}
	return settings.Validate(section, text)
}
