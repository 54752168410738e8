package handlers_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"overskill/internal/model"
)

// What the author does this moment is one line, drawn from the event: it is replaced by the next, survives the turn
// being printed again by something that is not about it, and goes with the next tool.
func TestActivityInABrowser(t *testing.T) {
	st := localSite(t)
	a := st.s.apps[0]
	turn := &a.turns[2]
	id := turn.Version.ID
	b := newBrowser(t)
	b.signIn(st, "/apps/harbour")
	b.until(`document.querySelector(".steps .now .doing")?.textContent === ""`)
	b.run(`window.fetched = 0; const fetch = window.fetch; window.fetch = (...args) => { window.fetched++; return fetch(...args) }`)
	say := func(text string, thinking bool) {
		st.s.happens(a, id, model.EventActivity, model.ActivityEvent{VersionID: id, Text: text, Thinking: thinking}, nil)
	}
	say("Writing src/pages/Home.tsx, 84 lines", false)
	b.until(`document.querySelector(".doing").textContent === "Writing src/pages/Home.tsx, 84 lines"`)
	say("The list needs <b>a filter</b>", true)
	b.until(`document.querySelector(".doing.thinking").textContent === "The list needs <b>a filter</b>"`)
	b.until(`window.fetched === 0`)

	// A tool ends it; what is said right after stays, though the turn is fetched and printed again.
	st.s.happens(a, id, model.EventTool, model.ToolEvent{VersionID: id, Seq: 6, Name: "os-write", OK: true}, func() {
		turn.Tools = append(turn.Tools, model.ToolCall{VersionID: id, Seq: 6, Name: "os-write", Path: "src/pages/Home.tsx", OK: true, Added: 84, StartedAt: time.Now()})
	})
	b.until(`document.querySelector(".doing").textContent === "" && document.querySelector("[data-key=tool-6]")`)
	st.s.happens(a, id, model.EventFix, model.FixEvent{VersionID: id, Text: "An icon was replaced."}, func() {
		turn.Fixes = append(turn.Fixes, model.FixEvent{VersionID: id, Text: "An icon was replaced."})
	})
	say("Reading what went wrong", true)
	b.until(`document.querySelector(".mend:not(.bad):not(.billed)")?.textContent.includes("fixed for $0") && document.querySelector(".doing").textContent === "Reading what went wrong"`)

	b.run(`document.querySelector("[data-key=fix-0] summary").click()`)
	st.s.happens(a, id, model.EventRecovery, model.RecoveryEvent{VersionID: id, Attempt: 1}, func() {
		turn.Recoveries = []model.Message{recoveryOf(1, "type", "Something has no property.")}
	})
	b.until(`document.querySelector(".mend.billed")?.textContent.includes("Trying to fix: Something has no property.") && document.querySelector("[data-key=fix-0]").open`)
	st.s.finish(a)
	b.until(`document.querySelector(".turns:last-child .pill.ok") && !document.querySelector(".doing")`)
	b.until(`document.querySelector(".turns:last-child .mend.billed").textContent.includes("Tried to fix")`)
	b.quiet()
}

