package archive

import (
	"bytes"

	"github.com/slogcast/slogcast/sink"
)

// idKey begins the id in a line of an archive.
const idKey = `"@id":"`

// findID returns the id that a line of an archive ends with, and where its
// member begins. An @id in the record's own attributes is not the archive's word.
func findID(line []byte) (at int, producer []byte, seq uint64, ok bool) {
	producer, seq, ok = sink.LineID(line)
	if !ok {
		return 0, nil, 0, false
	}
	at = bytes.LastIndex(line, []byte(idKey))
	if at > 0 && line[at-1] == ',' {
		at--
	}
	return at, producer, seq, len(producer) > 0 && seq > 0 && at >= 0
}
