package archive

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/gofrs/flock"
)

// takeLock keeps every other writer out of the archive, until this process
// ends at the latest.
func takeLock(path string, names namer) (*flock.Flock, error) {
	lock := flock.New(names.lock(), flock.SetFlag(os.O_CREATE|os.O_RDWR|openFlags), flock.SetPermissions(0o600))
	ok, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if !ok {
		return nil, fmt.Errorf("%s is being written by another logtail%s; give each a file of its own", path, holder(names.lock()))
	}
	// The pid is for people, and the lock holds without it.
	if f, err := os.OpenFile(names.lock(), os.O_WRONLY|os.O_TRUNC|openFlags, 0); err == nil {
		_, _ = f.WriteString(strconv.Itoa(os.Getpid()) + "\n")
		f.Close()
	}
	return lock, nil
}

// keepLock takes the lock again where its file is gone, with the folder say: another
// process would get it.
func (a *Archive) keepLock() error {
	held, err := a.lock.Stat()
	if err != nil {
		return err
	}
	if named, err := os.Lstat(a.names.lock()); err == nil && os.SameFile(held, named) {
		return nil
	}
	lock, err := takeLock(a.path, a.names)
	if err == nil {
		_ = a.lock.Unlock()
		a.lock = lock
	}
	return err
}

// holder tells who has the lock.
func holder(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (pid %d)", pid)
}