// A choice is sent like a message, and the buttons of what was answered go.
func TestChoicesInABrowser(t *testing.T) {
	st := localSite(t)
	st.s.models.anthropic()
	a := workshop(st.s, st.s.users[0], time.Now())
	b := newBrowser(t)
	b.signIn(st, "/apps/workshop")
	// Before all scripts have run, a change of the picker is heard by nobody.
	b.until(`document.querySelectorAll(".choices button").length === 3 && document.readyState === "complete"`)

	b.run(`document.querySelector("#say").value = "half a thought"; const s = document.querySelector("#pick-model"); s.value = "anthropic/claude-sonnet-5-5"; s.dispatchEvent(new Event("change", { bubbles: true }))`)
	b.until(`document.querySelector("#pick-model").selectedOptions[0].textContent === "Claude Sonnet 5.5" && document.querySelector("#picker select").title.includes("Sonnet")`)
	st.s.mu.Lock()
	st.s.models.at[1].Options[1].Reason = "It answered in words."
	st.s.mu.Unlock()
	b.run(`const s = document.querySelector("#pick-model"); s.value = "anthropic/claude-haiku-5-5"; s.dispatchEvent(new Event("change", { bubbles: true }))`)
	b.until(`document.querySelector("#picker-note [role=alert]")?.textContent.includes("It answered in words.") && document.querySelector("#pick-model").value === "anthropic/claude-sonnet-5-5"`)

	b.run(`document.querySelectorAll(".choices button")[2].click()`)
	b.until(`document.querySelectorAll("[data-turn]").length === 4 && document.querySelector(".turns:last-child .said").textContent === "Both"`)
	b.until(`![...document.querySelectorAll(".choices")].some((e) => e.checkVisibility()) && document.querySelector("#say").value === "half a thought"`)

	// A refused answer leaves everything as it is.
	st.s.mu.Lock()
	question := a.turns[2]
	a.turns = a.turns[:3]
	st.s.mu.Unlock()
	b.visit(st, "/apps/workshop")
	b.until(`document.querySelectorAll(".choices button").length === 3`)
	st.s.mu.Lock()
	question.Version.ID, question.Version.Status = st.s.id(), model.VersionBuilding
	a.turns = append(a.turns, question)
	st.s.mu.Unlock()
	b.run(`document.querySelectorAll(".choices button")[0].click()`)
	b.until(`document.querySelector("#ask-error [role=alert]")?.textContent.includes("being built") && !document.querySelector(".choices button").disabled`)
	for line := range strings.Lines(b.heard()) {
		if !strings.Contains(line, "400") && !strings.Contains(line, "409") { // the answers that were refused
			t.Errorf("the browser says: %s", line)
		}
	}
}

// A lock is set without leaving the tab, and the keyboard stays where it was.
func TestLockInABrowser(t *testing.T) {
	st := localSite(t)
	b := newBrowser(t)
	b.signIn(st, "/apps/harbour/code?path=src/App.tsx")
	b.until(`document.querySelector("#lock")?.value === "1"`)
	b.run(`window.same = document.querySelector("#chat"); document.querySelector("#lock").focus(); document.querySelector("#lock").click()`)
	b.until(`document.querySelector("#lock").value === "0" && document.querySelector(".locked") && document.querySelector(".tree [aria-current] .sr")`)
	b.until(`window.same.isConnected && document.activeElement.id === "lock"`)
	b.run(`document.querySelector("#lock").click()`)
	b.until(`document.querySelector("#lock").value === "1" && !document.querySelector(".locked")`)
	b.quiet()
}

// The link to earlier turns brings them, in order, and leads to where the chat began before.
func TestEarlierTurnsInABrowser(t *testing.T) {
	st := localSite(t)
	a := st.s.apps[0]
	now := time.Now()
	newest := a.turns
	a.turns = nil
	for i := range 50 {
		st.s.past(a, st.s.users[0], now.Add(time.Duration(i-100)*time.Minute), fmt.Sprintf("Request %d", i), model.VersionGreen)
	}
	a.turns = append(a.turns, newest...)
	b := newBrowser(t)
	b.signIn(st, "/apps/harbour")
	b.until(`document.querySelectorAll("[data-turn]").length === 30 && document.querySelector("#turn-count").textContent === "The last 30 turns"`)
	b.until(`document.querySelector(".turns .said").textContent === "Request 23"`)
	b.run(`document.querySelector(".earlier a").click()`)
	b.until(`document.querySelectorAll("[data-turn]").length === 53 && !document.querySelector(".earlier") && document.querySelector("#turn-count").textContent === "53 turns"`)
	b.until(`[...document.querySelectorAll("[data-turn] .said")].slice(0, 50).every((e, i) => e.textContent === "Request " + i)`)
	b.until(`(() => { const log = document.querySelector(".log").getBoundingClientRect(), at = document.querySelector(location.hash).getBoundingClientRect(); return at.top >= log.top - 1 && at.top < log.bottom })()`)
	// A turn that comes in is added below, and the count follows.
	st.s.finish(a)
	b.until(`document.querySelector("#vers").textContent.includes("Live 1.0.2")`)
	b.run(`document.querySelector("#say").value = "One more"; document.querySelector("#ask").requestSubmit()`)
	b.until(`document.querySelectorAll("[data-turn]").length === 54 && document.querySelector("#turn-count").textContent === "54 turns"`)
	b.quiet()
}

