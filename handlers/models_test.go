package handlers_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"overskill/internal/fault"
	"overskill/internal/model"
)

// Without a key the pages say who writes, and where that can be changed.
func TestComposerAlone(t *testing.T) {
	st := newSite(t).in()
	for path, where := range map[string]string{"/apps/harbour": "#picker-note", "/apps/harbour/settings": ".settings", "/team/settings": "main"} {
		st.get(path).want(200).has(where, "The Composer writes by rules, without a key").hasNot("#pick-model")
	}
	st.get("/apps/harbour").has("#picker-note a[href='/team/settings']", "Connect a model")
	st.get("/team/settings").has("details.adding[open]", "Key").hasNot(".items").has(".menu a[href='/team/settings']", "Settings")
}

func TestChooseTheModelOfAnApp(t *testing.T) {
	st := newSite(t).in()
	st.s.models.anthropic()
	page := st.get("/apps/harbour").want(200).has("#pick-model option[selected]", "The team’s choice").has("#pick-model optgroup option", "Claude Sonnet 5.5")
	page.has("#pick-model option[disabled]", "tiny:1b, cannot be used").has("#model-form", "").hasNot("#picker-note p")

	st.post("/apps/harbour/model", url.Values{"model": {"anthropic/claude-sonnet-5-5"}}).leads("/apps/harbour?view=chat")
	st.get("/apps/harbour").has("#pick-model option[selected]", "Claude Sonnet 5.5")
	st.post("/apps/harbour/model", url.Values{"model": {"composer"}, "from": {"settings"}}).leads("/apps/harbour/settings")
	st.get("/apps/harbour/settings").has("#app-model option[selected]", "Composer").has("#pick-model option[selected]", "Composer")

	// A choice that is refused leaves what was chosen, and says why: on a page and as a fragment.
	st.post("/apps/harbour/model", url.Values{"model": {"ollama/tiny:1b"}}).want(400).has(".settings [role=alert]", "instead of calling the tool").has("#app-model option[selected]", "Composer")
	st.post("/apps/harbour/model", url.Values{"model": {"ollama/tiny:1b"}}, fragment).want(400).has("#picker-note [role=alert]", "instead of calling the tool").has("#picker option[selected]", "Composer")
	st.post("/apps/harbour/model", url.Values{"model": {"nobody/nothing"}}).want(400)
	st.post("/apps/harbour/model", url.Values{"model": {"caf\xe9"}}).want(400)
	st.post("/apps/nowhere/model", url.Values{"model": {"composer"}}).want(404)
	st.post("/apps/harbour/model", url.Values{"model": {""}}, fragment).want(200).has("#picker option[selected]", "The team’s choice")

	// A model that is no longer there is still shown as what is set.
	st.s.models.chosen["harbour"] = "gone/old"
	st.get("/apps/harbour").has("#pick-model option[selected]", "gone/old, not there any more")
}

func TestConnections(t *testing.T) {
	st := newSite(t).in()
	st.s.models.anthropic()
	st.get("/team/settings").want(200).has("#c-7", "sk-a...9f2c").has("#c-8", "http://127.0.0.1:11434/v1").has("#c-8", "no key").
		has("#c-env-openai", "Set by the operator").hasNot("#c-env-openai form").has(".items .poor", "instead of calling the tool")

	const secret = "sk-very-secret"
	form := url.Values{"name": {"mine"}, "kind": {"openai"}, "base_url": {"https://models.example.org/v1"}, "key": {secret}}
	a := st.post("/team/settings", form).leads("/team/settings?done=connected")
	st.get(a.Header.Get("Location")).has("[role=status]", "Connected").has(".items", "mine")

	// What came back of a form that was refused holds everything but the key.
	form.Set("name", "Mine")
	st.s.models.provider = fault.New(fault.Unavailable, "The provider did not answer within 10 seconds.")
	for name, status := range map[string]int{"Mine": 400, "mine": 503} {
		form.Set("name", name)
		a := st.post("/team/settings", form).want(status).has(".adding [role=alert]", "").has("#kind option[selected]", "OpenAI")
		if strings.Contains(a.body, secret) {
			t.Error("the key is on the page")
		}
		if got, _ := a.doc().Find("#base").Attr("value"); got != "https://models.example.org/v1" {
			t.Errorf("the address came back as %q", got)
		}
	}
	st.server.Close()
	if strings.Contains(st.logs.String(), secret) {
		t.Error("the key is in the log")
	}
}

