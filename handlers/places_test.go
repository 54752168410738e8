package handlers_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"overskill/internal/fault"
	"overskill/internal/model"
)

func TestVariables(t *testing.T) {
	st, p := published(t)
	page := st.get("/apps/harbour/publish").has("#variables", "sk_l...81Qz").has("#variables .pill.warn", "In the bundle").has("#variables", "everybody can read them")
	replace, _ := page.doc().Find("#variables a[aria-label^='Replace PAYMENT_KEY']").Attr("href")
	page = st.get(replace).want(200).has("#var-form h3", "Replace PAYMENT_KEY").has("#var-env [selected]", "Published app")
	if got, _ := page.doc().Find("#var-key").Attr("value"); got != "PAYMENT_KEY" {
		t.Errorf("the form has the name %q", got)
	}

	const secret = "sk_live_never_print_this"
	set := func(env, key string) answer {
		return st.post("/apps/harbour/publish/vars", url.Values{"environment": {env}, "key": {key}, "value": {secret}})
	}
	set("production", "PAYMENT_KEY").leads("/apps/harbour/publish?done=var")
	if got := st.s.releases.values["harbour production PAYMENT_KEY"]; got != secret || len(p.Vars) != 3 {
		t.Errorf("%q of %d", got, len(p.Vars))
	}
	for _, a := range []answer{set("production", "no name"), set("staging", "A"), set("production", "\xff")} {
		a.want(400).has("#var-form #var-error", "").has("#var-key[aria-invalid=true]", "")
		if strings.Contains(a.body, secret) {
			t.Error("the value is on the page")
		}
	}
	set("production", "no name").has("#var-env [selected]", "Published app").has("#var-key[value='no name']", "")
	gone := url.Values{"environment": {"preview"}, "key": {"VITE_MAP_STYLE"}}
	st.post("/apps/harbour/publish/vars/delete", gone).leads("/apps/harbour/publish?done=var-gone")
	st.post("/apps/harbour/publish/vars/delete", gone).want(404)
	st.post("/apps/harbour/publish/vars/delete", url.Values{"key": {"A"}}).want(400).has("[role=alert]", "preview or production")
	st.get("/apps/harbour/publish/vars").leads("/apps/harbour/publish") // loaded again after a form came back
	st.server.Close()
	if strings.Contains(st.logs.String(), secret) {
		t.Error("the value is in the log")
	}
}

func TestAccess(t *testing.T) {
	st, p := published(t)
	st.get("/apps/harbour/publish").has("#access .pill", "Public").hasNot("#access [action$='/link']")
	form := url.Values{"environment": {"production"}, "mode": {"password"}, "password": {""}}
	st.post("/apps/harbour/publish/access", form).want(400).has("#access [role=alert]", "at least 8 characters").has("#pw-production[aria-invalid=true]", "").has("#access .place:nth-of-type(2) [value=password][checked]", "").hasNot("#pw-preview[aria-invalid]")
	form.Set("password", "correct horse battery")
	st.post("/apps/harbour/publish/access", form).leads("/apps/harbour/publish?done=access")
	if a := st.get("/apps/harbour/publish").has("#access .pill", "Password").has("#pw-hint-production", "stays"); strings.Contains(a.body, "battery") {
		t.Error("the password is on the page")
	}
	form.Set("mode", "everyone")
	st.post("/apps/harbour/publish/access", form).want(400).has("#access [role=alert]", "Choose who")
	form.Set("environment", "")
	st.post("/apps/harbour/publish/access", form).want(400).has("[role=alert]", "preview or production")

	st.post("/apps/harbour/publish/access", url.Values{"environment": {"preview"}, "mode": {"private"}}).leads("/apps/harbour/publish?done=access")
	link := url.Values{"environment": {"preview"}, "ttl": {"168h"}}
	page := st.post("/apps/harbour/publish/link", link).want(200).has("#link-preview", "?_access=preview.168.0").has("#access [role=status]", "opens it for 7 days").has("#ttl-preview [selected]", "7 days")
	if page.Header.Get("Cache-Control") != "no-store" {
		t.Error("a browser may keep the link")
	}
	for _, ttl := range []string{"", "soon", "1m", "721h", "-24h"} {
		link.Set("ttl", ttl)
		st.post("/apps/harbour/publish/link", link).want(400).has("#access .well [role=alert]", "").hasNot("#link-preview")
	}
	st.post("/apps/harbour/publish/link", url.Values{"ttl": {"24h"}}).want(400).has("[role=alert]", "preview or production")
	st.post("/apps/harbour/publish/revoke", url.Values{"environment": {"preview"}}).leads("/apps/harbour/publish?done=revoked")
	st.post("/apps/harbour/publish/revoke", url.Values{}).want(400)
	if p.Preview.Epoch != 1 || p.Access.Epoch != 0 {
		t.Errorf("epochs %d and %d", p.Preview.Epoch, p.Access.Epoch)
	}
}

