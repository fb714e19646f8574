// Package brokertest gives a test its broker.
//
// Which brokers a test meets is decided by LOGTAIL_TEST_BROKER:
//
//	amqp://...   that one alone, where exchanges may be made and deleted
//	embedded     the embedded broker alone
//	container    RabbitMQ in Docker alone (image LOGTAIL_TEST_IMAGE, rabbitmq:4)
//	rabbitmq     a private node of an installed rabbitmq-server alone
//	(unset)      the embedded one, and a real one where there is one: Docker
//	             first, then an installed rabbitmq-server
//
// A test that needs a node with settings of its own starts one beside these,
// where rabbitmq-server is installed; not with a URL or embedded.
//
// What is asked for and can't be had is a failure. A broker is started when
// the first test of a package needs it, and ended with the package's tests.
package brokertest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"

	"github.com/slogcast/slogcast/internal/broker"
)

// Broker is a running broker.
type Broker struct {
	// Name tells brokers apart in the names of subtests: "rabbitmq-3.10.8".
	Name string

	// URL has a user who may do everything.
	URL string

	// Ctl runs rabbitmqctl on the broker and returns what it prints. It is nil
	// where that can't be done: on the embedded broker and on a given URL.
	Ctl func(args ...string) (string, error)

	stop func()
}

// started are the brokers of this process.
var started struct {
	once    sync.Once
	brokers []*Broker
	err     error
}

// Each runs test on every broker that this run meets.
func Each(t *testing.T, test func(t *testing.T, b *Broker)) {
	t.Helper()
	each(t, func(*Broker) bool { return true }, test)
}

// EachReal runs test on every real RabbitMQ that this run can give orders to:
// for what the embedded broker does not have, such as permissions. It skips
// where there is none.
func EachReal(t *testing.T, test func(t *testing.T, b *Broker)) {
	t.Helper()
	each(t, func(b *Broker) bool { return b.Ctl != nil }, test)
}

// Brokers returns the brokers that this run meets.
func Brokers(t testing.TB) []*Broker {
	t.Helper()
	started.once.Do(func() { started.brokers, started.err = start() })
	if started.err != nil {
		t.Fatalf("no broker: %v", started.err)
	}
	return started.brokers
}

func each(t *testing.T, fits func(*Broker) bool, test func(t *testing.T, b *Broker)) {
	t.Helper()
	met := false
	for _, b := range Brokers(t) {
		if !fits(b) {
			continue
		}
		met = true
		t.Run("broker="+b.Name, func(t *testing.T) { test(t, b) })
	}
	if !met {
		t.Skip("needs a RabbitMQ of its own: install rabbitmq-server, or run Docker")
	}
}

// start starts the brokers that LOGTAIL_TEST_BROKER asks for.
func start() ([]*Broker, error) {
	switch want := os.Getenv("LOGTAIL_TEST_BROKER"); {
	case strings.HasPrefix(want, "amqp://"), strings.HasPrefix(want, "amqps://"):
		return meet(given(want))
	case want == "embedded":
		return meet(startEmbedded())
	case want == "container":
		return meet(startContainer())
	case want == "rabbitmq":
		return meet(startNode())
	case want == "":
		brokers, err := meet(startEmbedded())
		if err != nil {
			return nil, err
		}
		real, err := meet(startAvailable())
		if err != nil {
			fmt.Fprintf(os.Stderr, "brokertest: no real RabbitMQ: %v\n", err)
		}
		return append(brokers, real...), nil
	default:
		// The value may be a URL with a typing error, and a password.
		return nil, errors.New("LOGTAIL_TEST_BROKER is none of amqp://..., embedded, rabbitmq, container")
	}
}

// startAvailable starts a real broker, if there is one.
func startAvailable() (*Broker, error) {
	if !dockerAnswers() {
		return startNode()
	}
	b, err := startContainer()
	if err == nil {
		return b, nil
	}
	b, nodeErr := startNode()
	if nodeErr != nil {
		return nil, errors.Join(err, nodeErr)
	}
	return b, nil
}