func TestDisconnectAndDefault(t *testing.T) {
	st := newSite(t).in()
	st.s.models.anthropic()
	st.post("/team/settings/connections/7/delete", url.Values{}).leads("/team/settings?done=removed")
	st.get("/team/settings").hasNot("#c-7")
	for _, id := range []string{"7", "0", "x"} {
		st.post("/team/settings/connections/"+id+"/delete", url.Values{}).want(404)
	}
	st.post("/team/settings/default", url.Values{"model": {"anthropic/claude-haiku-5-5"}}).leads("/team/settings?done=default")
	st.get("/team/settings").has("#default option[selected]", "Claude Haiku 5.5")
	st.post("/team/settings/default", url.Values{"model": {"ollama/tiny:1b"}}).want(400).has("main > .stack > [role=alert]", "instead of calling the tool").has("#default option[selected]", "Haiku")
	st.post("/team/settings/test", url.Values{"model": {"anthropic/claude-haiku-5-5"}}).leads("/team/settings?done=tested")
	st.post("/team/settings/test", url.Values{"model": {"ollama/tiny:1b"}}).want(400).has("[role=alert]", "instead of calling the tool")
	st.s.models.provider = fault.New(fault.Unavailable, "The provider did not answer within 10 seconds.")
	st.post("/team/settings/test", url.Values{"model": {"ollama/tiny:1b"}}).want(503).has("[role=alert]", "did not answer").has("#c-h", "Connections")
	if len(st.s.models.tried) != 2 {
		t.Errorf("tried %v", st.s.models.tried)
	}
	st.get("/team/settings?done=<b>").want(200).hasNot("[role=status]")
	st.post("/team/settings/default", url.Values{"model": {"composer"}}, header("Sec-Fetch-Site", "same-site")).want(403)

	st.s.models.at[1].CanEdit = false
	st.get("/team/settings").want(200).has("main", "Only owners and admins").hasNot("main form .btn").hasNot("#key")
}

func TestModelsOfTheInstance(t *testing.T) {
	st := newSite(t).in()
	st.s.models.anthropic()
	st.s.models.at[0].Local = []model.LocalServer{{Name: "Ollama", BaseURL: "http://127.0.0.1:11434/v1", Models: []string{"a", "b", "c", "d", "e"}}}
	for _, path := range []string{"", "/test", "/local", "/connections/7/delete"} {
		if path == "" {
			st.get("/admin/models").want(403)
		}
		st.post("/admin/models"+path, url.Values{"model": {"composer"}}).want(403)
	}
	st.get("/team/settings").hasNot("[href='/admin/models']").hasNot("[action$='/local']")
	st.s.users[0].Admin = true
	st.get("/team/settings").has(".menu a[href='/admin/models']", "Models of this instance")
	st.get("/admin/models").want(200).has("h1", "Models of this instance").has("form[action='/admin/models/local']", "A local server was found: Ollama").
		has(".card", "OVERSKILL_MODEL").hasNot("#default").has("form[action='/admin/models/local']", "a, b, c, d and 1 more").has("#c-env-openai", "Set by the operator")
	st.post("/admin/models/default", url.Values{"model": {"composer"}}).want(404)
	st.post("/admin/models/local", url.Values{"base_url": {"http://10.0.0.1/"}}).want(400).has("[role=alert]", "No server answers")
	st.post("/admin/models/local", url.Values{"base_url": {"http://127.0.0.1:11434/v1"}}).leads("/admin/models?done=local")
	st.get("/admin/models").hasNot("form[action='/admin/models/local']")
	st.client = newClient(t)
	for _, path := range []string{"/admin/models", "/team/settings"} {
		st.get(path).leads("/signin?next=" + url.QueryEscape(path))
		st.post(path, url.Values{}).want(401)
	}
}

