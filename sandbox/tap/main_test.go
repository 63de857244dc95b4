package tap

import (
	"testing"

	"github.com/cordage-sandbox/cordage/fixtures/servers"
)

func TestMain(m *testing.M) { servers.Main(m, servers.Kafka) }
