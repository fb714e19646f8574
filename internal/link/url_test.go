package link

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ url, want string }{
		{"amqp://", "amqp://guest@localhost:5672/"},
		{"amqp://u:p@h", "amqp://u@h:5672/"},
		{"amqps://u:p@h:1/v", "amqps://u@h:1/v"},
		{"amqp://u:p@[::1]:5672/", "amqp://u@[::1]:5672/"},
		{"amqp://u:p%40%2F%3A%25%2C@h/a%2Fb", "amqp://u@h:5672/a/b"},
		{"amqp://u:p@h?heartbeat=5&connection_timeout=100", "amqp://u@h:5672/"},
		{"amqps://h?auth_mechanism=external", "amqps://h:5671/"},
		{"amqps://u:p@h?cacertfile=" + file, "amqps://u@h:5671/"},
		{"amqp://a:b@one, amqp://a:b@two", "amqp://a@one:5672/ amqp://a@two:5672/"},
	} {
		endpoints, err := Parse(tt.url)
		if err != nil {
			t.Errorf("%s: %v", tt.url, err)
			continue
		}
		var shown []string
		for _, e := range endpoints {
			shown = append(shown, e.String())
		}
		if got := strings.Join(shown, " "); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.url, got, tt.want)
		}
	}
}

func TestParseSaysWhatIsWrongAndNothingOfTheURL(t *testing.T) {
	for _, tt := range []struct{ name, url, want string }{
		{"empty", " ", "empty"},
		{"no scheme", "user:hunter2@host", "does not begin with amqp://"},
		{"other scheme", "http://user:hunter2@host", "does not begin with amqp://"},
		{"space in the password", "amqp://user:hun ter2@host", "space"},
		{"broken escape", "amqp://user:hunter2%zz@host", "can't be told apart"},
		{"port is text", "amqp://user:pw@host:hunter2/", "can't be told apart"},
		{"port is too large", "amqp://user:hunter2@host:77777/", "port"},
		{"@ in the password", "amqp://user:hunter2@x@host/", "not escaped"},
		{"/ in the password", "amqp://user:p/hunter2@host/", "can't be told apart"},
		{"/ in a password of digits", "amqp://user:1/hunter2@host/", "not escaped"},
		{"# in the password", "amqp://user:1#hunter2@host/", "not escaped"},
		{"? in the password", "amqp://user:1?hunter2@host/", "not escaped"},
		{"comma in the password", "amqp://user:1,hunter2@host/", "broker URL 2 of"},
		{"two vhosts", "amqp://user:hunter2@host/a/b", "%2F"},
		{"unknown parameter", "amqp://user:hunter2@host?verify=none", "parameter"},
		{"heartbeat is text", "amqp://user:pw@host?heartbeat=hunter2", "heartbeat is not a number"},
		{"heartbeat is too long", "amqp://user:hunter2@host?heartbeat=65536", "heartbeat is not a number"},
		{"channel_max is negative", "amqp://user:hunter2@host?channel_max=-1", "channel_max is not a number"},
		{"vhost is too long", "amqp://user:hunter2@host/" + strings.Repeat("v", 256), "vhost is longer than 255"},
		{"certificate without TLS", "amqp://user:hunter2@host?auth_mechanism=EXTERNAL", "needs amqps"},
		{"TLS parameter without TLS", "amqp://user:hunter2@host?cacertfile=x", "needs amqps"},
		{"certificate without key", "amqps://user:hunter2@host?certfile=" + os.Args[0], "go together"},
		{"missing file", "amqps://user:hunter2@host?cacertfile=/nonexistent", "cacertfile"},
		{"directory as file", "amqps://user:hunter2@host?cacertfile=/", "cacertfile"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(tt.url)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want an error with %q and without the password", err, tt.want)
			}
		})
	}
}

// FuzzParse puts a marker into arbitrary passwords, escaped or not. It must be
// shown neither in an error nor as a part of the endpoint.
func FuzzParse(f *testing.F) {
	f.Add("", "")
	f.Add("a/", "?heartbeat=1")
	f.Add("a@", "%40")
	f.Add("1#", ",")
	f.Fuzz(func(t *testing.T, before, after string) {
		const marker = "hunter2"
		if strings.Contains(before, "://") || strings.Contains(before+after, "hunter") {
			return // the list of URLs is split first; the marker would be in another one
		}
		url := "amqp://user:" + before + marker + after + "@host/"
		endpoints, err := Parse(url)
		if err != nil && strings.Contains(err.Error(), marker) {
			t.Errorf("error shows the password: %v", err)
		}
		for _, e := range endpoints {
			if strings.Contains(e.String(), marker) {
				t.Errorf("%q is shown as %q", url, e)
			}
		}
	})
}
