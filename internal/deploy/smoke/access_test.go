package smoke

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"overskill/internal/testing/browsertest"
)

// recorder is a host that notes which requests carried which token.
type recorder struct {
	next http.Handler

	mu   sync.Mutex
	seen map[string]string // token by path
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	if r.seen == nil {
		r.seen = map[string]string{}
	}
	r.seen[req.URL.Path] = req.Header.Get(AccessHeader)
	r.mu.Unlock()
	r.next.ServeHTTP(w, req)
}

func (r *recorder) tokens() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen
}

// TestAccess checks an app that only opens with a token, and that names another host in every way a page can: the
// token must open the one, and never reach the other.
func TestAccess(t *testing.T) {
	browsertest.Need(t)
	t.Parallel()
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			start := httptest.NewServer
			if scheme == "https" {
				start = httptest.NewTLSServer
			}
			elsewhere := &recorder{next: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Access-Control-Allow-Origin", "*")
				w.Header().Set("Access-Control-Allow-Headers", "*")
				if strings.HasSuffix(r.URL.Path, ".js") {
					w.Header().Set("Content-Type", "text/javascript")
				}
			})}
			other := start(elsewhere)
			defer other.Close()
			far := scheme + "://elsewhere.localhost:" + port(t, other)

			s := app(`document.getElementById("root").textContent = "Private";
				fetch("` + far + `/fetched"); new Image().src = "` + far + `/pixel.gif"; fetch("/redirect"); fetch("/data.txt")`)
			s.files["/data.txt"] = "data"
			s.files["/index.html"] += `<script src="` + far + `/script.js"></script><iframe src="` + far + `/frame"></iframe>`
			s.extra = func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Header.Get(AccessHeader) != "token-1":
					http.Error(w, "private", http.StatusForbidden)
				case r.URL.Path == "/redirect" || r.URL.Path == "/moved.js":
					http.Redirect(w, r, far+r.URL.Path, http.StatusFound)
				default:
					w.Header().Set(pass, "yes")
				}
			}
			own := &recorder{next: s}
			site := start(own)
			defer site.Close()

			c := newChecker(t, Config{})
			trust(c, site, other)
			target := Target{URL: scheme + "://private-todo.localhost:" + port(t, site) + "/", Version: s.version, Hash: s.hash, Assets: s.hashes(), Access: "token-1"}
			target.Assets["/moved.js"] = strings.Repeat("0", 64) // the client follows a redirect too
			there, err := url.Parse(far)
			if err != nil {
				t.Fatal(err)
			}
			defer c.gateway.allow(there, "")()
			r := verify(t, c, target)
			if !r.Opened || len(r.Snapshot.Routes) != 1 || !slices.Equal(r.Snapshot.Routes[0].Lines, []string{"Private"}) {
				t.Errorf("the token did not open the app: %s", brief(r))
			}
			for _, path := range []string{"/", "/_health", "/assets/app.js", "/data.txt", "/redirect"} {
				if got := own.tokens()[path]; got != "token-1" {
					t.Errorf("%s was asked for with %q", path, got)
				}
			}
			for _, path := range []string{"/fetched", "/pixel.gif", "/script.js", "/frame", "/redirect", "/moved.js"} {
				if got, asked := elsewhere.tokens()[path]; !asked || got != "" {
					t.Errorf("elsewhere, %s: asked %v, with %q", path, asked, got)
				}
			}
			target.Access = ""
			if r := verify(t, c, target); r.OK {
				t.Error("without the token, the check must fail")
			}
		})
	}
}

func port(t *testing.T, s *httptest.Server) string {
	t.Helper()
	_, p, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// trust makes a checker and its browser accept the certificates of test servers, and no others.
func trust(c *Checker, servers ...*httptest.Server) {
	roots := x509.NewCertPool()
	var pins []string
	for _, s := range servers {
		if cert := s.Certificate(); cert != nil {
			roots.AddCert(cert)
			sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
			pins = append(pins, base64.StdEncoding.EncodeToString(sum[:]))
		}
	}
	if len(pins) == 0 {
		return
	}
	client := c.client.Transport.(admitting).next.(*http.Transport)
	client.TLSClientConfig = servers[0].Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	client.TLSClientConfig.RootCAs = roots
	client.TLSClientConfig.ServerName = "example.com" // which these certificates are for
	c.browser.flags = append(c.browser.flags, chromedp.Flag("ignore-certificate-errors-spki-list", strings.Join(pins, ",")))
}
