package cloudflare

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"overskill/internal/deploy/access"
	"overskill/internal/deploy/plan"
	"overskill/internal/deploy/target"
	"overskill/internal/fault"
	"overskill/internal/model"
	"overskill/internal/testing/redistest"

	"github.com/redis/go-redis/v9"
)

const (
	testToken   = "cf-token-0123456789abcdefghij"
	testAccount = "0123456789abcdef0123456789abcdef"
)

// newTestTarget returns a target whose API is handler, and what it logs.
func newTestTarget(t *testing.T, handler http.HandlerFunc) (*Target, *bytes.Buffer) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	var logged bytes.Buffer
	target, err := New(Config{
		Token: testToken, AccountID: testAccount, BaseURL: server.URL, S3Endpoint: server.URL, DataOrigin: func(string) string { return "https://todo.example.com" },
		Log: slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	target.api.backoff = time.Millisecond
	return target, &logged
}

func refuse(w http.ResponseWriter, status, code int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"success":false,"errors":[{"code":%d,"message":%q}],"messages":[],"result":null}`, code, text)
}

func accept(w http.ResponseWriter, result string) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"success":true,"errors":[],"messages":[],"result":%s}`, result)
}

func TestTroublesOfTheProviderAreWaitedFor(t *testing.T) {
	var calls atomic.Int64
	target, _ := newTestTarget(t, func(w http.ResponseWriter, _ *http.Request) {
		switch calls.Add(1) {
		case 1:
			w.Header().Set("Retry-After", "0")
			refuse(w, http.StatusTooManyRequests, 10429, "slow down")
		case 2:
			refuse(w, http.StatusBadGateway, 0, "")
		case 3:
			panic(http.ErrAbortHandler) // the connection breaks
		default:
			accept(w, `{"id":"ed17574386854bf78a67040be0a770b0","status":"active"}`)
		}
	})
	if id, err := target.tokenID(t.Context()); err != nil || id == "" {
		t.Errorf("%q, %v after %d calls", id, err, calls.Load())
	}
	calls.Store(-100)
	always, _ := newTestTarget(t, func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		refuse(w, http.StatusServiceUnavailable, 0, "")
	})
	if _, err := always.tokenID(t.Context()); !fault.Is(err, fault.Unavailable) || calls.Load() != -100+attempts {
		t.Errorf("%v after %d calls", err, calls.Load()+100)
	}
}

// TestUploadIsWhatTheAPIReads: the form's parts by name and type, and bindings with secrets as secret_text.
func TestUploadIsWhatTheAPIReads(t *testing.T) {
	p, err := plan.Make(map[string][]byte{"index.html": []byte("<!doctype html><div id=root></div>"), "assets/a-AB23CD45.js": []byte("x")},
		[]string{"assets/a-AB23CD45.js"}, plan.Options{AppID: 7, VersionID: 1, Slug: "todo", VersionNumber: "1.0.0", Environment: "production"})
	if err != nil {
		t.Fatal(err)
	}
	tg, _ := newTestTarget(t, func(http.ResponseWriter, *http.Request) { t.Error("a form is written without a call") })
	r := target.Release{
		Site:         target.Site{AppID: 7, Slug: "todo", Environment: model.Production},
		DeploymentID: 3, Version: "1.0.0", Plan: p, Vars: map[string]string{"GREETING": "hello"}, Secrets: map[string]string{"PAYMENT_KEY": "secret-value"},
		Access: access.Rule{Mode: access.Private, Key: []byte("0123456789abcdef0123456789abcdef"), Epoch: 2},
	}
	bindings, err := tg.bindings(r)
	if err != nil {
		t.Fatal(err)
	}
	body, _, err := tg.form(t.Context(), upload{release: r, name: worker, bindings: bindings}, "")
	if err != nil {
		t.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(body.Type)
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{}
	var meta map[string]any
	for reader := multipart.NewReader(bytes.NewReader(body.Body), params["boundary"]); ; {
		part, err := reader.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(part)
		parts[part.FormName()] = part.Header.Get("Content-Type")
		if part.FormName() == "metadata" {
			if err := json.Unmarshal(b, &meta); err != nil {
				t.Fatal(err)
			}
		}
	}
	if parts["index.js"] != plan.TypeModule || parts["metadata"] != "application/json" || len(parts) != 2+len(p.Modules()) {
		t.Errorf("parts %v", parts)
	}
	kinds := map[string]string{}
	for _, b := range meta["bindings"].([]any) {
		b := b.(map[string]any)
		kinds[b["name"].(string)] = b["type"].(string)
	}
	for name, kind := range map[string]string{"DATA_ORIGIN": "plain_text", "GREETING": "plain_text", "PAYMENT_KEY": "secret_text", "ACCESS": "secret_text"} {
		if kinds[name] != kind {
			t.Errorf("%s is bound as %q, want %q", name, kinds[name], kind)
		}
	}
	if _, kept := meta["keep_bindings"]; kept || meta["main_module"] != "index.js" || meta["annotations"].(map[string]any)["workers/alias"] != "d3" {
		t.Errorf("metadata %v", meta)
	}
	for _, bad := range []string{"VITE_KEY", "BUCKET", "1A", "A-B"} {
		r.Secrets = map[string]string{bad: "value-of-it"}
		if _, err := tg.bindings(r); !fault.Is(err, fault.Invalid) {
			t.Errorf("a secret %s: %v", bad, err)
		}
	}
}

// TestLimitIsShared: two processes together make four calls a second, on every Redis that we run on.
func TestLimitIsShared(t *testing.T) {
	for name, url := range redistest.Servers(t) {
		t.Run(string(name), func(t *testing.T) {
			opt, err := redis.ParseURL(url)
			if err != nil {
				t.Fatal(err)
			}
			rdb := redis.NewClient(opt)
			defer rdb.Close()
			began := time.Now()
			var wg sync.WaitGroup
			const calls = 6 // of each, beyond what may be made at once
			for range 2 {
				l := NewRedisLimiter(rdb, testAccount, nil)
				wg.Go(func() {
					for range calls {
						if err := l.Wait(t.Context()); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			if least := (2*calls - burst - 1) * interval; time.Since(began) < least*9/10 {
				t.Errorf("%d calls in %v, want at least %v", 2*calls, time.Since(began), least)
			}
		})
	}
}
