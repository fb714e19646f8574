// Package archive keeps records in files for years, and reads them again.
//
// # The promise
//
//   - A record that Commit has returned for is on disk, in the file that has the
//     archive's name or in a segment beside it, by the chosen policy of fsync.
//   - A disk that is full or fails stops the archive, which tries again until
//     the disk takes records. No half line is left, and nothing is left out.
//   - What was written twice to the archive, because it died before it could
//     acknowledge, is in it once.
//   - The file may be moved, removed, replaced or cut by others: it is noticed
//     before anything more is called safe, and said. Nothing that another program
//     wrote is ever cut.
//   - The files are JSON lines, plain or compressed: tail, grep, jq and zstdcat
//     read them.
//
// It does not protect from who may write to the folder, nor keep what was
// removed on purpose.
//
// # The files
//
// PATH is the file that is being written. Finished segments are beside it, named
// by the time of their end: app-20261125T040000.000Z.log, compressed with .zst
// or .gz after it. Their names sort by time. A torn line, left by a crash, is kept
// in app-20261125T040000.000Z.torn. A lock, .app.log.lock, keeps a second writer out.
//
// # Goroutines
//
// Of an Archive:
//
//	Append, Commit, Rotate --mu--> file
//	clock    --mu--> file            rotates when no record comes
//	keeper   ------> segments        compresses, then removes the oldest
//
// clock and keeper end with Close.
package archive