func meet(b *Broker, err error) ([]*Broker, error) {
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "brokertest: this run meets %s\n", b.Name)
	return []*Broker{b}, nil
}

// startEmbedded starts our own broker.
func startEmbedded() (*Broker, error) {
	s, err := broker.Listen(&broker.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		return nil, err
	}
	return &Broker{Name: "embedded", URL: s.DialURL() + "/", stop: func() { s.Close() }}, nil
}

// startNode starts a private node, for all tests of this process.
func startNode() (*Broker, error) {
	n, err := newNode(NodeConfig{})
	if err != nil {
		return nil, err
	}
	return n.Broker, nil
}

// given takes the broker at a URL.
func given(rawURL string) (*Broker, error) {
	b := &Broker{URL: rawURL, stop: func() {}}
	return b, b.identify()
}

// identify asks the broker for its version, which makes its name.
func (b *Broker) identify() error {
	conn, err := amqp.Dial(b.URL)
	if err != nil {
		return fmt.Errorf("connect to the broker: %w", err)
	}
	defer conn.Close()
	product, _ := conn.Properties["product"].(string)
	version, _ := conn.Properties["version"].(string)
	b.Name = strings.ToLower(product) + "-" + version
	return nil
}

// Exchange returns the name of an exchange that no other test uses. It is
// deleted when the test ends.
func (b *Broker) Exchange(t testing.TB) string {
	t.Helper()
	name := "test." + uuid.NewString()
	t.Cleanup(func() {
		b.Use(t, func(ch *amqp.Channel) {
			if err := ch.ExchangeDelete(name, false, false); err != nil {
				t.Errorf("delete exchange: %v", err)
			}
		})
	})
	return name
}

// Use runs do on a channel of a connection of its own.
func (b *Broker) Use(t testing.TB, do func(ch *amqp.Channel)) {
	t.Helper()
	conn, err := amqp.Dial(b.URL)
	if err != nil {
		t.Fatalf("connect to %s: %v", b.Name, err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatalf("open channel: %v", err)
	}
	do(ch)
}

// As returns the broker's URL with another user.
func (b *Broker) As(t testing.TB, user, password string) string {
	t.Helper()
	u, err := url.Parse(b.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, password)
	return u.String()
}

// User makes a user with permissions, as rabbitmqctl set_permissions takes
// them, and returns the URL to log in as that user. It is deleted when the test
// ends. The broker must have Ctl.
func (b *Broker) User(t testing.TB, configure, write, read string) string {
	t.Helper()
	name, password := "user-"+uuid.NewString(), uuid.NewString()
	for _, args := range [][]string{
		{"add_user", name, password},
		{"set_permissions", "-p", "/", name, configure, write, read},
	} {
		if out, err := b.Ctl(args...); err != nil {
			t.Fatalf("rabbitmqctl %s: %v\n%s", args[0], err, out)
		}
	}
	t.Cleanup(func() {
		if out, err := b.Ctl("delete_user", name); err != nil {
			t.Errorf("rabbitmqctl delete_user: %v\n%s", err, out)
		}
	})
	return b.As(t, name, password)
}

// Main runs a package's tests, ends its brokers, and checks that no goroutine
// is left. It does not return.
func Main(m *testing.M) { os.Exit(Tests{m}.Run()) }

// Tests is the part of Main that returns, for those who have more to do.
type Tests struct{ M *testing.M }

// Run returns the exit code.
func (t Tests) Run() (code int) {
	code = t.M.Run()
	for _, b := range started.brokers {
		b.stop()
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintf(os.Stderr, "goroutines are left: %v\n", err)
			return 1
		}
	}
	return code
}

// waitFor tries until ready returns nil, and returns its last error otherwise.
func waitFor(ctx context.Context, ready func() error) error {
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}
