package cloudflaretest

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"

	"overskill/internal/testing/miniflaretest"
)

// Serve opens the account's public side, where Miniflare answers for what was uploaded, and returns the address that
// stands for https://workers.dev, such as http://workers.localhost:39211. Below it are the hosts of scripts whose
// workers.dev address is on, and those of their versions: <script>.<subdomain> and <alias>-<script>.<subdomain>.
func (a *Account) Serve() (workersDev string) {
	a.t.Helper()
	e := &public{account: a, edge: miniflaretest.Start(a.t), running: map[string]*httputil.ReverseProxy{}}
	server := httptest.NewServer(e)
	a.t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		a.t.Fatal(err)
	}
	return "http://workers.localhost:" + port
}

// public is the public side of an account.
type public struct {
	account *Account
	edge    *miniflaretest.Edge

	mu      sync.Mutex
	running map[string]*httputil.ReverseProxy // by version
}

func (p *public) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	label, rest, _ := strings.Cut(r.Host, ".")
	name, v := p.account.answering(label)
	if v == nil || !strings.HasPrefix(rest, p.account.Subdomain+".workers.localhost:") {
		http.Error(w, "error code: 1042", http.StatusNotFound)
		return
	}
	proxy, err := p.run(name, v)
	if err != nil {
		p.account.t.Errorf("run %s %s: %v", name, v.ID, err)
		http.Error(w, "error code: 1101", http.StatusInternalServerError)
		return
	}
	proxy.ServeHTTP(w, r)
}

// answering returns the script and the version to which a host on workers.dev leads.
func (a *Account) answering(label string) (name string, v *Version) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.scripts[label]; s != nil && s.enabled {
		return label, s.live()
	}
	for _, s := range a.scripts {
		alias, ok := strings.CutSuffix(label, "-"+s.name)
		if !ok || !s.previews {
			continue
		}
		for _, version := range s.versions { // the newest with the alias has it
			if version.alias() == alias {
				name, v = s.name, version
			}
		}
	}
	return name, v
}

// run returns what answers for a version, which is started when it is first asked.
func (p *public) run(name string, v *Version) (*httputil.ReverseProxy, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if proxy := p.running[v.ID]; proxy != nil {
		return proxy, nil
	}
	address, err := p.edge.Serve(p.account.Worker(name, v))
	if err != nil {
		return nil, err
	}
	to, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("the edge answers at %q: %w", address, err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
	}}
	p.running[v.ID] = proxy
	return proxy, nil
}

// Worker returns a version as Miniflare runs it, with what its buckets hold now.
func (a *Account) Worker(name string, v *Version) miniflaretest.Worker {
	w := miniflaretest.Worker{
		Name: name, Main: v.Main, CompatibilityDate: v.CompatibilityDate, CompatibilityFlags: v.CompatibilityFlags,
		Vars: map[string]string{}, Buckets: map[string]map[string]miniflaretest.Object{},
	}
	for _, m := range v.Modules {
		w.Modules = append(w.Modules, miniflaretest.Module(m))
	}
	for _, b := range v.Bindings {
		switch b.Type {
		case "plain_text", "secret_text":
			w.Vars[b.Name] = b.Text
		case "assets":
			w.AssetsBinding = b.Name
		case "r2_bucket":
			w.Buckets[b.Name] = map[string]miniflaretest.Object{}
			for key, content := range a.Objects(b.BucketName) {
				_, meta := a.bucket.read(b.BucketName, key)
				w.Buckets[b.Name][key] = miniflaretest.Object{ContentType: meta["Content-Type"], Content: content}
			}
		}
	}
	if len(v.Assets) > 0 {
		w.Assets = map[string][]byte{}
		for p, asset := range v.Assets {
			w.Assets[strings.TrimPrefix(p, "/")] = asset.Content
		}
	}
	return w
}
