package archive

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// keeper looks after the segments of an archive in the background: it
// compresses them, and removes the oldest.
type keeper struct {
	names namer
	opts  Options
	stop  <-chan struct{} // closed when run should end
	woken chan struct{}

	mu    sync.Mutex // guards which segments there are
	short bool       // the disk has less free than it should, and that was said
	said  string     // the last failure; only run uses it
}

func newKeeper(names namer, opts Options, stop <-chan struct{}) *keeper {
	return &keeper{names: names, opts: opts, stop: stop, woken: make(chan struct{}, 1)}
}

// wake tells of a new segment.
func (k *keeper) wake() {
	select {
	case k.woken <- struct{}{}:
	default:
	}
}

// lookEvery is how often the age of segments and the disk are looked at.
const lookEvery = 10 * time.Second

func (k *keeper) run() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // ends with run
		select {
		case <-k.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	k.removeTemporary()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		if err := k.work(ctx); err != nil && ctx.Err() == nil && err.Error() != k.said {
			k.said = err.Error()
			k.opts.OnNotice(k.said)
		}
		select {
		case <-k.woken:
		case <-look.C:
		case <-k.stop:
			return
		}
	}
}

// removeTemporary removes what a crash has left of a compression.
func (k *keeper) removeTemporary() {
	left, _ := filepath.Glob(filepath.Join(escapeGlob(k.names.dir), ".*.tmp"))
	for _, path := range left {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "."), ".tmp")
		if _, ok := k.names.parse(name); ok {
			_ = os.Remove(path)
		}
	}
}

// escapeGlob makes a folder's name stand for itself.
func escapeGlob(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}

// work compresses and removes what there is to do.
func (k *keeper) work(ctx context.Context) error {
	err := k.retain()
	segments, listErr := k.names.segments()
	if err = errors.Join(err, listErr); err != nil || k.opts.Compress == Plain {
		return err
	}
	for _, s := range segments {
		if s.comp != Plain {
			continue
		}
		if err := k.compressOnce(ctx, s); err != nil {
			return err
		}
		if err := k.retain(); err != nil {
			return err
		}
	}
	return nil
}

// compressOnce compresses a segment, or removes it when a crash came after that.
func (k *keeper) compressOnce(ctx context.Context, s segment) error {
	to := s.path + extension[k.opts.Compress]
	if _, err := os.Lstat(to); err == nil && sameContent(ctx, s.path, to) {
		return ignoreMissing(os.Remove(s.path))
	}
	return ignoreMissing(k.compress(ctx, s))
}

// retain removes the oldest segments while there is too much of them.
func (k *keeper) retain() error {
	if k.opts.Keep == (Retention{}) {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	segments, err := k.names.segments()
	if err != nil {
		return err
	}
	total := k.size()
	for _, s := range segments {
		total += s.size
	}
	for len(segments) > 0 {
		s := segments[0]
		full, err := k.tooFull()
		if err != nil || !full && !k.tooMuch(len(segments), total, s.end) {
			k.short = false
			return err
		}
		if err := k.remove(s, full); err != nil {
			return err
		}
		total -= s.size
		segments = segments[1:]
	}
	return k.sayShort()
}

// size returns that of the file that is being written.
func (k *keeper) size() int64 {
	info, err := os.Stat(filepath.Join(k.names.dir, k.names.base()))
	if err != nil {
		return 0
	}
	return info.Size()
}

// tooMuch reports whether the oldest of n segments has to go.
func (k *keeper) tooMuch(n int, total int64, oldest time.Time) bool {
	r := k.opts.Keep
	return r.Segments > 0 && n > r.Segments || r.Bytes > 0 && total > r.Bytes || r.Age > 0 && time.Since(oldest) > r.Age
}

// tooFull reports whether the disk has less free than it should.
func (k *keeper) tooFull() (bool, error) {
	r := k.opts.Keep
	if r.FreeBytes == 0 && r.FreePercent == 0 {
		return false, nil
	}
	left, all, err := free(k.names.dir)
	return left < uint64(r.FreeBytes) || float64(left) < float64(all)*r.FreePercent/100, err
}

// remove removes a segment, in all its forms. That it had to make room is said.
func (k *keeper) remove(s segment, full bool) error {
	for _, ext := range extension {
		if err := ignoreMissing(os.Remove(k.names.segment(s.end) + ext)); err != nil {
			return err
		}
	}
	if full {
		k.opts.OnNotice("removed " + s.path + ", the oldest segment: the disk has too little free")
	}
	return nil
}

// sayShort says once that there is nothing left to remove.
func (k *keeper) sayShort() error {
	full, err := k.tooFull()
	if full && !k.short {
		k.opts.OnNotice("the disk has less free than it should, and no segment is left to remove")
	}
	k.short = full
	return err
}

// makeRoom removes the oldest segment from a full disk, if there is to be a floor of
// free space. It reports whether there is room.
func (k *keeper) makeRoom() bool {
	r := k.opts.Keep
	if r.FreeBytes == 0 && r.FreePercent == 0 {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	segments, err := k.names.segments()
	return err == nil && len(segments) > 0 && k.remove(segments[0], true) == nil
}
