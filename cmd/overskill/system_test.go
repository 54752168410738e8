package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"overskill/internal/testing/browsertest"
)

// TestV4System takes one prompt through the eight phases of V4, against the real program, its own Postgres
// and Redis, real packages and a real browser.
func TestV4System(t *testing.T) {
	p := start(t, filepath.Join(t.TempDir(), "data"), ownPackages)
	p.token = p.person("founder@example.com")

	var app appJSON
	phase(t, "1 app created", func(t *testing.T) {
		app = p.create("Generate a simple todo app with user authentication")
		if app.Status != "generating" || app.Slug == "" {
			t.Errorf("app %+v, want status generating", app)
		}
	})
	var version versionJSON
	phase(t, "2 pipeline", func(t *testing.T) {
		app, version = p.green(app.Slug)
		if app.Status != "generated" {
			t.Errorf("status %q, want generated", app.Status)
		}
	})
	files := p.files(app.Slug)
	phase(t, "3 shared templates", func(t *testing.T) {
		for _, path := range []string{"src/lib/supabase.ts", "src/components/auth/AuthForm.tsx", "src/pages/auth/Login.tsx", "package.json", "vite.config.ts"} {
			if files[path] == 0 {
				t.Errorf("%s is missing or empty", path)
			}
		}
	})
	phase(t, "4 app files", func(t *testing.T) {
		tsx := 0
		for path := range files {
			if strings.HasSuffix(path, ".tsx") {
				tsx++
			}
		}
		if files["src/pages/Dashboard.tsx"] == 0 || len(files) < 10 || tsx < 5 {
			t.Errorf("%d files, %d .tsx, Dashboard of %d bytes", len(files), tsx, files["src/pages/Dashboard.tsx"])
		}
		for path := range files {
			if strings.HasPrefix(path, "src/") && strings.Contains(p.file(app.Slug, path), "{{APP_") {
				t.Errorf("%s still holds a placeholder", path)
			}
		}
	})
	phase(t, "5 build", func(t *testing.T) {
		if version.Bytes <= 0 || version.Bytes >= 900_000 {
			t.Errorf("the Worker has %d bytes, want less than 900,000", version.Bytes)
		}
	})
	phase(t, "6 deployment", func(t *testing.T) {
		if app.PreviewURL == "" || app.DeploymentStatus != "deployed" {
			t.Fatalf("preview_url %q, deployment_status %q", app.PreviewURL, app.DeploymentStatus)
		}
		if status, body := p.visit(app.Slug, "/_health"); status != http.StatusOK {
			t.Errorf("/_health: %d %s", status, body)
		}
		status, body := p.visit(app.Slug, "/_deployment")
		var d struct {
			Version     string `json:"version"`
			ContentHash string `json:"content_hash"`
		}
		if err := json.Unmarshal([]byte(body), &d); err != nil || status != http.StatusOK || d.Version != version.Number || len(d.ContentHash) != 64 {
			t.Errorf("/_deployment: %d %s (%v)", status, body, err)
		}
	})
	phase(t, "7 functional", func(t *testing.T) { useInBrowser(t, app.PreviewURL, p.link(app.Slug)) })
	phase(t, "8 metrics", func(t *testing.T) {
		if version.TokensIn < 0 || version.TokensOut < 0 || version.CostCents == nil || *version.CostCents < 0 {
			t.Errorf("tokens %d in, %d out, cost %v", version.TokensIn, version.TokensOut, version.CostCents)
		}
		if !strings.HasPrefix(version.Model, "composer/") || version.DisplayName == "" || len(files) < 10 {
			t.Errorf("model %q, display name %q, %d files", version.Model, version.DisplayName, len(files))
		}
	})
}

func phase(t *testing.T, name string, fn func(t *testing.T)) {
	t.Helper()
	if !t.Run(name, fn) {
		t.FailNow()
	}
}

// tab is a page of headless Chromium with a profile of its own.
type tab struct {
	t   *testing.T
	ctx context.Context
}

func openTab(t *testing.T) tab {
	browsertest.Need(t)
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1440, 900),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	return tab{t, ctx}
}

// do runs actions within a limit; when one fails, the test ends with what the page shows.
func (b tab) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
		b.t.Fatalf("%s: %v\nthe page shows:\n%s", what, err, text)
	}
}

// js evaluates an expression that has no result.
func js(expression string) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.Evaluate[any](expression+"; null")(ctx, t)
		return chromedp.Void{}, err
	}
}

