package wire

func newQueueMethod(id MethodID) Method {
	switch id {
	case QueueDeclareID:
		return new(QueueDeclare)
	case QueueDeclareOkID:
		return new(QueueDeclareOk)
	case QueueBindID:
		return new(QueueBind)
	case QueueUnbindID:
		return new(QueueUnbind)
	case QueuePurgeID:
		return new(QueuePurge)
	case QueuePurgeOkID:
		return new(QueuePurgeOk)
	case QueueDeleteID:
		return new(QueueDelete)
	case QueueDeleteOkID:
		return new(QueueDeleteOk)
	case QueueBindOkID, QueueUnbindOkID:
		return &Bare{Method: id}
	}
	return nil
}

// QueueDeclare makes a queue, or checks that it is there.
type QueueDeclare struct {
	Queue      string
	Passive    bool
	Durable    bool
	Exclusive  bool
	AutoDelete bool
	NoWait     bool
	Arguments  Table
}

// ID implements Method.
func (m *QueueDeclare) ID() MethodID { return QueueDeclareID }

func (m *QueueDeclare) fields(c *coder) {
	c.reserved16()
	c.shortstr(&m.Queue)
	c.bits(&m.Passive, &m.Durable, &m.Exclusive, &m.AutoDelete, &m.NoWait)
	c.table(&m.Arguments)
}

// QueueDeclareOk confirms QueueDeclare.
type QueueDeclareOk struct {
	Queue     string
	Messages  uint32
	Consumers uint32
}

// ID implements Method.
func (m *QueueDeclareOk) ID() MethodID { return QueueDeclareOkID }

func (m *QueueDeclareOk) fields(c *coder) {
	c.shortstr(&m.Queue)
	c.long(&m.Messages)
	c.long(&m.Consumers)
}

// QueueBind binds a queue to an exchange.
type QueueBind struct {
	Queue      string
	Exchange   string
	RoutingKey string
	NoWait     bool
	Arguments  Table
}

// ID implements Method.
func (m *QueueBind) ID() MethodID { return QueueBindID }

func (m *QueueBind) fields(c *coder) {
	c.reserved16()
	c.shortstr(&m.Queue)
	c.shortstr(&m.Exchange)
	c.shortstr(&m.RoutingKey)
	c.bits(&m.NoWait)
	c.table(&m.Arguments)
}

// QueueUnbind undoes QueueBind.
type QueueUnbind struct {
	Queue      string
	Exchange   string
	RoutingKey string
	Arguments  Table
}

// ID implements Method.
func (m *QueueUnbind) ID() MethodID { return QueueUnbindID }

func (m *QueueUnbind) fields(c *coder) {
	c.reserved16()
	c.shortstr(&m.Queue)
	c.shortstr(&m.Exchange)
	c.shortstr(&m.RoutingKey)
	c.table(&m.Arguments)
}

// QueuePurge drops the ready messages of a queue.
type QueuePurge struct {
	Queue  string
	NoWait bool
}

// ID implements Method.
func (m *QueuePurge) ID() MethodID { return QueuePurgeID }

func (m *QueuePurge) fields(c *coder) {
	c.reserved16()
	c.shortstr(&m.Queue)
	c.bits(&m.NoWait)
}

// QueuePurgeOk confirms QueuePurge.
type QueuePurgeOk struct {
	Messages uint32
}

// ID implements Method.
func (m *QueuePurgeOk) ID() MethodID { return QueuePurgeOkID }

func (m *QueuePurgeOk) fields(c *coder) {
	c.long(&m.Messages)
}

// QueueDelete deletes a queue.
type QueueDelete struct {
	Queue    string
	IfUnused bool
	IfEmpty  bool
	NoWait   bool
}

// ID implements Method.
func (m *QueueDelete) ID() MethodID { return QueueDeleteID }

func (m *QueueDelete) fields(c *coder) {
	c.reserved16()
	c.shortstr(&m.Queue)
	c.bits(&m.IfUnused, &m.IfEmpty, &m.NoWait)
}

// QueueDeleteOk confirms QueueDelete.
type QueueDeleteOk struct {
	Messages uint32
}

// ID implements Method.
func (m *QueueDeleteOk) ID() MethodID { return QueueDeleteOkID }

func (m *QueueDeleteOk) fields(c *coder) {
	c.long(&m.Messages)
}
