package broker

import (
	"fmt"

	"github.com/slogcast/slogcast/internal/wire"
)

// Reply codes (AMQP 0-9-1 section 1.2 and RabbitMQ's "amqp-0-9-1-reference").
const (
	noRoute            = 312
	connectionForced   = 320
	accessRefused      = 403
	notFound           = 404
	resourceLocked     = 405
	preconditionFailed = 406
	frameError         = 501
	syntaxError        = 502
	commandInvalid     = 503
	channelError       = 504
	unexpectedFrame    = 505
	notAllowed         = 530
	notImplemented     = 540
)

// An exception is an error the protocol has a reply code for. It ends the
// channel on which it happened, or the whole connection.
type exception struct {
	code   uint16
	text   string
	method wire.MethodID // what the client had asked for, zero for no method
}

// raise returns an exception. The text is what RabbitMQ says, so that whoever
// looks it up finds RabbitMQ's documentation.
func raise(code uint16, format string, args ...any) error {
	return &exception{code: code, text: fmt.Sprintf(format, args...)}
}

func (e *exception) Error() string {
	return codeName(e.code) + " - " + e.text
}

// replyText returns the error as the protocol has room for it, with the mark
// that RabbitMQ leaves where it cuts.
func (e *exception) replyText() string {
	const most, mark = 255, "..."
	text := e.Error()
	if len(text) > most {
		return text[:most-len(mark)] + mark
	}
	return text
}

// hard reports whether the exception ends the connection: those codes the
// specification calls "hard errors".
func (e *exception) hard() bool {
	switch e.code {
	case accessRefused, notFound, resourceLocked, preconditionFailed:
		return false
	}
	return true
}

func codeName(code uint16) string {
	switch code {
	case noRoute:
		return "NO_ROUTE"
	case connectionForced:
		return "CONNECTION_FORCED"
	case accessRefused:
		return "ACCESS_REFUSED"
	case notFound:
		return "NOT_FOUND"
	case resourceLocked:
		return "RESOURCE_LOCKED"
	case preconditionFailed:
		return "PRECONDITION_FAILED"
	case frameError:
		return "FRAME_ERROR"
	case syntaxError:
		return "SYNTAX_ERROR"
	case commandInvalid:
		return "COMMAND_INVALID"
	case channelError:
		return "CHANNEL_ERROR"
	case unexpectedFrame:
		return "UNEXPECTED_FRAME"
	case notAllowed:
		return "NOT_ALLOWED"
	case notImplemented:
		return "NOT_IMPLEMENTED"
	}
	return "INTERNAL_ERROR"
}
