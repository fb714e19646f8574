package broker_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

// outcome describes how a broker answered: what was closed, and the reply.
func outcome(conn *amqp.Connection, err error) string {
	if err == nil {
		return "ok"
	}
	var e *amqp.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	scope := "channel"
	if conn.IsClosed() {
		scope = "connection"
	}
	return fmt.Sprintf("%s %d %s", scope, e.Code, e.Reason)
}

// An exceptionCase is something a client does and how the broker answers,
// where Q and X stand for the names the case was made with.
type exceptionCase struct {
	name string
	do   func(*amqp.Channel) error
	want string
}

// exceptionCases returns the cases for a queue q and an exchange x.
func exceptionCases(q, x string) []exceptionCase {
	type table = amqp.Table
	var (
		none     amqp.Table
		declareX = func(name, kind string, args table) func(*amqp.Channel) error {
			return func(ch *amqp.Channel) error { return ch.ExchangeDeclare(name, kind, false, true, false, false, args) }
		}
		declareQ = func(name string, args table) func(*amqp.Channel) error {
			return func(ch *amqp.Channel) error {
				_, err := ch.QueueDeclare(name, false, true, true, false, args)
				return err
			}
		}
		declareQuorum = func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare(q, true, false, false, false, table{"x-queue-type": "quorum"})
			return err
		}
		both = func(fs ...func(*amqp.Channel) error) func(*amqp.Channel) error {
			return func(ch *amqp.Channel) error {
				for _, f := range fs {
					if err := f(ch); err != nil {
						return err
					}
				}
				return nil
			}
		}
		send = func(exchange, key string, p amqp.Publishing) func(*amqp.Channel) error {
			return func(ch *amqp.Channel) error { return ch.Publish(exchange, key, false, false, p) }
		}
		consume = func(queue, tag string, noAck, exclusive bool, args table) func(*amqp.Channel) error {
			return func(ch *amqp.Channel) error {
				_, err := ch.Consume(queue, tag, noAck, exclusive, false, false, args)
				return err
			}
		}
		bind = func(queue, exchange string) func(*amqp.Channel) error {
			return func(ch *amqp.Channel) error { return ch.QueueBind(queue, "k", exchange, false, nil) }
		}
	)
	return []exceptionCase{
		{"exchange amq.", declareX("amq."+x, "fanout", none), "channel 403 ACCESS_REFUSED - exchange name 'amq.X' contains reserved prefix 'amq.*'"},
		{"exchange default", declareX("", "direct", none), "channel 403 ACCESS_REFUSED - operation not permitted on the default exchange"},
		{"exchange amq.direct again", func(ch *amqp.Channel) error {
			return ch.ExchangeDeclare("amq.direct", "direct", true, false, false, false, nil)
		}, "ok"},
		{"exchange other type", both(declareX(x, "fanout", none), declareX(x, "direct", none)), "channel 406 PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'X' in vhost '/': received 'direct' but current is 'fanout'"},
		{"exchange other type topic", both(declareX(x, "fanout", none), declareX(x, "topic", none)), "channel 406 PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'X' in vhost '/': received 'topic' but current is 'fanout'"},
		{"exchange other auto-delete", both(declareX(x, "fanout", none), func(ch *amqp.Channel) error {
			return ch.ExchangeDeclare(x, "fanout", false, false, false, false, nil)
		}), "channel 406 PRECONDITION_FAILED - inequivalent arg 'auto_delete' for exchange 'X' in vhost '/': received 'false' but current is 'true'"},
		{"exchange other internal", both(declareX(x, "fanout", none), func(ch *amqp.Channel) error {
			return ch.ExchangeDeclare(x, "fanout", false, true, true, false, nil)
		}), "channel 406 PRECONDITION_FAILED - inequivalent arg 'internal' for exchange 'X' in vhost '/': received 'true' but current is 'false'"},
		{"exchange alternate on existing", both(declareX(x, "fanout", none), declareX(x, "fanout", table{"alternate-exchange": "amq.fanout"})), "channel 406 PRECONDITION_FAILED - inequivalent arg 'alternate-exchange' for exchange 'X' in vhost '/': received the value 'amq.fanout' of type 'longstr' but current is none"},
		{"exchange passive missing", func(ch *amqp.Channel) error {
			return ch.ExchangeDeclarePassive(x, "fanout", false, false, false, false, nil)
		}, "channel 404 NOT_FOUND - no exchange 'X' in vhost '/'"},
		{"exchange passive other type", both(declareX(x, "fanout", none), func(ch *amqp.Channel) error {
			return ch.ExchangeDeclarePassive(x, "direct", true, false, false, false, nil)
		}), "ok"},
		{"exchange passive default", func(ch *amqp.Channel) error {
			return ch.ExchangeDeclarePassive("", "direct", true, false, false, false, nil)
		}, "channel 403 ACCESS_REFUSED - operation not permitted on the default exchange"},
		{"exchange delete missing", func(ch *amqp.Channel) error { return ch.ExchangeDelete(x, false, false) }, "ok"},
		{"exchange delete default", func(ch *amqp.Channel) error { return ch.ExchangeDelete("", false, false) }, "channel 403 ACCESS_REFUSED - operation not permitted on the default exchange"},
		{"exchange delete amq.", func(ch *amqp.Channel) error { return ch.ExchangeDelete("amq.fanout", false, false) }, "channel 403 ACCESS_REFUSED - deletion of system exchange 'amq.fanout' in vhost '/' not allowed"},
		{"exchange delete amq. missing", func(ch *amqp.Channel) error { return ch.ExchangeDelete("amq."+x, false, false) }, "channel 403 ACCESS_REFUSED - deletion of system exchange 'amq.X' in vhost '/' not allowed"},
		{"exchange delete used", both(declareX(x, "fanout", none), declareQ(q, none), bind(q, x),
			func(ch *amqp.Channel) error { return ch.ExchangeDelete(x, true, false) }), "channel 406 PRECONDITION_FAILED - exchange 'X' in vhost '/' in use"},

		{"queue amq.", declareQ("amq."+q, none), "channel 403 ACCESS_REFUSED - queue name 'amq.Q' contains reserved prefix 'amq.*'"},
		{"queue passive missing", func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclarePassive(q, false, false, false, false, nil)
			return err
		}, "channel 404 NOT_FOUND - no queue 'Q' in vhost '/'"},
		{"queue passive empty name", func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclarePassive("", false, false, false, false, nil)
			return err
		}, "channel 404 NOT_FOUND - no queue '' in vhost '/'"},
		{"queue other durability", both(declareQ(q, none), func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare(q, true, true, true, false, nil)
			return err
		}), "ok"},
		{"queue other auto-delete", both(declareQ(q, none), func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare(q, false, false, true, false, nil)
			return err
		}), "channel 406 PRECONDITION_FAILED - inequivalent arg 'auto_delete' for queue 'Q' in vhost '/': received 'false' but current is 'true'"},
		{"queue other exclusive", both(declareQ(q, none), func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare(q, false, true, false, false, nil)
			return err
		}), "channel 405 RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'Q' in vhost '/'. It could be originally declared on another connection or the exclusive property value does not match that of the original declarat..."},
		{"queue other max-length", both(declareQ(q, table{"x-max-length": int32(10)}), declareQ(q, table{"x-max-length": int64(11)})), "channel 406 PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'Q' in vhost '/': received '11' but current is '10'"},
		{"queue same max-length of other width", both(declareQ(q, table{"x-max-length": int32(10)}), declareQ(q, table{"x-max-length": int64(10)})), "ok"},
		{"queue lost max-length", both(declareQ(q, table{"x-max-length": int32(10)}), declareQ(q, none)), "channel 406 PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'Q' in vhost '/': received none but current is the value '10' of type 'signedint'"},
		{"queue new max-length", both(declareQ(q, none), declareQ(q, table{"x-max-length": int32(10)})), "channel 406 PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'Q' in vhost '/': received the value '10' of type 'signedint' but current is none"},
		{"queue new overflow", both(declareQ(q, none), declareQ(q, table{"x-overflow": "drop-head"})), "channel 406 PRECONDITION_FAILED - inequivalent arg 'x-overflow' for queue 'Q' in vhost '/': received the value 'drop-head' of type 'longstr' but current is none"},
		{"queue new queue-type classic", both(declareQ(q, none), declareQ(q, table{"x-queue-type": "classic"})), "ok"},
		{"queue lost queue-type classic", both(declareQ(q, table{"x-queue-type": "classic"}), declareQ(q, none)), "ok"},
		{"queue new queue-mode", both(declareQ(q, none), declareQ(q, table{"x-queue-mode": "lazy"})), "channel 406 PRECONDITION_FAILED - inequivalent arg 'x-queue-mode' for queue 'Q' in vhost '/': received the value 'lazy' of type 'longstr' but current is none"},
		{"queue new unknown argument", both(declareQ(q, none), declareQ(q, table{"x-something": int32(1)})), "ok"},
		{"queue new ttl", both(declareQ(q, none), declareQ(q, table{"x-message-ttl": int32(1000)})), "channel 406 PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'Q' in vhost '/': received the value '1000' of type 'signedint' but current is none"},
		{"queue other overflow", both(declareQ(q, table{"x-overflow": "drop-head"}), declareQ(q, table{"x-overflow": "reject-publish"})), "channel 406 PRECONDITION_FAILED - inequivalent arg 'x-overflow' for queue 'Q' in vhost '/': received 'reject-publish' but current is 'drop-head'"},
		{"queue max-length of a string", declareQ(q, table{"x-max-length": "10"}), `channel 406 PRECONDITION_FAILED - invalid arg 'x-max-length' for queue 'Q' in vhost '/': "expected integer, got longstr"`},
		{"queue max-length of a bool", declareQ(q, table{"x-max-length": true}), `channel 406 PRECONDITION_FAILED - invalid arg 'x-max-length' for queue 'Q' in vhost '/': "expected integer, got bool"`},
		{"queue max-length of a float", declareQ(q, table{"x-max-length": 1.5}), `channel 406 PRECONDITION_FAILED - invalid arg 'x-max-length' for queue 'Q' in vhost '/': "expected integer, got double"`},
		{"queue max-length negative", declareQ(q, table{"x-max-length": int32(-1)}), "channel 406 PRECONDITION_FAILED - invalid arg 'x-max-length' for queue 'Q' in vhost '/': {value_negative,-1}"},
		{"queue max-length-bytes of a string", declareQ(q, table{"x-max-length-bytes": "10"}), `channel 406 PRECONDITION_FAILED - invalid arg 'x-max-length-bytes' for queue 'Q' in vhost '/': "expected integer, got longstr"`},
		{"queue expires zero", declareQ(q, table{"x-expires": int32(0)}), "channel 406 PRECONDITION_FAILED - invalid arg 'x-expires' for queue 'Q' in vhost '/': {value_zero,0}"},
		{"queue expires negative", declareQ(q, table{"x-expires": int32(-1)}), "channel 406 PRECONDITION_FAILED - invalid arg 'x-expires' for queue 'Q' in vhost '/': {value_negative,-1}"},
		{"queue expires huge", declareQ(q, table{"x-expires": int64(1 << 40)}), "channel 406 PRECONDITION_FAILED - invalid arg 'x-expires' for queue 'Q' in vhost '/': {value_too_large,1099511627776}"},
		{"queue expires of a string", declareQ(q, table{"x-expires": "1"}), `channel 406 PRECONDITION_FAILED - invalid arg 'x-expires' for queue 'Q' in vhost '/': "expected integer, got longstr"`},
		{"queue ttl negative", declareQ(q, table{"x-message-ttl": int32(-1)}), "channel 406 PRECONDITION_FAILED - invalid arg 'x-message-ttl' for queue 'Q' in vhost '/': {value_negative,-1}"},
		{"queue ttl huge", declareQ(q, table{"x-message-ttl": int64(1 << 40)}), "channel 406 PRECONDITION_FAILED - invalid arg 'x-message-ttl' for queue 'Q' in vhost '/': {value_too_large,1099511627776}"},
		{"queue ttl at most", declareQ(q, table{"x-message-ttl": int64(315_360_000_000)}), "ok"},
		{"queue ttl above", declareQ(q, table{"x-message-ttl": int64(315_360_000_001)}), "channel 406 PRECONDITION_FAILED - invalid arg 'x-message-ttl' for queue 'Q' in vhost '/': {value_too_large,315360000001}"},
		{"queue expires at most", declareQ(q, table{"x-expires": int64(315_360_000_000)}), "ok"},
		{"queue overflow unknown", declareQ(q, table{"x-overflow": "bogus"}), "channel 406 PRECONDITION_FAILED - invalid arg 'x-overflow' for queue 'Q' in vhost '/': invalid_overflow"},
		{"queue overflow of an int", declareQ(q, table{"x-overflow": int32(1)}), "channel 406 PRECONDITION_FAILED - invalid arg 'x-overflow' for queue 'Q' in vhost '/': {unacceptable_type,signedint}"},
		{"queue type unknown", declareQ(q, table{"x-queue-type": "bogus"}), `channel 406 PRECONDITION_FAILED - invalid arg 'x-queue-type' for queue 'Q' in vhost '/': "unsupported queue type 'bogus'"`},
		{"queue type of an int", declareQ(q, table{"x-queue-type": int32(1)}), "channel 406 PRECONDITION_FAILED - invalid arg 'x-queue-type' for queue 'Q' in vhost '/': {unacceptable_type,signedint}"},
		{"queue mode lazy", declareQ(q, table{"x-queue-mode": "lazy"}), "ok"},
		{"queue mode unknown", declareQ(q, table{"x-queue-mode": "bogus"}), `channel 406 PRECONDITION_FAILED - invalid arg 'x-queue-mode' for queue 'Q' in vhost '/': "unsupported queue mode 'bogus'"`},
		{"queue version", declareQ(q, table{"x-queue-version": int32(1)}), "ok"},
		{"queue unknown argument", declareQ(q, table{"x-something": int32(1)}), "ok"},
		{"queue delete missing", func(ch *amqp.Channel) error { _, err := ch.QueueDelete(q, false, false, false); return err }, "ok"},
		{"queue delete not empty", both(declareQ(q, none), send("", q, amqp.Publishing{}),
			func(ch *amqp.Channel) error { _, err := ch.QueueDelete(q, false, true, false); return err }), "channel 406 PRECONDITION_FAILED - queue 'Q' in vhost '/' not empty"},
		{"queue delete in use", both(declareQ(q, none), consume(q, "c", true, false, none),
			func(ch *amqp.Channel) error { _, err := ch.QueueDelete(q, true, false, false); return err }), "channel 406 PRECONDITION_FAILED - queue 'Q' in vhost '/' in use"},
		{"queue version 0", declareQ(q, table{"x-queue-version": int32(0)}), `channel 406 PRECONDITION_FAILED - invalid arg 'x-queue-version' for queue 'Q' in vhost '/': "unsupported queue version '0'"`},
		{"quorum queue delete if empty", both(declareQuorum, func(ch *amqp.Channel) error { _, err := ch.QueueDelete(q, false, true, false); return err }),
			"connection 540 NOT_IMPLEMENTED - cannot delete queue 'Q' in vhost '/'. queue.delete operations with if-empty flag set are not supported by quorum queues"},
		{"quorum queue delete if unused", both(declareQuorum, func(ch *amqp.Channel) error { _, err := ch.QueueDelete(q, true, false, false); return err }),
			"connection 540 NOT_IMPLEMENTED - cannot delete queue 'Q' in vhost '/'. queue.delete operations with if-unused flag set are not supported by quorum queues"},
		{"quorum queue delete", both(declareQuorum, func(ch *amqp.Channel) error { _, err := ch.QueueDelete(q, false, false, false); return err }), "ok"},
		{"queue purge missing", func(ch *amqp.Channel) error { _, err := ch.QueuePurge(q, false); return err }, "channel 404 NOT_FOUND - no queue 'Q' in vhost '/'"},
		{"queue purge without a last one", func(ch *amqp.Channel) error { _, err := ch.QueuePurge("", false); return err }, "channel 404 NOT_FOUND - no previously declared queue"},
		{"queue delete without a last one", func(ch *amqp.Channel) error { _, err := ch.QueueDelete("", false, false, false); return err }, "channel 404 NOT_FOUND - no previously declared queue"},

		{"bind missing queue", bind(q, "amq.fanout"), "channel 404 NOT_FOUND - no queue 'Q' in vhost '/'"},
		{"bind missing exchange", both(declareQ(q, none), bind(q, x)), "channel 404 NOT_FOUND - no exchange 'X' in vhost '/'"},
		{"bind both missing", bind(q, x), "channel 404 NOT_FOUND - no exchange 'X' in vhost '/'"},
		{"bind to default exchange", both(declareQ(q, none), bind(q, "")), "channel 403 ACCESS_REFUSED - operation not permitted on the default exchange"},
		{"unbind missing queue", func(ch *amqp.Channel) error { return ch.QueueUnbind(q, "k", "amq.fanout", nil) }, "ok"},
		{"unbind missing exchange", both(declareQ(q, none), func(ch *amqp.Channel) error { return ch.QueueUnbind(q, "k", x, nil) }), "ok"},
		{"unbind missing binding", both(declareQ(q, none), func(ch *amqp.Channel) error { return ch.QueueUnbind(q, "k", "amq.fanout", nil) }), "ok"},
		{"unbind from default exchange", both(declareQ(q, none), func(ch *amqp.Channel) error { return ch.QueueUnbind(q, "k", "", nil) }), "channel 403 ACCESS_REFUSED - operation not permitted on the default exchange"},

		{"publish to missing exchange", send(x, "k", amqp.Publishing{}), "channel 404 NOT_FOUND - no exchange 'X' in vhost '/'"},
		{"publish to internal exchange", both(func(ch *amqp.Channel) error {
			return ch.ExchangeDeclare(x, "fanout", false, true, true, false, nil)
		}, send(x, "k", amqp.Publishing{}), sync, func(ch *amqp.Channel) error { return ch.ExchangeDelete(x, false, false) }), "channel 403 ACCESS_REFUSED - cannot publish to internal exchange 'X' in vhost '/'"},
		{"publish nowhere", send("", q, amqp.Publishing{}), "ok"},
		{"publish immediate", func(ch *amqp.Channel) error { return ch.Publish("", q, false, true, amqp.Publishing{}) }, "connection 540 NOT_IMPLEMENTED - immediate=true"},
		{"publish as another user", send("", q, amqp.Publishing{UserId: "somebody"}), "channel 406 PRECONDITION_FAILED - user_id property set to 'somebody' but authenticated user was 'guest'"},
		{"publish as the user", send("", q, amqp.Publishing{UserId: "guest"}), "ok"},
		{"publish with bad expiration", send("", q, amqp.Publishing{Expiration: "soon"}), "channel 406 PRECONDITION_FAILED - invalid expiration 'soon': no_integer"},
		{"publish with partial expiration", send("", q, amqp.Publishing{Expiration: "10ms"}), `channel 406 PRECONDITION_FAILED - invalid expiration '10ms': {leftover_string,"ms"}`},
		{"publish with negative expiration", send("", q, amqp.Publishing{Expiration: "-1"}), "channel 406 PRECONDITION_FAILED - invalid expiration '-1': {value_negative,-1}"},
		{"publish with signed expiration", send("", q, amqp.Publishing{Expiration: "+1"}), "ok"},
		{"publish with an expiration of ten years", send("", q, amqp.Publishing{Expiration: "315360000000"}), "ok"},
		{"publish with huge expiration", send("", q, amqp.Publishing{Expiration: "99999999999999"}), "channel 406 PRECONDITION_FAILED - invalid expiration '99999999999999': {value_too_large,99999999999999}"},

		{"exchange name not UTF-8", declareX(x+"\xff", "fanout", none), "connection 501 FRAME_ERROR - Malformed UTF-8 in shortstr"},
		{"queue name not UTF-8", declareQ(q+"\xff", none), "connection 501 FRAME_ERROR - Malformed UTF-8 in shortstr"},
		{"consumer tag not UTF-8", both(declareQ(q, none), consume(q, "\xff", true, false, none)), "connection 501 FRAME_ERROR - Malformed UTF-8 in shortstr"},
		{"publish key not UTF-8", send("amq.fanout", "\xff", amqp.Publishing{MessageId: "\xff", Headers: table{"\xff": "\xff"}}), "ok"},

		{"consume missing queue", consume(q, "c", false, false, none), "channel 404 NOT_FOUND - no queue 'Q' in vhost '/'"},
		{"consume without a last queue", consume("", "c", false, false, none), "channel 404 NOT_FOUND - no previously declared queue"},
		{"consume tag twice", both(declareQ(q, none), consume(q, "c", false, false, none),
			func(ch *amqp.Channel) error { return ch.Qos(1, 0, false) }, consume(q, "c", false, false, none)), "connection 530 NOT_ALLOWED - attempt to reuse consumer tag 'c'"},
		{"consume exclusive twice", both(declareQ(q, none), consume(q, "c", false, true, none), consume(q, "d", false, false, none)), "channel 403 ACCESS_REFUSED - queue 'Q' in vhost '/' in exclusive use"},
		{"consume exclusive second", both(declareQ(q, none), consume(q, "c", false, false, none), consume(q, "d", false, true, none)), "channel 403 ACCESS_REFUSED - queue 'Q' in vhost '/' in exclusive use"},
		{"consume with bad priority", both(declareQ(q, none), consume(q, "c", false, false, table{"x-priority": "high"})), `channel 406 PRECONDITION_FAILED - invalid arg 'x-priority' for queue 'Q' in vhost '/': "expected integer, got longstr"`},
		{"cancel unknown", func(ch *amqp.Channel) error { return ch.Cancel("c", false) }, "ok"},
		{"get missing queue", func(ch *amqp.Channel) error { _, _, err := ch.Get(q, true); return err }, "channel 404 NOT_FOUND - no queue 'Q' in vhost '/'"},
		{"qos prefetch size", func(ch *amqp.Channel) error { return ch.Qos(1, 100, false) }, "connection 540 NOT_IMPLEMENTED - prefetch_size!=0 (100)"},
		{"ack unknown", func(ch *amqp.Channel) error { return ch.Ack(7, false) }, "channel 406 PRECONDITION_FAILED - unknown delivery tag 7"},
		{"ack unknown multiple", func(ch *amqp.Channel) error { return ch.Ack(7, true) }, "channel 406 PRECONDITION_FAILED - unknown delivery tag 7"},
		{"ack zero", func(ch *amqp.Channel) error { return ch.Ack(0, false) }, "channel 406 PRECONDITION_FAILED - unknown delivery tag 0"},
		{"ack zero multiple", func(ch *amqp.Channel) error { return ch.Ack(0, true) }, "ok"},
		{"nack unknown", func(ch *amqp.Channel) error { return ch.Nack(7, false, true) }, "channel 406 PRECONDITION_FAILED - unknown delivery tag 7"},
		{"nack zero multiple", func(ch *amqp.Channel) error { return ch.Nack(0, true, true) }, "ok"},
		{"reject unknown", func(ch *amqp.Channel) error { return ch.Reject(7, true) }, "channel 406 PRECONDITION_FAILED - unknown delivery tag 7"},
		{"ack twice", both(declareQ(q, none), send("", q, amqp.Publishing{}), func(ch *amqp.Channel) error {
			d, _, err := ch.Get(q, false)
			if err != nil {
				return err
			}
			return errors.Join(d.Ack(false), d.Ack(false))
		}), "channel 406 PRECONDITION_FAILED - unknown delivery tag 1"},
		{"ack multiple twice", both(declareQ(q, none), send("", q, amqp.Publishing{}), func(ch *amqp.Channel) error {
			d, _, err := ch.Get(q, false)
			if err != nil {
				return err
			}
			return errors.Join(d.Ack(true), d.Ack(true))
		}), "channel 406 PRECONDITION_FAILED - unknown delivery tag 1"},
		{"recover with requeue", func(ch *amqp.Channel) error { return recoverAll(ch, true) }, "ok"},
		{"recover without requeue", func(ch *amqp.Channel) error { return recoverAll(ch, false) }, "connection 540 NOT_IMPLEMENTED - requeue=false"},
		{"flow on", func(ch *amqp.Channel) error { return ch.Flow(true) }, "ok"},
		{"flow off", func(ch *amqp.Channel) error { return ch.Flow(false) }, "connection 540 NOT_IMPLEMENTED - active=false"},
		{"confirm twice", both(func(ch *amqp.Channel) error { return ch.Confirm(false) }, func(ch *amqp.Channel) error { return ch.Confirm(false) }), "ok"},
	}
}

