package handlers_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"overskill/internal/model"
)

const bookingDiff = `@@ -60,3 +60,4 @@ export default function Booking
   const form = useForm<Booking>()
-  const save = form.handleSubmit(book)
+  const note = useDeliveryNote(booking.id)
+  const save = form.handleSubmit((b) => book(b, note.file))
   return (
`

const bookingSource = `import { useState } from "react"
import { useAuth } from "@/components/auth/AuthProvider"
import { SlotPicker } from "@/components/booking/SlotPicker"

/** One slot is 30 minutes; a carrier may hold three at a time. */
export default function Booking({ gates }: { gates: Gate[] }) {
  const { user } = useAuth()
  const [note, setNote] = useState<File | null>(null)
  const tooBig = note !== null && note.size > 10_000_000
  return (
    <form className="mx-auto grid max-w-xl gap-4">
      <SlotPicker gates={gates} minutes={30} />
      {tooBig ? "At most 10 MB" : undefined}
    </form>
  )
}
`

// harbour fills s with a person and an app that has a green, a failed and a running turn, as of at.
func harbour(s *services, at time.Time) (model.User, *app) {
	u := model.User{ID: 1, Email: "mareike@harbour.example", Name: "Mareike Oltmanns", PasswordHash: "correct horse"}
	s.users = append(s.users, u)
	s.sessions["open"] = u.ID
	a := &app{App: model.App{
		ID: s.id(), CreatedBy: u.ID, Slug: "harbour", Name: "Harbour Slot Planner", Prompt: "Carriers book a slot", Status: model.AppGenerating,
		DeploymentStatus: model.DeployDeployed, PreviewURL: "http://preview-harbour.localhost:8080/", CreatedAt: at.Add(-3 * time.Hour), UpdatedAt: at,
	}, files: map[int64]map[string]string{}}
	s.apps = append(s.apps, a)

	green := s.past(a, u, at.Add(-150*time.Minute), "Carriers book a 30-minute slot at one of our four gates. The dock master sees today's arrivals.", model.VersionGreen)
	green.Version.DisplayName, green.Version.ScreenshotHash = "Slots and arrivals", "aa"
	green.Reply.Content = "I understood **carriers**, **gates** and **bookings**.\n\n- A booking has a gate, a day and a slot of 30 minutes\n- The dock master marks it `arrived`, `late` or `cancelled`\n\nI assumed that a carrier sees only its own bookings."
	a.HeadVersionID = green.Version.ID
	failed := s.past(a, u, at.Add(-40*time.Minute), "Remind carriers the evening before.", model.VersionFailed)
	failed.Version.DisplayName = "Reminder the evening before"
	failed.Version.Error = "The build needs the package mailer-pro, and it does not exist."
	failed.Version.ErrorClass = "missing_package"
	s.running(a, u, at)
	return u, a
}

var stageNames = [6]string{"understand", "plan", "foundation", "generate", "build", "deploy"}

func (s *services) past(a *app, u model.User, at time.Time, asked string, status model.VersionStatus) *model.Turn {
	t := model.Turn{
		Request: model.Message{ID: s.id(), Role: model.RoleUser, Content: asked, CreatedAt: at}, Author: u,
		Reply:   model.Message{ID: s.id(), Role: model.RoleAssistant},
		Version: model.Version{ID: s.id(), AppID: a.ID, Number: fmt.Sprintf("1.0.%d", len(a.turns)), Status: status, CreatedAt: at, AIModelUsed: "composer/1"},
	}
	for i, ms := range []int{120, 80, 210, 940, 1870, 760} {
		st := model.Stage{VersionID: t.Version.ID, Name: stageNames[i], Step: i + 1, Status: model.StageDone, Attempts: 1, StartedAt: at}
		at = at.Add(time.Duration(ms) * time.Millisecond)
		st.EndedAt = at
		if status == model.VersionFailed && i == 4 {
			st.Status, st.Attempts, st.Error = model.StageFailed, 3, "mailer-pro is not in the registry"
		}
		if status == model.VersionFailed && i == 5 {
			st = model.Stage{VersionID: t.Version.ID, Name: "deploy", Step: 6, Status: model.StageWaiting}
		}
		t.Stages = append(t.Stages, st)
	}
	t.Version.EndedAt = at
	t.Tools = tools(t.Version.ID, t.Stages[3].StartedAt)
	a.files[t.Version.ID] = map[string]string{
		"package.json": "{\n  \"name\": \"harbour\"\n}\n", "src/App.tsx": "export default function App() {\n  return null\n}\n",
		"src/pages/Booking.tsx": bookingSource, "src/pages/Arrivals.tsx": "export {}\n", "src/lib/deliveryNotes.ts": "export const MAX_NOTE_BYTES = 10_000_000\n",
		"src/components/auth/AuthForm.tsx": "export {}\n", "src/components/arrivals/SlotPickerKeyboardHelpDialog.tsx": "export {}\n", "public/logo.png": "\x89PNG\x00",
	}
	a.turns = append(a.turns, t)
	return &a.turns[len(a.turns)-1]
}

