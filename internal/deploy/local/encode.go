package local

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/andybalholm/brotli"

	"overskill/internal/deploy/plan"
)

// preferred are the content codings that assets are served with, the best first.
var preferred = []string{"br", "gzip"}

// codings returns those of the preferred codings that a request may be answered with. A range is a range of the file
// itself.
func codings(r *http.Request) (out []string) {
	accept := r.Header.Get("Accept-Encoding")
	if accept == "" || r.Header.Get("Range") != "" {
		return nil
	}
	for _, coding := range preferred {
		if accepts(accept, coding) {
			out = append(out, coding)
		}
	}
	return out
}

// accepts reads an Accept-Encoding header.
func accepts(header, coding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(name), coding) {
			q, ok := strings.CutPrefix(strings.ToLower(strings.ReplaceAll(params, " ", "")), "q=")
			weight, err := strconv.ParseFloat(q, 64)
			return !ok || err == nil && weight > 0
		}
	}
	return false
}

// minCompressed is the size in bytes below which compressing saves nothing that a network packet would notice.
const minCompressed = 1024

// open returns an asset's content, compressed with the first of the codings where that helps. coding is "" for the
// content as it is.
func (s *Server) open(e entry, codings []string) (body io.ReadSeekCloser, coding string, err error) {
	if e.Size > maxHot {
		f, err := os.Open(s.disk.blobPath(e.Hash))
		return f, "", err
	}
	if len(codings) > 0 && e.Size >= minCompressed && plan.Compressible(e.ContentType) {
		content, err := s.compressed(e, codings[0])
		if err != nil || content != nil {
			return inMemory(content), codings[0], err
		}
	}
	content, err := s.content(e)
	return inMemory(content), "", err
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

// compressed returns an asset in a coding, or nil for one that it does not make smaller. It is compressed once, by the
// first request, and then kept in memory as long as it is asked for.
func (s *Server) compressed(e entry, coding string) ([]byte, error) {
	key := e.Hash + "." + coding
	if b, ok := s.hot.get(key); ok {
		return b, nil
	}
	v, err, _ := s.once.Do(key, func() (any, error) {
		content, err := s.content(e)
		if err != nil {
			return nil, err
		}
		b, err := compress(content, coding)
		if err != nil {
			return nil, err
		}
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

// brotliLevel is what a visitor's first request can wait for: about 50 MB a second, and smaller than gzip's best.
const brotliLevel = 5

func compress(content []byte, coding string) ([]byte, error) {
	var out bytes.Buffer
	var z io.WriteCloser = gzip.NewWriter(&out)
	if coding == "br" {
		z = brotli.NewWriterLevel(&out, brotliLevel)
	}
	if _, err := z.Write(content); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return slices.Clip(out.Bytes()), nil
}
