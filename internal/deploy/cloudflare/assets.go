package cloudflare

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"

	"overskill/internal/deploy/plan"
	"overskill/internal/fault"
)

// staticAssets uploads the assets that Cloudflare does not hold yet and returns the token that stands for all of them in
// the metadata of a version, and the number of bytes sent. It begins with a session: we send the manifest, Cloudflare
// answers which hashes it wants, in buckets of what may travel together. An upload that broke off is taken up by the
// next session, which wants only what is missing. scripts is the path of the script that the session is for.
func (t *Target) staticAssets(ctx context.Context, scripts string, p plan.Plan) (jwt string, sent int64, err error) {
	type entry struct {
		Hash string `json:"hash"`
		Size int64  `json:"size"`
	}
	manifest := map[string]entry{}
	byHash := map[string]plan.Asset{}
	for _, a := range p.Assets {
		if a.Place == plan.InAssets {
			h := assetHash(a)
			manifest[a.Path] = entry{h, a.Size}
			byHash[h] = a
		}
	}
	if len(manifest) == 0 {
		return "", 0, nil
	}
	body, err := asJSON(map[string]any{"manifest": manifest})
	if err != nil {
		return "", 0, err
	}
	var session struct {
		JWT     string     `json:"jwt"`
		Buckets [][]string `json:"buckets"`
	}
	if _, err := t.call(ctx, http.MethodPost, scripts+"/assets-upload-session", body, &session); err != nil {
		return "", 0, fmt.Errorf("begin to upload static assets: %w", err)
	}
	t.api.redact.add(session.JWT)
	if len(session.Buckets) == 0 {
		return session.JWT, 0, nil // all are there: the session's token is the completion token
	}
	for _, bucket := range session.Buckets {
		part, n, err := assetForm(bucket, byHash)
		if err != nil {
			return "", sent, err
		}
		var done struct {
			JWT string `json:"jwt"`
		}
		if _, err := t.call(ctx, http.MethodPost, t.account("/workers/assets/upload?base64=true"), part, &done, "Authorization", "Bearer "+session.JWT); err != nil {
			return "", sent, fmt.Errorf("upload static assets: %w", err)
		}
		sent += n
		if done.JWT != "" {
			jwt = done.JWT
		}
	}
	if jwt == "" {
		return "", sent, fault.New(fault.Unavailable, "Cloudflare did not confirm the static assets. Try again.")
	}
	t.api.redact.add(jwt)
	return jwt, sent, nil
}

// assetHash names an asset in a manifest. It covers the type, which Cloudflare keeps for the hash and not for the path.
func assetHash(a plan.Asset) string {
	sum := sha256.Sum256([]byte(a.Hash + " " + a.ContentType))
	return hex.EncodeToString(sum[:16])
}

// assetForm writes one bucket: a part for each hash, in base64, with the type that the asset is to have.
func assetForm(bucket []string, byHash map[string]plan.Asset) (*payload, int64, error) {
	var b bytes.Buffer
	var sent int64
	w := multipart.NewWriter(&b)
	for _, h := range bucket {
		a, ok := byHash[h]
		if !ok {
			return nil, 0, fault.New(fault.Unavailable, "Cloudflare asked for a static asset that the app does not have. Try again.")
		}
		text := make([]byte, base64.StdEncoding.EncodedLen(len(a.Content)))
		base64.StdEncoding.Encode(text, a.Content)
		if err := writePart(w, h, h, strings.ReplaceAll(a.ContentType, "\n", ""), text); err != nil {
			return nil, 0, err
		}
		sent += a.Size
	}
	if err := w.Close(); err != nil {
		return nil, 0, fmt.Errorf("write the form: %w", err)
	}
	return &payload{Type: w.FormDataContentType(), Body: b.Bytes()}, sent, nil
}
