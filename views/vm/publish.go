package vm

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"overskill/internal/model"
)

// Publish is the tab that puts an app on its public address, and says who may open it there.
type Publish struct {
	Path string // of the tab; what it sends goes below
	// CanEdit says whether the reader may change anything here. Who may not sees what is there, without forms.
	CanEdit bool
	Done    string // what was just done, a sentence; "" when nothing was
	Error   string // what went wrong, a sentence, when it is about no form of the page
	State   PublishState
	Check   Check
	Detail  *DeploymentDetail // one deployment, instead of everything else; nil for the tab itself

	History []DeploymentItem
	Shots   []DeploymentItem // those of History that have a picture, the newest first
	Places  []Place          // the preview and the published app
	Var     VarForm
	Domains []DomainItem
	Domain  DomainForm
	Server  ServerLog
}

// PublishState is what the public address shows now, and what can be put there.
type PublishState struct {
	Path     string
	CSRF     string
	CanEdit  bool
	URL      string // the public address
	Pill     Pill
	Live     string // number of the published version; "" when the app is not published
	LiveAt   Time
	LiveBy   string // who published it; "" when that is not known
	LiveSize string
	Head     string // number of the newest green version; "" before the first
	Ready    string // a sentence: how the two differ
	NotReady string // why the target cannot take a deployment; "" when it can
	Place    string // where it is published, in words
	Failed   *DeploymentItem
	Now      *Progress // what runs; nil when nothing does
}

// Action is the word on the button that publishes.
func (s PublishState) Action() string {
	if s.Live == s.Head {
		return "Publish " + s.Head + " again"
	}
	return "Publish " + s.Head
}

// Keeps says what a failure leaves in place.
func (s PublishState) Keeps() string {
	if s.Live == "" {
		return "nothing is published"
	}
	return s.Live + " stays where it is"
}

// Progress is a running deployment.
type Progress struct {
	ID     int64
	Number string
	Word   string // what is being done, such as "Publishing 1.0.5"
	Since  int64  // Unix milliseconds; 0 before it began
	Stages []StageItem
	Log    []LogLine
	Poll   string // where to ask whether it went on; it names what is shown, so that the answer may be "nothing new"
	Cancel string
}

// StageItem is one stage of a deployment.
type StageItem struct {
	Name string
	Rule string // done, now, fail, wait
	Word string // for a screen reader
}

// stages of a deployment, in their order, and what each does.
var stages = []struct{ key, text string }{
	{"build", "Build for production"},
	{"check", "Check what is to be published"},
	{"deploy", "Put it beside what is live"},
	{"verify", "Fetch it back and open it in a browser"},
	{"promote", "Move the public address"},
}

func newStages(d model.Deployment) []StageItem {
	if d.Stage == "live" || !d.PromotedAt.IsZero() && d.Status != model.DeployFailed { // whatever came after it
		d.Stage, d.Status = stages[len(stages)-1].key, model.DeployDeployed
	}
	at := -1
	for i, s := range stages {
		if s.key == d.Stage {
			at = i
		}
	}
	done := d.Status == model.DeployDeployed || d.Status == model.DeployRolledBack
	out := make([]StageItem, 0, len(stages))
	for i, s := range stages {
		item := StageItem{Name: s.text, Rule: "wait", Word: "waiting"}
		switch {
		case i < at || done:
			item.Rule, item.Word = "done", "done"
		case i == at && !d.Ended():
			item.Rule, item.Word = "now", "running"
		case i == at && d.Status == model.DeployFailed:
			item.Rule, item.Word = "fail", "failed"
		}
		out = append(out, item)
	}
	return out
}

// SeenKey names what a page shows of a deployment: it changes when there is something new to show.
func SeenKey(d *model.Deployment) string {
	if d == nil {
		return "none"
	}
	return fmt.Sprintf("%d-%s-%s-%d", d.ID, d.Status, d.Stage, len(d.Log))
}

