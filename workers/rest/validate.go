package rest

import (
	"fmt"

	"github.com/cordage-sandbox/cordage/workers/record"
)

func validateSection(section string, version record.SchemaVersion, text string) error {
	if (version != record.SchemaVersion{Major: 1}) {
		return fmt.Errorf("its schema has no version %d.%d, only 1.0", version.Major, version.Minor)
	}
	return nil
}
