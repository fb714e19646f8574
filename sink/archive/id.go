package archive

import "bytes"

// idKey begins the id in a line of an archive.
const idKey = `,"@id":"`

// envelopeMost is more than what can follow the id in a line: app and host of 255 bytes
// each, escaped, and a time.
const envelopeMost = 4 << 10

// findID returns the id that a line of an archive ends with, and where its
// member begins. An @id in the record's own attributes is not the archive's word.
func findID(line []byte) (at int, producer []byte, seq uint64, ok bool) {
	tail := line[max(0, len(line)-envelopeMost):]
	i := bytes.LastIndex(tail, []byte(idKey))
	from := len(idKey)
	if i < 0 && len(tail) == len(line) && bytes.HasPrefix(tail, []byte(`{"@id":"`)) {
		i, from = 0, len(`{"@id":"`) // of an empty object
	}
	if i < 0 {
		return 0, nil, 0, false
	}
	id := tail[i+from:]
	end := bytes.IndexByte(id, '"')
	if end < 0 || !isEnvelope(id[end+1:]) {
		return 0, nil, 0, false
	}
	producer, seq, ok = parseID(id[:end])
	return len(line) - len(tail) + i, producer, seq, ok
}

// isEnvelope reports whether what follows the id is of the archive's making.
func isEnvelope(rest []byte) bool {
	for _, key := range []string{`,"@app":"`, `,"@host":"`, `,"@level":"`, `,"@time":"`, `,"@base64":"`} {
		if after, ok := bytes.CutPrefix(rest, []byte(key)); ok {
			n := stringEnd(after)
			if n < 0 {
				return false
			}
			rest = after[n+1:]
		}
	}
	return len(rest) == 1 && rest[0] == '}'
}

// stringEnd returns where the quote is that ends a string.
func stringEnd(b []byte) int {
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// parseID reads "<producer>/<seq>".
func parseID(id []byte) (producer []byte, seq uint64, ok bool) {
	slash := bytes.LastIndexByte(id, '/')
	digits := id[slash+1:]
	if slash <= 0 || len(digits) == 0 || len(digits) > 20 {
		return nil, 0, false
	}
	for _, c := range digits {
		n := seq*10 + uint64(c-'0')
		if c < '0' || c > '9' || n/10 != seq {
			return nil, 0, false
		}
		seq = n
	}
	return id[:slash], seq, seq > 0
}