// NewPublish says how an app's publication appears at now.
func NewPublish(p model.Publication, csrf string, at time.Time) Publish {
	path := "/apps/" + p.App.Slug + "/publish"
	out := Publish{Path: path, CanEdit: p.CanEdit, State: NewPublishState(p, csrf, at), Server: ServerLog{There: p.HasServer && p.Live != nil}}
	out.History = NewHistory(p, at)
	for _, d := range out.History {
		if d.Shot != "" && len(out.Shots) < shotsShown {
			out.Shots = append(out.Shots, d)
		}
	}
	out.Places = []Place{
		newPlace(model.Preview, p.App.PreviewURL, p.Preview, p.Vars),
		newPlace(model.Production, p.URL, p.Access, p.Vars),
	}
	for _, d := range p.Domains {
		out.Domains = append(out.Domains, NewDomainItem(p, d, 0, at))
	}
	// The check takes a build, so it is made by itself only where its result decides something.
	ready := p.CanEdit && p.Head.Number != "" && p.Running == nil && p.NotReady == ""
	out.Check = Check{Path: path, Can: p.CanEdit && p.Head.Number != "", Number: p.Head.Number, Auto: ready && out.State.Live != p.Head.Number}
	return out
}

// shotsShown is how many pictures stand above the history.
const shotsShown = 4

// NewPublishState reads what is live, what runs and what could be published.
func NewPublishState(p model.Publication, csrf string, at time.Time) PublishState {
	s := PublishState{
		Path: "/apps/" + p.App.Slug + "/publish", CSRF: csrf, CanEdit: p.CanEdit, URL: p.URL, Head: p.Head.Number, NotReady: p.NotReady,
		Place: TargetWord(p.Target.Kind), Pill: Pill{Class: "off", Text: "Not published"},
	}
	if p.Live != nil {
		s.Live, s.LiveBy, s.LiveAt, s.LiveSize = p.Live.Number, person(p.Live.UserEmail), NewTime(since(*p.Live), at), Bytes(p.Live.SizeBytes)
		s.Pill = Pill{Class: "ok", Icon: "check", Text: "Published " + s.Live}
		if p.Live.URL != "" {
			s.URL = p.Live.URL
		}
	}
	s.Ready = ready(s)
	if p.Running != nil {
		s.Now = newProgress(s.Path, *p.Running)
		s.Pill = Pill{Class: "now", Icon: "clock", Text: s.Now.Word}
	} else if len(p.History) > 0 && p.History[0].Status == model.DeployFailed {
		failed := newDeploymentItem(p.App.Slug, p.History[0], false, p.CanEdit, at)
		s.Failed = &failed
	}
	return s
}

func ready(s PublishState) string {
	switch {
	case s.Head == "" && s.Live == "":
		return "There is no green version yet. When there is one, it can be published."
	case s.Live == "":
		return "Version " + s.Head + " is ready. Nothing is published yet."
	case s.Live == s.Head || s.Head == "":
		return "Version " + s.Live + " is published, and it is the newest green one."
	}
	return "Version " + s.Head + " is ready, " + s.Live + " is published."
}

func newProgress(path string, d model.Deployment) *Progress {
	now := &Progress{ID: d.ID, Number: d.Number, Word: runningWord(d), Stages: newStages(d), Log: NewDeployLog(d.Log)}
	now.Poll = path + "/state?seen=" + url.QueryEscape(SeenKey(&d))
	now.Cancel = fmt.Sprintf("%s/%d/cancel", path, d.ID)
	if !d.StartedAt.IsZero() {
		now.Since = d.StartedAt.UnixMilli()
	}
	return now
}

func runningWord(d model.Deployment) string {
	switch {
	case d.Status == model.DeployPending && d.Stage == "":
		return "Waiting to publish " + d.Number
	case d.Kind == model.KindRollback:
		return "Going back to " + d.Number
	}
	return "Publishing " + d.Number
}

// since is when a deployment became live, or else ended, or was asked for.
func since(d model.Deployment) time.Time {
	for _, t := range []time.Time{d.PromotedAt, d.EndedAt} {
		if !t.IsZero() {
			return t
		}
	}
	return d.CreatedAt
}