func tools(version int64, at time.Time) []model.ToolCall {
	return []model.ToolCall{
		{VersionID: version, Seq: 1, Name: "os-search-files", Path: "booking|slot_id", OK: true, Result: "14 hits", StartedAt: at, Millis: 12},
		{VersionID: version, Seq: 2, Name: "os-migrate", Path: "supabase/migrations/0007_delivery_notes.sql", OK: true, Added: 26, StartedAt: at},
		{VersionID: version, Seq: 3, Name: "os-line-replace", Path: "src/pages/Booking.tsx", OK: true, Added: 34, Removed: 6, Detail: bookingDiff, StartedAt: at, Millis: 3},
		{VersionID: version, Seq: 4, Name: "os-line-replace", Path: "src/components/arrivals/ArrivalsListRow.tsx", Result: "The text to replace occurs 3 times. Name more lines.", StartedAt: at},
		{VersionID: version, Seq: 5, Name: "os-write", Path: "src/lib/deliveryNotes.ts", OK: true, Added: 41, Detail: "@@ -0,0 +1 @@\n+export const MAX_NOTE_BYTES = 10_000_000\n", StartedAt: at},
	}
}

func (s *services) running(a *app, u model.User, at time.Time) {
	start := at.Add(-34 * time.Second)
	t := model.Turn{
		Request: model.Message{ID: s.id(), Role: model.RoleUser, Content: "Let carriers upload the delivery note as a PDF when they book, and show a paperclip in the arrivals list. Only the dock master may open it.", CreatedAt: start},
		Author:  u,
		Reply:   model.Message{ID: s.id(), Role: model.RoleAssistant, Status: model.MessageGenerating, Content: "The booking form now takes one PDF of up to 10 MB. In the arrivals list a paperclip marks bookings with a note; only people with the role dock master can open"},
		Version: model.Version{ID: s.id(), AppID: a.ID, Number: fmt.Sprintf("1.0.%d", len(a.turns)), DisplayName: "Delivery notes as PDF", Status: model.VersionBuilding, CreatedAt: start, AIModelUsed: "composer/1"},
	}
	for i, ms := range []int{1100, 3600, 200, 24900} {
		st := model.Stage{VersionID: t.Version.ID, Name: stageNames[i], Step: i + 1, Status: model.StageDone, Attempts: 1, StartedAt: start}
		start = start.Add(time.Duration(ms) * time.Millisecond)
		st.EndedAt = start
		t.Stages = append(t.Stages, st)
	}
	t.Tools = tools(t.Version.ID, t.Stages[3].StartedAt)
	t.Stages = append(t.Stages,
		model.Stage{VersionID: t.Version.ID, Name: "validate", Step: 5, Status: model.StageDone, StartedAt: start, EndedAt: start.Add(700 * time.Millisecond)},
		model.Stage{VersionID: t.Version.ID, Name: "build", Step: 5, Status: model.StageRunning, StartedAt: start.Add(700 * time.Millisecond)},
		model.Stage{VersionID: t.Version.ID, Name: "deploy", Step: 6, Status: model.StageWaiting})
	a.files[t.Version.ID] = a.files[a.turns[0].Version.ID]
	a.turns = append(a.turns, t)
	for i, line := range []struct{ level, stage, text string }{
		{"info", "understand", "3 entities, 2 roles"},
		{"info", "plan", "5 changes, 1 table, 2 policies"},
		{"info", "generate", "src/pages/Booking.tsx +34 −6"},
		{"error", "validate", `src/components/arrivals/ArrivalsListRow.tsx:4:10 "FilePdf" is not exported by "lucide-react"`},
		{"info", "repair", "FilePdf → FileText"},
		{"warn", "build", "dist/assets/pdf.worker.js 318.4 kB is not critical"},
		{"info", "build", "412 modules"},
	} {
		e := model.LogEvent{VersionID: t.Version.ID, Level: model.LogLevel(line.level), Stage: line.stage, Text: line.text, At: at.Add(time.Duration(i) * time.Second)}
		a.logs = append(a.logs, e)
		s.emit(a, t.Version.ID, model.EventLog, e)
	}
}

