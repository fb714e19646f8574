package wire

func newConnectionMethod(id MethodID) Method {
	switch id {
	case ConnectionStartID:
		return new(ConnectionStart)
	case ConnectionStartOkID:
		return new(ConnectionStartOk)
	case ConnectionSecureID:
		return new(ConnectionSecure)
	case ConnectionSecureOkID:
		return new(ConnectionSecureOk)
	case ConnectionTuneID:
		return new(ConnectionTune)
	case ConnectionTuneOkID:
		return new(ConnectionTuneOk)
	case ConnectionOpenID:
		return new(ConnectionOpen)
	case ConnectionOpenOkID:
		return new(ConnectionOpenOk)
	case ConnectionCloseID:
		return new(ConnectionClose)
	case ConnectionBlockedID:
		return new(ConnectionBlocked)
	case ConnectionUpdateSecretID:
		return new(ConnectionUpdateSecret)
	case ConnectionCloseOkID, ConnectionUnblockedID, ConnectionUpdateSecretOkID:
		return &Bare{Method: id}
	}
	return nil
}

// ConnectionStart opens the negotiation.
type ConnectionStart struct {
	VersionMajor     uint8
	VersionMinor     uint8
	ServerProperties Table
	Mechanisms       []byte
	Locales          []byte
}

// ID implements Method.
func (m *ConnectionStart) ID() MethodID { return ConnectionStartID }

func (m *ConnectionStart) fields(c *coder) {
	c.octet(&m.VersionMajor)
	c.octet(&m.VersionMinor)
	c.table(&m.ServerProperties)
	c.longstr(&m.Mechanisms)
	c.longstr(&m.Locales)
}

// ConnectionStartOk carries the login.
type ConnectionStartOk struct {
	ClientProperties Table
	Mechanism        string
	Response         []byte
	Locale           string
}

// ID implements Method.
func (m *ConnectionStartOk) ID() MethodID { return ConnectionStartOkID }

func (m *ConnectionStartOk) fields(c *coder) {
	c.table(&m.ClientProperties)
	c.shortstr(&m.Mechanism)
	c.longstr(&m.Response)
	c.shortstr(&m.Locale)
}

// ConnectionSecure asks for more of the login.
type ConnectionSecure struct {
	Challenge []byte
}

// ID implements Method.
func (m *ConnectionSecure) ID() MethodID { return ConnectionSecureID }

func (m *ConnectionSecure) fields(c *coder) {
	c.longstr(&m.Challenge)
}

// ConnectionSecureOk answers ConnectionSecure.
type ConnectionSecureOk struct {
	Response []byte
}

// ID implements Method.
func (m *ConnectionSecureOk) ID() MethodID { return ConnectionSecureOkID }

func (m *ConnectionSecureOk) fields(c *coder) {
	c.longstr(&m.Response)
}

// ConnectionTune offers limits; zero means none.
type ConnectionTune struct {
	ChannelMax uint16
	FrameMax   uint32
	Heartbeat  uint16
}

// ID implements Method.
func (m *ConnectionTune) ID() MethodID { return ConnectionTuneID }

func (m *ConnectionTune) fields(c *coder) {
	c.short(&m.ChannelMax)
	c.long(&m.FrameMax)
	c.short(&m.Heartbeat)
}

// ConnectionTuneOk settles the limits.
type ConnectionTuneOk struct {
	ChannelMax uint16
	FrameMax   uint32
	Heartbeat  uint16
}

// ID implements Method.
func (m *ConnectionTuneOk) ID() MethodID { return ConnectionTuneOkID }

func (m *ConnectionTuneOk) fields(c *coder) {
	c.short(&m.ChannelMax)
	c.long(&m.FrameMax)
	c.short(&m.Heartbeat)
}

// ConnectionOpen chooses the virtual host.
type ConnectionOpen struct {
	VirtualHost string
}

// ID implements Method.
func (m *ConnectionOpen) ID() MethodID { return ConnectionOpenID }

func (m *ConnectionOpen) fields(c *coder) {
	c.shortstr(&m.VirtualHost)
	c.reservedStr()
	c.reservedBit()
}

// ConnectionOpenOk ends the handshake.
type ConnectionOpenOk struct {
}

// ID implements Method.
func (m *ConnectionOpenOk) ID() MethodID { return ConnectionOpenOkID }

func (m *ConnectionOpenOk) fields(c *coder) {
	c.reservedStr()
}

// ConnectionClose ends the connection; Class and Method name what caused it, if a method did.
type ConnectionClose struct {
	Code   uint16
	Text   string
	Class  uint16
	Method uint16
}

// ID implements Method.
func (m *ConnectionClose) ID() MethodID { return ConnectionCloseID }

func (m *ConnectionClose) fields(c *coder) {
	c.short(&m.Code)
	c.shortstr(&m.Text)
	c.short(&m.Class)
	c.short(&m.Method)
}

// ConnectionBlocked tells a publisher that it is no longer read.
type ConnectionBlocked struct {
	Reason string
}

// ID implements Method.
func (m *ConnectionBlocked) ID() MethodID { return ConnectionBlockedID }

func (m *ConnectionBlocked) fields(c *coder) {
	c.shortstr(&m.Reason)
}

// ConnectionUpdateSecret replaces the password of the session.
type ConnectionUpdateSecret struct {
	Secret []byte
	Reason string
}

// ID implements Method.
func (m *ConnectionUpdateSecret) ID() MethodID { return ConnectionUpdateSecretID }

func (m *ConnectionUpdateSecret) fields(c *coder) {
	c.longstr(&m.Secret)
	c.shortstr(&m.Reason)
}
