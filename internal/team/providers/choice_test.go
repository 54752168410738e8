package providers

import (
	"errors"
	"strings"
	"testing"

	"overskill/internal/fault"
	"overskill/internal/model"
	"overskill/internal/testing/modelscript"
)

const (
	claude = "claude-sonnet-5-5" // the catalogue's defaults
	gpt    = "gpt-6.1-sol"
)

func TestOrderOfChoice(t *testing.T) {
	w := newWorld(t, Environment{})
	w.want("composer/1")

	w.row(0, "ollama", model.OpenAI, w.offering("", []string{"qwen3", "tiny"}, passing()...), "")
	w.want("qwen3") // an approved server on this machine

	w.row(0, "house", model.OpenAI, "", "sk-house-0123456789")
	w.want(gpt)

	w.providers = w.over(Environment{AnthropicKey: "sk-ant-0123456789"}, nil)
	w.want(claude) // Anthropic before others

	w.providers = w.over(Environment{AnthropicKey: "sk-ant-0123456789", Model: "house/gpt-6-luna"}, nil)
	w.want("gpt-6-luna")

	w.row(w.team, "own", model.OpenAI, "", "sk-own-0123456789")
	w.want(gpt) // the team's key before the instance's
	w.row(w.team, "mine", model.Anthropic, "", "sk-mine-0123456789")
	w.want(claude)

	ctx := t.Context()
	if err := w.store.SetTeamModel(ctx, w.team, "house/gpt-6.1-terra"); err != nil {
		t.Fatal(err)
	}
	w.want("gpt-6.1-terra")
	if err := w.store.SetAppModel(ctx, w.app.ID, "anthropic/claude-opus-5-5"); err != nil {
		t.Fatal(err)
	}
	w.want("claude-opus-5-5")
	if err := w.store.SetAppModel(ctx, w.app.ID, Composer); err != nil {
		t.Fatal(err)
	}
	w.want("composer/1")
}

func TestATeamsConnectionIsMeantBeforeTheInstances(t *testing.T) {
	w := newWorld(t, Environment{AnthropicKey: "sk-instance-0123"})
	anthropic := modelscript.Anthropic(t, modelscript.Step{Text: "a", Want: func(t testing.TB, r modelscript.Request) {
		if got := r.Header["x-api-key"]; got != "sk-of-the-team-0" {
			t.Errorf("asked with the key %q", got)
		}
	}})
	w.hosts["api.anthropic.com"] = anthropic.URL
	w.row(w.team, "anthropic", model.Anthropic, "", "sk-of-the-team-0")
	if err := w.store.SetAppModel(t.Context(), w.app.ID, "anthropic/"+claude); err != nil {
		t.Fatal(err)
	}
	m, err := w.chosen()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Stream(t.Context(), hello(), ignore); err != nil {
		t.Error(err)
	}
	if again, err := w.chosen(); err != nil || again != m {
		t.Errorf("the model is made anew for each turn, and forgets what its server refuses: %v", err)
	}
}

