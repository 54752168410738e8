package cloudflare

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"

	"overskill/internal/deploy/target"
	"overskill/internal/fault"
)

// SetSecrets replaces the secrets of what is live: Cloudflare makes a version that differs in them alone, and deploys it;
// id is that version. Secrets that are not named disappear; the access rule, which travels as a secret, stays unless it
// is named. NotFound: the site was never deployed. Conflict: an older version than the newest is live, and Cloudflare
// changes the newest only.
func (t *Target) SetSecrets(ctx context.Context, s target.Site, secrets map[string]string) (id string, err error) {
	name, err := script(s)
	if err != nil {
		return "", err
	}
	own := maps.Clone(secrets)
	if rule, ok := own[bindAccess]; ok { // it changes with the settings, not only with a deployment
		t.api.redact.add(rule)
		delete(own, bindAccess)
	}
	if err := t.checkSecrets(own); err != nil {
		return "", err
	}
	base := t.account("/workers/scripts/%s", name)
	if t.cfg.Mode == ModeDispatch {
		live, err := t.liveScript(ctx, s)
		if err != nil {
			return "", err
		}
		if live == "" {
			return "", fault.New(fault.NotFound, "The app is not published yet; its secrets go along when it is.")
		}
		base = t.namespaced(live)
	}
	var now []binding
	if _, err := t.call(ctx, http.MethodGet, base+"/secrets", nil, &now); has(err, codeNoScript, codeNoService) {
		return "", fault.Wrap(err, fault.NotFound, "The app is not published yet; its secrets go along when it is.")
	} else if err != nil {
		return "", fmt.Errorf("read the secrets of %s: %w", name, err)
	}
	patch, changed, err := mergePatch(now, secrets)
	if err != nil || !changed {
		return "", err
	}
	// The SDK's own body drops nulls, and with them every deletion.
	body := &payload{Type: "application/merge-patch+json", Body: patch}
	_, err = t.call(ctx, http.MethodPatch, base+"/secrets-bulk", body, nil)
	if has(err, codeNotNewest) {
		return "", fault.Wrap(err, fault.Conflict, "Cloudflare changes the secrets of the newest version only, and an older one is live. Publish it again.")
	}
	if err != nil {
		return "", fmt.Errorf("set the secrets of %s: %w", name, err)
	}
	if t.cfg.Mode == ModeDispatch {
		return "", nil
	}
	return t.liveVersion(ctx, name)
}

// mergePatch says how to come from the secrets that are there to those that are wanted (RFC 7396: null removes).
func mergePatch(now []binding, want map[string]string) (patch []byte, changed bool, err error) {
	entries := map[string]*binding{}
	for _, b := range now {
		if _, kept := want[b.Name]; !kept && b.Name != bindAccess {
			entries[b.Name] = nil
		}
	}
	for name, value := range want {
		entries[name] = &binding{Type: "secret_text", Name: name, Text: value}
	}
	patch, err = json.Marshal(map[string]any{"secrets": entries})
	if err != nil {
		return nil, false, fmt.Errorf("write the secrets: %w", err)
	}
	return patch, len(entries) > 0, nil
}
