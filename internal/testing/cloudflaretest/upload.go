package cloudflaretest

import (
	"bytes"
	"compress/gzip"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// Module is a module as it was uploaded.
type Module struct {
	Name    string
	Type    string // the content type
	Content []byte
}

// Binding is what a script has in its env under a name.
type Binding struct {
	Type       string `json:"type"` // plain_text, secret_text, r2_bucket, dispatch_namespace, assets, inherit
	Name       string `json:"name"`
	Text       string `json:"text,omitempty"`
	BucketName string `json:"bucket_name,omitempty"`
	Namespace  string `json:"namespace,omitempty"`
	OldName    string `json:"old_name,omitempty"`
}

// metadata is the part of that name. A field that is not here is refused: what Cloudflare knows besides, nobody has
// needed yet.
type metadata struct {
	MainModule         string            `json:"main_module"`
	CompatibilityDate  string            `json:"compatibility_date"`
	CompatibilityFlags []string          `json:"compatibility_flags"`
	Bindings           []Binding         `json:"bindings"`
	KeepBindings       []string          `json:"keep_bindings"`
	Annotations        map[string]string `json:"annotations"`
	Tags               []string          `json:"tags"`
	Assets             *struct {
		JWT    string       `json:"jwt"`
		Config AssetsConfig `json:"config"`
	} `json:"assets"`
	KeepAssets    bool           `json:"keep_assets"`
	UsageModel    string         `json:"usage_model"`
	Placement     map[string]any `json:"placement"`
	Observability map[string]any `json:"observability"`
	Logpush       *bool          `json:"logpush"`
	Limits        map[string]any `json:"limits"`
	TailConsumers []any          `json:"tail_consumers"`
}

// AssetsConfig says what Cloudflare does with static assets by itself.
type AssetsConfig struct {
	HTMLHandling     string `json:"html_handling"`
	NotFoundHandling string `json:"not_found_handling"`
	RunWorkerFirst   any    `json:"run_worker_first"` // a boolean, or paths
	Headers          string `json:"_headers,omitempty"`
	Redirects        string `json:"_redirects,omitempty"`
}

// What a Worker may be.
const (
	maxUncompressed = 64 << 20
	maxCompressed   = 10 << 20
	maxVariables    = 128
	maxText         = 5 << 10
)

var (
	scriptNames = regexp.MustCompile(`^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$`)
	bindingName = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*$`)
	dates       = regexp.MustCompile(`^20[0-9]{2}-[01][0-9]-[0-3][0-9]$`)
	aliases     = regexp.MustCompile(`^[a-z]([a-z0-9-]*[a-z0-9])?$`)
	// moduleTypes are the content types by which Cloudflare knows what a module is.
	moduleTypes = []string{
		"application/javascript+module", "application/javascript", "text/javascript+module", "text/javascript",
		"application/wasm", "text/plain", "application/octet-stream", "application/source-map", "text/x-python",
	}
)

// upload reads the form of a script or a version. for is the script that it goes to, and old its newest version, whose
// bindings may be kept.
func (a *Account) upload(r *http.Request, name string, old *Version) (*Version, error) {
	meta, modules, err := readForm(r)
	if err != nil {
		return nil, err
	}
	v := &Version{
		ID: newUUID(), Main: meta.MainModule, Modules: modules, CompatibilityDate: meta.CompatibilityDate, CompatibilityFlags: meta.CompatibilityFlags,
		Annotations: meta.Annotations, Tags: meta.Tags, Created: a.now(),
	}
	if err := checkModules(v); err != nil {
		return nil, err
	}
	if v.Bindings, err = a.bindings(meta, old); err != nil {
		return nil, err
	}
	for key := range meta.Annotations {
		if !slices.Contains([]string{"workers/alias", "workers/message", "workers/tag", "workers/triggered_by"}, key) {
			return nil, invalid("the annotation %q is unknown", key)
		}
	}
	if alias := v.alias(); alias != "" && (!aliases.MatchString(alias) || len(alias)+1+len(name) > 63) {
		return nil, invalid("the alias %q does not make a host name with %q", alias, name)
	}
	return v, a.assetsOf(v, name, meta, old)
}

func readForm(r *http.Request) (meta metadata, modules []Module, err error) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return meta, nil, refuse(http.StatusUnsupportedMediaType, 10016, "the content type %q is no form", r.Header.Get("Content-Type"))
	}
	if r.ContentLength <= 0 && !strings.Contains(r.UserAgent(), "undici") && r.Header.Get("User-Agent") != "node" {
		return meta, nil, refuse(http.StatusLengthRequired, 10021, "an upload says its length")
	}
	found := false
	for parts := multipart.NewReader(r.Body, params["boundary"]); ; {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return meta, nil, invalid("the form breaks off: %v", err)
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return meta, nil, invalid("the form breaks off: %v", err)
		}
		if part.FormName() == "metadata" {
			if err := strict(content, &meta); err != nil {
				return meta, nil, err
			}
			found = true
			continue
		}
		// part.FileName keeps only what follows the last slash; modules are named by their whole path.
		_, disposition, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		if err != nil || disposition["filename"] == "" {
			return meta, nil, invalid("the part %q is no file", part.FormName())
		}
		modules = append(modules, Module{Name: disposition["filename"], Type: part.Header.Get("Content-Type"), Content: content})
	}
	if !found {
		return meta, nil, invalid("the form has no metadata")
	}
	return meta, modules, nil
}

func checkModules(v *Version) error {
	if !dates.MatchString(v.CompatibilityDate) {
		return invalid("%q is no compatibility date", v.CompatibilityDate)
	}
	seen := map[string]bool{}
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	size := 0
	for _, m := range v.Modules {
		kind, _, _ := strings.Cut(m.Type, ";")
		switch {
		case !slices.Contains(moduleTypes, kind):
			return invalid("the module %q has the type %q, which says nothing", m.Name, m.Type)
		case seen[m.Name]:
			return invalid("the module %q is there twice", m.Name)
		}
		seen[m.Name] = true
		size += len(m.Content)
		_, _ = zip.Write(m.Content)
	}
	_ = zip.Close()
	if size > maxUncompressed || packed.Len() > maxCompressed {
		return refuse(http.StatusRequestEntityTooLarge, 10027, "Your Worker exceeded the size limit: %d bytes, %d compressed", size, packed.Len())
	}
	for _, m := range v.Modules {
		if m.Name == v.Main && strings.Contains(m.Type, "javascript+module") {
			return nil
		}
	}
	return invalid("the main module %q is no module of the form", v.Main)
}

// bindings checks what an upload binds, and resolves what it keeps from the version before.
func (a *Account) bindings(meta metadata, old *Version) ([]Binding, error) {
	var out []Binding
	named := map[string]bool{}
	for _, b := range meta.Bindings {
		if !bindingName.MatchString(b.Name) || named[b.Name] {
			return nil, invalid("the binding %q has no name, or another one's", b.Name)
		}
		named[b.Name] = true
		if b.Type == "inherit" {
			was, ok := old.binding(b.Name)
			if !ok {
				return nil, refuse(http.StatusBadRequest, 10057, "there is no binding %q to inherit", b.Name)
			}
			b = was
		}
		if err := a.checkBinding(b); err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	if old != nil {
		for _, b := range old.Bindings {
			if slices.Contains(meta.KeepBindings, b.Type) && !named[b.Name] {
				out = append(out, b)
			}
		}
	}
	if len(out) > maxVariables {
		return nil, invalid("%d bindings are too many", len(out))
	}
	return out, nil
}

func (a *Account) checkBinding(b Binding) error {
	only := Binding{Type: b.Type, Name: b.Name}
	switch b.Type {
	case "plain_text", "secret_text":
		if len(b.Text) > maxText {
			return invalid("the value of %q is too long", b.Name)
		}
		only.Text = b.Text
	case "r2_bucket":
		if !a.bucket.exists(b.BucketName) {
			return refuse(http.StatusBadRequest, 10085, "R2 bucket %q not found. Please use a different name or create it", b.BucketName)
		}
		only.BucketName = b.BucketName
	case "dispatch_namespace":
		if a.namespaces[b.Namespace] == nil {
			return refuse(http.StatusNotFound, codeNoNamespace, "there is no dispatch namespace %q", b.Namespace)
		}
		only.Namespace = b.Namespace
	case "assets":
	default:
		return invalid("a binding of type %q is unknown", b.Type)
	}
	if b != only {
		return invalid("the binding %q of type %s has fields of another type", b.Name, b.Type)
	}
	return nil
}
