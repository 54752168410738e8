package local

import (
	"fmt"
	"net/http"
	"os"

	"overskill/internal/deploy/plan"
)

// ServerCode is the server code of a release: Plan.Server. Main modules that run it as the Worker would are
// plan.ServerMain.
type ServerCode struct {
	Hash string // sha256: releases with the same code have the same hash
	path string
}

// Bytes reads the module.
func (c ServerCode) Bytes() ([]byte, error) {
	b, err := os.ReadFile(c.path)
	if err != nil {
		return nil, fmt.Errorf("read server code: %w", err)
	}
	if hashOf(b) != c.Hash {
		return nil, fmt.Errorf("server code %.12s is damaged", c.Hash)
	}
	return b, nil
}

// serveAPI lets the app's server code answer.
func (v visit) serveAPI(w http.ResponseWriter, r *http.Request) {
	if v.s.cfg.Functions == nil {
		v.setHeaders(w.Header(), "")
		writeJSON(w, http.StatusNotImplemented, map[string]string{
			"error": "This server does not run the server code of apps. Publish the app to see it at work, or switch on workerd here.",
		})
		return
	}
	code := ServerCode{Hash: v.manifest.Server, path: v.s.disk.blobPath(v.manifest.Server)}
	out := &addingWriter{ResponseWriter: w, add: plan.SecurityHeaders(string(v.rel.Environment), "")}
	v.s.cfg.Functions(v.rel, code).ServeHTTP(out, r)
	out.addHeaders() // of an answer that is all defaults
}

// addingWriter adds headers that the handler did not set, when it begins its answer.
type addingWriter struct {
	http.ResponseWriter
	add []plan.Header
}

func (w *addingWriter) WriteHeader(status int) {
	if status >= http.StatusOK { // others announce the answer, or begin a WebSocket
		w.addHeaders()
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *addingWriter) Write(b []byte) (int, error) {
	w.addHeaders()
	return w.ResponseWriter.Write(b)
}

func (w *addingWriter) addHeaders() {
	for _, h := range w.add {
		if w.Header().Get(h.Name) == "" {
			w.Header().Set(h.Name, h.Value)
		}
	}
	w.add = nil
}

// Unwrap lets http.ResponseController flush and hijack.
func (w *addingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
