package main_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"overskill/internal/testing/modelscript"
)

// These tests run the real program with the real SDK against scripted replies. They show what the builder does with
// what a model may say; of how good a model is they say nothing.

// stage is a place where one script after the other is played, so that one program serves many tests.
type stage struct {
	url     string
	current atomic.Pointer[url.URL]
}

func newStage(t testing.TB) *stage {
	s := &stage{}
	proxy := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(s.current.Load()) }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A reply may begin before the transport has seen the end of the request. The server then closes the request's
		// body, and the transport, which still reads it, breaks the reply off.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client went away
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// play makes a script the current one.
func (s *stage) play(t testing.TB, steps ...modelscript.Step) *modelscript.Server {
	t.Helper()
	server := modelscript.Anthropic(t, steps...)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	s.current.Store(u)
	return server
}

// withModel starts the program with the stage as its provider, and passes the tool-call test that every provider's
// model has to pass which is not asked at its own address.
func withModel(t testing.TB) (*program, *stage) {
	t.Helper()
	s := newStage(t)
	p := start(t, t.TempDir(), "ANTHROPIC_API_KEY=sk-ant-scripted-0123456789", "ANTHROPIC_BASE_URL="+s.url, "OVERSKILL_MODEL=claude-sonnet-5-5")
	p.token = p.person("ada@example.com")
	return p, s
}

type obj = map[string]any

func planned(name string) modelscript.Step {
	return modelscript.Step{Text: "I see.", Calls: []modelscript.Call{{Name: "os-plan", Input: obj{
		"app_name": name, "version_name": name + " begins", "understood": []string{"an app"}, "assumed": []string{}, "cannot": []string{}, "changes": []string{"the start page"},
	}}}}
}

func writes(path, content string) modelscript.Step {
	return modelscript.Step{Calls: []modelscript.Call{{Name: "os-write", Input: obj{"path": path, "content": content}}}}
}

func says(text string) modelscript.Step { return modelscript.Step{Text: text} }

// page is an app that shows one page.
func page(imports, body, result string) string {
	return imports + "\nexport function App() {\n" + body + "\n  return " + result + ";\n}\n"
}

const hello = "<main><h1>Hello from the model</h1></main>"

// heard checks that the model was told something in the last message.
func heard(step modelscript.Step, words ...string) modelscript.Step {
	step.Want = func(t testing.TB, r modelscript.Request) {
		last := r.Last()
		text := last.Text
		for _, res := range last.Results {
			text += "\n" + res.Text
		}
		for _, w := range words {
			if !strings.Contains(text, w) {
				t.Errorf("the model was not told %q, but:\n%.3000s", w, text)
			}
		}
	}
	return step
}

