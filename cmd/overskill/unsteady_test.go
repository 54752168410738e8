package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"overskill/internal/testing/modelscript"
)

// TestUnsteadyProvider: what goes wrong between us and a provider is tried again, cut replies go on, nothing is left
// half, and the ledger has every token that was said to be used.
func TestUnsteadyProvider(t *testing.T) {
	p, s := withModel(t)
	good := page("", "", hello)
	dear := modelscript.Usage{Input: 500_000, Output: 100_000} // at $2 and $10 a million: $2
	broken := writes("src/App.tsx", good)
	broken.BreakAfter, broken.Usage = 4, modelscript.Usage{Input: 1000, Output: 1}
	cut := writes("src/App.tsx", good)
	cut.CutInput = 60
	garbled := modelscript.Step{Calls: []modelscript.Call{{Name: "os-write", Input: `{"path": "src/App.tsx", "content": "half of`}}, Stop: "tool_use"}
	first := planned("A wish")
	first.Usage = dear
	wrong := writes("src/App.tsx", page("", "  const n: number = \"one\";", "<main>Hello {n}</main>"))
	repair := writes("src/App.tsx", good)
	repair.Usage = dear
	steps := []modelscript.Step{
		first,
		{Status: 429, RetryAfter: "1"},
		{Status: 529},
		broken,
		cut,
		heard(garbled, "length limit"),
		heard(wrong, "JSON"), says("Done."),
		heard(repair, "TS2322"), says("Fixed."),
	}
	s.play(t, append(selfTest(p), steps...)...)
	app := p.create("A wish over a bad line")
	app, v := p.green(app.Slug)
	if got := p.file(app.Slug, "src/App.tsx"); got != good {
		t.Errorf("App.tsx:\n%s", got)
	}
	// Six replies with the usual usage of 100 and 20 (one was cut), two dear ones, and the broken one, whose output is
	// estimated from what came.
	in, out := int64(5*100+2*500_000+1000), int64(5*20+2*100_000)
	if v.TokensIn != in || v.TokensOut < out || v.TokensOut > out+200 {
		t.Errorf("%d tokens in and %d out; the script used %d and %d", v.TokensIn, v.TokensOut, in, out)
	}
	if v.CostCents == nil || *v.CostCents != 200 {
		t.Errorf("the turn costs %v cents; only the plan is dear and billed, the repair is not", v.CostCents)
	}
}

// TestKilledBetweenRequests: a worker that dies leaves a conversation that the next one goes on with. What was
// answered is not asked again.
func TestKilledBetweenRequests(t *testing.T) {
	s := newStage(t)
	dir := t.TempDir()
	env := []string{"ANTHROPIC_API_KEY=sk-ant-scripted-0123456789", "ANTHROPIC_BASE_URL=" + s.url, "OVERSKILL_MODEL=claude-sonnet-5-5"}
	p := start(t, dir, env...)
	p.token = p.person("ada@example.com")
	token := p.token
	hung := says("Done, in a moment.")
	hung.Hang = 20 * time.Second
	server := s.play(t, append(selfTest(p),
		planned("A wish"),
		writes("src/App.tsx", page("", "", hello)),
		writes("src/lib/second.ts", "export const second = 2;\n"),
		hung,
		heard(says("Done."), "Created src/lib/second.ts"), // the same question as before the end, and nothing before it
	)...)
	app := p.create("A wish that is interrupted")
	for deadline := time.Now().Add(time.Minute); server.Left() > 1; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the model was not asked four times")
		}
	}
	p.stop(syscall.SIGKILL)
	p = start(t, dir, env...)
	p.token = token
	app, v := p.green(app.Slug)
	if got := p.files(app.Slug); got["src/lib/second.ts"] == 0 {
		t.Error("a file that was written before the end is missing")
	}
	if v.TokensIn < 400 || v.TokensOut < 80 {
		t.Errorf("%d tokens in, %d out", v.TokensIn, v.TokensOut)
	}
}

// TestAQuestion: an author that asks changes nothing, and goes on with the answer.
func TestAQuestion(t *testing.T) {
	p, s := withModel(t)
	s.play(t, append(selfTest(p),
		modelscript.Step{Text: "One thing first.", Calls: []modelscript.Call{{Name: "os-ask", Input: obj{
			"question": "For one shop or for several?", "choices": []string{"One", "Several"},
		}}}},
		heard(planned("A shop"), "a shop", "For one shop or for several?", "Several"),
		writes("src/App.tsx", page("", "", hello)), says("Done."),
	)...)
	app := p.create("a shop")
	app, v := p.settled(app.Slug)
	if v.Status != "unchanged" || app.Status != "draft" {
		t.Fatalf("the version is %s, the app %s: %s", v.Status, app.Status, v.Error)
	}
	if status := p.api("POST", "/apps/"+app.Slug+"/messages", obj{"content": "Several"}, nil); status >= 300 {
		t.Fatalf("status %d", status)
	}
	p.green(app.Slug)
}

