package wire

func newBasicMethod(id MethodID) Method {
	switch id {
	case BasicQosID:
		return new(BasicQos)
	case BasicConsumeID:
		return new(BasicConsume)
	case BasicConsumeOkID:
		return new(BasicConsumeOk)
	case BasicCancelID:
		return new(BasicCancel)
	case BasicCancelOkID:
		return new(BasicCancelOk)
	case BasicPublishID:
		return new(BasicPublish)
	case BasicReturnID:
		return new(BasicReturn)
	case BasicDeliverID:
		return new(BasicDeliver)
	case BasicGetID:
		return new(BasicGet)
	case BasicGetOkID:
		return new(BasicGetOk)
	case BasicGetEmptyID:
		return new(BasicGetEmpty)
	case BasicAckID:
		return new(BasicAck)
	case BasicRejectID:
		return new(BasicReject)
	case BasicRecoverAsyncID:
		return new(BasicRecoverAsync)
	case BasicRecoverID:
		return new(BasicRecover)
	case BasicNackID:
		return new(BasicNack)
	case BasicQosOkID, BasicRecoverOkID:
		return &Bare{Method: id}
	}
	return nil
}

// BasicQos limits what is delivered and not yet acknowledged.
type BasicQos struct {
	PrefetchSize  uint32
	PrefetchCount uint16
	Global        bool
}

// ID implements Method.
func (m *BasicQos) ID() MethodID { return BasicQosID }

func (m *BasicQos) fields(c *coder) {
	c.long(&m.PrefetchSize)
	c.short(&m.PrefetchCount)
	c.bits(&m.Global)
}

// BasicConsume starts a consumer.
type BasicConsume struct {
	Queue       string
	ConsumerTag string
	NoLocal     bool
	NoAck       bool
	Exclusive   bool
	NoWait      bool
	Arguments   Table
}

// ID implements Method.
func (m *BasicConsume) ID() MethodID { return BasicConsumeID }

func (m *BasicConsume) fields(c *coder) {
	c.reserved16()
	c.shortstr(&m.Queue)
	c.shortstr(&m.ConsumerTag)
	c.bits(&m.NoLocal, &m.NoAck, &m.Exclusive, &m.NoWait)
	c.table(&m.Arguments)
}

// BasicConsumeOk confirms BasicConsume.
type BasicConsumeOk struct {
	ConsumerTag string
}

// ID implements Method.
func (m *BasicConsumeOk) ID() MethodID { return BasicConsumeOkID }

func (m *BasicConsumeOk) fields(c *coder) {
	c.shortstr(&m.ConsumerTag)
}

// BasicCancel ends a consumer, from either side.
type BasicCancel struct {
	ConsumerTag string
	NoWait      bool
}

// ID implements Method.
func (m *BasicCancel) ID() MethodID { return BasicCancelID }

func (m *BasicCancel) fields(c *coder) {
	c.shortstr(&m.ConsumerTag)
	c.bits(&m.NoWait)
}

// BasicCancelOk confirms BasicCancel.
type BasicCancelOk struct {
	ConsumerTag string
}

// ID implements Method.
func (m *BasicCancelOk) ID() MethodID { return BasicCancelOkID }

func (m *BasicCancelOk) fields(c *coder) {
	c.shortstr(&m.ConsumerTag)
}

// BasicPublish announces a content for an exchange.
type BasicPublish struct {
	Exchange   string
	RoutingKey string
	Mandatory  bool
	Immediate  bool
}

// ID implements Method.
func (m *BasicPublish) ID() MethodID { return BasicPublishID }

func (m *BasicPublish) fields(c *coder) {
	c.reserved16()
	c.shortstr(&m.Exchange)
	c.shortstr(&m.RoutingKey)
	c.bits(&m.Mandatory, &m.Immediate)
}

// BasicReturn brings back a content that could not be routed.
type BasicReturn struct {
	Code       uint16
	Text       string
	Exchange   string
	RoutingKey string
}

// ID implements Method.
func (m *BasicReturn) ID() MethodID { return BasicReturnID }

func (m *BasicReturn) fields(c *coder) {
	c.short(&m.Code)
	c.shortstr(&m.Text)
	c.shortstr(&m.Exchange)
	c.shortstr(&m.RoutingKey)
}

// BasicDeliver announces a content for a consumer.
type BasicDeliver struct {
	ConsumerTag string
	DeliveryTag uint64
	Redelivered bool
	Exchange    string
	RoutingKey  string
}

// ID implements Method.
func (m *BasicDeliver) ID() MethodID { return BasicDeliverID }

func (m *BasicDeliver) fields(c *coder) {
	c.shortstr(&m.ConsumerTag)
	c.longlong(&m.DeliveryTag)
	c.bits(&m.Redelivered)
	c.shortstr(&m.Exchange)
	c.shortstr(&m.RoutingKey)
}

