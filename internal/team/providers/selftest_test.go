package providers

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"overskill/internal/fault"
	"overskill/internal/llm"
	"overskill/internal/model"
	"overskill/internal/platform/secret"
	"overskill/internal/testing/modelscript"
)

var errNotOpened = secret.ErrNotOpened

func hello() llm.Request {
	return llm.Request{Messages: []llm.Message{{Role: llm.User, Text: "Hello"}}, MaxTokens: 100}
}

func ignore(llm.Event) error { return nil }

// selfTests are the ledger's rows of self-tests: how many there are, and how many of them are billed or priced.
func (w *world) selfTests() (rows, billed, priced int) {
	w.Helper()
	conn, err := pgx.Connect(w.Context(), w.url)
	if err != nil {
		w.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(w.Context()))
	err = conn.QueryRow(w.Context(), `select count(*), count(*) filter (where billable), count(cost_micros)
		from model_requests where purpose = 'self_test'`).Scan(&rows, &billed, &priced)
	if err != nil {
		w.Fatal(err)
	}
	return rows, billed, priced
}

func TestAModelIsTestedOnceBeforeItsFirstUse(t *testing.T) {
	w := newWorld(t, Environment{})
	// It calls itself what has a price elsewhere.
	w.row(0, "ollama", model.OpenAI, w.offering("", []string{gpt}, passing()...), "")
	var wg sync.WaitGroup
	for range 4 { // four apps at once
		wg.Go(func() { w.want(gpt) })
	}
	wg.Wait()
	w.want(gpt)
	if rows, billed, priced := w.selfTests(); rows != 2 || billed != 0 || priced != 0 {
		t.Errorf("%d requests, %d billed, %d priced; want the two of one test, neither billed nor priced", rows, billed, priced)
	}
	// Another instance of the program knows it too: the script is over, another test would fail.
	w.providers = w.over(Environment{}, nil)
	w.want(gpt)
}

func TestTrustedModelsAreNotTested(t *testing.T) {
	w := newWorld(t, Environment{AnthropicKey: "sk-ant-0123456789"})
	w.hosts["api.anthropic.com"] = modelscript.Anthropic(t).URL
	w.want(claude)
	// An address that only looks official, and a model that no catalogue has, must show what they can.
	for name, ref := range map[string]string{"another model": "anthropic/claude-next", "another port": "port/" + claude} {
		w.providers.cfg.Environment.AnthropicBaseURL = ""
		if strings.HasPrefix(ref, "port/") {
			w.row(0, "port", model.Anthropic, "https://api.anthropic.com:8443", "sk-ant-0123456789")
		}
		steps := modelscript.Anthropic(t, failing())
		w.hosts["api.anthropic.com"] = steps.URL
		if err := w.store.SetAppModel(t.Context(), w.app.ID, ref); err != nil {
			t.Fatal(err)
		}
		if m, err := w.chosen(); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, %v; want invalid", name, m, err)
		}
	}
}

func TestAModelThatCannotCallToolsIsRefusedWithTheReason(t *testing.T) {
	w := newWorld(t, Environment{})
	base := w.offering("", []string{"chatty"}, append([]modelscript.Step{failing(), failing(), failing()}, passing()...)...)
	w.row(0, "ollama", model.OpenAI, base, "")
	refused := func(when string) {
		t.Helper()
		m, err := w.chosen()
		if !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Text(err), "ollama/chatty") || !strings.Contains(fault.Text(err), "did not call the tool") {
			t.Errorf("%s: %v, %v", when, m, err)
		}
	}
	refused("at first")
	w.now = w.now.Add(9 * time.Minute)
	refused("soon again, without asking")
	if rows, _, _ := w.selfTests(); rows != 1 {
		t.Errorf("%d requests, want 1", rows)
	}
	w.now = w.now.Add(2 * time.Minute)
	refused("after ten minutes")
	options, err := w.providers.Options(t.Context(), w.viewer, w.team)
	if err != nil || len(options) != 2 || options[0].Tested || !strings.Contains(options[0].Reason, "did not call the tool") {
		t.Errorf("options %+v, %v", options, err)
	}
	if err := w.providers.SetAppModel(t.Context(), w.editor, "app", "ollama/chatty"); !fault.Is(err, fault.Invalid) {
		t.Errorf("it was chosen for an app: %v", err)
	}

	// "Test again" does, but not at the speed of a finger.
	test := func() error { return w.providers.Test(t.Context(), w.owner, w.team, "ollama/chatty") }
	w.now = w.now.Add(time.Minute)
	if err := test(); !fault.Is(err, fault.Invalid) {
		t.Errorf("tested again: %v", err)
	}
	if err := test(); !fault.Is(err, fault.Invalid) {
		t.Errorf("tested at once again: %v", err)
	}
	w.now = w.now.Add(time.Minute)
	if err := test(); err != nil {
		t.Errorf("it passed, and: %v", err)
	}
	w.want("chatty")
}

func TestAConnectionThatFailsSaysNothingOfTheModel(t *testing.T) {
	w := newWorld(t, Environment{})
	steps := append([]modelscript.Step{{Status: 401}, {Text: "Sure, I will save the order right now.", BreakAfter: 3}}, passing()...)
	w.row(0, "ollama", model.OpenAI, w.offering("", []string{"m"}, steps...), "")
	for _, kind := range []llm.ErrorKind{llm.Unauthorized, llm.Broken} {
		_, err := w.chosen()
		if e, ok := llm.AsError(err); !ok || e.Kind != kind {
			t.Errorf("%v, want %s", err, kind)
		}
	}
	w.want("m") // and no ten minutes of waiting
}

func TestAServerThatRefusesToolsIsAboutTheModel(t *testing.T) {
	w := newWorld(t, Environment{})
	w.row(0, "ollama", model.OpenAI, w.offering("", []string{"m"}, modelscript.Step{Status: 400, ErrorText: "m does not support tools"}), "")
	for range 2 { // the second time from memory
		if _, err := w.chosen(); !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Text(err), "cannot call tools") {
			t.Errorf("%v, want that it cannot call tools", err)
		}
	}
}

func TestAnotherModelOfAServerOnThisMachineIsTaken(t *testing.T) {
	w := newWorld(t, Environment{})
	w.row(0, "ollama", model.OpenAI, w.offering("", []string{"bad", "good"}, append([]modelscript.Step{failing()}, passing()...)...), "")
	if _, err := w.chosen(); !fault.Is(err, fault.Invalid) {
		t.Errorf("the first: %v", err)
	}
	w.want("good")
	w.now = w.now.Add(time.Hour)
	w.want("good") // the one that is known to work, not the one that may be tried again
}

func TestATestEndsWithItsContext(t *testing.T) {
	w := newWorld(t, Environment{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	hanging := modelscript.Step{Text: "hm", Hang: time.Minute, Want: func(testing.TB, modelscript.Request) { cancel() }}
	c := w.row(0, "ollama", model.OpenAI, w.offering("", []string{"m"}, hanging), "")
	if _, err := w.providers.Model(ctx, w.app); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want that it was cancelled", err)
	}
	tests, err := w.providers.tests(t.Context(), w.providers.fingerprint(connection{Connection: c}, ""))
	if err != nil || len(tests) != 0 {
		t.Errorf("kept %v, %v", tests, err)
	}
}
