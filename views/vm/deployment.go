package vm

import (
	"fmt"
	"math"
	"time"

	"overskill/internal/model"
)

// DeploymentItem is one deployment in the history.
type DeploymentItem struct {
	ID     int64
	Number string
	Kind   string // in words
	Pill   Pill
	Who    string // "" when the builder did it by itself
	At     Time
	Took   string // "" while it runs
	Size   string
	Error  string
	URL    string // of its page
	Back   string // where going back to it is sent to; "" when that makes no sense
	Shot   string // "" when there is no picture
}

// DeploymentDetail is the page of one deployment.
type DeploymentDetail struct {
	DeploymentItem
	Place    string
	Target   string
	Address  string // the public address
	Exactly  string // where exactly this deployment answers; "" when it has no such address
	Hash     string
	Worker   string // size of the Worker
	Sent     string
	Stages   []StageItem
	Findings []FindingItem
	Changes  *ChangeList
	Log      []LogLine
	Narrow   string // the picture at 390 px
}

// ChangeList is what a version changed for visitors.
type ChangeList struct {
	Against string // the number of the version compared with
	Opened  string // how many routes were opened, in words
	Lists   []NamedList
	Pages   []PageChangeItem
	Same    bool // nothing else changed
}

// NamedList is a list with a heading.
type NamedList struct {
	Name, Class string
	Items       []string
}

// PageChangeItem is how one route differs.
type PageChangeItem struct {
	Route       string
	Added, Gone []string
	Picture     string // "" when the picture is the same
}

// NewHistory lists deployments to production, newest first.
func NewHistory(p model.Publication, at time.Time) []DeploymentItem {
	out := make([]DeploymentItem, 0, len(p.History))
	for _, d := range p.History {
		out = append(out, newDeploymentItem(p.App.Slug, d, p.Live != nil && p.Live.ID == d.ID, p.CanEdit, at))
	}
	return out
}

func newDeploymentItem(slug string, d model.Deployment, live, canEdit bool, at time.Time) DeploymentItem {
	item := DeploymentItem{
		ID: d.ID, Number: d.Number, Kind: kindOf(d), Pill: deploymentPill(d, live), Who: person(d.UserEmail), At: NewTime(d.CreatedAt, at), Error: d.Error,
		URL: fmt.Sprintf("/apps/%s/deployments/%d", slug, d.ID),
	}
	if d.SizeBytes > 0 {
		item.Size = Bytes(d.SizeBytes)
	}
	if from := d.StartedAt; !d.EndedAt.IsZero() {
		if from.IsZero() {
			from = d.CreatedAt
		}
		item.Took = Took(d.EndedAt.Sub(from))
	}
	// What was once live can be live again.
	if canEdit && d.Environment == model.Production && d.Ended() && !d.PromotedAt.IsZero() && !live {
		item.Back = item.URL + "/rollback"
	}
	if d.ScreenshotHash != "" {
		item.Shot = item.URL + "/shot.png"
	}
	return item
}

func kindOf(d model.Deployment) string {
	switch d.Kind {
	case model.KindRollback:
		return "Went back to it"
	case model.KindSettings:
		return "New settings"
	case model.KindPreview:
		return "Preview"
	}
	return "Published"
}

func deploymentPill(d model.Deployment, live bool) Pill {
	switch {
	case live:
		return Pill{Class: "ok", Icon: "check", Text: "Live"}
	case d.Status == model.DeployPending:
		return Pill{Class: "now", Icon: "clock", Text: "Waiting"}
	case !d.Ended():
		return Pill{Class: "now", Icon: "clock", Text: "Running"}
	case d.Status == model.DeployFailed:
		return Pill{Class: "bad", Icon: "x", Text: "Failed"}
	case d.Status == model.DeploySuperseded && d.PromotedAt.IsZero():
		return Pill{Class: "off", Text: "Overtaken"}
	}
	return Pill{Icon: "check", Text: "Was live"}
}

// NewDeploymentDetail says how one deployment appears. p is the publication
// that it belongs to.
func NewDeploymentDetail(p model.Publication, d model.Deployment, at time.Time) *DeploymentDetail {
	out := &DeploymentDetail{
		DeploymentItem: newDeploymentItem(p.App.Slug, d, p.Live != nil && p.Live.ID == d.ID, p.CanEdit, at), Place: PlaceWord(d.Environment), Target: TargetWord(d.Target),
		Address: d.URL, Exactly: d.CandidateURL, Hash: d.ContentHash, Stages: newStages(d), Log: NewDeployLog(d.Log), Changes: newChangeList(d.Changes),
	}
	if d.WorkerBytes > 0 {
		out.Worker = Bytes(d.WorkerBytes)
	}
	if d.SizeBytes > 0 {
		out.Sent = Bytes(d.SentBytes)
	}
	if d.ScreenshotNarrowHash != "" {
		out.Narrow = out.URL + "/shot.png?narrow=1"
	}
	out.Findings, _ = NewFindings(d.Findings, model.GateWarn)
	return out
}

// newChangeList returns nil for a deployment that no browser opened.
func newChangeList(c model.Changes) *ChangeList {
	if c.Opened == 0 {
		return nil
	}
	out := &ChangeList{Against: c.Against, Opened: Count(c.Opened, "route")}
	for _, l := range []NamedList{
		{"Routes that are new", "", c.RoutesAdded},
		{"Routes that are gone", "", c.RoutesGone},
		{"Errors that are new", "poor", c.ErrorsNew},
		{"Errors that are gone", "good", c.ErrorsCured},
	} {
		if len(l.Items) > 0 {
			out.Lists = append(out.Lists, l)
		}
	}
	for _, p := range c.Pages {
		out.Pages = append(out.Pages, PageChangeItem{Route: p.Route, Added: p.TextAdded, Gone: p.TextGone, Picture: pictureWord(p.PictureDiff)})
	}
	out.Same = len(out.Lists) == 0 && len(out.Pages) == 0
	return out
}

func pictureWord(share float64) string {
	switch {
	case share <= 0:
		return ""
	case share < 0.01:
		return "less than 1% of the picture differs"
	}
	return fmt.Sprintf("%d%% of the picture differs", int(math.Round(min(share, 1)*100)))
}
