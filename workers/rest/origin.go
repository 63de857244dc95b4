package rest

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// crossOrigin adds what browsers need to let a page of an allowed origin call the API, and refuses changes that a page of
// any other origin tries: a browser that knows the password would send it along, since no content type is required here
// that would make it ask first.
//
// Allowed are the API's own origin, pages of this machine, and the origins in cors.allowedOrigins of the section
// corda.rest ("*" allows all). Corda 5.0 allows all.
func (s *service) crossOrigin(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := originOf(r)
	if origin == "" {
		return nil
	}
	if !s.originAllowed(origin, r.Host) {
		if safe(r.Method) || r.Header.Get("Origin") == "" { // some browsers leave Origin out where it is the same
			return nil
		}
		return fail(http.StatusForbidden, "Requests of web pages from %s are not allowed", origin).
			with("setting", "cors.allowedOrigins of corda.rest")
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Set("Access-Control-Expose-Headers", headerTraceID)
	if r.Method == http.MethodOptions {
		for asked, allowed := range map[string]string{
			"Access-Control-Request-Headers": "Access-Control-Allow-Headers",
			"Access-Control-Request-Method":  "Access-Control-Allow-Methods",
		} {
			if v := r.Header.Get(asked); v != "" {
				h.Set(allowed, v)
			}
		}
	}
	return nil
}

// originOf is where the page that sent the request comes from; empty if no page did.
func originOf(r *http.Request) string {
	if origin := r.Header.Get("Origin"); origin != "" {
		return origin
	}
	u, err := url.Parse(r.Header.Get("Referer"))
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

func (s *service) originAllowed(origin, host string) bool {
	if allowed := s.settings.get().allowedOrigins; slices.Contains(allowed, "*") || slices.Contains(allowed, origin) {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	if strings.EqualFold(u.Host, host) {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}
