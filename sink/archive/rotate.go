package archive

import (
	"errors"
	"io/fs"
	"os"
	"time"
)

// rotate makes a segment, named by its end, of what is in the file.
func (a *Archive) rotate(end time.Time) error {
	if err := a.commit(); err != nil {
		return err
	}
	if err := a.ready(); err != nil {
		return err
	}
	if a.end == 0 {
		a.due = a.nextDue(time.Now())
		return nil
	}
	if a.opts.Fsync == FsyncRotate {
		if err := a.file.Sync(); err != nil {
			// The kernel may have dropped it, and would not tell again.
			a.notice("what was written to %s since it began may not be on the disk, which failed to flush it: %v", a.path, err)
		}
	}
	end, err := a.freeName(end)
	if err != nil {
		return err
	}
	if err := os.Rename(a.path, a.names.segment(end)); err != nil {
		return err
	}
	a.latest, a.end = end, 0
	a.closeFile()
	a.keeper.wake()
	return a.openNamed() // and the folder is flushed
}

// freeName returns when a segment ended, later than all others whatever the
// clock says.
func (a *Archive) freeName(end time.Time) (time.Time, error) {
	end = end.Truncate(time.Millisecond)
	if !end.After(a.latest) {
		end = a.latest.Add(time.Millisecond)
	}
	for {
		taken := false
		for _, ext := range extension {
			_, err := os.Lstat(a.names.segment(end) + ext)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return end, err
			}
			taken = taken || err == nil
		}
		if !taken {
			return end, nil
		}
		end = end.Add(time.Millisecond)
	}
}

// tick rotates when the clock asks for it.
func (a *Archive) tick() error {
	now := time.Now()
	switch {
	case a.due.IsZero():
		return nil
	case !now.Before(a.due):
		return a.rotate(a.due)
	case a.due.Sub(now) > a.opts.RotateEvery+2*time.Hour: // the clock was set back
		a.due = a.nextDue(now)
	}
	return nil
}

// clock rotates when no record comes that would do it.
func (a *Archive) clock() {
	const glance = time.Minute // the clock may be set meanwhile
	for {
		a.mu.Lock()
		wait := a.opts.Retry
		if a.closed {
			a.mu.Unlock()
			return
		}
		if a.tick() == nil {
			wait = min(time.Until(a.due), glance)
		}
		a.mu.Unlock()
		select {
		case <-time.After(wait):
		case <-a.stop:
			return
		}
	}
}

// nextDue returns the first moment after t at which the clock asks for a segment.
func (a *Archive) nextDue(t time.Time) time.Time {
	if a.opts.RotateEvery == 0 {
		return time.Time{}
	}
	return nextBoundary(t.In(a.opts.Location), a.opts.RotateEvery)
}

// nextBoundary returns the first multiple of every after t, counted from midnight,
// or in days from a Monday. More than an hour is counted by the clock on the wall, so
// that on a day of 23 or 25 hours six of them still end at 12:00.
func nextBoundary(t time.Time, every time.Duration) time.Time {
	const day = 24 * time.Hour
	y, m, d := t.Date()
	zone := t.Location()
	if every >= day {
		days := int(every / day)
		monday := time.Date(1970, 1, 5, 0, 0, 0, 0, time.UTC)
		since := int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Sub(monday) / day)
		past := ((since % days) + days) % days
		return midnight(y, m, d-past+days, zone)
	}
	today, tomorrow := midnight(y, m, d, zone), midnight(y, m, d+1, zone)
	next := today.Add((t.Sub(today)/every + 1) * every)
	if every > time.Hour {
		wall := time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute
		for after := (wall/every + 1) * every; ; after += every {
			next = time.Date(y, m, d, 0, 0, int(after/time.Second), int(after%time.Second), zone)
			if next.After(t) { // it is not where the clock is set back
				break
			}
		}
	}
	if next.After(tomorrow) {
		return tomorrow
	}
	return next
}

// midnight returns the first moment of a day. Where the clock is set forward at
// midnight there is no 00:00, and time.Date takes an hour of one of the days.
func midnight(y int, m time.Month, d int, zone *time.Location) time.Time {
	t := time.Date(y, m, d, 0, 0, 0, 0, zone)
	if t.Hour() == 0 {
		return t
	}
	start, end := t.ZoneBounds()
	if t.Hour() > 12 { // of the day before
		return end
	}
	return start
}
