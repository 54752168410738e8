package providers

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"overskill/internal/fault"
	"overskill/internal/model"
	"overskill/internal/netguard"
)

// clients are the HTTP clients of connections. Neither follows redirects, because the key would go with them.
type clients struct {
	any    *http.Client // reaches whatever this machine does
	public *http.Client // reaches the public internet, directly: through a proxy the address could not be judged
	// dial is how public connects.
	dial func(ctx context.Context, network, address string) (net.Conn, error)
}

const dialTimeout = 10 * time.Second

func newClients() clients {
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	open := http.DefaultTransport.(*http.Transport).Clone()
	guarded := open.Clone()
	guarded.Proxy = nil
	guarded.DialContext = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, ControlContext: netguard.PublicOnly}).DialContext
	return clients{
		any:    &http.Client{Transport: open, CheckRedirect: stay},
		public: &http.Client{Transport: guarded, CheckRedirect: stay},
		dial:   guarded.DialContext,
	}
}

// maxBase is the length of a base URL in bytes.
const maxBase = 300

// parseBase reads a base URL as people write it. A team's must be of https and not name a private address outright;
// what a name leads to is judged when it is dialled. "" stays "".
func parseBase(base string, team bool) (string, error) {
	base = strings.TrimRight(strings.TrimSpace(base), "/")
	if base == "" {
		return "", nil
	}
	u, err := url.Parse(base)
	switch {
	case len(base) > maxBase:
		return "", fault.New(fault.Invalid, "The base URL has more than %d characters.", maxBase)
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "" || u.Scheme != "https" && u.Scheme != "http":
		return "", fault.New(fault.Invalid, "The base URL must look like https://models.example.com/v1.")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", fault.New(fault.Invalid, "The base URL may have no password, no ? and no #: the key has a field of its own.")
	case team && u.Scheme != "https":
		return "", fault.New(fault.Invalid, "The base URL must begin with https://, because the key is sent to it.")
	}
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if team {
		if a, err := netip.ParseAddr(u.Hostname()); err == nil && !netguard.Public(a) {
			return "", errPrivate(u.Hostname())
		}
	}
	return u.String(), nil
}

func errPrivate(host string) error {
	return fault.New(fault.Invalid, "%s is not an address of the public internet. A team's connections may reach only those; "+
		"an administrator can add one for the whole instance.", host)
}

// official empties a base URL that is the provider's own.
func official(kind model.ConnectionKind, base string) string {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "https" || u.Port() != "" && u.Port() != "443" {
		return base
	}
	path := strings.TrimRight(u.Path, "/")
	switch {
	case kind == model.Anthropic && u.Hostname() == "api.anthropic.com" && (path == "" || path == "/v1"):
		return ""
	case kind == model.OpenAI && u.Hostname() == "api.openai.com" && (path == "" || path == "/v1"):
		return ""
	}
	return base
}

// onLoopback reports whether a base URL leads to this machine by its looks.
func onLoopback(base string) bool {
	u, err := url.Parse(base)
	if err != nil {
		return false
	}
	host := strings.ToLower(u.Hostname())
	if host == "localhost" || strings.HasSuffix(host, ".localhost") { // RFC 6761 section 6.3
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// reachPublic says in a sentence why a team's base URL cannot be reached, before anything is sent to it.
func (c clients) reachPublic(ctx context.Context, base string) error {
	u, err := url.Parse(base)
	if err != nil {
		return err
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := c.dial(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	var unknown *net.DNSError
	switch {
	case err == nil:
		return conn.Close()
	case errors.Is(err, netguard.ErrPrivate):
		return errPrivate(u.Hostname())
	case errors.As(err, &unknown):
		return fault.Wrap(err, fault.Invalid, "The host %s cannot be found.", u.Hostname())
	}
	return fault.Wrap(err, fault.Unavailable, "%s does not answer at port %s.", u.Hostname(), port)
}
