package topology

import (
	"testing"

	"github.com/cordage-sandbox/cordage/fixtures/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }
