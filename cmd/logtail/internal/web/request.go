package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/slogcast/slogcast/cmd/logtail/internal/view"
	"github.com/slogcast/slogcast/sink/filter"
)

// maxQuery bounds the parameters of a request, in bytes.
const maxQuery = 16 << 10

// query returns what the parameters ask for. What is wrong is answered.
func query(w http.ResponseWriter, req *http.Request) (q *view.Query, v url.Values, ok bool) {
	v = req.URL.Query()
	if len(req.URL.RawQuery) > maxQuery {
		http.Error(w, "the query is too long", http.StatusRequestURITooLong)
		return nil, v, false
	}
	o := filter.Options{
		Level: v.Get("level"), Grep: given(v["grep"]), Exclude: given(v["exclude"]), App: given(v["app"]), Host: given(v["host"]),
		Field: given(v["field"]), Where: given(v["where"]),
	}
	now := time.Now()
	for name, at := range map[string]*time.Time{"since": &o.Since, "until": &o.Until} {
		if text := v.Get(name); text != "" {
			t, err := filter.ParseTime(text, now, time.Local)
			if err != nil {
				refuse(w, name, text, err)
				return nil, v, false
			}
			*at = t
		}
	}
	q, err := view.NewQuery(o)
	if err != nil {
		refuse(w, "", "", err)
		return nil, v, false
	}
	return q, v, true
}

// given leaves out what is empty.
func given(texts []string) (some []string) {
	for _, text := range texts {
		if text != "" {
			some = append(some, text)
		}
	}
	return some
}

// refuse answers a mistake in a filter, with its place.
func refuse(w http.ResponseWriter, flag, text string, err error) {
	answer := filter.Error{Flag: flag, Text: text, Problem: err.Error()}
	if mistake, ok := errors.AsType[*filter.Error](err); ok {
		answer = *mistake
		if flag != "" {
			answer.Flag = flag
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]any{ // who does not read has gone
		"flag": answer.Flag, "text": answer.Text, "offset": answer.Offset, "problem": answer.Problem,
	})
}

// number reads a parameter from 0 to most.
func number(v url.Values, name string, most uint64) (n uint64, given bool, err error) {
	text := v.Get(name)
	if text == "" {
		return 0, false, nil
	}
	if n, err = strconv.ParseUint(text, 10, 64); err != nil || n > most {
		return 0, true, fmt.Errorf("%s must be a number up to %d", name, most)
	}
	return n, true, nil
}

// place returns the position that a parameter names. One of a logtail that was
// here before is 0, as all that this one has is new to who asks.
func (s *Server) place(v url.Values, name string) (pos uint64, given bool, err error) {
	pos, given, err = number(v, name, 1<<53)
	if run := v.Get("run"); err == nil && given && run != "" && run != s.run {
		return 0, true, nil
	}
	return pos, given, err
}
