// Package view keeps the last records of a tail in memory, for any number of
// viewers: pages, or a terminal.
//
// # The promise
//
//   - A Ring takes no more memory than it is given, whatever the records are.
//   - The feed never waits for a viewer, and no viewer for another: what one has
//     in hand does not change, and no lock is held while it looks at it.
//   - A viewer that the ring has overtaken is told how many rows it has missed.
//   - What is to be known of the stream, a gap say, is a row of its own, in the
//     order in which it came, and passes every filter.
//
// It renders nothing, and keeps nothing on disk.
//
// # How it is used
//
//	ring := view.New(256 << 20)
//	cfg.Notify = ring.Note               // sink.Config: gaps and connections
//	go sink.Tail(ctx, cfg, ring)
//
//	cursor := ring.Cursor(ring.Stats().First)
//	for {
//		for row, ok := cursor.Next(); ok; row, ok = cursor.Next() {
//			// the row is valid until the cursor is used again
//		}
//		if err := ring.Wait(ctx, cursor.Pos()); err != nil {
//			return err
//		}
//	}
//
// # Goroutines
//
//	feed --mu--> chunks <--mu-- cursor --> viewer      a goroutine for each viewer
//
// A chunk only grows at its end, and is never used again: a cursor takes, under
// the lock, what there is of one, and reads it without. The package starts no
// goroutines.
package view
