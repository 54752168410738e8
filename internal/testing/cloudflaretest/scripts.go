package cloudflaretest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Cloudflare's numbers for what is not there.
const (
	codeNoScript    = 10007
	codeNoService   = 10090
	codeNoNamespace = 100119
	codeNoVersion   = 10222
)

// keptVersions is how many versions of a script can still be deployed.
const keptVersions = 100

// script is a Worker. One in a dispatch namespace has exactly one version, which every upload replaces.
type script struct {
	name        string
	versions    []*Version   // the newest last
	deployments []deployment // the newest first
	enabled     bool         // its workers.dev host
	previews    bool         // the hosts of its versions
}

// Version is one upload of a script.
type Version struct {
	ID                 string
	Number             int
	Main               string
	Modules            []Module
	Bindings           []Binding
	CompatibilityDate  string
	CompatibilityFlags []string
	Annotations        map[string]string
	Tags               []string
	Assets             map[string]Asset // by path
	AssetsConfig       AssetsConfig
	Created            time.Time
}

func (v *Version) alias() string { return v.Annotations["workers/alias"] }

// binding returns the binding of a name.
func (v *Version) binding(name string) (Binding, bool) {
	if v == nil {
		return Binding{}, false
	}
	i := slices.IndexFunc(v.Bindings, func(b Binding) bool { return b.Name == name })
	if i < 0 {
		return Binding{}, false
	}
	return v.Bindings[i], true
}

// bindingOf returns the first binding of a type.
func (v *Version) bindingOf(kind string) (Binding, bool) {
	i := slices.IndexFunc(v.Bindings, func(b Binding) bool { return b.Type == kind })
	if i < 0 {
		return Binding{}, false
	}
	return v.Bindings[i], true
}

// Secrets returns the version's secrets.
func (v *Version) Secrets() map[string]string {
	out := map[string]string{}
	for _, b := range v.Bindings {
		if b.Type == "secret_text" {
			out[b.Name] = b.Text
		}
	}
	return out
}

type share struct {
	VersionID  string  `json:"version_id"`
	Percentage float64 `json:"percentage"`
}

type deployment struct {
	ID          string            `json:"id"`
	Created     time.Time         `json:"created_on"`
	Source      string            `json:"source"`
	Strategy    string            `json:"strategy"`
	Versions    []share           `json:"versions"`
	Annotations map[string]string `json:"annotations"`
	Author      string            `json:"author_email"`
}

// AddNamespace makes a dispatch namespace.
func (a *Account) AddNamespace(name string) {
	a.locked(func() { a.namespaces[name] = map[string]*script{} })
}

// Scripts returns the names of the account's scripts, in order; those of a namespace when one is named.
func (a *Account) Scripts(namespace string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if namespace != "" {
		return slices.Sorted(maps.Keys(a.namespaces[namespace]))
	}
	return slices.Sorted(maps.Keys(a.scripts))
}

// Live returns the version that all visitors of a script get; nil when the script is not there or its visitors are
// shared. In a namespace it is the script's only version.
func (a *Account) Live(namespace, name string) *Version {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.in(namespace)[name]
	if s == nil {
		return nil
	}
	return s.live()
}

// Shares returns the percentages of a script's live versions.
func (a *Account) Shares(name string) map[string]float64 {
	out := map[string]float64{}
	a.locked(func() {
		if s := a.scripts[name]; s != nil && len(s.deployments) > 0 {
			for _, v := range s.deployments[0].Versions {
				out[v.VersionID] = v.Percentage
			}
		}
	})
	return out
}

// Public reports whether a script's workers.dev host is on.
func (a *Account) Public(name string) (on bool) {
	a.locked(func() { on = a.scripts[name] != nil && a.scripts[name].enabled })
	return on
}

// Versions returns a script's versions, the oldest first.
func (a *Account) Versions(name string) []*Version {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.scripts[name] == nil {
		return nil
	}
	return slices.Clone(a.scripts[name].versions)
}

func (s *script) live() *Version {
	if len(s.deployments) == 0 || len(s.deployments[0].Versions) != 1 {
		return nil
	}
	return s.version(s.deployments[0].Versions[0].VersionID)
}

func (s *script) newest() *Version {
	if s == nil || len(s.versions) == 0 {
		return nil
	}
	return s.versions[len(s.versions)-1]
}

func (s *script) version(id string) *Version {
	for _, v := range s.versions {
		if v.ID == id {
			return v
		}
	}
	return nil
}

