package patterns

import "unicode/utf8"

// maxCells bounds the memory of an automaton, to 16 MiB.
const maxCells = 4 << 20

// automaton finds literals in a text. In a state it knows which of them, or which
// beginning of one, the text ends in so far.
type automaton struct {
	class   [256]uint16 // of a folded byte; 0 for those in no literal
	classes int32
	next    []int32   // the state after a class, by state and class
	ends    [][]int32 // by state: whose literals end there; shared, nil for most
}

// builder collects the literals of an automaton: a tree of their bytes.
type builder struct {
	nodes []node
	bytes [256]bool
}

type node struct {
	children map[byte]int32
	ends     []int32
}

// add adds the literals of one expression, or none of them where there would be too
// many.
func (b *builder) add(literals []string, of int) bool {
	if b.nodes == nil {
		b.nodes = []node{{}}
	}
	more := 0
	for _, l := range literals {
		more += len(l)
	}
	if (len(b.nodes)+more)*256 > 64*maxCells || (len(b.nodes)+more)*b.classesWith(literals) > maxCells {
		return false
	}
	for _, l := range literals {
		at := int32(0)
		for i := range len(l) {
			c := l[i]
			b.bytes[c] = true
			child, ok := b.nodes[at].children[c]
			if !ok {
				child = int32(len(b.nodes))
				b.nodes = append(b.nodes, node{})
				if b.nodes[at].children == nil {
					b.nodes[at].children = make(map[byte]int32)
				}
				b.nodes[at].children[c] = child
			}
			at = child
		}
		b.nodes[at].ends = append(b.nodes[at].ends, int32(of))
	}
	return true
}

func (b *builder) classesWith(literals []string) int {
	bytes := b.bytes
	for _, l := range literals {
		for i := range len(l) {
			bytes[l[i]] = true
		}
	}
	n := 1
	for _, is := range bytes {
		if is {
			n++
		}
	}
	return n
}

// build makes the automaton, nil of no literals.
func (b *builder) build() *automaton {
	if len(b.nodes) < 2 {
		return nil
	}
	a := &automaton{classes: int32(b.classesWith(nil)), ends: make([][]int32, len(b.nodes))}
	class := uint16(0)
	for c, is := range b.bytes {
		if is {
			class++
			a.class[c] = class
		}
	}
	a.next = make([]int32, len(b.nodes)*int(a.classes))
	// By length, so that the state for what a literal ends in, which is shorter, is made.
	fails := make([]int32, len(b.nodes))
	for queue := []int32{0}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		row := a.next[at*a.classes : (at+1)*a.classes]
		a.ends[at] = b.nodes[at].ends
		if at > 0 {
			copy(row, a.next[fails[at]*a.classes:(fails[at]+1)*a.classes])
			if more := a.ends[fails[at]]; len(more) > 0 {
				a.ends[at] = append(a.ends[at][:len(a.ends[at]):len(a.ends[at])], more...)
			}
		}
		for c, child := range b.nodes[at].children {
			class := a.class[c]
			if at > 0 {
				fails[child] = row[class]
			}
			row[class] = child
			queue = append(queue, child)
		}
	}
	return a
}

// each calls found for those whose literals are in text, again for each place,
// until it returns false. It reports whether it always returned true.
func (a *automaton) each(text string, found func(i int) bool) bool {
	if a == nil {
		return true
	}
	state := int32(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c < utf8.RuneSelf {
			if 'A' <= c && c <= 'Z' {
				c |= 0x20
			}
		} else {
			var size int
			c, size = fold(text, i)
			i += size - 1
		}
		state = a.next[state*a.classes+int32(a.class[c])]
		for _, of := range a.ends[state] {
			if !found(int(of)) {
				return false
			}
		}
	}
	return true
}
