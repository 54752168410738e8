package cloudflare

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// redactor takes secrets out of texts. What counts as a secret is told to it before it is sent anywhere: the token, and
// the values of the secrets of each release. It is kept for the target's life, because an error about a value may come
// long after the call that sent it.
type redactor struct {
	mu      sync.RWMutex
	secrets []string
	pinned  int // so many at the beginning are never forgotten
}

// shortest is the length in bytes from which a value counts. Shorter ones would take parts out of ordinary words, and
// can be guessed anyhow.
const shortest = 6

// maxSecrets bounds what is remembered; the oldest are forgotten.
const maxSecrets = 4000

const hidden = "[hidden]"

// add makes values secret, in the forms in which they travel: as they are, in JSON, in a URL and in base64.
func (r *redactor) add(values ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range values {
		if len(v) < shortest {
			continue
		}
		quoted, _ := json.Marshal(v) // a string always marshals
		for _, form := range []string{v, string(quoted[1 : len(quoted)-1]), url.QueryEscape(v), base64.StdEncoding.EncodeToString([]byte(v))} {
			if !slices.Contains(r.secrets, form) {
				r.secrets = append(r.secrets, form)
			}
		}
	}
	if n := len(r.secrets) - maxSecrets; n > 0 {
		r.secrets = slices.Delete(r.secrets, r.pinned, r.pinned+n)
	}
}

// pin keeps what was added so far for good.
func (r *redactor) pin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pinned = len(r.secrets)
}

// text returns s without any secret. Where one secret is part of another, the longer one goes first, so that nothing of
// it is left.
func (r *redactor) text(s string) string {
	r.mu.RLock()
	found := make([]string, 0, 4)
	for _, v := range r.secrets {
		if strings.Contains(s, v) {
			found = append(found, v)
		}
	}
	r.mu.RUnlock()
	slices.SortFunc(found, func(a, b string) int { return len(b) - len(a) })
	for _, v := range found {
		s = strings.ReplaceAll(s, v, hidden)
	}
	return s
}