func (s *script) add(v *Version) {
	v.Number = 1
	if old := s.newest(); old != nil {
		v.Number = old.Number + 1
	}
	s.versions = append(s.versions, v)
	if old := len(s.versions) - keptVersions; old > 0 {
		s.versions = s.versions[old:]
	}
}

func (s *script) deploy(at time.Time, annotations map[string]string, versions ...share) deployment {
	d := deployment{newUUID(), at, "api", "percentage", versions, annotations, "dev@example.com"}
	s.deployments = append([]deployment{d}, s.deployments...)
	return d
}

// in returns the scripts of a namespace, or the account's own.
func (a *Account) in(namespace string) map[string]*script {
	if namespace == "" {
		return a.scripts
	}
	return a.namespaces[namespace]
}

// find returns the script that a call names.
func (a *Account) find(r *http.Request) (*script, error) {
	if space := r.PathValue("namespace"); space != "" && a.namespaces[space] == nil {
		return nil, refuse(http.StatusNotFound, codeNoNamespace, "workers.api.error.dispatch_namespace_not_found")
	}
	if s := a.in(r.PathValue("namespace"))[r.PathValue("script")]; s != nil {
		return s, nil
	}
	return nil, refuse(http.StatusNotFound, codeNoScript, "This Worker does not exist on your account.")
}

func (a *Account) listScripts(r *http.Request) (reply, error) {
	if space := r.PathValue("namespace"); space != "" && a.namespaces[space] == nil {
		return reply{}, refuse(http.StatusNotFound, codeNoNamespace, "workers.api.error.dispatch_namespace_not_found")
	}
	out := []any{}
	for _, name := range slices.Sorted(maps.Keys(a.in(r.PathValue("namespace")))) {
		out = append(out, map[string]any{"id": name, "modified_on": a.clock})
	}
	return reply{Result: out}, nil
}

// putScript uploads a script and makes it live at once.
func (a *Account) putScript(r *http.Request) (reply, error) {
	space, name := r.PathValue("namespace"), r.PathValue("script")
	scripts := a.in(space)
	if scripts == nil {
		return reply{}, refuse(http.StatusNotFound, codeNoNamespace, "workers.api.error.dispatch_namespace_not_found")
	}
	if !scriptNames.MatchString(name) {
		return reply{}, refuse(http.StatusBadRequest, 10016, "%q is no name of a script", name)
	}
	s := scripts[name]
	v, err := a.upload(r, name, s.newest())
	if err != nil {
		return reply{}, err
	}
	if s == nil {
		s = &script{name: name}
		scripts[name] = s
	}
	if space != "" {
		s.versions = nil
		if len(v.Annotations) > 0 {
			return reply{}, invalid("a script in a dispatch namespace has no annotations")
		}
	}
	s.add(v)
	s.deploy(v.Created, v.Annotations, share{v.ID, 100})
	return reply{Result: map[string]any{
		"id": name, "etag": randomHex(32), "handlers": []string{"fetch"}, "created_on": v.Created, "modified_on": v.Created, "startup_time_ms": 3,
		"available_on_subdomain": s.enabled, "deployment_id": s.deployments[0].ID, "has_assets": len(v.Assets) > 0, "has_modules": true,
	}}, nil
}

func (a *Account) deleteScript(r *http.Request) (reply, error) {
	s, err := a.find(r)
	if err != nil {
		return reply{}, err
	}
	for _, d := range a.domains {
		if d.Service == s.name && r.URL.Query().Get("force") != "true" {
			return reply{}, refuse(http.StatusBadRequest, 10064, "%s has the domain %s; delete with force", s.name, d.Hostname)
		}
	}
	delete(a.in(r.PathValue("namespace")), s.name)
	return reply{}, nil
}

func (a *Account) getNamespace(r *http.Request) (reply, error) {
	if a.namespaces[r.PathValue("namespace")] == nil {
		return reply{}, refuse(http.StatusNotFound, codeNoNamespace, "workers.api.error.dispatch_namespace_not_found")
	}
	return reply{Result: map[string]any{"namespace_name": r.PathValue("namespace"), "namespace_id": newUUID(), "script_count": len(a.namespaces[r.PathValue("namespace")])}}, nil
}

func (a *Account) getNamespaced(r *http.Request) (reply, error) {
	s, err := a.find(r)
	if err != nil {
		return reply{}, err
	}
	return reply{Result: map[string]any{"dispatch_namespace": r.PathValue("namespace"), "script": map[string]any{"id": s.name}}}, nil
}

