package providers

import (
	"context"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
	"overskill/internal/llm/openai"
	"overskill/internal/model"
	"overskill/internal/testing/modelscript"
)

func TestOptions(t *testing.T) {
	w := newWorld(t, Environment{AnthropicKey: "sk-ant-0123456789"})
	ctx := t.Context()
	w.hosts["models.example.com"] = w.offering("sk-0123456789", []string{gpt, "maker/model", "composer/1", "a\x01b"}, passing()...)
	w.row(w.team, "reseller", model.OpenAI, "https://models.example.com/v1", "sk-0123456789")
	w.row(0, "ollama", model.OpenAI, w.offering("", []string{"qwen3"}), "")
	if err := w.providers.Test(ctx, w.owner, w.team, "reseller/maker/model"); err != nil {
		t.Fatal(err)
	}
	got, err := w.providers.Options(ctx, w.viewer, w.team)
	if err != nil {
		t.Fatal(err)
	}
	want := []model.ModelOption{
		{Reference: "reseller/" + gpt, Name: "GPT-6.1 Sol", Connection: "reseller, the team's key", Price: "unpriced", Usual: true},
		{Reference: "reseller/maker/model", Name: "maker/model", Connection: "reseller, the team's key", Price: "unpriced", Tested: true},
		{Reference: "anthropic/claude-sonnet-5-5", Name: "Claude Sonnet 5.5", Connection: "Anthropic, the instance's key", Price: "$2 in, $10 out per million tokens", Tested: true},
		{Reference: "anthropic/claude-opus-5-5", Name: "Claude Opus 5.5", Connection: "Anthropic, the instance's key", Price: "$4 in, $20 out per million tokens", Tested: true},
		{Reference: "anthropic/claude-haiku-5-5", Name: "Claude Haiku 5.5", Connection: "Anthropic, the instance's key", Price: "$0.10 in, $0.50 out per million tokens", Tested: true},
		{Reference: "anthropic/claude-fable-5-1", Name: "Claude Fable 5.1", Connection: "Anthropic, the instance's key", Price: "$10 in, $50 out per million tokens", Tested: true},
		{Reference: "ollama/qwen3", Name: "qwen3", Connection: "ollama, on this machine", Price: "unpriced"},
		{Reference: "composer", Name: "Composer", Connection: "by rules, without a key", Price: "free", Tested: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	// A server that does not answer shows what was tried there, and why it is not to be had now.
	delete(w.hosts, "models.example.com")
	w.now = w.now.Add(time.Hour)
	got, err = w.providers.Options(ctx, w.viewer, w.team)
	if err != nil || len(got) != 7 || got[0].Reference != "reseller/maker/model" || got[0].Reason == "" {
		t.Errorf("options %+v, %v", got, err)
	}
}

func TestLocalServersAreOfferedAndApproved(t *testing.T) {
	w := newWorld(t, Environment{})
	base := modelscript.OpenAI(t, passing()...).URL
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	nothing := httptest.NewServer(nil) // something else that listens
	defer nothing.Close()
	w.providers = w.over(Environment{}, func(ctx context.Context) []Local {
		return openai.Detect(ctx, openai.Port{Name: "LM Studio", Number: port}, openai.Port{Name: "x", Number: 1})
	})
	p, ctx := w.providers, t.Context()
	found, err := p.LocalServers(ctx, w.admin)
	if err != nil || len(found) != 1 || found[0].Name != "LM Studio" || len(found[0].Models) != 1 {
		t.Fatalf("found %+v, %v", found, err)
	}
	w.want("composer/1") // never by itself
	for _, wrong := range []string{nothing.URL, "https://example.com/v1", ""} {
		if err := p.ApproveLocal(ctx, w.admin, wrong); !fault.Is(err, fault.NotFound) {
			t.Errorf("approved %q: %v", wrong, err)
		}
	}
	w.row(0, "lm-studio", model.OpenAI, "http://127.0.0.1:1/v1", "") // the name is taken
	if err := p.ApproveLocal(ctx, w.admin, found[0].BaseURL); err != nil {
		t.Fatal(err)
	}
	conns, err := p.Connections(ctx, w.admin, 0)
	if err != nil || len(conns) != 2 || conns[1].Name != "lm-studio-2" || !conns[1].Local || conns[1].CreatedBy != w.admin.ID {
		t.Errorf("connections %+v, %v", conns, err)
	}
	if found, err := p.LocalServers(ctx, w.admin); err != nil || len(found) != 0 {
		t.Errorf("offered again: %+v, %v", found, err)
	}
	if err := p.ApproveLocal(ctx, w.admin, strings.TrimSpace(conns[1].BaseURL)); !fault.Is(err, fault.NotFound) {
		t.Errorf("approved twice: %v", err)
	}
	if err := p.Disconnect(ctx, w.admin, 0, conns[0].ID); err != nil {
		t.Fatal(err)
	}
	w.want("scripted")
}

func TestSlug(t *testing.T) {
	for name, want := range map[string]string{
		"Ollama": "ollama", "LM Studio": "lm-studio", "llama.cpp": "llama-cpp", "": "local", "日本": "local", "Composer": "local", strings.Repeat("x", 99): strings.Repeat("x", 28),
	} {
		if got := slug(name); got != want || !connectionName.MatchString(got) {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// FuzzParseBase: what is let through is what it looks like, and stays so.
func FuzzParseBase(f *testing.F) {
	for _, s := range []string{"", "https://a.example/v1", "http://127.0.0.1:1", "https://u:p@h", "https://[::1]/", "https://h:99999", "//h", "https://h/%2e%2e/", "https://h?", "HTTPS://H#"} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, base string, team bool) {
		got, err := parseBase(base, team)
		if err != nil || got == "" {
			if err != nil && (got != "" || !fault.Is(err, fault.Invalid)) {
				t.Errorf("%q: %q, %v", base, got, err)
			}
			return
		}
		u, err := url.Parse(got)
		if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || team && u.Scheme != "https" {
			t.Errorf("%q became %q, %v", base, got, err)
		}
		if again, err := parseBase(got, team); err != nil || again != got {
			t.Errorf("%q became %q, and that %q, %v", base, got, again, err)
		}
	})
}