func TestExceptions(t *testing.T) {
	for i, test := range exceptionCases("", "") {
		t.Run(strings.ReplaceAll(test.name, " ", "_"), func(t *testing.T) {
			onBrokers(t, func(t *testing.T, url string) {
				conn := must(amqp.Dial(url))(t)
				defer conn.Close()
				ch := must(conn.Channel())(t)
				closed := ch.NotifyClose(make(chan *amqp.Error, 1))
				q, x := unique(), unique()
				defer openChannel(t, url).ExchangeDelete(x, false, false)
				defer openChannel(t, url).QueueDelete(q, false, false, false) // what is not exclusive
				err := exceptionCases(q, x)[i].do(ch)
				if err == nil {
					err = sync(ch)
				}
				if errors.Is(err, amqp.ErrClosed) {
					err = receive(t, closed) // the call came after the reply
				}
				got := strings.NewReplacer(q, "Q", x, "X").Replace(outcome(conn, err))
				if isSeries(conn, "4.") {
					// Newer RabbitMQs word some of it differently.
					got, test.want = codeOf(got), codeOf(test.want)
				}
				if got != test.want {
					t.Errorf("got %s\nwant %s", got, test.want)
				}
			})
		})
	}
}

// isSeries reports whether the broker is a RabbitMQ of the series.
func isSeries(conn *amqp.Connection, series string) bool {
	version, _ := conn.Properties["version"].(string)
	return conn.Properties["product"] == "RabbitMQ" && strings.HasPrefix(version, series)
}

