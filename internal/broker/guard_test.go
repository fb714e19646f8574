package broker

import (
	"encoding/binary"
	"net/netip"
	"testing"
)

// TestGuardIsBounded tests that addresses without end take no memory without
// end, and that the newest is remembered.
func TestGuardIsBounded(t *testing.T) {
	g := guard{peers: make(map[netip.Addr]*suspect)}
	for i := range uint32(3 * guardSize) {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], i)
		addr := netip.AddrFrom4(b)
		g.failed(addr)
		if g.peers[addr] == nil {
			t.Fatalf("address %d is not remembered", i)
		}
	}
	if n := len(g.peers); n > guardSize {
		t.Errorf("%d addresses are remembered, want at most %d", n, guardSize)
	}
}
