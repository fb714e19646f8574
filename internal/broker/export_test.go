package broker

// NewServer returns a server without a listener, for tests that bring their
// own connections and clock.
func NewServer(cfg *Config) *Server { return newServer(cfg.withDefaults()) }
