package main

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/slogcast/slogcast/sink/archive"
)

// units of sizes: decimal ones, and binary ones with an i.
var units = map[string]float64{
	"": 1, "b": 1,
	"k": 1e3, "kb": 1e3, "m": 1e6, "mb": 1e6, "g": 1e9, "gb": 1e9, "t": 1e12, "tb": 1e12,
	"ki": 1 << 10, "kib": 1 << 10, "mi": 1 << 20, "mib": 1 << 20, "gi": 1 << 30, "gib": 1 << 30, "ti": 1 << 40, "tib": 1 << 40,
}

// parseSize reads a size in bytes: 500, 100MB, 1.5 GiB. Letters may have any case.
func parseSize(s string) (int64, error) {
	digits := strings.TrimRight(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz")
	unit, ok := units[strings.ToLower(s)[len(digits):]]
	n, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if bytes := n * unit; ok && err == nil && bytes >= 1 && bytes < math.MaxInt64 {
		return int64(bytes), nil
	}
	return 0, fmt.Errorf("must be a size such as 500kB, 100MB, 1.5GB or 64MiB")
}

// size is a flag that holds a size in bytes.
type size int64

func (s *size) Type() string { return "SIZE" }

func (s *size) Set(text string) (err error) {
	n, err := parseSize(text)
	*s = size(n)
	return err
}

// String is the inverse of Set, in the largest unit that leaves a whole number.
func (s *size) String() string {
	for _, unit := range []string{"TB", "TiB", "GB", "GiB", "MB", "MiB", "kB", "KiB"} {
		if of := int64(units[strings.ToLower(unit)]); *s != 0 && int64(*s)%of == 0 {
			return strconv.FormatInt(int64(*s)/of, 10) + unit
		}
	}
	return strconv.FormatInt(int64(*s), 10)
}

// span is a flag that holds a duration, which may be in days and weeks.
type span time.Duration

func (s *span) Type() string   { return "DURATION" }
func (s *span) String() string { return time.Duration(*s).String() }

func (s *span) Set(text string) error {
	for unit, days := range map[string]int{"d": 1, "w": 7} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			n, err := strconv.ParseFloat(number, 64)
			length := n * float64(days) * float64(24*time.Hour)
			if err != nil || !(length >= 1) || length >= math.MaxInt64 {
				return fmt.Errorf("must be a duration such as 90m, 12h, 30d or 2w")
			}
			*s = span(length)
			return nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return fmt.Errorf("must be a duration such as 90m, 12h, 30d or 2w")
	}
	*s = span(d)
	return nil
}

// floor is a flag that holds what must be free of a disk: a size or a share.
type floor struct {
	bytes   size
	percent float64
}

func (f *floor) Type() string { return "SIZE|PERCENT" }

func (f *floor) String() string {
	if f.percent > 0 {
		return strconv.FormatFloat(f.percent, 'g', -1, 64) + "%"
	}
	return f.bytes.String()
}

func (f *floor) Set(text string) error {
	number, ok := strings.CutSuffix(text, "%")
	if !ok {
		f.percent = 0
		return f.bytes.Set(text)
	}
	percent, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || !(percent > 0 && percent < 100) {
		return fmt.Errorf("must be a share such as 5%%, less than 100%%, or a size such as 1GB")
	}
	f.percent, f.bytes = percent, 0
	return nil
}

// fsync is a flag that says when records are flushed to the disk.
type fsync archive.Fsync

var fsyncNames = map[string]archive.Fsync{"always": archive.FsyncAlways, "rotate": archive.FsyncRotate, "none": archive.FsyncNever}

func (f *fsync) Type() string          { return "always|DURATION|rotate|none" }
func (f *fsync) completions() []string { return []string{"always", "1s", "rotate", "none"} }

func (f *fsync) String() string {
	for name, policy := range fsyncNames {
		if archive.Fsync(*f) == policy {
			return name
		}
	}
	return time.Duration(*f).String()
}

func (f *fsync) Set(text string) error {
	if policy, ok := fsyncNames[text]; ok {
		*f = fsync(policy)
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return fmt.Errorf("must be always, a duration such as 1s, rotate or none")
	}
	*f = fsync(d)
	return nil
}

// fileMode is a flag that holds permissions, in octal.
type fileMode os.FileMode

func (m *fileMode) Type() string   { return "MODE" }
func (m *fileMode) String() string { return fmt.Sprintf("%04o", uint32(*m)) }

func (m *fileMode) Set(text string) error {
	n, err := strconv.ParseUint(text, 8, 32)
	if err != nil || n > 0o777 || n&0o600 != 0o600 {
		return fmt.Errorf("must be permissions in octal by which the owner may read and write, such as 0600 or 0640")
	}
	*m = fileMode(n)
	return nil
}
