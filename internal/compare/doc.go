// Package compare measures handler beside other slog handlers. It is a module of
// its own, so that who imports handler gets none of them in go.sum.
//
// Every benchmark is all of Handle. Slogcast's buffer is full from the start, so
// that shedding the oldest record is part of it, and no broker answers; the
// others write to io.Discard and keep nothing. They are named for benchstat; a
// ratio needs runs that take turns, as the machine changes:
//
//	cd internal/compare
//	for i in 1 2 3 4 5; do go test -run '^$' -bench .; done | benchstat -col /h -
package compare
