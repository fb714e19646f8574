package broker_test

import (
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/internal/broker"
	"github.com/slogcast/slogcast/internal/wire"
)

func TestListenErrors(t *testing.T) {
	taken := listen(t, nil).Addr().String()
	for _, test := range []struct {
		name string
		cfg  broker.Config
		want string
	}{
		{"taken", broker.Config{Addr: taken}, "is in use, perhaps by a RabbitMQ on this machine"},
		{"no port", broker.Config{Addr: "localhost"}, "want host:port"},
		{"every address, default login", broker.Config{Addr: ":0"}, "set a user other than guest, and a password"},
		{"every address, guest", broker.Config{Addr: "0.0.0.0:0", User: "guest", Password: "x"}, "set a user other than guest, and a password"},
		{"host name, default login", broker.Config{Addr: "example.org:0"}, "set a user other than guest, and a password"},
		{"user alone", broker.Config{User: "u"}, "a user and a password are needed"},
		{"password alone", broker.Config{Password: "p"}, "a user and a password are needed"},
		{"small frames", broker.Config{FrameMax: 100}, "must be 4096 to 16777216"},
		{"large frames", broker.Config{FrameMax: 1 << 30}, "must be 4096 to 16777216"},
		{"many channels", broker.Config{MaxChannels: 70000}, "must be 1 to 65535"},
		{"fast heartbeat", broker.Config{Heartbeat: 1}, "must be 1 s to 65535 s"},
		{"half a second", broker.Config{Heartbeat: 1500 * time.Millisecond}, "in whole seconds"},
		{"negative memory", broker.Config{Memory: -1}, "negative"},
		{"negative queues", broker.Config{MaxQueues: -1}, "negative"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := broker.Listen(&test.cfg)
			if err == nil {
				s.Close()
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, want it to contain %q", err, test.want)
			}
		})
	}
}

func TestListenElsewhereWithLogin(t *testing.T) {
	s, err := broker.Listen(&broker.Config{Addr: ":0", User: "u", Password: "p"})
	ok(t, err)
	ok(t, s.Close())
}

func TestURL(t *testing.T) {
	s := listen(t, nil)
	if got, want := s.URL(), "amqp://guest:guest@"+s.Addr().String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	s = listen(t, &broker.Config{User: "u", Password: "secret/word"})
	if got, want := s.URL(), "amqp://u@"+s.Addr().String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	conn := must(amqp.Dial(s.DialURL()))(t)
	ok(t, conn.Close())
}

func TestCloseTellsClients(t *testing.T) {
	s := listen(t, nil)
	conn := must(amqp.Dial(s.URL()))(t)
	closed := conn.NotifyClose(make(chan *amqp.Error, 1))
	ok(t, s.Close())
	if e := receive(t, closed); e.Code != amqp.ConnectionForced {
		t.Errorf("got %v, want 320", e)
	}
	ok(t, s.Close())
	if _, err := amqp.Dial(s.URL()); err == nil {
		t.Error("a closed server accepts connections")
	}
}

func TestListenAgainAfterClose(t *testing.T) {
	s := listen(t, nil)
	ch := openChannel(t, s.URL())
	ok(t, ch.ExchangeDeclare("x", "fanout", true, false, false, false, nil))
	ok(t, s.Close())

	s, err := broker.Listen(&broker.Config{Addr: s.Addr().String()})
	ok(t, err)
	defer s.Close()
	ch = openChannel(t, s.URL())
	err = ch.ExchangeDeclarePassive("x", "fanout", true, false, false, false, nil)
	if e, is := err.(*amqp.Error); !is || e.Code != amqp.NotFound {
		t.Errorf("an exchange outlived Close: got %v, want 404", err)
	}
}

func TestCloseConnections(t *testing.T) {
	s := listen(t, nil)
	conn := must(amqp.Dial(s.URL()))(t)
	closed := conn.NotifyClose(make(chan *amqp.Error, 1))
	s.CloseConnections()
	if e := receive(t, closed); e.Code != amqp.ConnectionForced {
		t.Errorf("got %v, want 320", e)
	}
	if n := s.Stats().Connections; n != 0 {
		t.Errorf("%d connections left", n)
	}
	ok(t, must(amqp.Dial(s.URL()))(t).Close())
}

// TestCloseIsSentOnce tests that a client that is told of an exception is not
// told to leave as well.
func TestCloseIsSentOnce(t *testing.T) {
	s := listen(t, nil)
	r := dialRaw(t, s.URL())
	r.open(wire.MinFrameMax, 0)
	r.send(1, &wire.ChannelOpen{})
	want(t, "code", expect[*wire.ConnectionClose](r).Code, 504)
	s.CloseConnections() // waits for a close-ok that does not come
	if f, err := r.frame(); err == nil {
		t.Errorf("got another frame: %v", f)
	}
}