// workshop adds an app whose turns were written by a model: one that was mended, one that failed, and one that
// ends with a question.
func workshop(s *services, u model.User, at time.Time) *app {
	a := &app{App: model.App{
		ID: s.id(), CreatedBy: u.ID, Slug: "workshop", Name: "Workshop", Prompt: "Track bike repairs", Status: model.AppGenerated,
		CreatedAt: at.Add(-2 * time.Hour), UpdatedAt: at,
	}, files: map[int64]map[string]string{}}
	s.apps = append(s.apps, a)

	mended := s.past(a, u, at.Add(-90*time.Minute), "Track bike repairs with a price and a due date.", model.VersionGreen)
	mended.Version.AIModelUsed, mended.Version.AITokensInput, mended.Version.AITokensOutput = "claude-sonnet-5-5", 36_104, 3_912
	mended.Version.AICostMicros, mended.Version.AIAbsorbedMicros = 64_800, 21_300
	mended.Reply.Content = "Repairs have a price, a due date and a status."
	mended.Fixes = []model.FixEvent{{VersionID: mended.Version.ID, File: "src/components/RepairRow.tsx", Text: "FilePdf is not in lucide-react. The nearest icon is used: FileText."}}
	mended.Recoveries = []model.Message{recoveryOf(1, "type", "src/pages/Repairs.tsx has no property due on the type Repair.")}
	a.HeadVersionID = mended.Version.ID

	failed := s.past(a, u, at.Add(-30*time.Minute), "Send a text message when a repair is done.", model.VersionFailed)
	v := &failed.Version
	v.AIModelUsed, v.AITokensInput, v.AITokensOutput, v.AICostMicros, v.AIAbsorbedMicros = "claude-sonnet-5-5", 81_020, 6_200, 4_000, 41_000
	v.Error = "src/lib/sms.ts needs the package sms-gate, and it does not exist. The same error came back after an attempt to fix it, so it was stopped. The attempt was not billed."
	v.ErrorClass = "missing_package"
	for i, name := range []string{"RepairRow", "RepairList", "Home", "Customers"} {
		failed.Fixes = append(failed.Fixes, model.FixEvent{VersionID: v.ID, File: "src/pages/" + name + ".tsx", Text: fmt.Sprintf("The import of %s had the wrong path.", stageNames[i])})
	}
	failed.Recoveries = []model.Message{
		recoveryOf(1, "missing_package", "src/lib/sms.ts needs the package sms-gateway, and it does not exist."),
		recoveryOf(2, "missing_package", "src/lib/sms.ts needs the package sms-gate, and it does not exist."),
	}

	asked := s.past(a, u, at.Add(-2*time.Minute), "Let customers pay.", model.VersionUnchanged)
	asked.Stages, asked.Tools = asked.Stages[:4], asked.Tools[:1]
	asked.Version.AIModelUsed, asked.Version.AIUnpriced, asked.Version.AITokensInput, asked.Version.AITokensOutput = "qwen3-coder:30b", 1, 9_400, 210
	asked.Reply.Content = "Which payments should it take?"
	asked.Reply.Metadata = metadata(model.Question{Type: model.AskedQuestion, Text: asked.Reply.Content, Choices: []string{"Cash only, marked as paid", "A payment link by e-mail", "Both"}})
	return a
}

func recoveryOf(attempt int, class, sentence string) model.Message {
	return model.Message{
		Role: model.RoleUser, Content: "The app does not build.\n\n" + sentence + "\n\nsrc/pages/Repairs.tsx:\n  12 | const due = repair.due\n",
		Metadata: metadata(model.RecoveryNote{Type: model.ErrorRecovery, Attempt: attempt, ErrorClass: class, Error: sentence, Signature: class, BillingIgnore: true}),
	}
}

func metadata(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}

