package wire

import "encoding/binary"

// Scanner takes the fields of properties and tables one after the other, as they
// are in memory, from what any program may have sent. Once one is not there, or is of
// no type that there is, it is not OK, and all that follow are zero. It allocates
// nothing.
type Scanner struct {
	b      []byte
	failed bool
}

// Scan returns a Scanner of b: of properties with their flags first (Header.Properties),
// or of the inside of a table or an array.
func Scan(b []byte) Scanner { return Scanner{b: b} }

// Len returns how many bytes are left.
func (s *Scanner) Len() int { return len(s.b) }

// OK reports whether all fields taken so far were there.
func (s *Scanner) OK() bool { return !s.failed }

var zeros [8]byte

// Take returns the next n bytes. Behind the end it returns zeros, of at most 8.
func (s *Scanner) Take(n int) []byte {
	if n < 0 || n > len(s.b) { // negative where int has 32 bits
		s.b, s.failed = nil, true
		return zeros[:min(uint(n), uint(len(zeros)))]
	}
	taken := s.b[:n]
	s.b = s.b[n:]
	return taken
}

// Short returns a short string, Long a long one or the inside of a table.
func (s *Scanner) Short() []byte { return s.sized(int(s.Take(1)[0])) }
func (s *Scanner) Long() []byte  { return s.sized(int(binary.BigEndian.Uint32(s.Take(4)))) }

func (s *Scanner) sized(n int) []byte {
	if taken := s.Take(n); !s.failed {
		return taken
	}
	return nil
}

// Value returns the value of a type, the inside of a table or an array. The types are
// those that RabbitMQ has (https://www.rabbitmq.com/amqp-0-9-1-errata, section 3).
func (s *Scanner) Value(kind byte) []byte {
	switch kind {
	case 'V':
		return nil
	case 't', 'b', 'B':
		return s.Take(1)
	case 's', 'U', 'u':
		return s.Take(2)
	case 'I', 'i', 'f':
		return s.Take(4)
	case 'D':
		return s.Take(5)
	case 'l', 'L', 'd', 'T':
		return s.Take(8)
	case 'S', 'x', 'A', 'F':
		return s.Long()
	}
	s.b, s.failed = nil, true
	return nil
}

// Integer returns the value of any of AMQP's integers as clients of other languages write
// them, 0 for anything else.
func Integer(kind byte, value []byte) int64 {
	switch kind {
	case 'b':
		return int64(int8(value[0]))
	case 'B':
		return int64(value[0])
	case 's', 'U':
		return int64(int16(binary.BigEndian.Uint16(value)))
	case 'u':
		return int64(binary.BigEndian.Uint16(value))
	case 'I':
		return int64(int32(binary.BigEndian.Uint32(value)))
	case 'i':
		return int64(binary.BigEndian.Uint32(value))
	case 'l', 'L':
		return int64(binary.BigEndian.Uint64(value))
	}
	return 0
}