// TestFromErrorToGreen: each class of error, as the model makes it and as the builder finds it, goes to a green
// version by the cheapest way that there is.
func TestFromErrorToGreen(t *testing.T) {
	p, s := withModel(t)
	good := page("", "", hello)
	for _, tt := range []struct {
		class string
		steps []modelscript.Step
		fixed string // found in the final App.tsx
	}{
		{"syntax", []modelscript.Step{
			writes("src/App.tsx", page("", "", "<main><h1>Hello</main>")),
			heard(writes("src/App.tsx", good), "would not parse", "Nothing was written"), says("Done."),
		}, "Hello"},
		{"missing_package", []modelscript.Step{
			writes("src/App.tsx", page(`import { magic } from "no-such-package-of-anybody-4711";`, "", "<main>{magic}</main>")), says("Done."),
			heard(writes("src/App.tsx", good), "no-such-package-of-anybody-4711", "1| import"), says("Fixed."),
		}, "Hello"},
		{"missing_package that npm has, for $0", []modelscript.Step{
			writes("src/App.tsx", page(`import kebabCase from "just-kebab-case";`, "", "<main>{kebabCase(\"Hello World\")}</main>")), says("Done."),
		}, "kebabCase"},
		{"missing_file", []modelscript.Step{
			writes("src/App.tsx", page(`import { magic } from "@/lib/wizardry";`, "", "<main>{magic}</main>")), says("Done."),
			heard(writes("src/lib/wizardry.ts", "export const magic = \"Hello\";\n"), "wizardry"), says("Fixed."),
		}, "wizardry"},
		{"wrong path, for $0", []modelscript.Step{
			writes("src/App.tsx", page(`import { Button } from "../components/button";`, "", "<Button>Hello</Button>")), says("Done."),
		}, "components/ui/button"},
		{"missing_export", []modelscript.Step{
			writes("src/App.tsx", page(`import { formatNonsense } from "@/lib/format";`, "", "<main>{formatNonsense(1)}</main>")), says("Done."),
			heard(writes("src/App.tsx", good), "formatNonsense"), says("Fixed."),
		}, "Hello"},
		{"missing icon, for $0", []modelscript.Step{
			writes("src/App.tsx", page(`import { CalendarIcn } from "lucide-react";`, "", "<main>Hello <CalendarIcn /></main>")), says("Done."),
		}, "CalendarIcon"},
		{"type", []modelscript.Step{
			writes("src/App.tsx", page("", "  const n: number = \"one\";", "<main>Hello {n}</main>")), says("Done."),
			heard(writes("src/App.tsx", good), "TS2322", "3|   const n: number", "attempt 1 of 2"), says("Fixed."),
		}, "Hello"},
		{"did you mean, for $0", []modelscript.Step{
			writes("src/App.tsx", page("", "  const greeting = \"Hello\";", "<main>{greetnig}</main>")), says("Done."),
		}, "{greeting}"},
		{"css", []modelscript.Step{
			writes("src/App.tsx", page(`import "./extra.css";`, "", hello)),
			writes("src/extra.css", "@reference \"./index.css\";\n.x { @apply no-such-utility-at-all; }\n"), says("Done."),
			heard(writes("src/extra.css", ".x { color: inherit; }\n"), "no-such-utility-at-all"), says("Fixed."),
		}, "extra.css"},
		{"too_big", []modelscript.Step{
			writes("public/notes.txt", "small\n"),
			writes("index.html", "<!doctype html>\n<html lang=\"en\"><head><meta name=\"x\" content=\""+strings.Repeat("0123456789abcdef", 58_000)+
				"\"></head><body><div id=\"root\"></div><script type=\"module\" src=\"/src/main.tsx\"></script></body></html>\n"), says("Done."),
			heard(writes("index.html", "<!doctype html>\n<html lang=\"en\"><head><title>Hello</title></head><body><div id=\"root\"></div>"+
				"<script type=\"module\" src=\"/src/main.tsx\"></script></body></html>\n"), "too big"), says("Fixed."),
		}, "AuthProvider"},
		{"migration", []modelscript.Step{
			{Calls: []modelscript.Call{{Name: "os-migrate", Input: obj{"name": "open table", "sql": "create table app_{{APP_ID}}_notes (id bigint primary key);"}}}},
			heard(writes("src/App.tsx", good), "row level security"), says("Done."),
		}, "Hello"},
		{"runtime", []modelscript.Step{
			writes("src/App.tsx", page("", "  const user = undefined as unknown as { name: string };", "<main>Hello {user.name}</main>")), says("Done."),
			heard(writes("src/App.tsx", good), "TypeError", "src/App.tsx", "user.name"), says("Fixed."),
		}, "Hello"},
		{"blank", []modelscript.Step{
			writes("src/App.tsx", page("", "", "null")), says("Done."),
			heard(writes("src/App.tsx", good), "blank"), says("Fixed."),
		}, "Hello"},
		{"timeout", []modelscript.Step{
			writes("src/App.tsx", page("import { useLayoutEffect } from \"react\";", "  useLayoutEffect(() => { for (;;) { Math.random(); } }, []);", hello)), says("Done."),
			heard(writes("src/App.tsx", good), "endless loop"), says("Fixed."),
		}, "Hello"},
		{"network", []modelscript.Step{
			writes("src/App.tsx", page("import { useEffect } from \"react\";", "  useEffect(() => { void fetch(\"/data/gone.json\"); }, []);", hello)), says("Done."),
			heard(writes("src/App.tsx", good), "/data/gone.json"), says("Fixed."),
		}, "Hello"},
	} {
		t.Run(tt.class, func(t *testing.T) {
			p.t = t
			steps := append([]modelscript.Step{planned("A wish")}, tt.steps...)
			server := s.play(t, append(selfTest(p), steps...)...)
			app := p.create("A wish of class " + tt.class)
			app, v := p.green(app.Slug)
			if got := p.file(app.Slug, "src/App.tsx"); !strings.Contains(got, tt.fixed) {
				t.Errorf("App.tsx:\n%s", got)
			}
			n := int64(len(steps))
			if v.TokensIn != 100*n || v.TokensOut != 20*n || v.Model != "claude-sonnet-5-5" {
				t.Errorf("the version has %d tokens in, %d out, model %q; the script used %d and %d", v.TokensIn, v.TokensOut, v.Model, 100*n, 20*n)
			}
			if left := server.Left(); left != 0 {
				t.Errorf("%d steps are left", left)
			}
			t.Logf("%d requests", n)
		})
	}
	p.t = t
}

