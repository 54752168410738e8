package vm

import (
	"fmt"
	"time"

	"overskill/internal/model"
)

// Place is one environment of an app: its variables, and who may open it.
type Place struct {
	Key       string // preview, production
	Name      string // in words
	URL       string // "" before there is anything
	Host      string
	Mode      string // public, password, private
	ModeWord  Pill
	HasSecret bool   // a password is set
	Error     string // what was wrong with the choice of who may open it
	Vars      []VarItem

	Link      string // a link that was just made; it is shown once
	LinkEnds  string // in words
	LinkError string
	TTL       string // the chosen life of a link, a Go duration
}

// Links reports whether a link is of use: who opens a place that is not private needs none.
func (p Place) Links() bool { return p.Mode == "private" }

// VarItem is a variable without its value.
type VarItem struct {
	Key, Hint string
	Reach     Pill // who can read it
	At        string
}

// VarForm is the form for a variable. The value is never printed back.
type VarForm struct {
	Error, Env, Key string
	Replace         bool // the name is one that is there
}

// LinkLives are for how long a link can be good.
var LinkLives = []struct{ Value, Text string }{
	{"1h", "1 hour"}, {"24h", "1 day"}, {"168h", "7 days"}, {"720h", "30 days"},
}

// LifeWord is the life of a link in words.
func LifeWord(ttl time.Duration) string {
	for _, l := range LinkLives {
		if d, err := time.ParseDuration(l.Value); err == nil && d == ttl {
			return l.Text
		}
	}
	return ttl.String()
}

// AccessModes are who may open a place.
var AccessModes = []struct{ Value, Text, Hint string }{
	{"public", "Everyone", "Anyone who has the address."},
	{"password", "With a password", "Anyone who knows it. A browser is asked again after 12 hours."},
	{"private", "With a link", "Only people to whom you give a link that was made here, and the builder itself."},
}

func newPlace(env model.Environment, url string, a model.AppAccess, vars []model.EnvVar) Place {
	p := Place{Key: string(env), Name: PlaceWord(env), URL: url, Host: host(url), Mode: a.Mode, HasSecret: a.PasswordHash != "", TTL: "24h"}
	switch a.Mode {
	case "password":
		p.ModeWord = Pill{Icon: "lock", Text: "Password"}
	case "private":
		p.ModeWord = Pill{Icon: "lock", Text: "Private"}
	default:
		p.Mode, p.ModeWord = "public", Pill{Icon: "globe", Text: "Public"}
	}
	for _, v := range vars {
		if v.Environment != env {
			continue
		}
		item := VarItem{Key: v.Key, Hint: v.Hint, Reach: Pill{Icon: "lock", Text: "Server only"}}
		if v.Public() {
			item.Reach = Pill{Class: "warn", Icon: "globe", Text: "In the bundle"}
		}
		p.Vars = append(p.Vars, item)
	}
	return p
}

// PlaceWord is the name of an environment.
func PlaceWord(env model.Environment) string {
	if env == model.Production {
		return "Published app"
	}
	return "Preview"
}

// DomainItem is a person's own domain.
type DomainItem struct {
	ID      int64
	Name    string
	Pill    Pill
	Detail  string
	Checked Time
	Records []RecordItem
	Path    string // below it: check, delete
	Element string
	// Polls says that the page looks again by itself; Asked is how often it did.
	Polls bool
	Asked int
}

// RecordItem is a line that must stand in the DNS.
type RecordItem struct {
	Type, Name, Value, Found string
	Element                  string // whose parts -name and -value are copied
	Pill                     Pill
}

// DomainForm is the form for a new domain.
type DomainForm struct{ Error, Name string }

// maxPolls is how often a page looks at a domain by itself: for ten minutes. What takes longer takes hours.
const maxPolls = 40

// NewDomainItem says how a domain of a publication appears, when the page has looked at it so many times by itself.
func NewDomainItem(p model.Publication, d model.Domain, asked int, at time.Time) DomainItem {
	item := newDomainItem("/apps/"+p.App.Slug+"/publish", d, at)
	item.Polls, item.Asked = p.CanEdit && d.Status != "active" && asked < maxPolls, asked
	return item
}

func newDomainItem(path string, d model.Domain, at time.Time) DomainItem {
	item := DomainItem{
		ID: d.ID, Name: d.Name, Detail: d.Detail, Checked: NewTime(d.CheckedAt, at),
		Path: fmt.Sprintf("%s/domains/%d", path, d.ID), Element: fmt.Sprintf("domain-%d", d.ID),
	}
	switch d.Status {
	case "active":
		item.Pill = Pill{Class: "ok", Icon: "check", Text: "Active"}
	case "failed":
		item.Pill = Pill{Class: "bad", Icon: "x", Text: "Not working"}
	default:
		item.Pill = Pill{Class: "now", Icon: "clock", Text: "Waiting for DNS"}
	}
	for i, r := range d.Records {
		row := RecordItem{Element: fmt.Sprintf("dns-%d-%d", d.ID, i+1), Type: r.Type, Name: r.Name, Value: r.Value, Found: r.Found, Pill: Pill{Class: "ok", Icon: "check", Text: "Right"}}
		switch {
		case r.OK:
		case r.Found == "":
			row.Found, row.Pill = "nothing yet", Pill{Class: "off", Text: "Missing"}
		default:
			row.Pill = Pill{Class: "bad", Icon: "x", Text: "Differs"}
		}
		item.Records = append(item.Records, row)
	}
	return item
}

// Targets is the page where a team says where its apps are published.
type Targets struct {
	Shell
	Path        string
	CanManage   bool // the reader may change it
	Done, Error string
	Form        TargetForm
	TokenHint   string // of the token that is kept; "" when there is none
	Saved       model.TargetKind
	Permissions []string
	Found       string // what a test found, a sentence
	FoundWrong  bool
}

// TargetForm is where to publish, as typed. The token is never printed back.
type TargetForm struct {
	Error                                          string
	Kind                                           string
	AccountID, Mode, Namespace, Bucket, Zone, Gate string
}

// TargetKinds are the places to choose from.
var TargetKinds = []struct{ Value, Text, Hint string }{
	{string(model.TargetLocal), "This server", "The builder serves the files itself and runs server code beside them. Nothing to set up."},
	{string(model.TargetWorkerd), "This server, in Cloudflare’s runtime", "The whole app as the Worker that Cloudflare would run, each in a process of its own."},
	{string(model.TargetCloudflare), "Cloudflare", "Workers and R2 of your own account. Needs an API token."},
}

// NewTargets says how a team's choice appears.
func NewTargets(shell Shell, path string, t model.DeployTarget, permissions []string) Targets {
	form := TargetForm{
		Kind: string(t.Kind), AccountID: t.AccountID, Mode: t.Mode, Namespace: t.Namespace, Bucket: t.Bucket, Zone: t.Zone, Gate: string(t.Gate),
	}
	if form.Kind == "" {
		form.Kind = string(model.TargetLocal)
	}
	return Targets{Shell: shell, Path: path, CanManage: t.CanManage, Form: form, TokenHint: t.TokenHint, Saved: model.TargetKind(form.Kind), Permissions: permissions}
}
