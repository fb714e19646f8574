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
	"time"
)

// login says who may see records. It has no state but how many guess at a time.
type login struct {
	token, user, password string
	secure                bool
	cookie                string        // the value of a cookie that opens the page
	wrong                 chan struct{} // who waits after a wrong guess
}

const (
	wrongDelay = time.Second
	maxWrong   = 8 // at a time; others are refused unheard
)

func newLogin(cfg Config) login {
	l := login{token: cfg.Token, user: cfg.User, password: cfg.Password, secure: cfg.Secure, wrong: make(chan struct{}, maxWrong)}
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

// in reports whether a request comes from who has logged in, or has what it takes
// with it: a bearer's token, or user and password.
func (l *login) in(req *http.Request) (in, guessed bool) {
	if c, err := req.Cookie(l.cookieName(req)); err == nil && equal(c.Value, l.cookie) {
		return true, false
	}
	if user, password, ok := req.BasicAuth(); ok {
		return l.right(credentials{User: user, Password: password}), true
	}
	if token, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer "); ok {
		return l.right(credentials{Token: token}), true
	}
	return false, false
}

// required lets those in who have logged in.
func (l *login) required(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		in, guessed := l.in(req)
		switch {
		case in:
			next(w, req)
		case guessed:
			l.refuse(w, req)
		default:
			http.Error(w, "log in first", http.StatusUnauthorized)
		}
	}
}

// refuse answers a wrong guess, after a while.
func (l *login) refuse(w http.ResponseWriter, req *http.Request) {
	select {
	case l.wrong <- struct{}{}:
		defer func() { <-l.wrong }()
	default:
		http.Error(w, "too many have been wrong", http.StatusTooManyRequests)
		return
	}
	select {
	case <-time.After(wrongDelay):
	case <-req.Context().Done():
	}
	http.Error(w, "that is wrong", http.StatusUnauthorized)
}

// session tells the page how to log in.
func (s *Server) session(w http.ResponseWriter, req *http.Request) {
	in, _ := s.login.in(req)
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
	if !s.login.right(c) {
		s.login.refuse(w, req)
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
