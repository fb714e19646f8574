package wire

func newExchangeMethod(id MethodID) Method {
	switch id {
	case ExchangeDeclareID:
		return new(ExchangeDeclare)
	case ExchangeDeleteID:
		return new(ExchangeDelete)
	case ExchangeBindID:
		return new(ExchangeBind)
	case ExchangeUnbindID:
		return new(ExchangeUnbind)
	case ExchangeDeclareOkID, ExchangeDeleteOkID, ExchangeBindOkID, ExchangeUnbindOkID:
		return &Bare{Method: id}
	}
	return nil
}

// ExchangeDeclare makes an exchange, or checks that it is there.
type ExchangeDeclare struct {
	Exchange   string
	Type       string
	Passive    bool
	Durable    bool
	AutoDelete bool
	Internal   bool
	NoWait     bool
	Arguments  Table
}

// ID implements Method.
func (m *ExchangeDeclare) ID() MethodID { return ExchangeDeclareID }

func (m *ExchangeDeclare) fields(c *coder) {
	c.reserved16()
	c.shortstr(&m.Exchange)
	c.shortstr(&m.Type)
	c.bits(&m.Passive, &m.Durable, &m.AutoDelete, &m.Internal, &m.NoWait)
	c.table(&m.Arguments)
}

// ExchangeDelete deletes an exchange.
type ExchangeDelete struct {
	Exchange string
	IfUnused bool
	NoWait   bool
}

// ID implements Method.
func (m *ExchangeDelete) ID() MethodID { return ExchangeDeleteID }

func (m *ExchangeDelete) fields(c *coder) {
	c.reserved16()
	c.shortstr(&m.Exchange)
	c.bits(&m.IfUnused, &m.NoWait)
}

// ExchangeBind binds an exchange to another (RabbitMQ extension).
type ExchangeBind struct {
	Destination string
	Source      string
	RoutingKey  string
	NoWait      bool
	Arguments   Table
}

// ID implements Method.
func (m *ExchangeBind) ID() MethodID { return ExchangeBindID }

func (m *ExchangeBind) fields(c *coder) {
	c.reserved16()
	c.shortstr(&m.Destination)
	c.shortstr(&m.Source)
	c.shortstr(&m.RoutingKey)
	c.bits(&m.NoWait)
	c.table(&m.Arguments)
}

// ExchangeUnbind undoes ExchangeBind.
type ExchangeUnbind struct {
	Destination string
	Source      string
	RoutingKey  string
	NoWait      bool
	Arguments   Table
}

// ID implements Method.
func (m *ExchangeUnbind) ID() MethodID { return ExchangeUnbindID }

func (m *ExchangeUnbind) fields(c *coder) {
	c.reserved16()
	c.shortstr(&m.Destination)
	c.shortstr(&m.Source)
	c.shortstr(&m.RoutingKey)
	c.bits(&m.NoWait)
	c.table(&m.Arguments)
}
