package handlers_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"overskill/internal/fault"
	"overskill/internal/model"
)

// published is a site whose app "harbour" was published before.
func published(t *testing.T) (*site, *model.Publication) {
	t.Helper()
	st := newSite(t).in()
	return st, publishHarbour(st.s, time.Now())
}

// Nobody but a member of its team learns of an app, and no other site can send the forms.
func TestPublishOfOthers(t *testing.T) {
	st, _ := published(t)
	st.s.users = append(st.s.users, model.User{ID: 2, Email: "tjark@other.example"})
	gets := []string{"/open", "/publish", "/publish?check=1", "/publish?server=1", "/deployments/41", "/deployments/41/shot.png"}
	fragments := []string{"/publish/state?seen=", "/publish/check", "/publish/server", "/publish", "/open"}
	posts := []string{
		"/publish", "/publish/42/cancel", "/publish/unpublish", "/publish/access", "/publish/link", "/publish/revoke", "/publish/vars", "/publish/vars/delete",
		"/publish/domains", "/publish/domains/1/check", "/publish/domains/1/delete", "/deployments/41/rollback",
	}
	form := url.Values{"slug": {"harbour"}, "environment": {"preview"}, "mode": {"public"}, "ttl": {"24h"}, "key": {"A"}, "value": {"b"}, "name": {"a.example"}}
	st.s.sessions["open"] = 2
	for _, path := range gets {
		st.get("/apps/harbour" + path).want(404)
	}
	for _, path := range fragments {
		st.get("/apps/harbour"+path, fragment).want(404)
	}
	for _, path := range posts {
		st.post("/apps/harbour"+path, form).want(404)
	}
	st.s.sessions["open"] = 1
	for _, path := range posts {
		st.post("/apps/harbour"+path, form, header("Sec-Fetch-Site", "same-site")).want(403)
	}
	st.client = newClient(t)
	for _, path := range posts {
		st.post("/apps/harbour"+path, form).want(401)
	}
	st.get("/apps/harbour/publish").leads("/signin?next=%2Fapps%2Fharbour%2Fpublish")
	st.post("/team/deploy", url.Values{}).want(401)
	st.post("/team/deploy/test", url.Values{}).want(401)
	if len(st.s.releases.of["harbour"].History) != 3 || st.s.releases.of["harbour"].Live == nil {
		t.Error("something was changed")
	}
}

// The card says how what is live and what is ready differ.
func TestPublishState(t *testing.T) {
	st := newSite(t).in()
	page := st.get("/apps/harbour/publish").want(200).has("#pub-state", "Version 1.0.0 is ready. Nothing is published yet.").has("#pub-state .pill", "Not published")
	page.has("#publish-button", "Publish 1.0.0").has("#pub-history", "Nothing was published yet").has("#publish-app a.primary", "Publish 1.0.0").has("#publish-app [href$='#access']", "Share")
	page.hasNot("#pub-state a[target]").hasNot("#pub-server").hasNot("#un-h").has("#tab-publish[aria-selected=true]", "Publish")
	st.get("/apps/harbour/publish", fragment).want(200).has("#panel #pub-state", "ready").has("#tabline[hx-swap-oob]", "Publish").hasNot("html main")

	p := publishHarbour(st.s, time.Now())
	page = st.get("/apps/harbour/publish").has("#pub-state", "Version 1.0.0 is published, and it is the newest green one.").has("#pub-state .facts", "by mareike").has("#publish-button", "Publish 1.0.0 again")
	page.has("#pub-state [href='http://harbour.localhost:8080/']", "harbour").has("#pub-state .banner.bad", "1.0.0 was not published. The page / stayed blank").hasNot("#pub-check[hx-trigger]")
	a := st.s.apps[0]
	st.s.finish(a)
	page = st.get("/apps/harbour/publish").has("#pub-state", "Version 1.0.2 is ready, 1.0.0 is published.").has("#pub-state form", "If any of this fails, 1.0.0 stays")
	page.has("#pub-check[hx-get='/apps/harbour/publish/check'][hx-trigger=load]", "Check")
	p.NotReady = "The token of Cloudflare has expired."
	st.get("/apps/harbour/publish").has("#pub-state .banner.warn", "The token of Cloudflare has expired.").hasNot("#publish-button").hasNot("#pub-check[hx-trigger]")

	// Before the first green version there is nothing to publish, to share or to check.
	a.HeadVersionID, p.Head, p.Live, p.History, p.NotReady = 0, model.Version{}, nil, nil, ""
	st.get("/apps/harbour/publish").has("#pub-state", "There is no green version yet").hasNot("#publish-button").hasNot("#pub-check").hasNot("#publish-app a")
	st.get("/apps/harbour/publish?check=1").want(404)
	st.get("/apps/harbour/publish/check", fragment).want(404)
}

