package local

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"overskill/internal/fault"
)

// What is known of a domain is believed for domainTTL: hosts are asked about before it is known whose a request is.
const (
	domainTTL     = 5 * time.Second
	domainTimeout = 2 * time.Second
	maxDomains    = 10_000 // that something is known of: anybody can send any Host
)

// held is what is known of a domain.
type held struct {
	yes   bool
	until time.Time
}

// Holds reports whether a request's Host is an app's: a name under the base domain, or an active domain of an app's
// owner. While the store does not answer, what was known last counts.
func (s *Server) Holds(host string) bool {
	if _, ok := ParseHost(host, s.cfg.BaseDomain); ok {
		return true
	}
	name := nameOf(host)
	if !s.foreign(name) {
		return false
	}
	known, _ := s.domains.get(name)
	if s.cfg.Now().Before(known.until) {
		return known.yes
	}
	yes, _, _ := s.once.Do("domain "+name, func() (any, error) {
		if now, ok := s.domains.get(name); ok && s.cfg.Now().Before(now.until) {
			return now.yes, nil // somebody asked in between
		}
		ctx, cancel := context.WithTimeout(context.Background(), domainTimeout)
		defer cancel()
		_, err := s.cfg.Store.Domain(ctx, name)
		now := held{yes: err == nil, until: s.cfg.Now().Add(domainTTL)}
		if err != nil && !fault.Is(err, fault.NotFound) {
			s.cfg.Log.Error("domain lookup failed", "host", name, "err", err)
			now.yes = known.yes
		}
		s.domains.add(name, now, 1)
		return now.yes, nil
	})
	return yes.(bool)
}

// foreign reports whether a name can be a domain of somebody's: it has a dot, is no address and not the base domain's.
func (s *Server) foreign(name string) bool {
	base := strings.ToLower(s.cfg.BaseDomain)
	if !strings.Contains(name, ".") || len(name) > 253 || name == base || strings.HasSuffix(name, "."+base) {
		return false
	}
	_, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err != nil
}

func (s *Server) domain(ctx context.Context, name string) (Release, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return s.cfg.Store.Domain(ctx, name)
}
