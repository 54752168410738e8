package local

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"overskill/internal/deploy/plan"
)

// visit serves one release.
type visit struct {
	s        *Server
	rel      Release
	manifest *manifest
}

// ServeHTTP answers who may open the release.
func (v visit) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case plan.IsData(path) && v.s.cfg.API != nil:
		v.s.cfg.API(v.rel.AppID).ServeHTTP(w, r)
	case plan.IsData(path):
		v.setHeaders(w.Header(), "")
		writeText(w, http.StatusNotFound, "Not found.")
	case v.manifest.Server != "" && strings.HasPrefix(path, plan.APIPrefix):
		v.serveAPI(w, r)
	default:
		v.serveSite(w, r)
	}
}

func (v visit) setHeaders(h http.Header, contentType string) {
	for _, sec := range plan.SecurityHeaders(string(v.rel.Environment), contentType) {
		h.Set(sec.Name, sec.Value)
	}
}

// serveSite answers with what the build holds, by the rules of plan.Route and the app's own.
func (v visit) serveSite(w http.ResponseWriter, r *http.Request) {
	v.setHeaders(w.Header(), "")
	rel, accept := v.rel, r.Header.Get("Accept")
	info := plan.Info{
		AppID: rel.AppID, Slug: rel.Slug, Version: rel.Version, VersionID: rel.VersionID,
		Environment: string(rel.Environment), ContentHash: rel.Hash,
	}
	answer, path := plan.Route(v.manifest.has, r.Method, r.URL.Path, accept)
	if answer == plan.Serve || answer == plan.NotFound {
		to, status, ok := v.manifest.rules.Redirect(r.URL.Path, r.URL.RawQuery)
		switch {
		case ok && status != http.StatusOK:
			w.Header().Set("Location", to)
			w.WriteHeader(status)
			return
		case ok:
			answer = plan.NotFound
			if path, ok = plan.Find(v.manifest.has, to, accept); ok {
				answer = plan.Serve
			}
		}
	}
	switch answer {
	case plan.Health:
		info.Status = "ok"
		writeJSON(w, http.StatusOK, info)
	case plan.Deployment:
		writeJSON(w, http.StatusOK, info)
	case plan.MethodNotAllowed:
		w.Header().Set("Allow", "GET, HEAD")
		writeText(w, http.StatusMethodNotAllowed, "This site is only read.")
	case plan.NotFound:
		writeText(w, http.StatusNotFound, "Not found.")
	case plan.Serve:
		if err := v.serveAsset(w, r, v.manifest.Assets[path]); err != nil {
			v.s.cfg.Log.ErrorContext(r.Context(), "asset cannot be read", "slug", rel.Slug, "version_id", rel.VersionID, "path", path, "err", err)
			w.Header().Set("Retry-After", "30")
			writeText(w, http.StatusServiceUnavailable, "A file of this version is missing from storage.")
		}
	}
}

// serveAsset writes an asset, as a whole or a range of it. An error means that nothing was written yet.
func (v visit) serveAsset(w http.ResponseWriter, r *http.Request, e entry) error {
	body, coding, err := v.s.open(e, codings(r))
	if err != nil {
		return err
	}
	defer body.Close()
	h := w.Header()
	v.setHeaders(h, e.ContentType)
	h.Set("Content-Type", e.ContentType)
	h.Set("Cache-Control", e.CacheControl)
	v.manifest.rules.Apply(string(v.rel.Environment), r.URL.Path, h)
	h.Set("ETag", plan.ETag(e.Hash))
	if plan.Compressible(e.ContentType) {
		h.Set("Vary", "Accept-Encoding")
	}
	if coding != "" {
		// Other bytes need another tag. A weak one still matches If-None-Match, and never a range.
		h.Set("ETag", "W/"+plan.ETag(e.Hash))
		h.Set("Content-Encoding", coding)
		if n, err := body.Seek(0, io.SeekEnd); err == nil {
			h.Set("Content-Length", strconv.FormatInt(n, 10))
		}
	}
	http.ServeContent(w, r, "", time.Time{}, body)
	return nil
}

type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

func inMemory(b []byte) io.ReadSeekCloser { return memory{bytes.NewReader(b)} }

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the connection is gone, and with it whom to tell
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}
