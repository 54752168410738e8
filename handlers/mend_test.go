package handlers_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"overskill/internal/model"
)

// workshopSite is a site with the app "workshop" beside the other.
func workshopSite(t *testing.T) (*site, *app) {
	t.Helper()
	st := newSite(t).in()
	return st, workshop(st.s, st.s.users[0], time.Now())
}

func TestMends(t *testing.T) {
	st, a := workshopSite(t)
	first, failed := itoa(a.turns[0].Version.ID), itoa(a.turns[1].Version.ID)

	steps := st.get("/apps/workshop/turns/"+first+"?steps=1", fragment).want(200)
	steps.has(".steps > li:nth-child(5) > .mend > summary", "fixed for $0").has(".mend .in", "src/components/RepairRow.tsx").has(".mend .in", "No model was asked")
	steps.has(".mend.billed > summary", "Tried to fix: src/pages/Repairs.tsx has no property due").has(".mend.billed > summary", "Attempt 1 of 2, type error").has(".mend.billed > summary", "not billed")
	steps.has(".mend.billed .answer", "const due = repair.due")

	// Many fixes are one line that opens.
	steps = st.get("/apps/workshop/turns/"+failed+"?steps=1", fragment).want(200).has("[data-key=fixes] summary", "4 problems fixed").has("[data-key=fixes] li", "src/pages/Home.tsx")
	if n := steps.doc().Find(".mend.billed").Length(); n != 2 {
		t.Errorf("%d recoveries, want 2", n)
	}
	page := st.get("/apps/workshop").want(200)
	card := "#turn-" + failed + " .mend.bad "
	page.has(card, "The same error came back").has(card+".tried", "4 problems fixed for $0.").has(card+".tried", "Attempt 1 of 2 to fix it, not billed: src/lib/sms.ts needs the package sms-gateway").has(card, "Version 1.0.0 stayed live")
	page.has("#turn-"+first+" .bill", "$0.06").has("#turn-"+first+" .bill", "recovery $0.02, not billed").has("#turn-"+first+" .bill", "36.1k in").has("#turn-"+first+" .bill [title^='36,104 tokens in']", "")
	page.has("#turn-"+failed+" .bill b", "< $0.01")
	st.get("/apps/harbour").has(".turns:first-child .bill b", "no cost")
	st.get("/apps/workshop/changes?v=1.0.0").has(".edit header time", "$0.06, claude-sonnet-5-5")
}

func TestQuestionIsAnswered(t *testing.T) {
	st, a := workshopSite(t)
	page := st.get("/apps/workshop").want(200)
	last := ".turns:last-child "
	page.has(last+".pill.now", "Question").has(last+".asks", "Which payments should it take?").has(last+".choices", "A payment link by e-mail").has(last+".bill b", "unpriced").hasNot(last + ".prose")
	page.has("#vers", "Live 1.0.0").hasNot("#vers .bad").hasNot("#vers .now")
	st.get("/apps/workshop/changes").has(".line li:first-child .pill", "Question")

	button := page.doc().Find(last + ".choices button").Eq(1)
	choice, _ := button.Attr("value")
	target, _ := button.Attr("form")
	action, _ := page.doc().Find("form#" + target).Attr("action")
	st.post(action, url.Values{"content": {choice}}).leads("/apps/workshop?view=chat")
	if got := a.turns[3].Request.Content; got != "A payment link by e-mail" {
		t.Errorf("the answer arrived as %q", got)
	}
	// It is answered: the question stays, its buttons do not.
	page = st.get("/apps/workshop?turn="+itoa(a.turns[2].Version.ID)).want(200).has(".asks", "Which payments").hasNot(".choices")
	page.has("#turn-"+itoa(a.turns[3].Version.ID)+" .said", "A payment link by e-mail")
}

// A first version that asks has not failed.
func TestFirstVersionAsks(t *testing.T) {
	st, a := workshopSite(t)
	a.turns, a.HeadVersionID, a.Status = a.turns[2:], 0, model.AppDraft
	page := st.get("/apps/workshop").want(200).has("#no-preview", "The builder asks something in the chat first").hasNot("#vers .pill")
	if page.doc().Find(".bad").Length() != 0 {
		t.Error("something looks failed")
	}
	st.get("/apps").has(".tilecard .pill.off", "Not built yet")
}

