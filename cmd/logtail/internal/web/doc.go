// Package web is the page of logtail serve: what a ring of records holds, in a
// browser.
//
// # The promise
//
//   - Nobody but who has the token or the password sees a record, and no other
//     page does, whatever browser shows it: see guard.go.
//   - No text of a record becomes anything but text.
//   - No request changes anything here. A page that is slow, or stands still,
//     costs a connection, a buffer of 64 KiB and a chunk of the ring.
//   - A page gets every row that it asks for, or is told how many it has missed.
//
// # The interface
//
//	GET  /                      the page; /assets/ what belongs to it
//	POST /api/session           a token, or user and password, for a cookie
//	GET  /api/session           how to log in, and whether that was done
//	GET  /api/rows              rows from a position on, as they come, or before it
//	GET  /api/record            one record, whole
//	GET  /api/histogram         counts by time and level
//	GET  /api/download          all records that are asked for, as NDJSON
//	GET  /metrics, /healthz     for machines
//
// A query is asked for with the parameters level, grep, exclude, app, host, field,
// where, since and until, which are logtail's flags.
//
// # Goroutines
//
// Those of net/http, one a connection. Each has a cursor of its own into the ring.
package web
