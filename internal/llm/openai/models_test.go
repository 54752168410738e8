package openai

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
	"overskill/internal/llm"
	"overskill/internal/testing/modelscript"
)

// answering is a server that answers every request alike.
func answering(t *testing.T, status int, contentType, body string) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	return srv
}

func TestListModels(t *testing.T) {
	srv := modelscript.OpenAI(t)
	got, err := ListModels(t.Context(), nil, srv.URL, "sk-test")
	if diff := cmp.Diff([]string{"scripted"}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	list := answering(t, 200, "application/json", `{"data":[{"id":"b"},{"id":"a"},{"id":""},{"id":"b"}]}`)
	if got, err := ListModels(t.Context(), list.Client(), list.URL, ""); err != nil || !cmp.Equal(got, []string{"a", "b"}) {
		t.Error(got, err)
	}
	for _, tt := range []struct {
		status int
		body   string
		kind   llm.ErrorKind
		says   string
	}{
		{401, `{"error":{"message":"Incorrect API key provided: sk-secret-key"}}`, llm.Unauthorized, "does not accept the key"},
		{404, `<html>`, llm.BadRequest, "Check the base URL"},
		{404, `{"error":{"message":"no model"}}`, llm.BadRequest, "Check the base URL"},
		{200, `<html>`, llm.BadRequest, "Check the base URL"},
		{503, ``, llm.Overloaded, "overloaded"},
		{400, `{"error":{"message":"bad sk-secret-key"}}`, llm.BadRequest, "bad [key]"},
	} {
		srv := answering(t, tt.status, "application/json", tt.body)
		_, err := ListModels(t.Context(), nil, srv.URL, "sk-secret-key")
		e, ok := llm.AsError(err)
		if !ok || e.Kind != tt.kind || !strings.Contains(fault.Text(err), tt.says) || strings.Contains(err.Error(), "sk-secret") {
			t.Errorf("%d %s: %v", tt.status, tt.body, err)
		}
	}
	if _, err := ListModels(t.Context(), nil, "http://127.0.0.1:1", ""); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	if _, err := ListModels(t.Context(), nil, "http://[", ""); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}

func port(t *testing.T, srv *httptest.Server) int {
	t.Helper()
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDetect(t *testing.T) {
	good := `{"object":"list","data":[{"id":"qwen3-coder:30b","object":"model","owned_by":"library"},{"id":"gemma4","object":"model"}]}`
	moved := httptest.NewServer(http.RedirectHandler(answering(t, 200, "application/json", good).URL, http.StatusFound))
	t.Cleanup(moved.Close)
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(hanging.Close)
	many := strings.Repeat(`{"id":"m","object":"model"},`, mostModels+1)
	ports := []Port{
		{"Ollama", port(t, answering(t, 200, "application/json", good))},
		{"moved", port(t, moved)},
		{"hanging", port(t, hanging)},
		{"nobody", 1},
		{"vLLM", port(t, answering(t, 200, "application/json; charset=utf-8", `{"object":"list","data":[{"id":"x.gguf","object":"model","owned_by":"llamacpp"}]}`))},
	}
	for i, other := range []struct {
		status     int
		kind, body string
	}{
		{200, "text/html", "<html>our own builder</html>"},
		{200, "text/html", good},
		{404, "application/json", good},
		{200, "application/json", `{"status":"ok"}`},
		{200, "application/json", `[]`},
		{200, "application/json", `{"object":"list","data":[]}`},
		{200, "application/json", `{"data":[{"id":"x","object":"model"}]}`},
		{200, "application/json", `{"object":"list","data":[{"id":"x"}]}`},
		{200, "application/json", `{"object":"list","data":[{"id":"x","object":"model"},{"id":"","object":"model"}]}`},
		{200, "application/json", `{"object":"list","data":[{"id":"a\nb","object":"model"}]}`},
		{200, "application/json", `{"object":"list","data":[` + strings.TrimSuffix(many, ",") + `]}`},
		{200, "application/json", good + strings.Repeat(" ", mostLocal)},
	} {
		ports = append(ports, Port{fmt.Sprintf("other %d", i), port(t, answering(t, other.status, other.kind, other.body))})
	}
	start := time.Now()
	got := Detect(t.Context(), ports...)
	want := []Local{
		{Name: "Ollama", BaseURL: fmt.Sprintf("http://127.0.0.1:%d/v1", ports[0].Number), Models: []string{"gemma4", "qwen3-coder:30b"}},
		{Name: "llama.cpp", BaseURL: fmt.Sprintf("http://127.0.0.1:%d/v1", ports[4].Number), Models: []string{"x.gguf"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("it took %s", d)
	}
}

// BenchmarkReply is what the adapter itself costs for a reply of 2,000 pieces, the server of the test included.
func BenchmarkReply(b *testing.B) {
	var events []string
	for range 2000 {
		events = append(events, delta(`"content":"a few words "`))
	}
	m := raw(b, "text/event-stream", sse(append(events, finish("stop"), done)...))
	req := llm.Request{System: hello.System, Messages: []llm.Message{{Role: llm.User, Text: strings.Repeat("some code;\n", 20_000)}}}
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Stream(b.Context(), req, func(llm.Event) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
