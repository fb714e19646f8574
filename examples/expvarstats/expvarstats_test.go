package expvarstats

import (
	"encoding/json"
	"expvar"
	"log/slog"
	"testing"

	"github.com/slogcast/slogcast/examples/internal/logged"
	"github.com/slogcast/slogcast/handler"
)

func TestPublish(t *testing.T) {
	h := logged.Handler(t, func(log *slog.Logger) { log.Info("one"); log.Warn("two") })
	Publish(t.Name(), h)
	var got handler.Stats
	if err := json.Unmarshal([]byte(expvar.Get(t.Name()).String()), &got); err != nil {
		t.Fatal(err)
	}
	if got.Accepted != 2 || got.Confirmed != 2 || !got.Connected {
		t.Errorf("got %+v", got)
	}
}