// TestGenerateAndEvaluate: the commands that need no server.
func TestGenerateAndEvaluate(t *testing.T) {
	p := &program{t: t, dir: t.TempDir(), cmd: nil}
	out := filepath.Join(t.TempDir(), "bees")
	text, err := p.run(nil, "generate", "Track my bee hives: name, location, last inspection date", "--out", out)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if b, err := os.ReadFile(filepath.Join(out, "package.json")); err != nil || !strings.Contains(string(b), "vite") {
		t.Errorf("package.json: %v", err)
	}
	if !strings.Contains(text, "verify      done") || !strings.Contains(text, "composer/1") {
		t.Errorf("it said:\n%s", text)
	}
	if _, err := p.run(nil, "generate", "Something", "--out", out); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a folder with files: %v", err)
	}
	if _, err := p.run(nil, "generate", "Something", "--model", "no-such-model"); err == nil || !strings.Contains(err.Error(), "no-such-model") {
		t.Errorf("an unknown model: %v", err)
	}

	prompts := filepath.Join(t.TempDir(), "prompts.jsonl")
	line := `{"id":"x1","prompt":"A list of plants with name and last watering","follow_ups":["Add a notes field to plants"]}` + "\n"
	if err := os.WriteFile(prompts, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err = p.run(nil, "evaluate", prompts)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, want := range []string{"First prompts: 1 of 1 green", "Follow-ups: 1 of 1 green", "say nothing about a model"} {
		if !strings.Contains(text, want) {
			t.Errorf("it said:\n%s", text)
		}
	}
	if err := os.WriteFile(prompts, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := p.run(nil, "evaluate", prompts); err == nil || !strings.Contains(err.Error(), "Line 1") {
		t.Errorf("a line without a prompt: %v", err)
	}
}

// TestChoiceOfModel: the operator's choice, then the app's own, over the other protocol; a model that cannot call tools
// is refused with the reason, and nothing is built by another one instead.
func TestChoiceOfModel(t *testing.T) {
	able := &program{}
	server := modelscript.OpenAI(t, append(selfTest(able),
		planned("Bees"), writes("src/App.tsx", page("", "", hello)), says("Done."),
		says(`{"name":"self-test-order"}`), // another model writes its call as text
	)...)
	p := start(t, t.TempDir(), "OPENAI_API_KEY=sk-scripted-0123456789", "OPENAI_BASE_URL="+server.URL, "OVERSKILL_MODEL=composer")
	p.token = p.person("ada@example.com")
	app := p.create("Track my bee hives with a name and a place")
	if _, v := p.green(app.Slug); v.Model != "composer/1" {
		t.Fatalf("the first version was written by %q", v.Model)
	}
	var list struct {
		Models []struct{ Reference string }
	}
	p.api("GET", "/apps/"+app.Slug+"/model", nil, &list)
	if len(list.Models) < 2 {
		t.Fatalf("on offer: %+v", list.Models)
	}
	if status := p.api("PUT", "/apps/"+app.Slug+"/model", obj{"model": "nowhere/model"}, nil); status != 400 {
		t.Errorf("a model that is not there: status %d", status)
	}
	ask := func(ref string) versionJSON {
		t.Helper()
		if status := p.api("PUT", "/apps/"+app.Slug+"/model", obj{"model": ref}, nil); status != 200 {
			t.Fatalf("PUT model %s: status %d", ref, status)
		}
		if status := p.api("POST", "/apps/"+app.Slug+"/messages", obj{"content": "Greet people"}, nil); status >= 300 {
			t.Fatalf("status %d", status)
		}
		_, v := p.settled(app.Slug)
		return v
	}
	if v := ask("openai/able"); v.Status != "green" || v.Model != "able" || v.TokensIn != 300 {
		t.Errorf("%+v", v)
	}
	if v := ask("openai/unable"); v.Status != "failed" || !strings.Contains(v.Error, "tool calls as text") {
		t.Errorf("%+v", v)
	}
	if left := server.Left(); left != 0 {
		t.Errorf("%d steps are left", left)
	}
}