// A deployment runs, is watched, and ends: its page asks until there is nothing more to come.
func TestPublishAndWatch(t *testing.T) {
	st, p := published(t)
	st.post("/apps/harbour/publish", url.Values{"version": {"1.0.1"}}).want(400).has("[role=alert]", `There is no green version "1.0.1"`).has("#pub-state", "is published")
	st.post("/apps/harbour/publish", url.Values{"version": {"\xff"}}).want(400).has("[role=alert]", "UTF-8")
	st.post("/apps/harbour/publish", url.Values{"version": {"1.0.0"}}).leads("/apps/harbour/publish")
	page := st.get("/apps/harbour/publish").want(200).has("#pub-now", "Waiting to publish 1.0.0").has("#pub-state[hx-trigger='every 1s']", "Stop").has(".steps .wait", "Build for production").hasNot("#publish-button")
	poll, _ := page.doc().Find("#pub-state").Attr("hx-get")
	if got := st.get(poll, fragment).want(204).body; got != "" {
		t.Errorf("nothing new, and yet %q", got)
	}
	st.get(poll).leads("/apps/harbour/publish")

	st.s.moves("harbour", func(d *model.Deployment) {
		d.Status, d.Stage, d.StartedAt = model.DeployDeploying, "verify", time.Now()
		d.Log = []model.DeployLine{{At: time.Now(), Level: model.LogInfo, Text: "<i>opened</i> /"}}
	})
	news := st.get(poll, fragment).want(200).has("#pub-now", "Publishing 1.0.0").has(".steps .now", "Fetch it back").has(".steps .done", "Build for production").has("#pub-log", "<i>opened</i> /").hasNot("#pub-history")
	next, _ := news.doc().Find("#pub-state").Attr("hx-get")
	if next == poll {
		t.Error("the next question is the same")
	}
	st.get(next, fragment).want(204)
	st.s.moves("harbour", func(d *model.Deployment) {
		d.Status, d.PromotedAt, d.EndedAt = model.DeployDeployed, time.Now(), time.Now()
	})
	st.get(next, fragment).want(200).hasNot("[hx-trigger='every 1s']").has("#pub-history[hx-swap-oob]", "4 deployments").has("#pub-say", "Version 1.0.0 is published")
	st.get("/apps/harbour/publish/state?seen=none", fragment).want(204)

	// A running one can be stopped, once.
	st.post("/apps/harbour/publish", url.Values{"version": {""}}).leads("/apps/harbour/publish")
	cancel := fmt.Sprintf("/apps/harbour/publish/%d/cancel", p.Running.ID)
	st.post(cancel, url.Values{}).leads("/apps/harbour/publish?done=cancelled")
	st.get("/apps/harbour/publish?done=cancelled").has("[role=status]", "What is live stays live").has("#pub-history", "Overtaken")
	st.post(cancel, url.Values{}).want(409).has("[role=alert]", "does not run any more")
	for _, id := range []string{"x", "0", "-3", "99999999999999999999"} {
		st.post("/apps/harbour/publish/"+id+"/cancel", url.Values{}).want(404)
	}

	// Who may see and not publish is told so, on the page.
	st.s.releases.refused = fault.New(fault.Forbidden, "Viewers cannot publish.")
	st.post("/apps/harbour/publish", url.Values{"version": {"1.0.0"}}).want(403).has(".settings > .stack > [role=alert]", "Viewers cannot publish.").has("#pub-history", "1.0.0")
	st.s.broken = fmt.Errorf("no database")
	st.get("/apps/harbour/publish").want(500)
}

