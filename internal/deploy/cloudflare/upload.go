package cloudflare

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"mime/multipart"
	"net/textproto"
	"slices"
	"strings"

	"overskill/internal/deploy/plan"
	"overskill/internal/deploy/target"
	"overskill/internal/fault"
)

// Names of the bindings that are ours. An app may not use them for variables.
const (
	bindBucket = "BUCKET"
	bindAssets = "ASSETS"
	bindAccess = "ACCESS"      // a secret: the rule of package access, as JSON
	bindOrigin = "DATA_ORIGIN" // plain text
)

// metadata is the part "metadata" of an upload. There is no keep_bindings: what an upload does not name is gone, which
// is how a deleted secret disappears.
type metadata struct {
	MainModule        string            `json:"main_module"`
	CompatibilityDate string            `json:"compatibility_date"`
	Bindings          []binding         `json:"bindings"`
	Annotations       map[string]string `json:"annotations,omitempty"`
	Tags              []string          `json:"tags,omitempty"` // of dispatch scripts, which have no annotations
	Assets            *assetsMetadata   `json:"assets,omitempty"`
}

type binding struct {
	Type       string `json:"type"`
	Name       string `json:"name"`
	Text       string `json:"text,omitempty"`
	BucketName string `json:"bucket_name,omitempty"`
	Namespace  string `json:"namespace,omitempty"`
}

type assetsMetadata struct {
	JWT    string       `json:"jwt"`
	Config assetsConfig `json:"config"`
}

// assetsConfig turns off what Cloudflare would do on its own with static assets: the Worker answers every request.
type assetsConfig struct {
	HTMLHandling     string `json:"html_handling"`
	NotFoundHandling string `json:"not_found_handling"`
	RunWorkerFirst   bool   `json:"run_worker_first"`
}

// bindings returns what a release's script gets in its env, in a fixed order. VITE_ names are built into the bundle,
// where everybody reads them: one among the secrets is somebody's mistake, and refused.
func (t *Target) bindings(r target.Release) ([]binding, error) {
	var out []binding
	if big := inBucket(r.Plan); len(big) > 0 {
		if err := t.checkBucket(r.Plan, big[0]); err != nil {
			return nil, err
		}
		out = append(out, binding{Type: "r2_bucket", Name: bindBucket, BucketName: t.cfg.Bucket})
	}
	taken := map[string]bool{bindBucket: true, bindAssets: true, bindAccess: true, bindOrigin: true}
	if t.cfg.DataOrigin != nil {
		if origin := t.cfg.DataOrigin(r.Slug); origin != "" {
			out = append(out, binding{Type: "plain_text", Name: bindOrigin, Text: origin})
		}
	}
	if r.Access.Mode != "" {
		rule, err := json.Marshal(r.Access)
		if err != nil {
			return nil, fmt.Errorf("write the access rule: %w", err)
		}
		t.api.redact.add(string(rule), r.Access.PasswordHash)
		out = append(out, binding{Type: "secret_text", Name: bindAccess, Text: string(rule)})
	}
	for _, name := range slices.Sorted(maps.Keys(r.Vars)) {
		if taken[name] {
			return nil, fault.New(fault.Invalid, "The variable %s has a name that OverSkill uses itself. Rename it.", name)
		}
		if _, twice := r.Secrets[name]; twice {
			return nil, fault.New(fault.Invalid, "%s is both a variable and a secret. Remove one of them.", name)
		}
		if err := checkValue(name, r.Vars[name]); err != nil {
			return nil, err
		}
		out = append(out, binding{Type: "plain_text", Name: name, Text: r.Vars[name]})
	}
	if err := t.checkSecrets(r.Secrets); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(r.Secrets)) {
		out = append(out, binding{Type: "secret_text", Name: name, Text: r.Secrets[name]})
	}
	if len(out) > maxBindings {
		return nil, fault.New(fault.TooLarge, "The app has %d variables and secrets; Cloudflare takes %d.", len(out), maxBindings)
	}
	return out, nil
}

// checkBucket refuses a release that needs the bucket and cannot have it. Server code must not: it can reach every
// binding of its Worker, and the bucket holds the files of all apps.
func (t *Target) checkBucket(p plan.Plan, a plan.Asset) error {
	switch {
	case t.cfg.Bucket == "":
		return fault.New(fault.TooLarge, "%s has %d bytes, more than Cloudflare takes as a static asset. Make it smaller, or enter an R2 bucket in the team's settings.", a.Path, a.Size)
	case len(p.Server) > 0:
		return fault.New(fault.TooLarge, "%s has %d bytes, more than Cloudflare takes as a static asset, and an app with server code cannot keep files in R2. Make it smaller.", a.Path, a.Size)
	}
	return nil
}

// What Cloudflare takes (the limits of the free plan).
const (
	maxBindings = 64
	maxValue    = 5 * 1024 // bytes of a variable or a secret
)

// checkSecrets refuses what cannot be a secret, and makes the rest unreadable in errors and logs.
func (t *Target) checkSecrets(secrets map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		t.api.redact.add(secrets[name])
	}
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		switch {
		case strings.HasPrefix(name, "VITE_"):
			return fault.New(fault.Invalid, "%s cannot be a secret: VITE_ variables are built into the bundle, where everybody can read them. Rename it.", name)
		case name == bindBucket, name == bindAssets, name == bindAccess, name == bindOrigin:
			return fault.New(fault.Invalid, "The secret %s has a name that OverSkill uses itself. Rename it.", name)
		}
		if err := checkValue(name, secrets[name]); err != nil {
			return err
		}
	}
	return nil
}

func checkValue(name, value string) error {
	switch {
	case !identifier(name):
		return fault.New(fault.Invalid, "%q is no name for a variable: letters, digits and underscores, not beginning with a digit.", name)
	case len(value) > maxValue:
		return fault.New(fault.TooLarge, "The value of %s has %d bytes; Cloudflare takes %d.", name, len(value), maxValue)
	}
	return nil
}

func identifier(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// form writes an upload: the metadata, then each module as a file that is named for its import. The SDK's own form names
// its parts metadata.main_module and so on, which the API does not read.
func form(meta metadata, script []byte, modules []plan.Module) (*payload, error) {
	head, err := json.Marshal(meta)
	if err != nil {
		return nil, fmt.Errorf("write the metadata: %w", err)
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if err := writePart(w, "metadata", "", "application/json", head); err != nil {
		return nil, err
	}
	all := append([]plan.Module{{Name: meta.MainModule, Type: plan.TypeModule, Content: script}}, modules...)
	for _, m := range all {
		if err := writePart(w, m.Name, m.Name, m.Type, m.Content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("write the form: %w", err)
	}
	return &payload{Type: w.FormDataContentType(), Body: b.Bytes()}, nil
}

func writePart(w *multipart.Writer, name, file, contentType string, content []byte) error {
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", "%0D", "\n", "%0A")
	disposition := fmt.Sprintf(`form-data; name="%s"`, quote.Replace(name))
	if file != "" {
		disposition += fmt.Sprintf(`; filename="%s"`, quote.Replace(file))
	}
	part, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {disposition}, "Content-Type": {contentType}})
	if err == nil {
		_, err = part.Write(content)
	}
	if err != nil {
		return fmt.Errorf("write the part %s: %w", name, err)
	}
	return nil
}
