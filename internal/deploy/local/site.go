package local

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"overskill/internal/deploy/plan"
)

// serveSite answers a request for one release by the rules of plan.Route.
func (s *Server) serveSite(w http.ResponseWriter, r *http.Request, addr Address, rel Release) {
	m, err := s.manifest(rel.Hash)
	if err != nil {
		s.cfg.Log.ErrorContext(r.Context(), "deployment cannot be read", "slug", rel.Slug, "version_id", rel.VersionID, "err", err)
		writePage(w, r, unavailablePage)
		return
	}
	for _, h := range plan.SecurityHeaders(string(addr.Environment), "") {
		w.Header().Set(h.Name, h.Value)
	}
	info := plan.Info{
		AppID: rel.AppID, Slug: rel.Slug, Version: rel.Version, VersionID: rel.VersionID,
		Environment: string(addr.Environment), ContentHash: rel.Hash,
	}
	switch answer, path := plan.Route(m.has, r.Method, r.URL.Path, r.Header.Get("Accept")); answer {
	case plan.Health:
		info.Status = "ok"
		writeJSON(w, info)
	case plan.Deployment:
		writeJSON(w, info)
	case plan.MethodNotAllowed:
		w.Header().Set("Allow", "GET, HEAD")
		writeText(w, http.StatusMethodNotAllowed, "This site is only read.")
	case plan.NotFound:
		writeText(w, http.StatusNotFound, "Not found.")
	case plan.Serve:
		if err := s.serveAsset(w, r, addr, m.Assets[path]); err != nil {
			s.cfg.Log.ErrorContext(r.Context(), "asset cannot be read", "slug", rel.Slug, "version_id", rel.VersionID, "path", path, "err", err)
			w.Header().Del("ETag")
			w.Header().Del("Content-Encoding")
			w.Header().Set("Retry-After", "30")
			writeText(w, http.StatusServiceUnavailable, "A file of this version is missing from storage.")
		}
	}
}

// serveAsset writes an asset, as a whole or a range of it. An error means that nothing was written yet.
func (s *Server) serveAsset(w http.ResponseWriter, r *http.Request, addr Address, e entry) error {
	body, zipped, err := s.open(e, acceptsGzip(r))
	if err != nil {
		return err
	}
	defer body.Close()
	h := w.Header()
	for _, sec := range plan.SecurityHeaders(string(addr.Environment), e.ContentType) {
		h.Set(sec.Name, sec.Value)
	}
	h.Set("Content-Type", e.ContentType)
	h.Set("Cache-Control", e.CacheControl)
	h.Set("ETag", plan.ETag(e.Hash))
	if plan.Compressible(e.ContentType) {
		h.Set("Vary", "Accept-Encoding")
	}
	if zipped {
		// Other bytes need another tag. A weak one still matches If-None-Match, and never a range.
		h.Set("ETag", "W/"+plan.ETag(e.Hash))
		h.Set("Content-Encoding", "gzip")
		if n, err := body.Seek(0, io.SeekEnd); err == nil {
			h.Set("Content-Length", strconv.FormatInt(n, 10))
		}
	}
	http.ServeContent(w, r, "", time.Time{}, body)
	return nil
}

// acceptsGzip reports whether a request may be answered with gzip. A range is a range of the file itself.
func acceptsGzip(r *http.Request) bool {
	if r.Header.Get("Range") != "" {
		return false
	}
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, params, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			q, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
			weight, err := strconv.ParseFloat(q, 64)
			return !ok || err == nil && weight > 0
		}
	}
	return false
}

// minGzip is the size in bytes below which gzip saves nothing that a network packet would notice.
const minGzip = 1024

// open returns an asset's content, gzipped where the client takes it and it helps.
func (s *Server) open(e entry, gzipOK bool) (body io.ReadSeekCloser, zipped bool, err error) {
	if e.Size > maxHot {
		f, err := os.Open(s.disk.blobPath(e.Hash))
		return f, false, err
	}
	if gzipOK && e.Size >= minGzip && plan.Compressible(e.ContentType) {
		content, err := s.zipped(e)
		if err != nil || content != nil {
			return inMemory(content), true, err
		}
	}
	content, err := s.content(e)
	return inMemory(content), false, err
}

// content returns an asset of at most maxHot bytes, from memory or else from disk.
func (s *Server) content(e entry) ([]byte, error) {
	if b, ok := s.hot.get(e.Hash); ok {
		return b, nil
	}
	v, err, _ := s.once.Do(e.Hash, func() (any, error) {
		b, err := os.ReadFile(s.disk.blobPath(e.Hash))
		if err != nil {
			return nil, err
		}
		if int64(len(b)) != e.Size {
			return nil, fmt.Errorf("blob %.12s has %d bytes instead of %d", e.Hash, len(b), e.Size)
		}
		s.hot.add(e.Hash, b, int64(len(b)))
		return b, nil
	})
	if err != nil {
		return nil, err
	}
	return v.([]byte), nil
}

// zipped returns an asset gzipped, or nil for one that gzip does not make smaller. It is compressed once, by the
// first request, and then kept in memory as long as it is asked for.
func (s *Server) zipped(e entry) ([]byte, error) {
	key := e.Hash + ".gz"
	if b, ok := s.hot.get(key); ok {
		return b, nil
	}
	v, err, _ := s.once.Do(key, func() (any, error) {
		content, err := s.content(e)
		if err != nil {
			return nil, err
		}
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		if _, err := z.Write(content); err != nil {
			return nil, err
		}
		if err := z.Close(); err != nil {
			return nil, err
		}
		b := out.Bytes()
		if len(b) >= len(content) {
			b = nil
		}
		s.hot.add(key, b, int64(len(b)))
		return b, nil
	})
	if err != nil {
		return nil, err
	}
	return v.([]byte), nil
}

type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

func inMemory(b []byte) io.ReadSeekCloser { return memory{bytes.NewReader(b)} }

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(v) // the connection is gone, and with it whom to tell
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}
