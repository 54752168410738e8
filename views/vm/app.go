package vm

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"overskill/internal/model"
)

// Pill is a state in a word, a colour and an icon.
type Pill struct {
	Class string // ok, bad, now, off, ""
	Icon  string // "" for none
	Text  string
}

// Card is one app in the grid.
type Card struct {
	Slug string
	Name string
	Shot string // URL of the picture; "" when there is none
	Pill Pill
	// Published is the number of the version at the public address; "" when nothing is there.
	Published string
	Author    string
	At        Time
}

// Apps is the page with the grid.
type Apps struct {
	Shell
	Query model.AppQuery
	Cards []Card
}

// Narrowed reports whether a search or a filter hides apps.
func (a Apps) Narrowed() bool { return a.Query.Search != "" || a.Query.Status != "" }

// NewCard says how an app appears in a grid at now.
func NewCard(c model.AppCard, now time.Time) Card {
	card := Card{Slug: c.App.Slug, Name: c.App.Name, Published: c.App.Published, Pill: appPill(c), Author: NewPerson(c.Author).Name, At: NewTime(c.App.UpdatedAt, now)}
	if c.HasScreenshot && c.Head.Number != "" {
		card.Shot = shotURL(c.App.Slug, c.Head.Number)
	}
	return card
}

func appPill(c model.AppCard) Pill {
	live := c.Head.Number
	switch {
	case c.App.Status == model.AppGenerating:
		return Pill{Class: "now", Text: "Building"}
	case c.App.Status == model.AppFailed && live != "":
		return Pill{Class: "bad", Icon: "x", Text: "Last change failed, " + live + " is live"}
	case c.App.Status == model.AppFailed:
		return Pill{Class: "bad", Icon: "x", Text: "Failed"}
	case live != "":
		return Pill{Class: "ok", Icon: "check", Text: "Live " + live}
	}
	return Pill{Class: "off", Text: "Not built yet"}
}

func shotURL(slug, number string) string {
	return "/apps/" + slug + "/versions/" + url.PathEscape(number) + "/shot.png"
}

// Builder is the builder page of one app, with one of its tabs.
type Builder struct {
	Shell
	App    model.App
	Tab    string // preview, code, changes, logs, publish, settings
	View   string // chat or work: which half a phone shows
	Bar    VersionBar
	Turns  []Turn // oldest first
	More   bool   // there are older turns than these
	Pinned bool   // the tab shows the version that its address names, not the newest one
	Part   bool   // only the tab is printed, for htmx
	After  int64  // the last event that this page already shows
	Now    int64  // the server's clock, Unix milliseconds
	Ask    Form
	Picker ModelPicker

	Preview  Preview
	Code     Code
	Changes  Changes
	Logs     Logs
	Publish  Publish
	Settings Settings
}

// Path is the address of the app's builder page, or of something below it.
func (b Builder) Path(rest string) string { return "/apps/" + b.App.Slug + rest }

// turnsMore is how many more turns the link to earlier ones brings.
const turnsMore = 60

// Earlier is the address that shows more of the chat, at the place where it began before.
func (b Builder) Earlier() string {
	path := b.Path(fmt.Sprintf("?view=chat&turns=%d", len(b.Turns)+turnsMore))
	if len(b.Turns) > 0 {
		path += fmt.Sprintf("#turn-%d", b.Turns[0].ID)
	}
	return path
}

// VersionBar says what is live and what is being built.
type VersionBar struct {
	Slug string
	Name string // of the app
	Live string // number of the version that the preview shows; "" before the first
	URL  string // of the preview
	// Published is the number of the version at the public address; "" when nothing is there.
	Published string
	Pending   string // number of the version that is being built, or that failed after the live one
	State     model.VersionStatus
	Six       [6]string
	Step      int  // of the pending version, from 1; 0 unknown
	Asks      bool // the builder waits for an answer
}

// NewVersionBar reads the state of an app from its versions, newest first, and from its newest turn.
func NewVersionBar(app model.App, versions []model.Version, newest Turn) VersionBar {
	bar := VersionBar{Slug: app.Slug, Name: app.Name, Published: app.Published, Live: LiveNumber(app, versions), URL: app.PreviewURL, Asks: newest.Newest && newest.Question != nil}
	if len(versions) > 0 && versions[0].ID != app.HeadVersionID && versions[0].Status != model.VersionGreen && versions[0].Status != model.VersionUnchanged {
		bar.Pending, bar.State = versions[0].Number, versions[0].Status
		if newest.ID == versions[0].ID {
			bar.Six, bar.Step = newest.Six, newest.Now
		}
	}
	return bar
}

