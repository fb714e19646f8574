package archive

import (
	"cmp"
	"errors"
	"os"
	"time"
)

// Options are the settings of an Archive. The zero value is a file that grows
// for ever.
type Options struct {
	// Raw writes the bodies of the records alone, without their envelope. What was
	// written twice can't be told then.
	Raw bool

	// Since is the time from which on records may come that the archive has, as from a
	// history: the last 16 million of them are read back, to be left out. If zero, those
	// are that a broker sends again after a crash.
	Since time.Time

	// Mode is the permissions of the files. If zero, 0600. An existing file that
	// is open to more is narrowed to it.
	Mode os.FileMode

	// Fsync says when records are safe. If zero, Fsync(time.Second).
	Fsync Fsync

	// RotateSize is the size in bytes that the file may reach before it becomes
	// a segment. A larger record has a segment of its own. If zero, any size.
	RotateSize int64

	// RotateEvery is the time after which the file becomes a segment, counted
	// from midnight in Location, whole weeks from Monday. If zero, never.
	RotateEvery time.Duration

	// Location is where midnight is. If nil, time.Local.
	Location *time.Location

	// Compress is how segments are compressed, in the background.
	Compress Compression

	// Keep is what is kept of the segments; the oldest go first.
	Keep Retention

	// OnError is told when the disk takes no records, and again with nil when it
	// does. May be nil. It must not call the Archive.
	OnError func(error)

	// OnNotice is told what else happens to the archive that its owner should
	// know. It may be called by two goroutines at a time, and must not call the
	// Archive. May be nil.
	OnNotice func(text string)

	// Retry is how long to wait before the disk is tried again. If zero, 1 s.
	Retry time.Duration
}

// Fsync says when records are flushed to the disk: at the latest this long after
// they were appended, or one of the constants. Commit flushes whatever the
// duration.
type Fsync time.Duration

const (
	FsyncAlways Fsync = -1 - iota // with every Append
	FsyncRotate                   // when a segment is finished
	FsyncNever                    // when the system sees fit
)

// Retention bounds what is kept. Zero fields bound nothing.
type Retention struct {
	Segments    int           // how many segments
	Age         time.Duration // since a segment's end
	Bytes       int64         // of all files of the archive
	FreeBytes   int64         // of the disk that must be free
	FreePercent float64       // of the disk that must be free
}

func (o Options) withDefaults() (Options, error) {
	k := o.Keep
	if o.RotateSize < 0 || o.RotateEvery < 0 || o.Retry < 0 || k.Segments < 0 || k.Age < 0 || k.Bytes < 0 || k.FreeBytes < 0 {
		return o, errors.New("a setting is negative")
	}
	if k.FreePercent < 0 || k.FreePercent >= 100 {
		return o, errors.New("the share of the disk to leave free is not from 0 to 99 percent")
	}
	if o.RotateEvery > 0 && o.RotateEvery < time.Millisecond {
		return o, errors.New("rotation is more often than every millisecond")
	}
	if o.Fsync < FsyncNever {
		return o, errors.New("the time until fsync is negative")
	}
	o.Mode = cmp.Or(o.Mode, 0o600)
	if o.Mode&^0o777 != 0 || o.Mode&0o600 != 0o600 {
		return o, errors.New("the mode does not let the owner read and write")
	}
	o.Fsync = cmp.Or(o.Fsync, Fsync(time.Second))
	o.Location = cmp.Or(o.Location, time.Local)
	o.Retry = cmp.Or(o.Retry, time.Second)
	if o.OnError == nil {
		o.OnError = func(error) {}
	}
	if o.OnNotice == nil {
		o.OnNotice = func(string) {}
	}
	return o, nil
}
