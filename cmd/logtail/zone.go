package main

import (
	"encoding/binary"
	"os"
	"strings"
	"time"
)

// localZone returns the time zone that $TZ names where Go does not know it: a
// POSIX rule such as <+03>-3 or CET-1CEST,M3.5.0,M10.5.0/3. It returns nil when
// there is nothing to do, and a problem when the value can't be read: Go takes
// UTC then.
func localZone() (zone *time.Location, problem string) {
	tz, set := os.LookupEnv("TZ")
	name := strings.TrimPrefix(tz, ":")
	if !set || name == "" || strings.HasPrefix(name, "/") {
		return nil, ""
	}
	if _, err := time.LoadLocation(name); err == nil {
		return nil, ""
	}
	if zone = posixZone(name); zone == nil {
		problem = "TZ is no time zone that is known here, nor a POSIX rule; times are in UTC"
	}
	return zone, problem
}

// posixZone returns the zone of a POSIX rule, or nil. The time package reads
// such rules where they belong, at the end of a zone file: so this makes one, of
// version 2 (RFC 9636), that has nothing else.
func posixZone(rule string) *time.Location {
	if strings.Contains(rule, "\n") {
		return nil
	}
	const unknown = "?"
	var header [44]byte
	copy(header[:], "TZif2")
	binary.BigEndian.PutUint32(header[36:], 1) // zones
	binary.BigEndian.PutUint32(header[40:], uint32(len(unknown)+1))
	part := string(header[:]) + "\x00\x00\x00\x00\x00\x00" + unknown + "\x00"
	zone, err := time.LoadLocationFromTZData(rule, []byte(part+part+"\n"+rule+"\n"))
	if err != nil {
		return nil
	}
	// A rule that can't be read leaves the one zone of the file.
	if name, _ := time.Unix(0, 0).In(zone).Zone(); name == unknown {
		return nil
	}
	return zone
}