// LiveNumber is the number of the app's head, or "" before the first green version.
func LiveNumber(app model.App, versions []model.Version) string {
	for _, v := range versions {
		if v.ID == app.HeadVersionID && v.ID != 0 {
			return v.Number
		}
	}
	return ""
}

// LiveBefore is the number of the version that stayed live when the version id did not become green: the
// newest green one before it. versions are newest first.
func LiveBefore(versions []model.Version, id int64) string {
	for _, v := range versions {
		if v.ID < id && v.Status == model.VersionGreen {
			return v.Number
		}
	}
	return ""
}

// Preview is the tab with the running app.
type Preview struct {
	Base  string // the live version's URL; "" before the first
	Route string // what the route field holds
	Frame string // Base with the route; it may carry what opens a private app
	Open  string // an address of the builder that leads to the same route of the app, however long the page was open
}

// NewPreview puts a route on a base URL. A route that leaves the app's origin is replaced by "/". What the base has as
// a query stays: it opens a private app.
func NewPreview(base, route string) Preview {
	if !strings.HasPrefix(route, "/") || strings.HasPrefix(route, "//") || strings.Contains(route, `\`) {
		route = "/"
	}
	p := Preview{Base: base, Route: route}
	u, err := url.Parse(base)
	if base == "" || err != nil || (u.Scheme != "http" && u.Scheme != "https") {
		return Preview{Route: route}
	}
	r, err := url.Parse(route)
	if err != nil {
		p.Route, r = "/", &url.URL{Path: "/"}
	}
	query := u.RawQuery
	u.RawQuery = ""
	p.Base = u.String()
	u.Path, u.RawPath, u.RawQuery, u.Fragment = r.Path, r.RawPath, r.RawQuery, r.Fragment
	if query != "" {
		u.RawQuery = strings.Trim(r.RawQuery+"&"+query, "&")
	}
	p.Frame = u.String()
	return p
}

// Changes is the tab with the versions and what one of them did.
type Changes struct {
	Versions []VersionItem
	Shown    VersionItem // the zero item when there are no versions
	Error    string      // why it failed
	Look     Look
	Files    []FileChange
	Added    int
	Removed  int
}

// Look is how a version looked in a browser, and what that changed for visitors.
type Look struct {
	Wide, Narrow string      // pictures; "" when there is none
	Changes      *ChangeList // nil when nothing was opened
}

// NewLook says how a version looked.
func NewLook(slug string, v model.Version) Look {
	out := Look{Changes: newChangeList(v.Changes)}
	if v.ScreenshotHash != "" {
		out.Wide = shotURL(slug, v.Number)
	}
	if v.ScreenshotNarrowHash != "" {
		out.Narrow = shotURL(slug, v.Number) + "?narrow=1"
	}
	return out
}

// VersionItem is one version in the timeline.
type VersionItem struct {
	ID      int64
	Number  string
	Name    string
	Rule    string // now, done, fail, wait
	Pill    Pill
	At      Time
	Took    string
	Shot    string // "" when there is no picture
	URL     string
	Live    bool
	Current bool // it is the one shown
	Green   bool
	Cost    string // in words; "" when nothing was asked of a model
	Model   string // who wrote it; "" before that is known
}

// Facts continues a sentence with how long the version took, what it cost and who wrote it.
func (v VersionItem) Facts() string {
	var out strings.Builder
	for _, fact := range []string{v.Took, v.Cost, v.Model} {
		if fact != "" {
			out.WriteString(", " + fact)
		}
	}
	return out.String()
}

// FileChange is what a version did to one file.
type FileChange struct {
	Path    string
	Word    string // new, deleted, renamed, restored, ""
	Class   string // of the word's pill
	Lines   []DiffLine
	Added   int
	Removed int
}

// NewVersionItems lists versions newest first; shown is the number of the one that is looked at.
func NewVersionItems(app model.App, versions []model.Version, shown, tab string, now time.Time) []VersionItem {
	items := make([]VersionItem, 0, len(versions))
	for _, v := range versions {
		item := VersionItem{
			ID: v.ID, Number: v.Number, Name: v.DisplayName, At: NewTime(v.CreatedAt, now), Live: v.ID == app.HeadVersionID,
			Current: v.Number == shown, Green: v.Status == model.VersionGreen, Cost: NewBill(v, false).Cost, Model: v.AIModelUsed,
			URL: fmt.Sprintf("/apps/%s/%s?v=%s", app.Slug, tab, url.QueryEscape(v.Number)),
		}
		if item.Name == "" {
			item.Name = "Version " + v.Number
		}
		if v.Status.Ended() && v.EndedAt.After(v.CreatedAt) {
			item.Took = Took(v.EndedAt.Sub(v.CreatedAt))
		}
		if v.ScreenshotHash != "" {
			item.Shot = shotURL(app.Slug, v.Number)
		}
		item.Rule, item.Pill = versionPill(v.Status, item.Live)
		items = append(items, item)
	}
	return items
}

// MarkQuestions names the versions among items that are questions of the builder: a version alone does not tell.
func MarkQuestions(items []VersionItem, turns []Turn) {
	for _, t := range turns {
		for i := range items {
			if t.Question != nil && items[i].ID == t.ID {
				items[i].Pill = Pill{Icon: "chat", Text: "Question"}
			}
		}
	}
}

func versionPill(s model.VersionStatus, live bool) (rule string, pill Pill) {
	switch s {
	case model.VersionGreen:
		if live {
			return "done", Pill{Class: "ok", Icon: "check", Text: "Live"}
		}
		return "done", Pill{Icon: "check", Text: "Green"}
	case model.VersionFailed:
		return "fail", Pill{Class: "bad", Icon: "x", Text: "Failed"}
	case model.VersionStopped:
		return "wait", Pill{Class: "off", Icon: "stop", Text: "Stopped"}
	case model.VersionUnchanged:
		return "wait", Pill{Class: "off", Text: "Nothing changed"}
	case model.VersionQueued:
		return "wait", Pill{Class: "now", Icon: "clock", Text: "Waiting"}
	}
	return "now", Pill{Class: "now", Text: "Building"}
}

// NewFileChanges says what a version did; the first maxOpenDiff lines are printed.
func NewFileChanges(diffs []model.FileDiff) (files []FileChange, added, removed int) {
	words := map[string][2]string{
		"create": {"new", "ok"}, "delete": {"deleted", "bad"}, "rename": {"renamed", ""}, "restore": {"restored", ""},
	}
	for _, d := range diffs {
		w := words[d.Action]
		files = append(files, FileChange{
			Path: d.Path, Word: w[0], Class: w[1], Lines: ParseDiff(d.Unified), Added: d.Added, Removed: d.Removed,
		})
		added, removed = added+d.Added, removed+d.Removed
	}
	return files, added, removed
}

// Logs is the tab with the build log of one version.
type Logs struct {
	Versions []VersionItem
	Shown    VersionItem
	Follows  bool // the version is still being built
	Lines    []LogLine
}

// LogLine is one line of a build log.
type LogLine struct {
	Clock string // UTC, to the millisecond
	ISO   string
	Stage string
	Level string // info, warn, error
	Text  string
}

// NewLogLines puts a log into words.
func NewLogLines(events []model.LogEvent) []LogLine {
	lines := make([]LogLine, 0, len(events))
	for _, e := range events {
		at := e.At.UTC()
		lines = append(lines, LogLine{
			Clock: at.Format("15:04:05.000"), ISO: at.Format(time.RFC3339Nano), Stage: e.Stage, Level: string(e.Level), Text: e.Text,
		})
	}
	return lines
}

// Settings is the tab with what may be set.
type Settings struct {
	Form   Form
	Model  Form   // the choice of the model, when it came back
	Number string // the version that an export holds; "" when there is none
	Host   string // of the preview
}

// Landing is the page with the one big field.
type Landing struct {
	Shell
	Form     Form
	Starters []Starter
	Recent   []Card // the last apps of who is signed in
}

// Starter is a prompt to begin with.
type Starter struct {
	Title, Hint, Prompt string
}

// Failure is an error page.
type Failure struct {
	Shell
	Status  int
	Heading string
	Text    string // a sentence
	Number  string // the request's id; "" unless an administrator would want it
}
