package local

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/deploy/access"
	"overskill/internal/deploy/plan"
)

// TestWorkerForwardsData: what is for the app's data reaches env.DATA_ORIGIN as it was sent, and its answer comes back as
// it is. Only proof of access stays behind.
func TestWorkerForwardsData(t *testing.T) {
	browser := newBrowser(t)
	p := mustPlan(t, build())
	const host = "preview-todo.localhost"
	headers := map[string]string{"apikey": "k", "Prefer": "return=minimal", "Content-Type": "application/json", access.Header: "x"}
	asked := []question{
		{Method: "POST", URL: "https://" + host + "/rest/v1/todos?select=*&a=b%20c", Headers: headers, Body: `{"a":"ü"}`},
		{Method: "GET", URL: "https://" + host + "/storage/v1/object/a%2Fb%20c", Headers: headers},
		{Method: "PATCH", URL: "http://" + host + "/auth/v1/user", Headers: headers, Body: "x"},
		{Method: "GET", URL: "https://" + host + "/realtime/v1/websocket?vsn=1.0.0", Headers: headers},
		{Method: "GET", URL: "https://" + host + "/rest/v1/broken", Headers: headers},
		{Method: "GET", URL: "https://" + host + "/rest/v2/todos", Headers: headers},
	}
	got := fromWorker(browser, t, p, asked, workerEnv{Record: true, Plain: map[string]string{"DATA_ORIGIN": "https://data.example:8443"}})
	for i, want := range []struct {
		url, method, body, proto string
	}{
		{"https://data.example:8443/rest/v1/todos?select=*&a=b%20c", "POST", `{"a":"ü"}`, "https"},
		{"https://data.example:8443/storage/v1/object/a%2Fb%20c", "GET", "", "https"},
		{"https://data.example:8443/auth/v1/user", "PATCH", "x", "http"},
		{"https://data.example:8443/realtime/v1/websocket?vsn=1.0.0", "GET", "", "https"},
	} {
		r := got[i]
		if r.Status != 409 || r.Headers["x-up"] != "1" || r.Headers["content-type"] != "application/x" || r.Headers["x-content-type-options"] != "" {
			t.Errorf("%s: the answer was changed: %d %v", want.url, r.Status, r.Headers)
		}
		var seen struct {
			URL, Method, Redirect, Body string
			Headers                     map[string]string
		}
		raw := make([]byte, 0, len(r.Body))
		for _, c := range r.Body {
			raw = append(raw, byte(c))
		}
		if err := json.Unmarshal(raw, &seen); err != nil {
			t.Fatalf("%s: %v in %q", want.url, err, r.Body)
		}
		if seen.URL != want.url || seen.Method != want.method || seen.Body != want.body || seen.Redirect != "manual" {
			t.Errorf("sent %+v", seen)
		}
		wantHeaders := map[string]string{
			"apikey": "k", "prefer": "return=minimal", "content-type": "application/json", "x-forwarded-host": host, "x-forwarded-proto": want.proto,
		}
		if diff := cmp.Diff(wantHeaders, seen.Headers); diff != "" {
			t.Errorf("%s: %s", want.url, diff)
		}
	}
	if r := got[4]; r.Status != 502 || r.Headers["content-type"] != "application/json" {
		t.Errorf("data that cannot be reached: %d %q", r.Status, r.Body)
	}
	if r := got[5]; r.Status != 404 {
		t.Errorf("not data, but forwarded: %d", r.Status)
	}
}

// TestServerCodeIsNotRun: without a runtime, the answer says so.
func TestServerCodeIsNotRun(t *testing.T) {
	p, err := plan.Make(build(), nil, plan.Options{AppID: 7, VersionID: 42, Slug: "todo", Environment: "preview", Server: []byte(ownServer)})
	if err != nil {
		t.Fatal(err)
	}
	s := serverOf(t, p, "preview", access.Rule{}, nil)
	s.cfg.Functions = nil
	r := ask(s, "POST", site+"/api/hello")
	if body := bodyOf(t, r); r.StatusCode != 501 || r.Header.Get("X-Content-Type-Options") == "" || body == "" {
		t.Errorf("%d %q", r.StatusCode, body)
	}
	if err := s.Sweep(t.Context(), map[string]bool{p.Hash: true}); err != nil {
		t.Fatal(err)
	}
	m, err := s.manifest(p.Hash)
	if err != nil {
		t.Fatal(err)
	}
	code := ServerCode{Hash: m.Server, path: s.disk.blobPath(m.Server)}
	if b, err := code.Bytes(); err != nil || string(b) != ownServer {
		t.Errorf("a sweep took the server code: %v", err)
	}
	s.cfg.Grace = -1
	if err := s.Sweep(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := code.Bytes(); err == nil {
		t.Error("server code that no plan names is still there")
	}
}
