package link

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// What RabbitMQ says when it refuses something on an open connection.
var (
	denied  = regexp.MustCompile(`(?s)(?:(configure|write|read) )?access to (exchange|queue|topic) '(.*?)' (?:in exchange .* )?in vhost '(.*?)' refused`)
	tooBig  = regexp.MustCompile(`message size \d+ is larger than (?:configured )?max size (\d+)`)
	missing = regexp.MustCompile(`no (exchange|queue) '(.*?)' in vhost`)
)

// explainUse puts an error from an open connection into words.
func explainUse(to Endpoint, err error) *Error {
	if known, ok := errors.AsType[*Error](err); ok {
		return known
	}
	refusal, ok := errors.AsType[*amqp.Error](err)
	if ok && errors.Is(err, amqp.ErrChannelMax) {
		return &Error{
			Problem: fmt.Sprintf("connection to %s: it may have too few channels at a time", to),
			Hint:    "two are needed: see channel_max in the URL, and in the broker's configuration",
			Fatal:   true,
			err:     err,
		}
	}
	if !ok || !refusal.Server {
		return &Error{Problem: fmt.Sprintf("lost %s: %s", to, plain(withoutAddress(err))), err: err}
	}
	e := &Error{Problem: fmt.Sprintf("lost %s: the broker answered %d %q", to, refusal.Code, refusal.Reason), err: err}
	if m := denied.FindStringSubmatch(refusal.Reason); m != nil && refusal.Code == amqp.AccessRefused {
		e.Problem = fmt.Sprintf("%s on %s has no permission to %s %s %q", to.Who(), to, cmp.Or(m[1], "use"), m[2], m[3])
		e.Hint = fmt.Sprintf("grant it with rabbitmqctl set_permissions -p %q USER CONFIGURE WRITE READ", m[4])
		e.Fatal = true
	}
	if strings.Contains(refusal.Reason, "cannot publish to internal exchange") {
		e.Problem = fmt.Sprintf("%s: the exchange is internal, so that nobody can publish to it", to)
		e.Hint = "name another exchange, or bind the internal one to it"
		e.Fatal = true
	}
	if refusal.Code == amqp.PreconditionFailed && strings.Contains(refusal.Reason, "timed out") {
		e.Problem = fmt.Sprintf("lost %s: the broker has waited for an acknowledgement for longer than its consumer_timeout, and hands the messages over again", to)
	}
	if strings.Contains(refusal.Reason, "replica on the local node") {
		e.Problem = fmt.Sprintf("%s has no replica of the stream that is asked for: %q", to, refusal.Reason)
		e.Hint = "name the nodes that have one in the URL, too, with commas"
		e.Fatal = true // another node is tried at once
	}
	if m := missing.FindStringSubmatch(refusal.Reason); m != nil {
		e.Problem = fmt.Sprintf("%s: there is no %s %q", to, m[1], m[2])
	}
	return e
}

// unmendable reports whether err says that what was asked of the broker will be
// refused again: by its own words, and not by a passing state of its.
func unmendable(err error) bool {
	refusal, ok := errors.AsType[*amqp.Error](err)
	return ok && refusal.Server && !passing(refusal.Code)
}

// reserved reports whether the broker refuses a name that is for itself.
func reserved(refusal *amqp.Error) bool { return strings.Contains(refusal.Reason, "reserved prefix") }

// TooLarge reports whether err is the broker's refusal of a message for its size,
// and the most bytes of a body it takes, 0 where it does not say
// (https://www.rabbitmq.com/docs/configure, max_message_size).
func TooLarge(err error) (most int, ok bool) {
	refusal, is := errors.AsType[*amqp.Error](err)
	if !is || !refusal.Server {
		return 0, false
	}
	if m := tooBig.FindStringSubmatch(refusal.Reason); m != nil {
		if most, err := strconv.Atoi(m[1]); err == nil {
			return most, true
		}
		return 0, true
	}
	reason := strings.ToLower(refusal.Reason)
	return 0, refusal.Code == amqp.ContentTooLarge ||
		strings.Contains(reason, "message") && (strings.Contains(reason, "size") || strings.Contains(reason, "large"))
}

// Denied says which permission is missing, where err is the broker's 403.
func Denied(err error, to Endpoint, what, missing string) error {
	refusal, ok := errors.AsType[*amqp.Error](err)
	if !ok || refusal.Code != amqp.AccessRefused {
		return err
	}
	if reserved(refusal) {
		return &Error{
			Problem: fmt.Sprintf("can't %s on %s: names that begin with amq. are the broker's own", what, to),
			Hint:    "choose another name",
			Fatal:   true,
			err:     err,
		}
	}
	return &Error{
		Problem: fmt.Sprintf("%s on %s may not %s", to.Who(), to, what),
		Hint:    "it needs " + missing + ": rabbitmqctl set_permissions",
		Fatal:   true,
		err:     err,
	}
}
