package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// login says who may see records. It has no state but how many guess at a time.
type login struct {
	token, user, password string
	secure                bool
	cookie                string // the value of a cookie that opens the page

	mu    sync.Mutex // guards wrong
	wrong int        // who waits after a wrong guess
}

const (
	wrongDelay = time.Second
	maxWrong   = 8 // at a time; others are refused unheard
)

func newLogin(cfg Config) *login {
	l := &login{token: cfg.Token, user: cfg.User, password: cfg.Password, secure: cfg.Secure}
	mac := hmac.New(sha256.New, []byte(l.token+"\x00"+l.user+"\x00"+l.password))
	mac.Write([]byte("cookie of logtail serve"))
	l.cookie = base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	return l
}

// credentials are what is sent for a cookie.
type credentials struct {
	Token    string `json:"token"`
	User     string `json:"user"`
	Password string `json:"password"`
}

// verdict is what becomes of credentials.
type verdict int

const (
	none    verdict = iota // there are none
	right                  // they open the page
	wrong                  // refuse is to be called
	unheard                // too many are wrong at the moment
)

// judge judges credentials, as long as not too many have been wrong: who guesses
// does not learn from any that follow.
func (l *login) judge(c credentials) verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.wrong >= maxWrong:
		return unheard
	case l.right(c):
		return right
	}
	l.wrong++
	return wrong
}

func (l *login) right(c credentials) bool {
	if l.token != "" {
		return equal(c.Token, l.token)
	}
	return equal(c.User, l.user) && equal(c.Password, l.password)
}

func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// cookieName tells apart the servers of one host: cookies know no ports.
func (l *login) cookieName(req *http.Request) string {
	_, port, err := net.SplitHostPort(req.Host)
	if err != nil {
		port = "0"
	}
	if l.secure {
		return "__Host-logtail-" + port
	}
	return "logtail-" + port
}

// in tells whether a request comes from who has logged in, or has what it takes
// with it: a bearer's token, or user and password.
func (l *login) in(req *http.Request) verdict {
	// Another server of this host may have set one of the same name for a path.
	for _, c := range req.CookiesNamed(l.cookieName(req)) {
		if equal(c.Value, l.cookie) {
			return right
		}
	}
	if user, password, ok := req.BasicAuth(); ok {
		return l.judge(credentials{User: user, Password: password})
	}
	if token, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer "); ok {
		return l.judge(credentials{Token: token})
	}
	return none
}

// required lets those in who have logged in.
func (l *login) required(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		if v := l.in(req); v != right {
			l.refuse(w, req, v)
			return
		}
		next(w, req)
	}
}

// refuse answers who is not let in; a wrong guess after a while.
func (l *login) refuse(w http.ResponseWriter, req *http.Request, v verdict) {
	switch v {
	case none:
		http.Error(w, "log in first", http.StatusUnauthorized)
		return
	case unheard:
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many have been wrong; try again", http.StatusTooManyRequests)
		return
	}
	select {
	case <-time.After(wrongDelay):
	case <-req.Context().Done():
	}
	l.mu.Lock()
	l.wrong--
	l.mu.Unlock()
	http.Error(w, "that is wrong", http.StatusUnauthorized)
}

// session tells the page how to log in.
func (s *Server) session(w http.ResponseWriter, req *http.Request) {
	v := s.login.in(req)
	if v == wrong || v == unheard {
		s.login.refuse(w, req, v)
		return
	}
	in := v == right
	with := "token"
	if s.login.token == "" {
		with = "password"
	}
	answer := map[string]any{"in": in, "with": with}
	if in {
		answer["title"] = s.cfg.Title
	}
	writeJSON(w, answer)
}

// open gives who has the token or the password a cookie.
func (s *Server) open(w http.ResponseWriter, req *http.Request) {
	var c credentials
	if json.NewDecoder(http.MaxBytesReader(w, req.Body, maxBody)).Decode(&c) != nil {
		http.Error(w, "want a JSON object with token, or user and password", http.StatusBadRequest)
		return
	}
	if v := s.login.judge(c); v != right {
		s.login.refuse(w, req, v)
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: s.login.cookieName(req), Value: s.login.cookie, Path: "/",
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: s.login.secure,
	})
	w.WriteHeader(http.StatusNoContent)
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // who does not read has gone
}