// person is an e-mail address as a name; "" stays "".
func person(email string) string {
	if email == "" {
		return ""
	}
	return NewPerson(model.User{Email: email}).Name
}

// TargetWord says where a target publishes.
func TargetWord(k model.TargetKind) string {
	switch k {
	case model.TargetCloudflare:
		return "Cloudflare"
	case model.TargetWorkerd:
		return "this server, in Cloudflare’s runtime"
	}
	return "this server"
}

// Check is the gate's judgement of the head.
type Check struct {
	Path     string // of the tab
	Number   string // of the version that is judged
	Can      bool   // there is something to judge
	Auto     bool   // the page asks for it by itself
	Made     bool   // it was made: Findings are its result
	Error    string // why it could not be made
	Findings []FindingItem
	Blocked  bool // what was found keeps it from being published
	CSRF     string
	Messages string // where a cure is sent to
}

// FindingItem is something that the gate found.
type FindingItem struct {
	Pill                    Pill
	Where                   string // file:line; "" when it is about no file
	Title, Why, Cure, Ask   string // Ask is the request that cures it; "" when only a person can
	Rule, Severity, Element string
}

// NewFindings puts findings into words. The policy decides what a serious one does.
func NewFindings(found []model.Finding, policy model.GatePolicy) (items []FindingItem, blocked bool) {
	for i, f := range found {
		item := FindingItem{
			Title: f.Title, Why: f.Why, Cure: f.Cure, Ask: f.Prompt, Where: f.File, Rule: f.Rule, Severity: string(f.Severity), Element: fmt.Sprintf("finding-%d", i+1),
		}
		if f.File != "" && f.Line > 0 {
			item.Where = fmt.Sprintf("%s:%d", f.File, f.Line)
		}
		switch {
		case f.Severity == model.SeverityBlock && policy != model.GateWarn:
			item.Pill, blocked = Pill{Class: "bad", Icon: "x", Text: "Blocks"}, true
		case f.Severity == model.SeverityBlock:
			item.Pill = Pill{Class: "bad", Icon: "warn", Text: "Serious"}
		case f.Severity == model.SeverityWarn:
			item.Pill = Pill{Class: "warn", Icon: "warn", Text: "Warning"}
		default:
			item.Pill = Pill{Icon: "info", Text: "Note"}
		}
		items = append(items, item)
	}
	return items, blocked
}

// ServerLog is what the published app's server code wrote.
type ServerLog struct {
	There bool // the published app has server code
	Read  bool // Lines are its log
	// Follows says that the page asks for new lines by itself.
	Follows bool
	Error   string
	Lines   []LogLine
}

// NewDeployLog puts lines of a deployment or of server code into words.
func NewDeployLog(lines []model.DeployLine) []LogLine {
	out := make([]LogLine, 0, len(lines))
	for _, l := range lines {
		at := l.At.UTC()
		out = append(out, LogLine{Clock: at.Format("15:04:05.000"), ISO: at.Format(time.RFC3339Nano), Level: string(l.Level), Text: l.Text})
	}
	return out
}

// published are the sentences for what was just done, by the word that the address carries.
var published = map[string]string{
	"var": "Saved. It counts from the next deployment of that environment on.", "var-gone": "Removed. It is gone with the next deployment of that environment.",
	"access": "Saved. It counts at once.", "revoked": "Every link and every open session of that environment has ended.",
	"domain": "Added. Now enter its records where its DNS is kept, then check it.", "domain-gone": "Removed.",
	"unpublished": "The app is off its public address. Its versions, variables and data are all kept.", "cancelled": "It was asked to stop. What is live stays live.",
}

// PublishedSentence puts what was just done into words; "" for an unknown word.
func PublishedSentence(word string) string { return published[word] }

// host is the host of an address, without its scheme.
func host(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return strings.TrimSuffix(u.Host+u.Path, "/")
	}
	return address
}