func TestDropConnections(t *testing.T) {
	s := listen(t, nil)
	conn := must(amqp.Dial(s.URL()))(t)
	ch := must(conn.Channel())(t)
	must(ch.QueueDeclare("kept", false, false, false, false, nil))(t)
	must(ch.QueueDeclare("mine", false, false, true, false, nil))(t)
	closed := conn.NotifyClose(make(chan *amqp.Error, 1))
	s.DropConnections()
	if e := receive(t, closed); e.Code == amqp.ConnectionForced {
		t.Errorf("the client was told: %v", e)
	}
	if st := s.Stats(); st.Connections != 0 || st.Queues != 1 {
		t.Errorf("got %d connections and %d queues, want none and the one that is not exclusive", st.Connections, st.Queues)
	}
}

func TestLogin(t *testing.T) {
	s := listen(t, &broker.Config{User: "u", Password: "p"})
	for _, test := range []struct{ name, user, password string }{
		{"wrong password", "u", "q"}, {"wrong user", "v", "p"}, {"guest", "guest", "guest"},
		{"empty", "", ""}, {"longer password", "u", "pp"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := amqp.Dial("amqp://" + test.user + ":" + test.password + "@" + s.Addr().String() + "/")
			if e, is := err.(*amqp.Error); !is || e.Code != amqp.AccessRefused {
				t.Errorf("got %v, want 403", err)
			}
		})
	}
}

func TestVHost(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		_, err := amqp.Dial(strings.TrimSuffix(url, "/") + "/nowhere")
		if e, is := err.(*amqp.Error); !is || e.Code != amqp.NotAllowed || e.Reason != "NOT_ALLOWED - vhost nowhere not found" {
			t.Errorf("got %v, want 530", err)
		}
	})
}

func TestConnectionLimit(t *testing.T) {
	s := listen(t, &broker.Config{MaxConnections: 1})
	first := must(amqp.Dial(s.URL()))(t)
	_, err := amqp.Dial(s.URL())
	if e, is := err.(*amqp.Error); !is || e.Code != amqp.NotAllowed || !strings.Contains(e.Reason, "connection limit (1) is reached") {
		t.Errorf("got %v, want 530", err)
	}
	ok(t, first.Close())
	ok(t, must(amqp.Dial(s.URL()))(t).Close())
}

func TestChannelLimit(t *testing.T) {
	s := listen(t, &broker.Config{MaxChannels: 2})
	conn := must(amqp.Dial(s.URL()))(t)
	defer conn.Close()
	for range 2 {
		must(conn.Channel())(t)
	}
	if _, err := conn.Channel(); err == nil {
		t.Error("a third channel was opened")
	}
}

func TestDeclareLimits(t *testing.T) {
	s := listen(t, &broker.Config{MaxQueues: 1, MaxExchanges: 8, MaxBindings: 1, MaxConsumers: 1})
	conn := must(amqp.Dial(s.URL()))(t)
	defer conn.Close()
	ch := must(conn.Channel())(t)
	must(ch.QueueDeclare("q", false, false, false, false, nil))(t)
	ok(t, ch.ExchangeDeclare("x", "fanout", false, false, false, false, nil))
	ok(t, ch.QueueBind("q", "a", "x", false, nil))
	ok(t, ch.QueueBind("q", "a", "x", false, nil)) // the same again is none more
	must(ch.Consume("q", "", false, false, false, false, nil))(t)
	for _, test := range []struct {
		name string
		do   func(*amqp.Channel) error
		want string
	}{
		{"queues", func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare("r", false, false, false, false, nil)
			return err
		}, "channel 406 PRECONDITION_FAILED - cannot declare queue 'r' in vhost '/': queue limit in vhost '/' (1) is reached"},
		{"exchanges", func(ch *amqp.Channel) error {
			return ch.ExchangeDeclare("y", "fanout", false, false, false, false, nil)
		}, "channel 406 PRECONDITION_FAILED - cannot declare exchange 'y' in vhost '/': exchange limit of 8 is reached"},
		{"bindings", func(ch *amqp.Channel) error { return ch.QueueBind("q", "b", "x", false, nil) },
			"channel 406 PRECONDITION_FAILED - cannot bind queue 'q' in vhost '/': binding limit (1) is reached"},
		{"consumers", func(ch *amqp.Channel) error {
			_, err := ch.Consume("q", "", false, false, false, false, nil)
			return err
		}, "connection 530 NOT_ALLOWED - consumer limit (1) is reached"},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn := must(amqp.Dial(s.URL()))(t)
			defer conn.Close()
			err := test.do(must(conn.Channel())(t))
			if got := outcome(conn, err); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestUpdateSecret(t *testing.T) {
	conn := must(amqp.Dial(listen(t, nil).URL()))(t)
	defer conn.Close()
	ok(t, conn.UpdateSecret("new", "rotation"))
}