func TestTryAgain(t *testing.T) {
	st, a := workshopSite(t)
	id := itoa(a.turns[1].Version.ID)
	st.get("/apps/workshop").hasNot("#turn-" + id + " [form=say-form]") // something was asked after it
	a.turns = a.turns[:2]
	a.turns[1].Request.Content = "Line one\nline \"two\" <b>"
	page := st.get("/apps/workshop").has("#turn-"+id+" [form=say-form]", "Try again").hasNot(".mend [href='/team/settings']")
	content, _ := page.doc().Find("#turn-" + id + " [form=say-form]").Attr("value")
	st.post("/apps/workshop/messages", url.Values{"content": {content}}).want(303)
	if got := a.turns[2].Request.Content; got != a.turns[1].Request.Content {
		t.Errorf("it was asked for %q", got)
	}
	a.turns = a.turns[:2]
	a.turns[1].Version.ErrorClass = "no_money"
	st.get("/apps/workshop").has(".mend [href='/team/settings']", "Settings")
	a.turns[1].Request.Metadata = metadata(map[string]string{"type": "restore", "number": "1.0.0"})
	st.get("/apps/workshop").has("[formaction='/apps/workshop/versions/1.0.0/restore']", "Try again")
}

// What models and people write is text, wherever it is printed.
func TestNamesOfWhatModelsWrite(t *testing.T) {
	st, a := workshopSite(t)
	st.s.models.anthropic()
	st.s.users[0].Admin = true
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	a.turns[0].Fixes[0] = model.FixEvent{File: evil, Text: evil}
	a.turns[1].Recoveries = []model.Message{recoveryOf(1, evil, evil)}
	a.turns[1].Version.AIModelUsed, a.turns[1].Request.Metadata = evil, metadata(map[string]string{"type": "restore", "number": evil})
	a.turns[2].Reply.Metadata = metadata(model.Question{Type: model.AskedQuestion, Text: evil, Choices: []string{evil}})
	a.locks = []string{evil}
	for _, m := range st.s.models.at {
		m.Connections[0].Name, m.Connections[0].BaseURL, m.Connections[0].KeyHint, m.Default = evil, "javascript:"+evil, evil, evil
		m.Options[0] = model.ModelOption{Reference: evil, Name: evil, Connection: evil, Price: evil, Reason: evil}
		m.Local = []model.LocalServer{{Name: evil, BaseURL: "javascript:" + evil, Models: []string{evil}}}
	}
	st.s.models.chosen["workshop"] = evil
	pages := []string{"/apps/workshop", "/apps/workshop/code", "/apps/workshop/settings", "/team/settings", "/admin/models", "/team/settings?done=" + url.QueryEscape(evil)}
	for _, turn := range a.turns {
		pages = append(pages, "/apps/workshop?turn="+itoa(turn.Version.ID))
	}
	for _, path := range pages {
		st.get(path).want(200).hasNot("script:not([src])").hasNot("[onerror]").hasNot("img[src=x]").hasNot(`[href^="javascript"], [action^="javascript"], [formaction^="javascript"]`)
	}
	st.get("/apps/workshop").has(".asked-text", evil).has(".choices", evil)
	page := st.get("/apps/workshop?turn=" + itoa(a.turns[0].Version.ID))
	page.has(".mend code", evil)
	a.turns = a.turns[:2]
	if to, _ := st.get("/apps/workshop").doc().Find("[formaction]").Attr("formaction"); to != "/apps/workshop/versions/"+url.PathEscape(evil)+"/restore" {
		t.Errorf("tries again at %s", to)
	}
}

// A connection's address may hold a password, which nobody needs to see.
func TestAddressWithoutPassword(t *testing.T) {
	st := newSite(t).in()
	st.s.models.anthropic()
	st.s.models.at[1].Connections[1].BaseURL = "https://me:secret@models.example.org/v1"
	if a := st.get("/team/settings").has("#c-8", "https://models.example.org/v1"); strings.Contains(a.body, "secret@") {
		t.Error("the password is on the page")
	}
}
