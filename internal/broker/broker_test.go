package broker

import (
	"fmt"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestX(t *testing.T) {
	s, err := Listen(&Config{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, err := amqp.Dial(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ch, err := c.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.ExchangeDeclare("logs", "fanout", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	q, err := ch.QueueDeclare("", false, false, true, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.QueueBind(q.Name, "", "logs", false, nil); err != nil {
		t.Fatal(err)
	}
	ch.Qos(10, 0, false)
	d, err := ch.Consume(q.Name, "", false, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	ch.Confirm(false)
	for i := range 100 {
		if err := ch.Publish("logs", "k", false, false, amqp.Publishing{Body: []byte(fmt.Sprint(i)), AppId: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 100 {
		m := <-d
		if string(m.Body) != fmt.Sprint(i) {
			t.Fatal(string(m.Body))
		}
		m.Ack(i%3 == 0)
	}
	t.Logf("%+v", s.Stats())
}
