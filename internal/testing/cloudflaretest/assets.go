package cloudflaretest

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// Asset is a static asset of a version.
type Asset struct {
	ContentType string
	Content     []byte
}

// blob is an asset that was uploaded. Its type belongs to the hash, as at Cloudflare.
type blob = Asset

type manifestEntry struct {
	Hash string `json:"hash"`
	Size int64  `json:"size"`
}

// session is an upload of static assets. Its token opens the upload; when nothing is missing any more, another token
// stands for the assets in a version's metadata.
type session struct {
	script   string
	manifest map[string]manifestEntry // by path
	wanted   map[string]int64         // hashes that are not there yet, with their sizes
	complete bool                     // the token is a completion token
}

const (
	maxAssets    = 20_000
	maxAssetSize = 25 << 20
	perBucket    = 3 // hashes that may travel together; small, so that there are several
)

var assetHash = regexp.MustCompile(`^[0-9a-f]{32}$`)

func (a *Account) newSession(r *http.Request) (reply, error) {
	var in struct {
		Manifest map[string]manifestEntry `json:"manifest"`
	}
	if err := body(r, &in, "application/json"); err != nil {
		return reply{}, err
	}
	if len(in.Manifest) == 0 || len(in.Manifest) > maxAssets {
		return reply{}, refuse(http.StatusBadRequest, 10304, "a manifest has 1 to %d files", maxAssets)
	}
	s := &session{script: r.PathValue("script"), manifest: in.Manifest, wanted: map[string]int64{}}
	for p, e := range in.Manifest {
		switch {
		case !strings.HasPrefix(p, "/"):
			return reply{}, refuse(http.StatusBadRequest, 10304, "the path %q does not begin with a slash", p)
		case !assetHash.MatchString(e.Hash):
			return reply{}, refuse(http.StatusBadRequest, 10304, "%q is no hash: 32 hexadecimal digits", e.Hash)
		case e.Size < 0 || e.Size > maxAssetSize:
			return reply{}, refuse(http.StatusBadRequest, 10304, "%s has %d bytes", p, e.Size)
		}
		if size, ok := s.wanted[e.Hash]; ok && size != e.Size {
			return reply{}, refuse(http.StatusBadRequest, 10304, "the hash %s has two sizes", e.Hash)
		}
		if _, there := a.blobs[e.Hash]; !there {
			s.wanted[e.Hash] = e.Size
		}
	}
	s.complete = len(s.wanted) == 0
	buckets := [][]string{}
	for chunk := range slices.Chunk(slices.Sorted(maps.Keys(s.wanted)), perBucket) {
		buckets = append(buckets, chunk)
	}
	return reply{Result: map[string]any{"jwt": a.open(s), "buckets": buckets}}, nil
}

// open gives a session a token, in the shape of a JWT because wrangler looks into it.
func (a *Account) open(s *session) string {
	part := func(v any) string {
		b, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	token := part(map[string]string{"alg": "HS256", "typ": "JWT"}) + "." + part(map[string]any{"exp": a.clock.Unix() + 3600, "sub": newUUID()}) + "." + randomHex(16)
	a.sessions[token] = s
	return token
}

func (a *Account) uploadAssets(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	out, err := a.takeAssets(r)
	write(w, out, err)
}

// takeAssets takes one bucket of hashes. Only the session's own token opens it; the account's does not.
func (a *Account) takeAssets(r *http.Request) (reply, error) {
	s := a.sessions[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	if s == nil || s.complete || r.PathValue("account") != a.ID {
		return reply{}, refuse(http.StatusForbidden, 10000, "Authentication error")
	}
	if r.URL.Query().Get("base64") != "true" {
		return reply{}, refuse(http.StatusBadRequest, 10304, "only base64=true is understood")
	}
	form, err := r.MultipartReader()
	if err != nil {
		return reply{}, err
	}
	for {
		part, err := form.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return reply{}, err
		}
		if err := a.takeAsset(s, part); err != nil {
			return reply{}, err
		}
	}
	for hash := range s.wanted {
		if _, there := a.blobs[hash]; !there {
			return reply{Status: http.StatusAccepted, Result: map[string]any{}}, nil
		}
	}
	done := &session{script: s.script, manifest: s.manifest, complete: true}
	return reply{Status: http.StatusCreated, Result: map[string]any{"jwt": a.open(done)}}, nil
}

func (a *Account) takeAsset(s *session, part *multipart.Part) error {
	text, err := io.ReadAll(part)
	if err != nil {
		return err
	}
	hash := part.FormName()
	size, wanted := s.wanted[hash]
	content, err := base64.StdEncoding.DecodeString(string(text))
	switch {
	case !wanted:
		return refuse(http.StatusBadRequest, 10304, "nobody asked for %q", hash)
	case err != nil:
		return refuse(http.StatusBadRequest, 10304, "%s is not base64: %v", hash, err)
	case int64(len(content)) != size:
		return refuse(http.StatusBadRequest, 10304, "%s has %d bytes, its manifest says %d", hash, len(content), size)
	case part.Header.Get("Content-Type") == "":
		return refuse(http.StatusBadRequest, 10304, "%s has no type", hash)
	}
	a.blobs[hash] = blob{part.Header.Get("Content-Type"), content}
	return nil
}

// assetsOf gives a version the static assets that its metadata names.
func (a *Account) assetsOf(v *Version, script string, meta metadata, old *Version) error {
	_, bound := v.bindingOf("assets")
	switch {
	case meta.Assets == nil && meta.KeepAssets && old != nil:
		v.Assets, v.AssetsConfig = old.Assets, old.AssetsConfig
	case meta.Assets != nil:
		s := a.sessions[meta.Assets.JWT]
		if s == nil || !s.complete || s.script != script {
			return refuse(http.StatusBadRequest, 10302, "the assets' token is not the completion token of a session of %q", script)
		}
		v.Assets, v.AssetsConfig = map[string]Asset{}, meta.Assets.Config
		for p, e := range s.manifest {
			v.Assets[p] = a.blobs[e.Hash]
		}
	case bound:
		return invalid("there is a binding to assets, and no assets")
	}
	return nil
}