// What the builder shows of a private preview carries its own link, always a new one.
func TestPrivatePreview(t *testing.T) {
	st, p := published(t)
	st.get("/apps/harbour/open").leads("http://preview-harbour.localhost:8080/")
	p.Preview.Mode = "private"
	frame, _ := st.get("/apps/harbour?route=/arrivals?day=2%23top").want(200).doc().Find("#frame").Attr("src")
	if frame != "http://preview-harbour.localhost:8080/arrivals?day=2&_access=short#top" {
		t.Errorf("the frame shows %s", frame)
	}
	page := st.get("/apps/harbour").want(200).has("#open-app [href='/apps/harbour/open']", "Open app").has("#open-route[href='/apps/harbour/open?route=%2F']", "")
	if got, _ := page.doc().Find("#frame").Attr("data-base"); got != "http://preview-harbour.localhost:8080/" {
		t.Errorf("the base is %s", got)
	}
	if csp := page.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-src http://preview-harbour.localhost:8080") || strings.Contains(csp, "_access") {
		t.Error(csp)
	}
	st.get("/apps/harbour/open?route=/arrivals").leads("http://preview-harbour.localhost:8080/arrivals?_access=short")
	if got := st.get("/apps/harbour/open?route=/arrivals", fragment).want(200); got.body != "http://preview-harbour.localhost:8080/arrivals?_access=short" || !strings.HasPrefix(got.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("%s %s", got.body, got.Header)
	}
	for _, route := range []string{"//elsewhere.example/", "https://elsewhere.example/", `/\elsewhere.example`, "javascript:alert(1)"} {
		st.get("/apps/harbour/open?route=" + url.QueryEscape(route)).leads("http://preview-harbour.localhost:8080/?_access=short")
	}
	st.s.releases.unreachable = fault.New(fault.Unavailable, "no key")
	st.get("/apps/harbour").want(200).has("#frame[src='http://preview-harbour.localhost:8080/']", "")
	st.s.apps[0].PreviewURL = ""
	st.get("/apps/harbour/open").want(404)
	st.get("/apps/harbour").want(200).hasNot("#frame")
}

func TestDomains(t *testing.T) {
	st, p := published(t)
	for _, name := range []string{"", "localhost", "http://www.example.org/", "\xff"} {
		st.post("/apps/harbour/publish/domains", url.Values{"name": {name}}).want(400).has("#domain-error", "").has("#domain[aria-describedby=domain-error]", "")
	}
	st.post("/apps/harbour/publish/domains", url.Values{"name": {"no domain"}}).has("#domain[value='no domain']", "")
	st.post("/apps/harbour/publish/domains", url.Values{"name": {"slots.example.org"}}).leads("/apps/harbour/publish?done=domain")
	at := fmt.Sprintf("domain-%d", p.Domains[0].ID)
	st.get("/apps/harbour/publish").has("#"+at, "Waiting for DNS").has("#"+at+" td", "overskill-3f9a61c2d4").has("#"+at+" .pill.off", "Missing").has("#"+at, "Not checked yet")
	path := fmt.Sprintf("/apps/harbour/publish/domains/%d", p.Domains[0].ID)
	record := fmt.Sprintf("#dns-%d-2-value", p.Domains[0].ID)
	st.get("/apps/harbour/publish").has(record, "overskill-3f9a61c2d4").has("#"+at+" [data-copy='"+record+"']", "").has("#"+at+" form[hx-trigger='submit, every 15s']", "")
	st.post(path+"/check", url.Values{"asked": {"3"}}, fragment).want(200).has("#"+at+" [name=asked][value='4']", "").has("#"+at+" form[hx-trigger='submit, every 15s']", "").hasNot("main")
	for _, asked := range []string{"39", "1000000"} {
		st.post(path+"/check", url.Values{"asked": {asked}}, fragment).want(200).hasNot("form[hx-trigger='submit, every 15s']")
	}
	st.post(path+"/check", url.Values{"asked": {"-7"}}, fragment).want(200).has("[name=asked][value='1']", "")
	st.post(path+"/check", url.Values{}).leads("/apps/harbour/publish#" + at)
	st.get("/apps/harbour/publish").has("#"+at, "The CNAME leads to parked.example.com.").has("#"+at+" .pill.bad", "Differs").has("#"+at, "Checked just now")
	st.s.releases.unreachable = fault.New(fault.Unavailable, "The DNS does not answer.")
	st.post(path+"/check", url.Values{}).want(503).has("[role=alert]", "The DNS does not answer.")
	for _, id := range []string{"x", "0", "77"} {
		st.s.releases.unreachable = nil
		st.post("/apps/harbour/publish/domains/"+id+"/check", url.Values{}).want(404)
		st.post("/apps/harbour/publish/domains/"+id+"/delete", url.Values{}).want(404)
	}
	st.post(path+"/delete", url.Values{}).leads("/apps/harbour/publish?done=domain-gone")
	st.get("/apps/harbour/publish").hasNot("#" + at)
}