func TestFindings(t *testing.T) {
	st, p := published(t)
	st.get("/apps/harbour/publish/check").leads("/apps/harbour/publish?check=1#pub-check")
	for _, a := range []answer{st.get("/apps/harbour/publish?check=1"), st.get("/apps/harbour/publish/check", fragment)} {
		a.want(200).has("#finding-1", "src/lib/payments.ts:12").has("#finding-1 .pill.bad", "Blocks").has("#finding-1", "Anyone can read it there").has("#pub-check > header", "Cannot be published")
		a.has("#finding-2 .pill.warn", "Warning").hasNot("#finding-2 form").hasNot("#pub-check[hx-trigger]")
	}
	st.s.releases.target.Gate = model.GateWarn
	page := st.get("/apps/harbour/publish?check=1").has("#finding-1 .pill", "Serious").has("#pub-check > header", "2 findings")

	// The cure is a message of the chat, which says what else is being done.
	ask := page.doc().Find("#finding-1 form")
	action, _ := ask.Attr("action")
	content, _ := ask.Find("[name=content]").Attr("value")
	st.post(action, url.Values{"content": {content}}).want(409)
	st.s.finish(st.s.apps[0])
	st.post(action, url.Values{"content": {content}}).leads("/apps/harbour?view=chat")
	st.get("/apps/harbour?view=chat").has(".said", "Move the payment key from src/lib/payments.ts to the server code.")

	st.s.releases.findings = nil
	st.get("/apps/harbour/publish?check=1").has("#pub-check", "Nothing was found in "+p.Head.Number)
	st.s.releases.unreachable = fault.New(fault.Unavailable, "The build machine does not answer.")
	st.get("/apps/harbour/publish/check", fragment).want(200).has("#pub-check [role=alert]", "does not answer").hasNot("#pub-check[hx-trigger]")
	st.get("/apps/harbour/publish?server=1").want(200).has("#pub-server [role=alert]", "does not answer")
	st.s.releases.unreachable = nil
	st.get("/apps/harbour/publish/server").leads("/apps/harbour/publish?server=1#pub-server")
	st.get("/apps/harbour/publish/server", fragment).want(200).has("#srv-log .error", "TypeError: <b>undefined</b>")
	st.s.releases.logs = nil
	st.get("/apps/harbour/publish?server=1").has("#pub-server", "has written nothing")
}

func TestDeploymentPage(t *testing.T) {
	st, p := published(t)
	page := st.get("/apps/harbour/deployments/41").want(200).has("#dep-h", "Deployment of 1.0.0").has(".facts-list", "611.0 kB").has(".facts-list", "20.4 kB").has(".facts-list a", "http://v41-harbour.localhost:8080/")
	page.has(".lines", "<b>No file</b>").has(".card", "4% of the picture differs").has(".card", "less than 1% of the picture differs").has(".tried.poor", "404 /logo.svg").has(".tried", "/arrivals/print")
	page.has("#finding-1", "Source maps").has("#dep-log .warn", "1 note").hasNot("[action$='/rollback']").has("#tab-publish[aria-selected=true]", "Publish")
	for _, src := range []string{"/apps/harbour/deployments/41/shot.png", "/apps/harbour/deployments/41/shot.png?narrow=1"} {
		page.has("img[src='"+src+"']", "")
		if a := st.get(src).want(200); a.Header.Get("Content-Type") != "image/png" || !strings.Contains(a.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %v", src, a.Header)
		}
	}
	st.get("/apps/harbour/deployments/42").want(200).has("[role=alert]", "stayed blank").has(".steps .fail", "Fetch it back").has(".steps .wait", "Move the public").hasNot("img").has(".card", "wrote no log").hasNot("#chg-h")
	for _, id := range []string{"43", "x", "0"} {
		st.get("/apps/harbour/deployments/" + id).want(404)
		st.get("/apps/harbour/deployments/" + id + "/shot.png").want(404)
		st.post("/apps/harbour/deployments/"+id+"/rollback", url.Values{}).want(404)
	}
	st.get("/apps/harbour/deployments/42/shot.png").want(404)

	st.post("/apps/harbour/deployments/42/rollback", url.Values{}).want(409).has("[role=alert]", "was never live")
	st.get("/apps/harbour/publish").has("[action='/apps/harbour/deployments/40/rollback']", "Go back").hasNot("[action='/apps/harbour/deployments/41/rollback']").hasNot("[action='/apps/harbour/deployments/42/rollback']")
	st.post("/apps/harbour/deployments/40/rollback", url.Values{}).leads("/apps/harbour/publish")
	st.get("/apps/harbour/publish").has("#pub-now", "Waiting to publish 1.0.0")

	st.post("/apps/harbour/publish/unpublish", url.Values{"slug": {"other"}}).want(400).has("[role=alert]", "Nothing was changed")
	st.post("/apps/harbour/publish/unpublish", url.Values{"slug": {" harbour "}}).leads("/apps/harbour/publish?done=unpublished")
	if p.Live != nil {
		t.Error("still published")
	}
	st.post("/apps/harbour/publish/unpublish", url.Values{"slug": {"harbour"}}).want(409).has("[role=alert]", "not published")
}
