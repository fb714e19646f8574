package wire

func newChannelMethod(id MethodID) Method {
	switch id {
	case ChannelOpenID:
		return new(ChannelOpen)
	case ChannelOpenOkID:
		return new(ChannelOpenOk)
	case ChannelFlowID:
		return new(ChannelFlow)
	case ChannelFlowOkID:
		return new(ChannelFlowOk)
	case ChannelCloseID:
		return new(ChannelClose)
	case ChannelCloseOkID:
		return &Bare{Method: id}
	}
	return nil
}

// ChannelOpen opens a channel.
type ChannelOpen struct {
}

// ID implements Method.
func (m *ChannelOpen) ID() MethodID { return ChannelOpenID }

func (m *ChannelOpen) fields(c *coder) {
	c.reservedStr()
}

// ChannelOpenOk confirms ChannelOpen.
type ChannelOpenOk struct {
}

// ID implements Method.
func (m *ChannelOpenOk) ID() MethodID { return ChannelOpenOkID }

func (m *ChannelOpenOk) fields(c *coder) {
	c.reservedLong()
}

// ChannelFlow pauses or resumes the flow of contents.
type ChannelFlow struct {
	Active bool
}

// ID implements Method.
func (m *ChannelFlow) ID() MethodID { return ChannelFlowID }

func (m *ChannelFlow) fields(c *coder) {
	c.bits(&m.Active)
}

// ChannelFlowOk confirms ChannelFlow.
type ChannelFlowOk struct {
	Active bool
}

// ID implements Method.
func (m *ChannelFlowOk) ID() MethodID { return ChannelFlowOkID }

func (m *ChannelFlowOk) fields(c *coder) {
	c.bits(&m.Active)
}

// ChannelClose ends a channel; Class and Method name what caused it, if a method did.
type ChannelClose struct {
	Code   uint16
	Text   string
	Class  uint16
	Method uint16
}

// ID implements Method.
func (m *ChannelClose) ID() MethodID { return ChannelCloseID }

func (m *ChannelClose) fields(c *coder) {
	c.short(&m.Code)
	c.shortstr(&m.Text)
	c.short(&m.Class)
	c.short(&m.Method)
}

// AccessRequest asks for a ticket, which later methods show. It is of AMQP 0-8
// and 0-9; RabbitMQ has it for old clients, and never looks at a ticket.
type AccessRequest struct{}

// ID implements Method.
func (m *AccessRequest) ID() MethodID { return AccessRequestID }

func (m *AccessRequest) fields(c *coder) {
	c.reservedStr()
	c.reservedBit()
}

// AccessRequestOk gives a ticket.
type AccessRequestOk struct {
	Ticket uint16
}

// ID implements Method.
func (m *AccessRequestOk) ID() MethodID { return AccessRequestOkID }

func (m *AccessRequestOk) fields(c *coder) {
	c.short(&m.Ticket)
}