func TestBadReferencesAreErrorsAndNeverAnotherModel(t *testing.T) {
	w := newWorld(t, Environment{AnthropicKey: "sk-ant-0123456789"})
	other, err := w.store.PersonalTeam(t.Context(), w.outsider.ID)
	if err != nil {
		t.Fatal(err)
	}
	w.row(other, "theirs", model.Anthropic, "", "sk-theirs-0123456789")
	for _, ref := range []string{
		"theirs/" + claude, "removed/" + claude, claude, "anthropic/", "/x", "anthropic", "anthropic/a b", "anthropic/composer/1", "composer/1", "anthropic/\x01",
		"anthropic/" + strings.Repeat("x", 201),
	} {
		for where, set := range map[string]func(string) error{
			"the app's settings":  func(ref string) error { return w.store.SetAppModel(t.Context(), w.app.ID, ref) },
			"the team's settings": func(ref string) error { return w.store.SetTeamModel(t.Context(), w.team, ref) },
		} {
			if err := set(ref); err != nil {
				t.Fatal(err)
			}
			m, err := w.chosen()
			if !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Text(err), where) {
				t.Errorf("%q: %v, %v; want invalid and a word on %s", ref, m, err, where)
			}
			if err := set(""); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.want(claude)
}

func TestAKeyThatWasMovedDoesNotOpen(t *testing.T) {
	w := newWorld(t, Environment{})
	c := w.row(w.team, "own", model.Anthropic, "", "sk-own-0123456789")
	w.want(claude)
	w.sql("update model_connections set base_url = 'https://thief.example' where id = $1", c.ID)
	if m, err := w.chosen(); !errors.Is(err, errNotOpened) {
		t.Errorf("a key that would go to another address: %v, %v", m, err)
	}
}

func TestOperatorsModel(t *testing.T) {
	both := Environment{AnthropicKey: "sk-ant-0123456789", OpenAIKey: "sk-0123456789"}
	for _, c := range []struct {
		name  string
		env   Environment
		model string
		want  string // the model, or part of the sentence after "!"
	}{
		{"nothing set", both, "", claude},
		{"a name of the catalogue", both, "gpt-6-luna", "gpt-6-luna"},
		{"a snapshot of one", both, "claude-opus-5-5-20261001", "claude-opus-5-5-20261001"},
		{"with its connection", both, "openai/gpt-6.1-terra", "gpt-6.1-terra"},
		{"the Composer, whatever the keys", both, "composer", "composer/1"},
		{"of a key that is not set", Environment{AnthropicKey: "sk-ant-0123456789"}, "gpt-6-luna", "!no key for it"},
		{"without any key", Environment{}, claude, "!no key for it"},
		{"an unknown one of two providers", both, "new-model", "!could be of any of 2 connections"},
		{"an unknown one of a reseller", both, "z-ai/glm-5", "!could be of any of 2 connections"},
		{"nonsense", both, "a b", "!names no model"},
		{"a connection without a model", both, "openai/", "!names no model"},
		{"a name of the Composer's", both, "composer/7", "!names no model"},
		{"a base URL that is none", Environment{OpenAIBaseURL: "localhost:11434", OpenAIKey: "k"}, "", "!OPENAI_BASE_URL is not usable"},
		{"a base URL with a password", Environment{AnthropicBaseURL: "http://u:p@h"}, "", "!ANTHROPIC_BASE_URL is not usable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.env.Model = c.model
			w := newWorld(t, c.env)
			err := w.providers.Validate(t.Context())
			if sentence, bad := strings.CutPrefix(c.want, "!"); bad {
				if !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Text(err), sentence) {
					t.Errorf("%v, want invalid with %q", err, sentence)
				}
				return
			}
			if err != nil {
				t.Error(err)
			}
			w.want(c.want)
		})
	}
}

func TestDefaultModelOfAConnection(t *testing.T) {
	for _, c := range []struct {
		name   string
		models []string
		steps  []modelscript.Step
		want   string
	}{
		{"the catalogue's default", []string{"a", gpt, "z"}, passing(), gpt},
		{"the only one", []string{"a"}, passing(), "a"},
		{"none is guessed", []string{"a", "b"}, nil, "!offers 2 models"},
		{"none is there", nil, nil, "!offers no models"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, Environment{})
			w.hosts["models.example.com"] = w.offering("sk-0123456789", c.models, c.steps...)
			w.row(w.team, "own", model.OpenAI, "https://models.example.com/v1", "sk-0123456789")
			if sentence, bad := strings.CutPrefix(c.want, "!"); bad {
				if m, err := w.chosen(); err == nil || !strings.Contains(fault.Text(err), sentence) {
					t.Errorf("%v, %v; want %q", m, err, sentence)
				}
				return
			}
			w.want(c.want)
		})
	}
}

func TestAnApprovedServerThatIsGoneIsAnError(t *testing.T) {
	w := newWorld(t, Environment{})
	w.row(0, "ollama", model.OpenAI, "http://127.0.0.1:1/v1", "")
	if m, err := w.chosen(); !fault.Is(err, fault.Unavailable) || !strings.Contains(fault.Text(err), "127.0.0.1:1") {
		t.Errorf("written by %v, %v; want unavailable", m, err)
	}
}
