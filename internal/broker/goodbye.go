package broker

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/slogcast/slogcast/internal/wire"
)

// closeTimeout is how long a client may take to confirm connection.close, and
// to take what is on its way to it.
const closeTimeout = time.Second

// shutdown tells the client to go. The reader ends when the client agrees, or
// after closeTimeout.
func (c *conn) shutdown() {
	c.srv.mu.Lock()
	opened := c.opened
	c.srv.mu.Unlock()
	if !opened {
		c.cut()
		return
	}
	c.sendClose(&wire.ConnectionClose{
		Code: connectionForced, Text: "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'",
	})
}

// sendClose begins the end of the connection, unless that has begun: an
// exception and an order to leave may cross.
func (c *conn) sendClose(m *wire.ConnectionClose) {
	c.quitOnce.Do(func() {
		c.stopping.Store(true)
		c.out.send(0, m)
		c.setDeadline(time.Now().Add(closeTimeout))
		close(c.quit)
	})
}

// cut ends the connection without a word, wherever its reader is.
func (c *conn) cut() {
	c.quitOnce.Do(func() { close(c.quit) })
	c.nc.Close()
}

// sayGoodbye tells the client why the connection ends, if it is an exception,
// and waits for it to agree. It returns what is worth a notice.
func (c *conn) sayGoodbye(err error) error {
	if errors.Is(err, errClosed) {
		return nil
	}
	var e *exception
	if !errors.As(err, &e) {
		if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
			return nil
		}
		return err
	}
	c.sendClose(&wire.ConnectionClose{
		Code: e.code, Text: e.replyText(), Class: e.method.Class(), Method: e.method.Method(),
	})
	if !c.opened {
		if c.out.flush() != nil {
			return err
		}
	}
	for {
		f, ferr := c.in.ReadFrame()
		if ferr == nil {
			ferr = c.discard(f)
		} else if isFrameError(ferr) {
			// What follows is not frames. It is read all the same: closing a
			// socket with unread input may destroy the reply on its way.
			io.Copy(io.Discard, c)
		}
		if ferr != nil {
			return err
		}
	}
}

// linger lets the client take the last that was sent to it. A socket that is
// closed while input is unread, or before input arrives that was on its way,
// is reset, and the reset destroys what the client has not read. So the
// sending half is closed, and what comes is read until the client closes too,
// for closeTimeout at most.
func (c *conn) linger() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	c.setDeadline(time.Now().Add(closeTimeout))
	io.Copy(io.Discard, c)
}

// discard handles a frame after connection.close was sent.
func (c *conn) discard(f wire.Frame) error {
	if f.Type != wire.FrameMethod || f.Channel != 0 {
		return nil
	}
	switch id, _ := wire.PeekMethod(f.Payload); id {
	case wire.ConnectionCloseID:
		c.out.send(0, &wire.Bare{Method: wire.ConnectionCloseOkID})
		return errClosed
	case wire.ConnectionCloseOkID:
		return errClosed
	}
	return nil
}

// levelOf returns the level of a notice about an ended connection or channel.
// Asking for what is not there ends a channel, and is usual.
func levelOf(err error) slog.Level {
	var e *exception
	if errors.As(err, &e) && e.hard() || errors.Is(err, errRefused) {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

func connAttrs(c *conn, err error) []slog.Attr {
	return []slog.Attr{
		slog.String("peer", c.nc.RemoteAddr().String()),
		slog.String("user", c.user),
		slog.String("err", err.Error()),
	}
}
