package main

import (
	"fmt"
	"time"
)

// moment is a flag that holds a time: RFC 3339, a date, today, yesterday, or how
// long ago.
type moment struct {
	time.Time
	text string
}

func (m *moment) Type() string          { return "TIME" }
func (m *moment) String() string        { return m.text }
func (m *moment) completions() []string { return []string{"15m", "1h", "1d", "today", "yesterday"} }

// momentLayouts are of local time where they have no zone.
var momentLayouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly,
}

func (m *moment) Set(text string) error {
	now := time.Now()
	m.text = text
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	switch text {
	case "now":
		m.Time = now
		return nil
	case "today":
		m.Time = midnight
		return nil
	case "yesterday":
		m.Time = midnight.AddDate(0, 0, -1)
		return nil
	}
	var ago span
	if ago.Set(text) == nil {
		m.Time = now.Add(-time.Duration(ago))
		return nil
	}
	for _, layout := range momentLayouts {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			m.Time = t
			return nil
		}
	}
	return fmt.Errorf("must be how long ago (15m, 2d), a date, a time such as 2026-11-25T04:00:00Z, today or yesterday")
}
