package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrUnknownMethod reports a class and method number AMQP 0-9-1 does not have.
var ErrUnknownMethod = errors.New("wire: unknown method")

// A MethodID is a class number (high half) and a method number (low half).
type MethodID uint32

// Class returns the class number.
func (id MethodID) Class() uint16 { return uint16(id >> 16) }

// Method returns the number of the method within its class.
func (id MethodID) Method() uint16 { return uint16(id) }

// The methods of AMQP 0-9-1 with RabbitMQ's extensions, access.request of older
// versions among them.
const (
	ConnectionStartID          MethodID = 10<<16 | 10
	ConnectionStartOkID        MethodID = 10<<16 | 11
	ConnectionSecureID         MethodID = 10<<16 | 20
	ConnectionSecureOkID       MethodID = 10<<16 | 21
	ConnectionTuneID           MethodID = 10<<16 | 30
	ConnectionTuneOkID         MethodID = 10<<16 | 31
	ConnectionOpenID           MethodID = 10<<16 | 40
	ConnectionOpenOkID         MethodID = 10<<16 | 41
	ConnectionCloseID          MethodID = 10<<16 | 50
	ConnectionCloseOkID        MethodID = 10<<16 | 51
	ConnectionBlockedID        MethodID = 10<<16 | 60
	ConnectionUnblockedID      MethodID = 10<<16 | 61
	ConnectionUpdateSecretID   MethodID = 10<<16 | 70
	ConnectionUpdateSecretOkID MethodID = 10<<16 | 71

	ChannelOpenID    MethodID = 20<<16 | 10
	ChannelOpenOkID  MethodID = 20<<16 | 11
	ChannelFlowID    MethodID = 20<<16 | 20
	ChannelFlowOkID  MethodID = 20<<16 | 21
	ChannelCloseID   MethodID = 20<<16 | 40
	ChannelCloseOkID MethodID = 20<<16 | 41

	AccessRequestID   MethodID = 30<<16 | 10
	AccessRequestOkID MethodID = 30<<16 | 11

	ExchangeDeclareID   MethodID = 40<<16 | 10
	ExchangeDeclareOkID MethodID = 40<<16 | 11
	ExchangeDeleteID    MethodID = 40<<16 | 20
	ExchangeDeleteOkID  MethodID = 40<<16 | 21
	ExchangeBindID      MethodID = 40<<16 | 30
	ExchangeBindOkID    MethodID = 40<<16 | 31
	ExchangeUnbindID    MethodID = 40<<16 | 40
	ExchangeUnbindOkID  MethodID = 40<<16 | 51

	QueueDeclareID   MethodID = 50<<16 | 10
	QueueDeclareOkID MethodID = 50<<16 | 11
	QueueBindID      MethodID = 50<<16 | 20
	QueueBindOkID    MethodID = 50<<16 | 21
	QueuePurgeID     MethodID = 50<<16 | 30
	QueuePurgeOkID   MethodID = 50<<16 | 31
	QueueDeleteID    MethodID = 50<<16 | 40
	QueueDeleteOkID  MethodID = 50<<16 | 41
	QueueUnbindID    MethodID = 50<<16 | 50
	QueueUnbindOkID  MethodID = 50<<16 | 51

	BasicQosID          MethodID = 60<<16 | 10
	BasicQosOkID        MethodID = 60<<16 | 11
	BasicConsumeID      MethodID = 60<<16 | 20
	BasicConsumeOkID    MethodID = 60<<16 | 21
	BasicCancelID       MethodID = 60<<16 | 30
	BasicCancelOkID     MethodID = 60<<16 | 31
	BasicPublishID      MethodID = 60<<16 | 40
	BasicReturnID       MethodID = 60<<16 | 50
	BasicDeliverID      MethodID = 60<<16 | 60
	BasicGetID          MethodID = 60<<16 | 70
	BasicGetOkID        MethodID = 60<<16 | 71
	BasicGetEmptyID     MethodID = 60<<16 | 72
	BasicAckID          MethodID = 60<<16 | 80
	BasicRejectID       MethodID = 60<<16 | 90
	BasicRecoverAsyncID MethodID = 60<<16 | 100
	BasicRecoverID      MethodID = 60<<16 | 110
	BasicRecoverOkID    MethodID = 60<<16 | 111
	BasicNackID         MethodID = 60<<16 | 120

	ConfirmSelectID   MethodID = 85<<16 | 10
	ConfirmSelectOkID MethodID = 85<<16 | 11

	TxSelectID     MethodID = 90<<16 | 10
	TxSelectOkID   MethodID = 90<<16 | 11
	TxCommitID     MethodID = 90<<16 | 20
	TxCommitOkID   MethodID = 90<<16 | 21
	TxRollbackID   MethodID = 90<<16 | 30
	TxRollbackOkID MethodID = 90<<16 | 31
)

// A Method is one of the method structs of this package, as a pointer. Fields
// the specification reserves are not in the structs: they are skipped when
// read and written as zero.
type Method interface {
	ID() MethodID
	fields(*coder) // walks the arguments in the order of the wire
}

// PeekMethod returns the method a payload begins with.
func PeekMethod(payload []byte) (MethodID, error) {
	if len(payload) < 4 {
		return 0, ErrSyntax
	}
	return MethodID(binary.BigEndian.Uint32(payload)), nil
}

// ParseMethod parses the payload of a method frame. Byte slices in the result
// alias the payload.
func ParseMethod(payload []byte) (Method, error) {
	id, err := PeekMethod(payload)
	if err != nil {
		return nil, err
	}
	m := newMethod(id)
	if m == nil {
		return nil, fmt.Errorf("%w %d.%d", ErrUnknownMethod, id.Class(), id.Method())
	}
	c := coder{buf: payload[4:], decoding: true, strict: true}
	m.fields(&c)
	return m, c.end()
}

// AppendMethod appends a method frame.
func AppendMethod(dst []byte, channel uint16, m Method) []byte {
	dst, mark := beginMethod(dst, channel, m.ID())
	c := coder{buf: dst}
	m.fields(&c)
	return endFrame(c.buf, mark)
}

func beginMethod(dst []byte, channel uint16, id MethodID) (_ []byte, mark int) {
	dst, mark = beginFrame(dst, FrameMethod, channel)
	return binary.BigEndian.AppendUint32(dst, uint32(id)), mark
}

// newMethod returns an empty method, or nil for an unknown id.
func newMethod(id MethodID) Method {
	switch id.Class() {
	case 10:
		return newConnectionMethod(id)
	case 20:
		return newChannelMethod(id)
	case 40:
		return newExchangeMethod(id)
	case 50:
		return newQueueMethod(id)
	case 60:
		return newBasicMethod(id)
	}
	switch id {
	case AccessRequestID:
		return new(AccessRequest)
	case AccessRequestOkID:
		return new(AccessRequestOk)
	case ConfirmSelectID:
		return new(ConfirmSelect)
	case TxSelectID, TxSelectOkID, TxCommitID, TxCommitOkID, TxRollbackID, TxRollbackOkID:
		return &Bare{Method: id}
	case ConfirmSelectOkID:
		return &Bare{Method: id}
	}
	return nil
}

// Bare is any method without arguments.
type Bare struct{ Method MethodID }

// ID implements Method.
func (m *Bare) ID() MethodID { return m.Method }

func (m *Bare) fields(*coder) {}