var tested = map[*program]bool{}

// selfTest is the conversation by which a model of a server that is not its provider's own shows that it can call
// tools. It happens once a program.
func selfTest(p *program) []modelscript.Step {
	if tested[p] {
		return nil
	}
	tested[p] = true
	return []modelscript.Step{
		{Calls: []modelscript.Call{{Name: "self-test-order", Input: `{"customer":{"name":"Zoë \"Zed\" O'Neil","vip":true},` +
			`"note":"<b>First line</b>\nsecond line: C:\\temp","quantity":12,"tags":["new","urgent"]}`}}},
		{Text: "The receipt number is QX-4817."},
	}
}

// TestFromErrorToAnHonestStop: what cannot be cured ends with the reason, and the last green version stays live.
func TestFromErrorToAnHonestStop(t *testing.T) {
	p, s := withModel(t)
	good := page("", "", hello)
	bad := func(n int) string {
		return page("", fmt.Sprintf("  const n: number = \"%d\";", n), "<main>Hello {n}</main>")
	}
	s.play(t, append(selfTest(p), planned("A wish"), writes("src/App.tsx", good), says("Done."))...)
	app := p.create("A wish that works")
	_, first := p.green(app.Slug)

	for _, tt := range []struct {
		name  string
		steps []modelscript.Step
		says  string
	}{
		{"the same error again", []modelscript.Step{
			writes("src/App.tsx", bad(1)), says("Done."), writes("src/App.tsx", bad(2)), says("Fixed."),
		}, "The same error came back"},
		{"two attempts", []modelscript.Step{
			writes("src/App.tsx", bad(1)), says("Done."),
			writes("src/App.tsx", page("", "  const s: string = 1;", "<main>Hello {s}</main>")), says("Fixed."),
			writes("src/App.tsx", page("", "  const f: boolean = \"no\";", "<main>Hello {String(f)}</main>")), says("Fixed."),
		}, "2 attempts to fix it did not help"},
		{"nothing was done about it", []modelscript.Step{
			writes("src/App.tsx", bad(1)), says("Done."), says("I see nothing wrong."),
		}, "changed nothing"},
		{"a refusal", []modelscript.Step{{Text: "I will not.", Stop: "refusal"}}, "declined"},
		{"a wrong key", []modelscript.Step{{Status: 401, ErrorType: "authentication_error", ErrorText: "invalid x-api-key"}}, "key"},
		{"no credit", []modelscript.Step{{Status: 400, ErrorType: "invalid_request_error", ErrorText: "Your credit balance is too low to access the API."}}, "credit"},
		{"calls in a circle", []modelscript.Step{
			{Calls: []modelscript.Call{{Name: "os-view", Input: obj{"path": "src/main.tsx"}}}},
			{Calls: []modelscript.Call{{Name: "os-view", Input: obj{"path": "src/main.tsx"}}}},
			{Calls: []modelscript.Call{{Name: "os-view", Input: obj{"path": "src/main.tsx"}}}},
		}, "repeated itself"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.t = t
			steps := tt.steps
			if tt.name != "a refusal" && tt.name != "a wrong key" && tt.name != "no credit" {
				steps = append([]modelscript.Step{planned("A wish")}, steps...)
			}
			s.play(t, steps...)
			if status := p.api("POST", "/apps/"+app.Slug+"/messages", obj{"content": "Change it: " + tt.name}, nil); status >= 300 {
				t.Fatalf("status %d", status)
			}
			now, v := p.settled(app.Slug)
			if v.Status != "failed" || !strings.Contains(v.Error, tt.says) {
				t.Errorf("version %s is %s: %q", v.Number, v.Status, v.Error)
			}
			if now.Version != first.Number {
				t.Errorf("the app shows version %s, the last green one is %s", now.Version, first.Number)
			}
			if status, body := p.visit(now.Slug, "/"); status != 200 || !strings.Contains(body, "<div id=\"root\">") {
				t.Errorf("the preview answers %d", status)
			}
		})
	}
	p.t = t
}