// BasicGet asks for one message.
type BasicGet struct {
	Queue string
	NoAck bool
}

// ID implements Method.
func (m *BasicGet) ID() MethodID { return BasicGetID }

func (m *BasicGet) fields(c *coder) {
	c.reserved16()
	c.shortstr(&m.Queue)
	c.bits(&m.NoAck)
}

// BasicGetOk announces the content asked for.
type BasicGetOk struct {
	DeliveryTag uint64
	Redelivered bool
	Exchange    string
	RoutingKey  string
	Messages    uint32
}

// ID implements Method.
func (m *BasicGetOk) ID() MethodID { return BasicGetOkID }

func (m *BasicGetOk) fields(c *coder) {
	c.longlong(&m.DeliveryTag)
	c.bits(&m.Redelivered)
	c.shortstr(&m.Exchange)
	c.shortstr(&m.RoutingKey)
	c.long(&m.Messages)
}

// BasicGetEmpty says that a queue has nothing ready.
type BasicGetEmpty struct {
}

// ID implements Method.
func (m *BasicGetEmpty) ID() MethodID { return BasicGetEmptyID }

func (m *BasicGetEmpty) fields(c *coder) {
	c.reservedStr()
}

// BasicAck acknowledges a delivery, or confirms a publish.
type BasicAck struct {
	DeliveryTag uint64
	Multiple    bool
}

// ID implements Method.
func (m *BasicAck) ID() MethodID { return BasicAckID }

func (m *BasicAck) fields(c *coder) {
	c.longlong(&m.DeliveryTag)
	c.bits(&m.Multiple)
}

// BasicReject refuses one delivery.
type BasicReject struct {
	DeliveryTag uint64
	Requeue     bool
}

// ID implements Method.
func (m *BasicReject) ID() MethodID { return BasicRejectID }

func (m *BasicReject) fields(c *coder) {
	c.longlong(&m.DeliveryTag)
	c.bits(&m.Requeue)
}

// BasicRecoverAsync asks for all deliveries again, without an answer.
type BasicRecoverAsync struct {
	Requeue bool
}

// ID implements Method.
func (m *BasicRecoverAsync) ID() MethodID { return BasicRecoverAsyncID }

func (m *BasicRecoverAsync) fields(c *coder) {
	c.bits(&m.Requeue)
}

// BasicRecover asks for all deliveries again.
type BasicRecover struct {
	Requeue bool
}

// ID implements Method.
func (m *BasicRecover) ID() MethodID { return BasicRecoverID }

func (m *BasicRecover) fields(c *coder) {
	c.bits(&m.Requeue)
}

// BasicNack refuses deliveries, or a publish (RabbitMQ extension).
type BasicNack struct {
	DeliveryTag uint64
	Multiple    bool
	Requeue     bool
}

// ID implements Method.
func (m *BasicNack) ID() MethodID { return BasicNackID }

func (m *BasicNack) fields(c *coder) {
	c.longlong(&m.DeliveryTag)
	c.bits(&m.Multiple, &m.Requeue)
}

// ConfirmSelect turns on publisher confirms (RabbitMQ extension).
type ConfirmSelect struct {
	NoWait bool
}

// ID implements Method.
func (m *ConfirmSelect) ID() MethodID { return ConfirmSelectID }

func (m *ConfirmSelect) fields(c *coder) {
	c.bits(&m.NoWait)
}

// A Publish is a BasicPublish whose names alias the payload it was parsed
// from: the one method that arrives too often to allocate for.
type Publish struct {
	Exchange, RoutingKey []byte
	Mandatory, Immediate bool
}

// ParsePublish parses the payload of a basic.publish frame.
func ParsePublish(payload []byte) (Publish, error) {
	c := coder{buf: payload, decoding: true}
	c.take(4) // the method id
	c.reserved16()
	p := Publish{Exchange: c.shortBytes(), RoutingKey: c.shortBytes()}
	c.bits(&p.Mandatory, &p.Immediate)
	return p, c.end()
}

// ParseAck parses the payload of a basic.ack frame, without allocating.
func ParseAck(payload []byte) (BasicAck, error) {
	c := coder{buf: payload, decoding: true}
	c.take(4) // the method id
	var m BasicAck
	m.fields(&c)
	return m, c.end()
}

// AppendDeliver is AppendMethod for a BasicDeliver, without allocating.
func AppendDeliver(dst []byte, channel uint16, m BasicDeliver) []byte {
	dst, mark := beginMethod(dst, channel, BasicDeliverID)
	c := coder{buf: dst}
	m.fields(&c)
	return endFrame(c.buf, mark)
}