// TestNamesAreOneLine tests that line ends are removed from names.
func TestNamesAreOneLine(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		name := unique()
		split := name + "\r\n"
		q := must(ch.QueueDeclare(split, false, false, true, false, nil))(t)
		want(t, "queue", q.Name, name)
		ok(t, ch.ExchangeDeclare(split, "fanout", false, true, false, false, nil))
		ok(t, ch.QueueBind(split, "", split, false, nil))
		ok(t, ch.Publish(name, "", false, false, amqp.Publishing{}))
		await(t, func() bool { return ready(t, ch, name) == 1 }) // RabbitMQ may count before it takes
		ok(t, ch.QueueUnbind(split, "", split, nil))
		must(ch.QueueDelete(split, false, false, false))(t)
		_, err := ch.QueueDeclarePassive(name, false, false, true, false, nil)
		if e, is := err.(*amqp.Error); !is || e.Code != amqp.NotFound {
			t.Errorf("got %v, want 404", err)
		}
	})
}

// codeOf cuts the text off an outcome.
func codeOf(outcome string) string {
	before, _, _ := strings.Cut(outcome, " - ")
	return before
}

// TestRefused tests that what RabbitMQ has and this broker has not is refused.
func TestRefused(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(*amqp.Channel) error
		want string
	}{
		{"unknown exchange", func(ch *amqp.Channel) error { return ch.ExchangeDeclare("x", "bogus", false, false, false, false, nil) }, "connection 503 COMMAND_INVALID - unknown exchange type 'bogus'"},
		{"transactions", func(ch *amqp.Channel) error { return ch.Tx() }, "connection 540 NOT_IMPLEMENTED - transactions: use publisher confirms"},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn := must(amqp.Dial(listen(t, nil).URL()))(t)
			defer conn.Close()
			ch := must(conn.Channel())(t)
			closed := ch.NotifyClose(make(chan *amqp.Error, 1))
			err := test.do(ch)
			if errors.Is(err, amqp.ErrClosed) {
				err = receive(t, closed) // the call came after the reply
			}
			if got := outcome(conn, err); got != test.want {
				t.Errorf("got %s\nwant %s", got, test.want)
			}
		})
	}
}