func (a *Account) getScriptSubdomain(r *http.Request) (reply, error) {
	s, err := a.find(r)
	if err != nil {
		return reply{}, err
	}
	return reply{Result: map[string]any{"enabled": s.enabled, "previews_enabled": s.previews}}, nil
}

func (a *Account) setScriptSubdomain(r *http.Request) (reply, error) {
	s, err := a.find(r)
	if err != nil {
		return reply{}, err
	}
	var in struct {
		Enabled  *bool `json:"enabled"`
		Previews *bool `json:"previews_enabled"`
	}
	if err := body(r, &in, "application/json"); err != nil {
		return reply{}, err
	}
	if in.Enabled == nil {
		return reply{}, invalid("enabled is missing")
	}
	s.enabled = *in.Enabled
	if in.Previews != nil {
		s.previews = *in.Previews
	}
	return reply{Result: map[string]any{"enabled": s.enabled, "previews_enabled": s.previews}}, nil
}

// shown is a version as the API shows it: with the names of its secrets and without their values.
func (v *Version) shown() map[string]any {
	bindings := []Binding{}
	for _, b := range v.Bindings {
		if b.Type == "secret_text" {
			b.Text = ""
		}
		bindings = append(bindings, b)
	}
	return map[string]any{
		"id": v.ID, "number": v.Number, "annotations": v.Annotations, "startup_time_ms": 3,
		"metadata": map[string]any{"author_email": "dev@example.com", "author_id": "0", "source": "api", "created_on": v.Created, "modified_on": v.Created, "has_preview": true},
		"resources": map[string]any{
			"bindings": bindings, "script": map[string]any{"etag": randomHex(32), "handlers": []string{"fetch"}, "last_deployed_from": "api"},
			"script_runtime": map[string]any{"compatibility_date": v.CompatibilityDate, "compatibility_flags": v.CompatibilityFlags, "usage_model": "standard"},
		},
	}
}

func (a *Account) listVersions(r *http.Request) (reply, error) {
	s, err := a.find(r)
	if err != nil {
		return reply{}, err
	}
	items := []any{}
	for _, v := range slices.Backward(s.versions) {
		items = append(items, v.shown())
	}
	return reply{Result: map[string]any{"items": items}, Info: map[string]any{"page": 1, "per_page": keptVersions, "count": len(items), "total_count": len(items)}}, nil
}

func (a *Account) newVersion(r *http.Request) (reply, error) {
	s, err := a.find(r)
	if err != nil {
		return reply{}, err
	}
	v, err := a.upload(r, s.name, s.newest())
	if err != nil {
		return reply{}, err
	}
	s.add(v)
	return reply{Result: v.shown()}, nil
}

func (a *Account) getVersion(r *http.Request) (reply, error) {
	s, err := a.find(r)
	if err != nil {
		return reply{}, err
	}
	v := s.version(r.PathValue("version"))
	if v == nil {
		return reply{}, refuse(http.StatusNotFound, codeNoVersion, "There is no version %s of %s.", r.PathValue("version"), s.name)
	}
	return reply{Result: v.shown()}, nil
}

func (a *Account) listDeployments(r *http.Request) (reply, error) {
	s, err := a.find(r)
	if err != nil {
		return reply{}, err
	}
	return reply{Result: map[string]any{"deployments": append([]deployment{}, s.deployments...)}}, nil
}

func (a *Account) newDeployment(r *http.Request) (reply, error) {
	s, err := a.find(r)
	if err != nil {
		return reply{}, err
	}
	var in struct {
		Strategy    string            `json:"strategy"`
		Versions    []share           `json:"versions"`
		Annotations map[string]string `json:"annotations"`
	}
	if err := body(r, &in, "application/json"); err != nil {
		return reply{}, err
	}
	total, seen := 0.0, map[string]bool{}
	for _, v := range in.Versions {
		if s.version(v.VersionID) == nil {
			return reply{}, refuse(http.StatusBadRequest, codeNoVersion, "There is no version %s of %s.", v.VersionID, s.name)
		}
		if v.Percentage <= 0 || seen[v.VersionID] {
			return reply{}, invalid("a version has no share, or two")
		}
		total, seen[v.VersionID] = total+v.Percentage, true
	}
	if in.Strategy != "percentage" || len(in.Versions) < 1 || len(in.Versions) > 2 || total != 100 {
		return reply{}, refuse(http.StatusBadRequest, 10021, "one or two versions share 100 percent, not %v", total)
	}
	if now := s.live(); now != nil && r.URL.Query().Get("force") != "true" {
		for _, v := range in.Versions {
			if older := s.version(v.VersionID); older.Number < now.Number && !maps.Equal(now.Secrets(), older.Secrets()) {
				return reply{}, refuse(http.StatusBadRequest, 10220, "The secrets have changed since this version was live; deploy with force.")
			}
		}
	}
	return reply{Result: s.deploy(a.now(), in.Annotations, in.Versions...)}, nil
}