func TestDeployTarget(t *testing.T) {
	st := newSite(t).in()
	st.get("/team/settings").has("[href='/team/deploy']", "Where apps are published")
	st.get("/team/deploy").want(200).has("[name=kind][value=local][checked]", "").has("#gate [selected]", "Do not publish").has(".tried", "Workers R2 Storage").has(".card", "docs/DEPLOY.md").hasNot("[role=status]")

	const secret = "cf-token-never-print-this"
	form := url.Values{"kind": {"cloudflare"}, "account_id": {"short"}, "token": {secret}, "mode": {"dispatch"}, "namespace": {"apps"}, "bucket": {"mine"}, "zone": {"apps.example.org"}, "gate": {"warn"}}
	a := st.post("/team/deploy", form).want(400).has("form.places [role=alert]", "32 hexadecimal digits").has("[value=cloudflare][checked]", "").has("#mode [selected]", "dispatch").has("#gate [selected]", "say so")
	for id, value := range map[string]string{"account_id": "short", "namespace": "apps", "bucket": "mine", "zone": "apps.example.org"} {
		a.has("#"+id+"[value='"+value+"']", "")
	}
	a.has("[aria-labelledby=tt-h] .in", "published on this server.")
	form.Set("account_id", strings.Repeat("0a", 16))
	st.post("/team/deploy", form).leads("/team/deploy?done=saved")
	b := st.get("/team/deploy?done=saved").has("[role=status]", "Saved").has("#token-hint", "abcd...wxyz").has("[aria-labelledby=tt-h] .in", "published on Cloudflare.")
	if st.s.releases.token != secret || strings.Contains(a.body+b.body, secret) {
		t.Error("the token was lost or printed")
	}
	form.Set("zone", "\xff")
	st.post("/team/deploy", form).want(400)
	st.s.releases.refused = fault.New(fault.Forbidden, "Only owners and admins can change this.")
	form.Set("zone", "")
	st.post("/team/deploy", form).want(403).has("form.places [role=alert]", "Only owners")

	st.post("/team/deploy/test", url.Values{}).want(200).has("[role=status]", "has all permissions")
	st.s.releases.unreachable = fault.New(fault.Invalid, "The token lacks Workers R2 Storage, Edit.")
	st.post("/team/deploy/test", url.Values{}).want(400).has("[role=alert]", "lacks Workers R2").hasNot("[role=status]")
	st.get("/team/deploy?done=<b>").hasNot("[role=status]")
	st.server.Close()
	if strings.Contains(st.logs.String(), secret) {
		t.Error("the token is in the log")
	}
}

// TestOnlyLooking: who may not change the app sees what there is, and no form that would only be refused.
func TestOnlyLooking(t *testing.T) {
	st, p := published(t)
	p.Domains = []model.Domain{{ID: 7, Name: "www.example.org", Status: "pending", Records: []model.DNSRecord{{Type: "TXT", Name: "_x", Value: "y"}}}}
	st.get("/apps/harbour/publish").has("#publish-button", "").has("#pub-history form", "Go back").has("#var-form", "").has("#domain-form", "").has("#un-h", "")
	st.get("/team/deploy").has("form #account_id", "").has("main form button", "Verify")
	st.s.releases.viewer = true
	page := st.get("/apps/harbour/publish").want(200).has("#pub-state", "is for editors, admins and owners").has("#pub-history", "1.0.0").has("#variables", "PAYMENT_KEY").has("#domain-7 td", "TXT").has("#access", "Public")
	page.hasNot("#panel form").hasNot("#pub-check").hasNot("#un-h")
	st.get("/apps/harbour/deployments/40").want(200).hasNot("#panel form")
	st.get("/team/deploy").want(200).has("main", "Owners and admins of the team choose").hasNot("main form button").hasNot("#account_id")
}

// TestFollowTheServerLog: the page asks again by itself until it is told to stop, or the log cannot be read.
func TestFollowTheServerLog(t *testing.T) {
	st, _ := published(t)
	st.get("/apps/harbour/publish").has("#pub-server [hx-get$='follow=1']", "Follow it").hasNot("#pub-server[hx-trigger]")
	st.get("/apps/harbour/publish/server?follow=1", fragment).want(200).has("#pub-server[hx-trigger='every 5s'] #srv-log", "TypeError").has("#pub-server a", "Stop following")
	st.get("/apps/harbour/publish/server", fragment).want(200).hasNot("#pub-server[hx-trigger]")
	st.s.releases.unreachable = fault.New(fault.Unavailable, "Cloudflare does not answer.")
	st.get("/apps/harbour/publish/server?follow=1", fragment).want(200).has("#pub-server", "Cloudflare does not answer.").hasNot("#pub-server[hx-trigger]")
}

// TestPublishedInTheBar: the bar tells the preview from the public address.
func TestPublishedInTheBar(t *testing.T) {
	st, _ := published(t)
	st.get("/apps/harbour").has("#vers .ok", "Live 1.0.0").hasNot("#vers a")
	st.s.apps[0].Published = "1.0.0"
	st.get("/apps/harbour").has("#vers a[href='/apps/harbour/publish']", "Published 1.0.0")
	st.get("/").has(".tilecard", "Published 1.0.0")
}
