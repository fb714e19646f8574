package sink

import (
	"testing"

	"github.com/slogcast/slogcast/internal/brokertest"
)

func TestMain(m *testing.M) { brokertest.Main(m) }