func (a *Account) listSecrets(r *http.Request) (reply, error) {
	s, err := a.find(r)
	if err != nil {
		return reply{}, err
	}
	out := []any{}
	for _, name := range slices.Sorted(maps.Keys(s.newest().Secrets())) {
		out = append(out, map[string]any{"name": name, "type": "secret_text"})
	}
	return reply{Result: out}, nil
}

// patchSecrets makes a version that differs from the newest in its secrets, and makes it live.
func (a *Account) patchSecrets(r *http.Request) (reply, error) {
	s, err := a.find(r)
	if err != nil {
		return reply{}, err
	}
	var in struct {
		Secrets map[string]*Binding `json:"secrets"`
	}
	if err := body(r, &in, "application/merge-patch+json"); err != nil {
		return reply{}, err
	}
	now := s.live()
	if now == nil || now.ID != s.newest().ID {
		return reply{}, refuse(http.StatusBadRequest, 10215, "Secret edit failed. The latest version of the Worker isn't currently deployed.")
	}
	next := *now
	next.ID, next.Created, next.Annotations = newUUID(), a.now(), map[string]string{"workers/triggered_by": "secret"}
	next.Bindings = slices.DeleteFunc(slices.Clone(now.Bindings), func(b Binding) bool { _, named := in.Secrets[b.Name]; return named && b.Type == "secret_text" })
	for _, name := range slices.Sorted(maps.Keys(in.Secrets)) {
		b := in.Secrets[name]
		if b == nil {
			continue
		}
		if b.Name != name || b.Type != "secret_text" || a.checkBinding(*b) != nil {
			return reply{}, invalid("%q is no secret", name)
		}
		next.Bindings = append(next.Bindings, *b)
	}
	s.add(&next)
	s.deploy(next.Created, next.Annotations, share{next.ID, 100})
	return a.listSecrets(r)
}

// getService is how wrangler asks whether a Worker is there.
func (a *Account) getService(r *http.Request) (reply, error) {
	s, err := a.find(r)
	if err != nil {
		return reply{}, refuse(http.StatusNotFound, codeNoService, "This service does not exist on your account.")
	}
	env := map[string]any{"environment": "production", "script": map[string]any{"id": s.name, "last_deployed_from": "api", "tag": randomHex(16), "tags": []string{}}}
	return reply{Result: map[string]any{"id": s.name, "default_environment": env, "environments": []any{env}}}, nil
}

func (a *Account) getSettings(r *http.Request) (reply, error) {
	s, err := a.find(r)
	if err != nil {
		return reply{}, err
	}
	return reply{Result: map[string]any{"bindings": s.newest().shown()["resources"].(map[string]any)["bindings"], "tags": s.newest().Tags, "logpush": false, "observability": map[string]any{"enabled": false}, "tail_consumers": []any{}}}, nil
}

// Describe names what lies in the account, a line each, for comparing before and after.
func (a *Account) Describe() string {
	var b strings.Builder
	a.locked(func() {
		for _, name := range slices.Sorted(maps.Keys(a.scripts)) {
			s := a.scripts[name]
			fmt.Fprintf(&b, "script %s: %d versions, public %t\n", name, len(s.versions), s.enabled)
		}
		for _, space := range slices.Sorted(maps.Keys(a.namespaces)) {
			for _, name := range slices.Sorted(maps.Keys(a.namespaces[space])) {
				fmt.Fprintf(&b, "script %s in %s\n", name, space)
			}
		}
		for _, d := range a.domains {
			fmt.Fprintf(&b, "domain %s: %s\n", d.Hostname, d.Service)
		}
	})
	return b.String()
}

// AddScript puts a Worker into the account that somebody else made.
func (a *Account) AddScript(name string) {
	a.locked(func() {
		s := &script{name: name, enabled: true}
		v := &Version{ID: newUUID(), Main: "index.js", CompatibilityDate: "2026-01-01", Created: a.now()}
		s.add(v)
		s.deploy(v.Created, nil, share{v.ID, 100})
		a.scripts[name] = s
	})
}