// Tabs follow what is built, but nobody is torn away from an older version.
func TestTabsFollowInABrowser(t *testing.T) {
	st := localSite(t)
	a := st.s.apps[0]
	b := newBrowser(t)
	b.signIn(st, "/apps/harbour/changes")
	b.until(`document.querySelector(".line [aria-current] .pill.now")`)
	st.s.finish(a)
	b.until(`document.querySelector(".line [aria-current] .pill.ok")?.textContent.trim() === "Live" && document.querySelector("#newer").hidden`)

	b.visit(st, "/apps/harbour/changes?v=1.0.0")
	b.until(`document.querySelector(".line [aria-current] b").textContent === "1.0.0"`)
	b.run(`document.querySelector("#say").value = "One more"; document.querySelector("#ask").requestSubmit()`)
	b.until(`document.querySelector("#vers").textContent.includes("Building 1.0.3")`)
	st.s.finish(a)
	b.until(`!document.querySelector("#newer").hidden && document.querySelector("#newer").textContent.includes("Version 1.0.3 is ready.")`)
	b.until(`document.querySelector(".line [aria-current] b").textContent === "1.0.0"`)
	b.run(`document.querySelector("#newer a").click()`)
	b.until(`!location.search && document.querySelector(".line [aria-current] b")?.textContent === "1.0.3"`)
	b.quiet()
}

// A line of the log that the page and the stream both bring is there once, however the panel came into the page.
func TestLogLinesAreThereOnceInABrowser(t *testing.T) {
	st := localSite(t)
	a := st.s.apps[0]
	id := a.turns[2].Version.ID
	b := newBrowser(t)
	b.signIn(st, "/apps/harbour/logs")
	b.until(`document.querySelectorAll("#log-lines p").length === 7`)
	add := func(text string) {
		line := model.LogEvent{VersionID: id, Level: model.LogInfo, Stage: "build", Text: text, At: time.Now()}
		st.s.happens(a, id, model.EventLog, line, func() { a.logs = append(a.logs, line) })
	}
	add("the same words")
	add("the same words") // said twice, at two moments
	b.until(`document.querySelectorAll("#log-lines p").length === 9`)
	b.run(`document.querySelector("#tab-settings").click()`)
	b.until(`document.querySelector("#panel").dataset.tab === "settings"`)
	add("while elsewhere")
	b.run(`document.querySelector("#tab-logs").click()`)
	b.until(`document.querySelector("#log-lines")?.textContent.includes("while elsewhere")`)
	b.run(`document.querySelector("#tab-logs").click()`)
	add("the last")
	b.until(`document.querySelector("#log-lines")?.lastElementChild.textContent.includes("the last")`)
	b.until(`document.querySelectorAll("#log-lines p").length === 11`)
	b.quiet()
}

// The card in place of the preview says why there is nothing yet, as it changes.
func TestNoPreviewCardInABrowser(t *testing.T) {
	st := localSite(t)
	a := st.s.apps[0]
	a.turns, a.HeadVersionID, a.PreviewURL = a.turns[2:], 0, ""
	end := func(status model.VersionStatus, reply any) {
		turn := &a.turns[len(a.turns)-1]
		id := turn.Version.ID
		st.s.happens(a, id, model.EventTurn, model.TurnEvent{VersionID: id, Status: status}, func() {
			turn.Version.Status, turn.Version.EndedAt = status, time.Now()
			if reply != nil {
				turn.Reply.Metadata = metadata(reply)
			}
		})
	}
	b := newBrowser(t)
	b.signIn(st, "/apps/harbour")
	b.until(`document.querySelector("#no-preview")?.textContent.includes("The first version is being built")`)
	for _, tc := range []struct {
		status model.VersionStatus
		reply  any
		words  string
	}{
		{model.VersionFailed, nil, "No version has become green so far"},
		{model.VersionStopped, nil, "was stopped before it was done"},
		{model.VersionUnchanged, nil, "Ask for something in the chat"},
		{model.VersionUnchanged, model.Question{Type: model.AskedQuestion, Text: "Which?", Choices: []string{"This"}}, "The builder asks something in the chat first"},
	} {
		end(tc.status, tc.reply)
		b.until(`document.querySelector("#no-preview").textContent.includes("` + tc.words + `")`)
		b.run(`document.querySelector("#say").value = "Once more"; document.querySelector("#ask").requestSubmit()`)
		b.until(`document.querySelector("#no-preview").textContent.includes("The first version is being built")`)
	}
	b.quiet()
}