// until waits until an expression is true in the page. It asks again and again rather than inside of the page: a
// navigation may replace the page while it waits.
func until(expression string) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		for {
			ok, err := chromedp.Evaluate[bool](expression)(ctx, t)
			if ok && err == nil {
				return chromedp.Void{}, nil
			}
			select {
			case <-ctx.Done():
				return chromedp.Void{}, fmt.Errorf("waiting for %s: %w", expression, errors.Join(ctx.Err(), err))
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
}

// useInBrowser does what a first visitor does: signs up, adds a row, reloads, and finds it there. It knows
// only what every generated app has: forms with labels, a menu, and a button that adds. link lets it in.
func useInBrowser(t *testing.T, url, link string) {
	t.Helper()
	b := openTab(t)
	url = strings.TrimSuffix(url, "/")
	const title = "Written by the system test"
	const adds = `[...document.querySelectorAll("main a, main button")].find((b) => /^(add|new)\b/i.test(b.textContent.trim()))`

	b.do("sign up",
		chromedp.Navigate(link), // a private preview lets in whoever has one
		chromedp.Navigate(url+"/signup"),
		until(`document.querySelector("input[type=email]") !== null`),
		chromedp.SendKeys("input[type=email]", fmt.Sprintf("visitor%d@example.com", time.Now().UnixNano())),
		chromedp.SendKeys("input[type=password]", "a long password"),
		chromedp.Click("button[type=submit]"),
		until(`document.querySelector('nav[aria-label="Main"]') !== null`),
	)
	list, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](
		`[...document.querySelectorAll('nav[aria-label="Main"] a')].map((a) => a.getAttribute("href")).find((h) => h !== "/")`))
	if err != nil {
		t.Fatalf("find a list in the menu: %v", err)
	}
	b.do("open the form", chromedp.Navigate(url+list), until(adds+" !== undefined"), js(adds+".click()"),
		until(`document.querySelector("form input[name], form textarea[name]") !== null`))
	b.do("fill the form in and save", js(fmt.Sprintf(fillForm, title)),
		js(`document.querySelector('form button[type="submit"]').click()`),
		until(`document.body.innerText.includes("`+title+`")`))
	b.do("open the list", chromedp.Navigate(url+list), until(`document.querySelector("main h1") !== null`))
	b.do("reload the list", js(`document.querySelector("main").remove()`), chromedp.Reload(),
		until(`Boolean(document.querySelector("main")?.innerText.includes("`+title+`"))`))
}

// fillForm types into every field of the form on screen, as React sees typing: the title into the first
// text field, something fitting into the others.
const fillForm = `(() => {
  let first = true;
  for (const el of document.querySelectorAll("form input[name], form textarea[name], form select[name]")) {
    if (el.type === "checkbox" || el.type === "radio" || el.type === "file") continue;
    let value = { date: "2026-12-24", time: "10:30", "datetime-local": "2026-12-24T10:30", email: "ann@example.com", url: "https://example.com/",
      number: "3", tel: "555 0100", color: "#336699" }[el.type];
    if (value === undefined && /decimal|numeric/.test(el.inputMode)) value = "3";
    if (el.tagName === "SELECT") { if (el.value) continue; value = [...el.options].map((o) => o.value).find(Boolean) ?? ""; }
    if (value === undefined) { value = first ? %q : "Some words"; first = false; }
    const proto = el.tagName === "SELECT" ? HTMLSelectElement : el.tagName === "TEXTAREA" ? HTMLTextAreaElement : HTMLInputElement;
    Object.getOwnPropertyDescriptor(proto.prototype, "value").set.call(el, value);
    el.dispatchEvent(new Event(el.tagName === "SELECT" ? "change" : "input", { bubbles: true }));
  }
})()`

// TestEveryPromptGetsItsOwnGreenApp builds prompts of many kinds, clear and messy, and a follow-up. Each must be
// green, and no two may have the same data model.
func TestEveryPromptGetsItsOwnGreenApp(t *testing.T) {
	p := start(t, filepath.Join(t.TempDir(), "data"))
	p.token = p.person("founder@example.com")
	schemas := map[string]string{}
	b, err := os.ReadFile("testdata/prompts.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var c struct{ ID, Prompt string }
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatal(err)
		}
		t.Run(c.ID, func(t *testing.T) {
			began := time.Now()
			app := p.create(c.Prompt)
			app, v := p.settled(app.Slug)
			if v.Status != "green" {
				t.Fatalf("%q is %s: %s", c.Prompt, v.Status, v.Error)
			}
			t.Logf("%s: %s in %.1f s, Worker of %d bytes", app.Name, v.DisplayName, time.Since(began).Seconds(), v.Bytes)
			types := p.file(app.Slug, "src/types/database.ts")
			for other, schema := range schemas {
				if schema == types {
					t.Errorf("%s has the data model of %s", c.ID, other)
				}
			}
			schemas[c.ID] = types
			if status, body := p.visit(app.Slug, "/"); status != http.StatusOK || !strings.Contains(body, `id="root"`) {
				t.Errorf("the preview answers %d", status)
			}
		})
	}
}
