package packaging

import (
	_ "embed"

	"github.com/cordage-sandbox/cordage/workers/packaging/fault"
	"github.com/cordage-sandbox/cordage/workers/packaging/schema"
)

//go:embed schemas/external-channels.json
var channelsSchema []byte

const maxChannels = 1 << 20 // bytes of an external-channels.json

// checkChannels checks the text of a config/external-channels.json.
func checkChannels(text []byte) error {
	s, err := schema.Compile("external-channels.json", channelsSchema)
	if err != nil {
		return err
	}
	if err := s.Check(text); err != nil {
		return fault.Because(fault.ExternalChannels, err, "%s", channelsEntry)
	}
	return nil
}