// A private preview is shown through links that are made when they are needed. A person publishes, watches how far it
// is while typing something else, and sees how it ended; then the page asks no more.
func TestPublishInABrowser(t *testing.T) {
	st := localSite(t)
	a := st.s.apps[0]
	a.PreviewURL = strings.Replace(st.base, "localhost", "preview-harbour.localhost", 1) + "/"
	p := publishHarbour(st.s, time.Now())
	p.Preview.Mode = "private"
	b := newBrowser(t)
	b.signIn(st, "/apps/harbour?view=work")
	b.until(`document.querySelector("#frame")?.src.endsWith("/?_access=short")`)
	st.s.mu.Lock()
	p.Preview.Mode = "public"
	st.s.mu.Unlock()
	b.run(`document.querySelector("#route").value = "arrivals"; document.querySelector("#route-form").requestSubmit()`)
	b.until(`document.querySelector("#frame").src.endsWith(":" + location.port + "/arrivals") && document.querySelector("#open-route").href.endsWith("route=%2Farrivals")`)

	b.run(`document.querySelector("#publish-app .primary").click()`)
	b.until(`location.pathname.endsWith("/publish") && document.querySelector("#publish-button")`)
	b.run(`document.querySelector("#publish-button").click()`)
	b.until(`document.querySelector("#pub-now")?.textContent.includes("Waiting to publish 1.0.0")`)
	b.run(`const field = document.querySelector("#var-key"); field.value = "HALF_TYPED"; field.focus(); window.asked = 0; document.addEventListener("htmx:beforeRequest", () => window.asked++)`)
	st.s.moves("harbour", func(d *model.Deployment) {
		d.Status, d.Stage, d.StartedAt = model.DeployDeploying, "verify", time.Now()
		d.Log = []model.DeployLine{{At: time.Now(), Level: model.LogInfo, Text: "<i>opened</i> /"}}
	})
	b.until(`document.querySelector("#pub-now .now")?.textContent.includes("Fetch it back") && document.querySelector("#pub-log").textContent.includes("<i>opened</i> /") && /^\d/.test(document.querySelector("#pub-now time").textContent)`)
	b.until(`document.querySelector("#pub-say").textContent.includes("Fetch it back")`)
	b.run(`document.querySelector("#pub-cancel").focus()`)
	st.s.moves("harbour", func(d *model.Deployment) { d.Stage = "promote" })
	b.until(`document.querySelector("#pub-now .now")?.textContent.includes("Move the public") && document.activeElement.id === "pub-cancel"`)
	st.s.moves("harbour", func(d *model.Deployment) {
		d.Status, d.PromotedAt, d.EndedAt = model.DeployDeployed, time.Now(), time.Now()
	})
	b.until(`!document.querySelector("#pub-now") && document.querySelector("#pub-history").textContent.includes("4 deployments") && document.querySelector("#var-key").value === "HALF_TYPED"`)
	b.run(`window.asked = 0`)
	b.run(`document.querySelector("#pub-check .btn").click()`)
	b.until(`document.querySelector("#finding-1")?.textContent.includes("src/lib/payments.ts:12")`)
	time.Sleep(1200 * time.Millisecond) // more than the pace of the questions
	b.until(`window.asked === 1`)
	b.quiet()
}
