package archive

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/klauspost/compress/zstd"
)

// compress makes a compressed file of a plain segment. It has its name when it
// is whole and on disk, and only then the segment goes.
func (k *keeper) compress(ctx context.Context, s segment) error {
	to := s.path + extension[k.opts.Compress]
	from, err := os.OpenFile(s.path, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return err
	}
	defer from.Close()
	if err := compressTo(ctx, temporary(to), from, k.opts.Compress, k.opts.Mode); err != nil {
		return fmt.Errorf("compress %s: %w", s.path, err)
	}
	return k.publish(s, to)
}

// publish gives a compressed file its name, and removes the segment.
func (k *keeper) publish(s segment, to string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, err := os.Lstat(s.path); err != nil { // it was the oldest, and went
		return errors.Join(os.Remove(temporary(to)), ignoreMissing(err))
	}
	if err := os.Rename(temporary(to), to); err != nil {
		return err
	}
	if err := syncDir(k.names.dir); err != nil {
		return err
	}
	return ignoreMissing(os.Remove(s.path))
}

// compressTo writes what it reads, compressed, to a new file, and flushes it.
func compressTo(ctx context.Context, path string, from io.Reader, comp Compression, mode os.FileMode) (err error) {
	if err := ignoreMissing(os.Remove(path)); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|openFlags, mode)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			_ = os.Remove(path)
		}
	}()
	out := bufio.NewWriterSize(f, readSize)
	z, err := compressor(out, comp)
	if err != nil {
		return err
	}
	if _, err := io.Copy(z, contextReader{ctx, from}); err != nil {
		return errors.Join(err, z.Close())
	}
	return errors.Join(z.Close(), out.Flush(), f.Chmod(mode), f.Sync())
}

func compressor(w io.Writer, comp Compression) (io.WriteCloser, error) {
	if comp == Gzip {
		return gzip.NewWriter(w), nil
	}
	const window = 1 << 20 // whoever reads it needs as much memory
	return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(window))
}

// sameContent reports whether a compressed file holds all of a segment: another
// program may have begun to make it.
func sameContent(ctx context.Context, plain, packed string) bool {
	a, err := openSegment(segment{path: plain})
	if err != nil {
		return false
	}
	defer a.Close()
	b, err := openSegment(segment{path: packed})
	if err != nil {
		return false
	}
	defer b.Close()
	for n := 0; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return false
		}
		one, err := a.next()
		two, packedErr := b.next()
		if err == io.EOF && packedErr == io.EOF {
			return true
		}
		if err != nil || packedErr != nil || one.torn != two.torn || !bytes.Equal(one.text, two.text) {
			return false
		}
	}
}

// contextReader reads until ctx ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