// publishHarbour gives the app "harbour" a history: 1.0.0 is live, and an attempt after it failed.
func publishHarbour(s *services, at time.Time) *model.Publication {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.users[0]
	p, err := s.publication(u, "harbour")
	if err != nil {
		panic(err)
	}
	line := func(after time.Duration, level model.LogLevel, text string) model.DeployLine {
		return model.DeployLine{At: at.Add(after), Level: level, Text: text}
	}
	older := model.Deployment{
		ID: 40, Environment: model.Production, Status: model.DeploySuperseded, Kind: model.KindPublish, Stage: "promote", Target: model.TargetLocal, Number: "1.0.0", UserEmail: u.Email,
		URL: p.URL, SizeBytes: 998_000, CreatedAt: at.Add(-50 * time.Hour), StartedAt: at.Add(-50 * time.Hour), PromotedAt: at.Add(-50 * time.Hour), EndedAt: at.Add(-50*time.Hour + 7*time.Second),
		ScreenshotHash: "a1", ScreenshotNarrowHash: "a2",
	}
	live := older
	live.ID, live.Status, live.Kind, live.CreatedAt, live.SizeBytes, live.WorkerBytes, live.SentBytes = 41, model.DeployDeployed, model.KindSettings, at.Add(-2*time.Hour), 1_204_000, 611_000, 20_400
	live.StartedAt, live.PromotedAt, live.EndedAt = live.CreatedAt, live.CreatedAt.Add(6*time.Second), live.CreatedAt.Add(7*time.Second)
	live.CandidateURL, live.ContentHash = "http://v41-harbour.localhost:8080/", strings.Repeat("9f2c", 16)
	live.Changes = model.Changes{
		Against: "1.0.0", Opened: 5, RoutesAdded: []string{"/arrivals/print"}, ErrorsNew: []string{"/bookings: Failed to load resource: 404 /logo.svg"},
		Pages: []model.PageChange{{Route: "/", TextAdded: []string{"Upload the delivery note"}, TextGone: []string{"<b>No file</b>"}, PictureDiff: 0.043}, {Route: "/arrivals", PictureDiff: 0.002}},
	}
	live.Findings = []model.Finding{{Rule: "source_maps", Severity: model.SeverityInfo, File: "assets/index-1f.js.map", Title: "Source maps are part of it.", Why: "Everybody can read the source."}}
	live.Log = []model.DeployLine{line(0, model.LogInfo, "checked 24 files"), line(time.Second, model.LogWarn, "1 note"), line(2*time.Second, model.LogInfo, "<i>opened</i> 5 routes")}
	failed := model.Deployment{
		ID: 42, Environment: model.Production, Status: model.DeployFailed, Kind: model.KindPublish, Stage: "verify", Target: model.TargetLocal, Number: "1.0.0", UserEmail: u.Email,
		Error: "The page / stayed blank for 10 seconds.", CreatedAt: at.Add(-20 * time.Minute), StartedAt: at.Add(-20 * time.Minute), EndedAt: at.Add(-19 * time.Minute),
	}
	p.Live, p.History, p.HasServer = &live, []model.Deployment{failed, live, older}, true
	p.Vars = []model.EnvVar{
		{ID: 1, Environment: model.Preview, Key: "VITE_MAP_STYLE", Hint: "stre...ight"},
		{ID: 2, Environment: model.Production, Key: "PAYMENT_KEY", Hint: "sk_l...81Qz"},
		{ID: 3, Environment: model.Production, Key: "VITE_MAP_STYLE", Hint: "••••••"},
	}
	s.releases.findings = []model.Finding{
		{Rule: "secret_in_bundle", Severity: model.SeverityBlock, File: "src/lib/payments.ts", Line: 12, Title: "A live payment key is in what visitors download.", Why: "Anyone can read it there, and pay out with it.", Cure: "Move it to the server code, and change the key.", Prompt: "Move the payment key from src/lib/payments.ts to the server code."},
		{Rule: "licence", Severity: model.SeverityWarn, File: "package.json", Title: "pdf-sign has the licence AGPL-3.0.", Why: "It asks for the source of the whole app.", Cure: "Ask somebody who knows licences, or use another package."},
	}
	s.releases.logs = []model.DeployLine{line(0, model.LogError, "TypeError: <b>undefined</b> is no function"), line(time.Second, model.LogInfo, "GET /api/slots 200")}
	return p
}
