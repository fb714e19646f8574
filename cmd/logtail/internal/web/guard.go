package web

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// What keeps other pages out, before any route:
//
//   - The Host must be one by which this server is known: a page whose name is made
//     to point here (DNS rebinding) has its own name in it.
//   - Sec-Fetch-Site must be same-origin, or none, which is the user's own doing. A
//     link from elsewhere may open the page itself, which holds nothing. Where the
//     browser does not send it, Origin must be ours.
//   - Nothing may frame, embed or read an answer, and the page can reach and
//     run nothing that is not ours.

// headers are those of every answer.
var headers = map[string]string{
	"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Cross-Origin-Embedder-Policy": "require-corp",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
	"Referrer-Policy":              "no-referrer",
	"Cache-Control":                "no-store",
}

func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		if req.ContentLength != 0 {
			// net/http reads what is left of a body, as long as that takes. No more than
			// the deadline can fail, and then the body does.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(readTimeout))
		}
		switch {
		case !s.known(req):
			http.Error(w, "this server is not known by that name; see logtail serve --allow-host", http.StatusMisdirectedRequest)
		case !ownSite(req):
			http.Error(w, "no other site may read this", http.StatusForbidden)
		default:
			next.ServeHTTP(w, req)
		}
	})
}

// known reports whether the request's Host is a name of this server.
func (s *Server) known(req *http.Request) bool {
	host := hostname(req.Host)
	if strings.EqualFold(host, "localhost") || slices.ContainsFunc(s.cfg.Hosts, func(name string) bool { return strings.EqualFold(name, host) }) {
		return true
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	if addr.IsLoopback() {
		return true
	}
	local, ok := req.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && local.AddrPort().Addr().Unmap() == addr.Unmap()
}

// hostname returns a Host without its port.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

// ownSite reports whether the request is of our page or of the user.
func ownSite(req *http.Request) bool {
	switch req.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
		origin := req.Header.Get("Origin")
		if origin == "" {
			return true // no browser's page; its user has the token
		}
		u, err := url.Parse(origin)
		return err == nil && u.Host == req.Host
	}
	return req.Method == http.MethodGet && req.URL.Path == "/" &&
		req.Header.Get("Sec-Fetch-Mode") == "navigate" && req.Header.Get("Sec-Fetch-Dest") == "document"
}