func TestModelsAPI(t *testing.T) {
	st := newSite(t)
	st.s.models.anthropic()
	st.s.models.at[1].Default = "anthropic/claude-haiku-5-5"
	auth := header("Authorization", "Bearer token-mareike@harbour.example")
	type answered struct {
		Model, Default string
		Models         []struct {
			Reference, Name, Connection, Price, Reason string
			Tested                                     bool
		}
	}
	read := func(a answer) (out answered) {
		t.Helper()
		if err := json.Unmarshal([]byte(a.body), &out); err != nil {
			t.Fatalf("%s: %v", a.body, err)
		}
		return out
	}
	if got := read(st.get("/api/v1/models", auth).want(200)); got.Default != "anthropic/claude-haiku-5-5" || len(got.Models) != 4 || got.Models[0].Name != "Claude Sonnet 5.5" || !got.Models[0].Tested {
		t.Errorf("%+v", got)
	}
	if got := read(st.get("/api/v1/apps/harbour/model", auth).want(200)); got.Model != "" || len(got.Models) != 4 {
		t.Errorf("%+v", got)
	}
	if got := read(st.do("PUT", "/api/v1/apps/harbour/model", `{"model":"composer"}`, auth).want(200)); got.Model != "composer" {
		t.Errorf("%+v", got)
	}
	if got := read(st.do("PUT", "/api/v1/apps/harbour/model", `{"model":""}`, auth).want(200)); got.Model != "" {
		t.Errorf("%+v", got)
	}
	for body, status := range map[string]int{`{"model":"ollama/tiny:1b"}`: 400, `{}`: 400, `{"model":7}`: 400, ``: 400} {
		st.do("PUT", "/api/v1/apps/harbour/model", body, auth).want(status)
	}
	st.do("PUT", "/api/v1/apps/nowhere/model", `{"model":"composer"}`, auth).want(404)
	st.get("/api/v1/apps/nowhere/model", auth).want(404)
	st.get("/api/v1/models").want(401)
	if body := st.get("/api/v1/models", auth).body; strings.Contains(body, "sk-a") {
		t.Error("the API tells of keys")
	}
}

func TestLocks(t *testing.T) {
	st := newSite(t).in()
	lock := url.Values{"path": {"src/App.tsx"}, "on": {"1"}, "v": {""}}
	st.get("/apps/harbour/code?path=src/App.tsx").has("#lock", "Lock").hasNot(".locked").hasNot(".tree .sr")
	st.post("/apps/harbour/locks", lock).leads("/apps/harbour/code?path=src%2FApp.tsx")
	st.post("/apps/harbour/locks", lock).leads("/apps/harbour/code?path=src%2FApp.tsx")
	st.get("/apps/harbour/code?path=src/App.tsx").has("#lock[value='0']", "Unlock").has(".locked", "the builder may not change it").has(".tree [aria-current] .sr", "locked")
	st.get("/apps/harbour/code?path=package.json").has("#lock[value='1']", "Lock").hasNot(".locked").has(".tree .sr", "locked")
	lock.Set("v", "1.0.0")
	lock.Set("on", "0")
	st.post("/apps/harbour/locks", lock).leads("/apps/harbour/code?path=src%2FApp.tsx&v=1.0.0")
	st.get("/apps/harbour/code?path=src/App.tsx").hasNot(".locked")
	st.post("/apps/harbour/locks", url.Values{"path": {"no/such.ts"}, "on": {"1"}}).want(404)
	st.post("/apps/harbour/locks", url.Values{"path": {"\xff"}, "on": {"1"}}).want(400)
	st.post("/apps/nowhere/locks", lock).want(404)
	st.post("/apps/harbour/locks", lock, header("Sec-Fetch-Site", "cross-site")).want(403)
}
