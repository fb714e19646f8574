package handler

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slogcast/slogcast/internal/brokertest"
	"github.com/slogcast/slogcast/internal/link"
)

// deaf stands before a broker and swallows its first confirms. It returns the
// URL, and the number of connections it has carried.
func deaf(t *testing.T, b *brokertest.Broker, confirms int32) (string, *atomic.Int32) {
	t.Helper()
	u, err := url.Parse(b.URL)
	if err != nil {
		t.Fatal(err)
	}
	target := u.Host
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	left, carried := new(atomic.Int32), new(atomic.Int32)
	left.Store(confirms)
	var working sync.WaitGroup
	working.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			carried.Add(1)
			working.Go(func() {
				defer client.Close()
				broker, err := net.Dial("tcp", target)
				if err != nil {
					return
				}
				working.Go(func() {
					_, _ = io.Copy(broker, client) // ends with either
					broker.Close()
				})
				copyFrames(client, broker, left)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		working.Wait()
	})
	u.Host = l.Addr().String()
	return u.String(), carried
}

// copyFrames copies whole frames (AMQP 0-9-1 section 4.2.3), but for basic.ack
// (60.80) as long as left is positive.
func copyFrames(to io.Writer, from io.Reader, left *atomic.Int32) {
	for {
		header := make([]byte, 7)
		if _, err := io.ReadFull(from, header); err != nil {
			return
		}
		rest := make([]byte, binary.BigEndian.Uint32(header[3:])+1)
		if _, err := io.ReadFull(from, rest); err != nil {
			return
		}
		if header[0] == 1 && binary.BigEndian.Uint32(rest) == 60<<16|80 && left.Add(-1) >= 0 {
			continue
		}
		if _, err := to.Write(append(header, rest...)); err != nil {
			return
		}
	}
}

func TestLostConfirmBecomesAReconnect(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		broker, carried := deaf(t, b, 1)
		endpoints, err := link.Parse(broker)
		if err != nil {
			t.Fatal(err)
		}
		o, err := (&Options{Exchange: b.Exchange(t), OnError: func(error) {}}).withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		p, err := newPublisher(o)
		if err != nil {
			t.Fatal(err)
		}
		p.silence = 100 * time.Millisecond
		p.start(endpoints)
		h := &Handler{format: &format{limit: o.MaxRecord}, level: o.Level, pub: p}
		slog.New(h).Info("its confirm is lost")
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if err := h.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if s := h.Stats(); s.Confirmed != 1 || carried.Load() < 2 || !strings.Contains(s.LastError, "confirmed nothing for") {
			t.Errorf("got %+v over %d connections", s, carried.Load())
		}
	})
}

// A report of what was dropped is confirmed like any message, and waited for no
// less, even as the first of a connection.
func TestLossReportIsWaitedForLikeAnyMessage(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		h, err := New(b.URL, &Options{Exchange: b.Exchange(t), OnError: func(error) {}})
		if err != nil {
			t.Fatal(err)
		}
		log := slog.New(h)
		_ = h.pub.buffer.put(0, slog.LevelInfo, time.Time{}, make([]byte, defaultBuffer), 0) // no room even in the empty buffer
		if !h.pub.buffer.lossKnown() {
			t.Fatal("there was room")
		}
		for late := time.Now().Add(30 * time.Second); h.pub.buffer.lossKnown(); {
			if time.Now().After(late) {
				t.Fatal("not reported")
			}
			<-time.After(time.Millisecond)
		}
		log.Info("on the same connection")
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if err := h.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if s := h.Stats(); s.Dropped.Shed != 1 || s.Confirmed != 1 || s.Reconnects > 0 || s.LastError != "" {
			t.Errorf("got %+v", s)
		}
	})
}

func TestTogether(t *testing.T) {
	of := func(seqs string) (records []entry) {
		for field := range strings.FieldsSeq(seqs) {
			e := entry{body: make([]byte, 10)}
			fmt.Sscan(field, &e.seq)
			records = append(records, e)
		}
		return records
	}
	for _, tt := range []struct {
		seqs  string
		batch Batch
		want  int
	}{
		{"1 2 3", Batch{Records: 1, Bytes: 100}, 1},
		{"1 2 3", Batch{Records: 2, Bytes: 100}, 2},
		{"1 2 3", Batch{Records: 9, Bytes: 100}, 3},
		{"1 2 3", Batch{Records: 9, Bytes: 31}, 2},
		{"1 2 3", Batch{Records: 9, Bytes: 32}, 3},
		{"1 2 3", Batch{Records: 9, Bytes: 5}, 1},
		{"1 2 4", Batch{Records: 9, Bytes: 100}, 2},
		{"7 1 2", Batch{Records: 9, Bytes: 100}, 1},
	} {
		s := &session{publisher: &publisher{Options: Options{Batch: tt.batch}}, batchBytes: tt.batch.Bytes}
		if got := s.together(of(tt.seqs)); got != tt.want {
			t.Errorf("%s, %+v: got %d, want %d", tt.seqs, tt.batch, got, tt.want)
		}
	}
}
