package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// run is one measurement: a producer and tails, each a process of its own. The
// URL, which may hold a password, is in none of their arguments.
type run struct {
	*Config
	name     string
	baseline bool
}

// order is what the parent tells a child. The first one sets it up.
type order struct {
	URL      string `json:"url,omitempty"`
	Exchange string `json:"exchange,omitempty"`
	Produce  bool   `json:"produce,omitempty"` // or else tail
	Baseline bool   `json:"baseline,omitempty"`
	Load     *Load  `json:"load,omitempty"`
	Stop     bool   `json:"stop,omitempty"`   // to a producer: enough
	Expect   *int   `json:"expect,omitempty"` // to a tail: how many records there are
}

// word is what a child tells its parent.
type word struct {
	Ready    bool      `json:"ready,omitempty"`
	Progress int       `json:"progress,omitempty"`
	Error    string    `json:"error,omitempty"`
	Produced *produced `json:"produced,omitempty"`
	Tailed   *tailed   `json:"tailed,omitempty"`
}

// produced is a producer's account.
type produced struct {
	Start     time.Time     `json:"start"`
	Took      time.Duration `json:"took"` // until all are confirmed
	CPU       time.Duration `json:"cpu"`
	Accepted  uint64        `json:"accepted"`
	Confirmed uint64        `json:"confirmed"`
	Dropped   uint64        `json:"dropped"`
	Unknown   uint64        `json:"unknown"`
}

// tailed is a tail's account.
type tailed struct {
	Records    int           `json:"records"`
	Bytes      int           `json:"bytes"`
	Last       time.Time     `json:"last"` // when the last record was written
	CPU        time.Duration `json:"cpu"`
	MaxRSS     int           `json:"max_rss"` // bytes
	Duplicates int           `json:"duplicates"`
	Gaps       uint64        `json:"gaps"` // records told as missing
	Latency    latency       `json:"latency"`
}

// latency is from the log call, by the record's time, until it is written.
type latency struct {
	P50, P99, P999, Max time.Duration
}

// child is a producer or tail.
type child struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	tell  *json.Encoder
	words chan word // closed when the child has ended
	err   error     // of the child's end; after words is closed
}

func (r *run) start(produce bool) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start process: %w", err)
	}
	cmd := exec.Command(self, r.Command...)
	cmd.Args[0] = os.Args[0]
	cmd.Stderr = r.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start process: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start process: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start process: %w", err)
	}
	c := &child{cmd: cmd, in: in, tell: json.NewEncoder(in), words: make(chan word)}
	go c.listen(out)
	return c, c.tell.Encode(order{URL: r.URL, Exchange: r.Exchange, Produce: produce, Baseline: r.baseline, Load: &r.Load})
}

func (c *child) listen(out io.Reader) {
	defer close(c.words)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var w word
		if err := json.Unmarshal(lines.Bytes(), &w); err != nil {
			w.Error = "unknown word: " + lines.Text()
		}
		c.words <- w
	}
	c.err = c.cmd.Wait()
}

// end ends a child that has not ended by itself.
func (c *child) end() {
	c.in.Close() // it ends with its standard input
	for range c.words {
	}
}

// next returns the next word that is no progress.
func (c *child) next(progress func(int)) (word, error) {
	for w := range c.words {
		switch {
		case w.Error != "":
			return w, errors.New(w.Error)
		case w.Progress > 0:
			progress(w.Progress)
		default:
			return w, nil
		}
	}
	return word{}, fmt.Errorf("a process of the benchmark has ended: %w", errors.Join(c.err, io.ErrUnexpectedEOF))
}

// measure runs the tails and the producer.
func (r *run) measure(ctx context.Context) (*measured, error) {
	r.Status(r.name + ": connecting")
	var tails []*child
	for range r.Load.Tails {
		t, err := r.start(false)
		if t != nil {
			defer t.end()
			tails = append(tails, t)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, t := range tails {
		if _, err := t.next(func(int) {}); err != nil {
			return nil, err
		}
	}
	p, err := r.start(true)
	if p != nil {
		defer p.end()
	}
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = p.tell.Encode(order{Stop: true}) })
	defer stop()
	w, err := p.next(r.progress())
	if err != nil {
		return nil, err
	}
	if w.Produced == nil {
		return nil, errors.New("the producer gave no account")
	}
	m := newMeasured(w.Produced)
	r.Status(r.name + ": waiting for the tails")
	expect := int(w.Produced.Accepted - w.Produced.Dropped)
	for _, t := range tails {
		if err := t.tell.Encode(order{Expect: &expect}); err != nil {
			return nil, err
		}
	}
	for _, t := range tails {
		account, err := t.next(func(int) {})
		if err != nil {
			return nil, err
		}
		if account.Tailed == nil {
			return nil, errors.New("a tail gave no account")
		}
		m.add(w.Produced, account.Tailed, expect)
	}
	return m, nil
}

// progress returns what shows how many records have been logged.
func (r *run) progress() func(int) {
	start := time.Now()
	return func(done int) {
		elapsed := time.Since(start)
		part, of := float64(done), float64(r.Load.Records)
		if r.Load.Records == 0 {
			part, of = elapsed.Seconds(), r.Load.For.Seconds()
		}
		r.Status(fmt.Sprintf("%s  %s  %3.0f %%  %.0f records/s", r.name, bar(part, of), 100*part/of, float64(done)/elapsed.Seconds()))
	}
}
