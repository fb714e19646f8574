package broker

import (
	"strings"

	"github.com/slogcast/slogcast/internal/wire"
)

// A topicMatcher is that of a topic exchange. Keys are words with dots between
// them; in the key of a binding "*" is any word and "#" any number of words,
// zero too.
//
// The keys of all bindings form a tree by their words. A routing key is walked
// through it word by word, along all ways at once, so that the time grows with
// the words and the nodes that match so far, whatever the patterns are.
type topicMatcher struct {
	root         topicNode
	round        uint64 // of topicNode.round
	active, next []*topicNode
}

type topicNode struct {
	children map[string]*topicNode // by word
	anyWords bool                  // the word that leads here is "#"
	routes   routes                // of the keys that end here
	round    uint64                // of topicMatcher, when the node was last entered
}

const (
	anyWord  = "*"
	anyWords = "#"
)

// cutWord returns the first word of a key, and the rest. An empty key has no
// words, but "a." has two.
func cutWord(key string) (word, rest string, more bool) { return strings.Cut(key, ".") }

func (m *topicMatcher) add(b binding, _ wire.Table) {
	n := &m.root
	for rest, more := b.key, b.key != ""; more; {
		var word string
		word, rest, more = cutWord(rest)
		child := n.children[word]
		if child == nil {
			if n.children == nil {
				n.children = make(map[string]*topicNode)
			}
			child = &topicNode{anyWords: word == anyWords}
			n.children[word] = child
		}
		n = child
	}
	n.routes.add(b.to)
}

func (m *topicMatcher) remove(b binding) { m.root.remove(b.key, b.key != "", b.to) }

// remove removes a route and the nodes that then lead nowhere.
func (n *topicNode) remove(key string, more bool, to target) {
	if !more {
		n.routes.remove(to)
		return
	}
	word, rest, more := cutWord(key)
	child := n.children[word]
	if child == nil {
		return
	}
	child.remove(rest, more, to)
	if len(child.children) == 0 && len(child.routes) == 0 {
		delete(n.children, word)
	}
}

func (m *topicMatcher) match(msg *message, to *router) {
	for key := range msg.keys {
		m.matchKey(key, to)
	}
}

func (m *topicMatcher) matchKey(key string, to *router) {
	m.round++
	m.active = m.enter(m.active[:0], &m.root)
	for rest, more := key, key != ""; more && len(m.active) > 0; {
		var word string
		word, rest, more = cutWord(rest)
		m.round++
		m.next = m.next[:0]
		for _, n := range m.active {
			if n.anyWords {
				m.next = m.enter(m.next, n)
			}
			m.next = m.enter(m.next, n.children[word])
			m.next = m.enter(m.next, n.children[anyWord])
		}
		m.active, m.next = m.next, m.active
	}
	for _, n := range m.active {
		for _, r := range n.routes {
			to.visit(r.target)
		}
	}
}

// enter adds n, unless it is nil or among them, and what matches no word after
// it.
func (m *topicMatcher) enter(nodes []*topicNode, n *topicNode) []*topicNode {
	for n != nil && n.round != m.round {
		n.round = m.round
		nodes = append(nodes, n)
		n = n.children[anyWords]
	}
	return nodes
}
