package access

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/url"
	"strconv"
	"strings"
	"time"

	"overskill/internal/fault"
)

const (
	// MaxTTL is the longest that a token can be good for. Who needs more makes the site public or sets a password.
	MaxTTL = 30 * 24 * time.Hour
	// Session is how long a browser that was let in stays in.
	Session = 12 * time.Hour
	// Header is the request header in which programs send a token.
	Header = "Overskill-Access"
	// Param is the parameter in which a link carries its token.
	Param = "_access"
	// Cookie is the name of the cookie that holds a session.
	Cookie = "__os_access"
)

// minKey is the length in bytes below which a key signs nothing: a rule whose key was lost lets nobody in, rather
// than everybody who can compute an HMAC with an empty key.
const minKey = 16

// What a proof is for is part of what is signed, so that a session, which the browser keeps, is no link, which can be
// passed on, and the other way round.
const (
	forLink    = "link"
	forSession = "session"
)

// A proof is the time at which it expires, in seconds since 1970 as 8 bytes, the highest first, and the HMAC-SHA256 of
// it and of what it is bound to; in base64url without padding. Nothing in it is secret but the HMAC.
const proofSize = 8 + sha256.Size

var encoding = base64.RawURLEncoding.Strict() // lenient, two texts would be the same proof

// Token returns what opens a site at host for a time, in a link or a header. Host is that of the address as a browser
// sends it, with the port unless it is the scheme's own; ttl is cut to MaxTTL. A Rule without a key gives "".
func (r Rule) Token(host string, ttl time.Duration, now time.Time) string {
	return r.prove(forLink, host, now.Add(min(ttl, MaxTTL)))
}

// Valid reports whether Token made a token with this rule's key and epoch for the host, and its time is not over.
func (r Rule) Valid(token, host string, now time.Time) bool {
	return r.proves(forLink, token, host, now)
}

// Link returns an address of the site with a token in it, as Token makes it. The address must be absolute, with http
// or https; else Link returns an Invalid fault.
func (r Rule) Link(address string, ttl time.Duration, now time.Time) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", fault.New(fault.Invalid, "%q is not an address that a link can open.", address)
	}
	rest, _ := cutParam(u.RawQuery)
	u.RawQuery = Param + "=" + r.Token(u.Host, ttl, now)
	if rest != "" {
		u.RawQuery = rest + "&" + u.RawQuery
	}
	return u.String(), nil
}

func (r Rule) prove(purpose, host string, expires time.Time) string {
	if len(r.Key) < minKey {
		return ""
	}
	raw := binary.BigEndian.AppendUint64(make([]byte, 0, proofSize), uint64(max(expires.Unix(), 0)))
	return encoding.EncodeToString(append(raw, r.sign(purpose, host, max(expires.Unix(), 0))...))
}

func (r Rule) proves(purpose, proof, host string, now time.Time) bool {
	if len(r.Key) < minKey || len(proof) != encoding.EncodedLen(proofSize) {
		return false
	}
	raw, err := encoding.DecodeString(proof)
	if err != nil || len(raw) != proofSize { // line breaks are skipped by the decoder, and make it shorter
		return false
	}
	expires := int64(binary.BigEndian.Uint64(raw))
	return expires > now.Unix() && hmac.Equal(raw[8:], r.sign(purpose, host, expires))
}

// sign binds a proof to its purpose, the host, the epoch and its end. The lines cannot run into each other: the purpose
// is one of ours, and of the others only the host could hold a line break, between two lines that cannot.
func (r Rule) sign(purpose, host string, expires int64) []byte {
	h := hmac.New(sha256.New, r.Key)
	h.Write([]byte("overskill access 1\n" + purpose + "\n" + origin(host) + "\n" +
		strconv.FormatInt(r.Epoch, 10) + "\n" + strconv.FormatInt(expires, 10)))
	return h.Sum(nil)
}

// origin writes a host in the one way in which it is signed: lower case, without the port that its scheme has anyway.
// Some clients send it, and a Worker is never shown it.
func origin(host string) string {
	host = strings.ToLower(host)
	if cut, ok := strings.CutSuffix(host, ":443"); ok {
		return cut
	}
	return strings.TrimSuffix(host, ":80")
}

// cutParam takes the tokens out of a query, and leaves the rest as it was written. Of several the first counts.
func cutParam(query string) (rest, token string) {
	kept := make([]string, 0, 4)
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		switch {
		case name != Param:
			kept = append(kept, part)
		case token == "":
			token = value
		}
	}
	return strings.Join(kept, "&"), token
}
