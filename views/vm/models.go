package vm

import (
	"net/url"
	"strconv"
	"strings"

	"overskill/internal/model"
)

// ModelPicker chooses who writes an app.
type ModelPicker struct {
	CSRF   string
	Action string // where the choice is sent to
	Groups []ModelGroup
	Shown  string // the name of the choice
	Alone  bool   // there is nothing but the Composer to choose
	Error  string // why a choice was refused; "" when it was not
}

// ModelGroup are the choices of one connection.
type ModelGroup struct {
	Label   string // "" for choices that belong to no connection
	Choices []ModelChoice
}

// ModelChoice is one entry of a list to choose from.
type ModelChoice struct {
	Value    string
	Text     string
	Title    string // its price, or why it cannot be chosen
	Chosen   bool
	Disabled bool
}

// NewModelPicker says what an app may be written by. current is "" when the app leaves it to its team.
func NewModelPicker(slug, csrf, current string, options []model.ModelOption) ModelPicker {
	p := ModelPicker{CSRF: csrf, Action: "/apps/" + slug + "/model", Groups: choices(current, "The team’s choice", "Team: ", options), Alone: alone(options) && (current == "" || current == model.ComposerReference)}
	for _, g := range p.Groups {
		for _, c := range g.Choices {
			if c.Chosen {
				p.Shown = c.Text
			}
		}
	}
	return p
}

// alone reports whether the Composer is all there is.
func alone(options []model.ModelOption) bool {
	for _, o := range options {
		if o.Reference != model.ComposerReference {
			return false
		}
	}
	return true
}

// choices groups options by connection, in their order. The first choice leaves it to others,
// and says which it is if that is known (usual goes before the name); a choice that is
// no longer on offer stays in the list, so that the list says what is set.
func choices(current, unset, usual string, options []model.ModelOption) []ModelGroup {
	for _, o := range options {
		if o.Usual {
			unset = usual + optionName(o)
		}
	}
	groups := []ModelGroup{{Choices: []ModelChoice{{Text: unset, Chosen: current == ""}}}}
	known := current == ""
	for _, o := range options {
		label := o.Connection
		if o.Reference == model.ComposerReference {
			label = ""
		}
		at := -1
		for i := range groups {
			if groups[i].Label == label {
				at = i
			}
		}
		if at < 0 {
			at = len(groups)
			groups = append(groups, ModelGroup{Label: label})
		}
		c := ModelChoice{Value: o.Reference, Text: optionName(o), Title: o.Price, Chosen: o.Reference == current}
		if o.Reason != "" {
			c.Title, c.Disabled = o.Reason, !c.Chosen
			c.Text += ", cannot be used"
		}
		known = known || c.Chosen
		groups[at].Choices = append(groups[at].Choices, c)
	}
	if !known {
		groups[0].Choices = append(groups[0].Choices, ModelChoice{
			Value: current, Text: current + ", not there any more", Chosen: true, Title: "Its connection was removed, or it offers this model no more.",
		})
	}
	return groups
}

func optionName(o model.ModelOption) string {
	if o.Name == "" {
		return o.Reference
	}
	return o.Name
}

// Models is the page with connections to models: of a team, or of the instance.
type Models struct {
	Shell
	Path        string // of the page; what it sends goes below
	Instance    bool   // of the instance, for all teams
	CanEdit     bool
	Done        string // what was just done, a sentence; "" when nothing was
	Error       string // what went wrong, a sentence, when it is about no form of the page
	Connections []ConnectionItem
	Options     []OptionItem
	Groups      []ModelGroup // of the default
	DefaultName string
	Alone       bool // there is nothing but the Composer
	Local       []LocalItem
	Connect     ConnectForm
}

// ConnectionItem is one connection in the list.
type ConnectionItem struct {
	Name    string
	Kind    string // in words
	Where   string // its address; "" is the provider's own
	Key     string // what may be shown of it
	Fixed   string // why it cannot be removed here; "" when it can
	Remove  string // where its removal is sent to
	Element string // id of its row
}

// OptionItem is one model in the list.
type OptionItem struct {
	Reference string
	Name      string
	From      string // its connection and price, in words
	State     Pill
	Reason    string // why it cannot be used
	Testable  bool
}

// LocalItem is a server that was found on this machine.
type LocalItem struct {
	Name, BaseURL string
	Models        string // in words
}

// ConnectForm is the form for a new connection. The key is never printed back.
type ConnectForm struct {
	Error, Name, Kind, BaseURL string
}

// ConnectionKinds are the protocols to choose from.
var ConnectionKinds = []struct{ Value, Text string }{
	{string(model.Anthropic), "Anthropic"},
	{string(model.OpenAI), "OpenAI, or compatible with it"},
}

func kindWord(k model.ConnectionKind) string {
	if k == model.OpenAI {
		return "OpenAI-compatible"
	}
	return "Anthropic"
}

// done are the sentences for what was just done, by the word that the address carries.
var done = map[string]string{
	"connected": "Connected. Its models can be chosen now.", "removed": "Removed, and its key was forgotten.", "default": "Saved. It counts from the next turn on.",
	"tested": "It called the tool as it should. It can be used.", "local": "Approved. Its models can be chosen now.",
}

// DoneSentence puts what was just done into words; "" for an unknown word.
func DoneSentence(word string) string { return done[word] }

// NewModels says how the connections of a team, or of the instance, appear.
func NewModels(shell Shell, path string, m model.TeamModels) Models {
	out := Models{
		Shell: shell, Path: path, CanEdit: m.CanEdit, Groups: choices(m.Default, "The usual one", "The usual one: ", m.Options),
		Alone: alone(m.Options), Connect: ConnectForm{Kind: string(model.Anthropic)},
	}
	for _, g := range out.Groups {
		for _, c := range g.Choices {
			if c.Chosen {
				out.DefaultName = c.Text
			}
		}
	}
	for _, c := range m.Connections {
		out.Connections = append(out.Connections, newConnectionItem(path, c))
	}
	for _, o := range m.Options {
		out.Options = append(out.Options, newOptionItem(o))
	}
	for _, l := range m.Local {
		out.Local = append(out.Local, LocalItem{Name: l.Name, BaseURL: l.BaseURL, Models: listed(l.Models, 4)})
	}
	return out
}

func newConnectionItem(path string, c model.Connection) ConnectionItem {
	id := strconv.FormatInt(c.ID, 10)
	item := ConnectionItem{
		Name: c.Name, Kind: kindWord(c.Kind), Where: withoutUser(c.BaseURL), Key: c.KeyHint,
		Remove: path + "/connections/" + id + "/delete", Element: "c-" + id,
	}
	if item.Key == "" {
		item.Key = "no key"
		if len(c.SealedKey) > 0 {
			item.Key = "a key"
		}
	}
	if c.FromEnvironment {
		item.Fixed = "Set by the operator"
		item.Element = "c-env-" + c.Name
	}
	return item
}

// withoutUser takes a name and a password out of an address.
func withoutUser(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.User == nil {
		return address
	}
	u.User = nil
	return u.String()
}

func newOptionItem(o model.ModelOption) OptionItem {
	item := OptionItem{Reference: o.Reference, Name: optionName(o), From: o.Price, Reason: o.Reason, Testable: o.Reference != model.ComposerReference}
	if o.Connection != "" {
		item.From = strings.TrimSuffix(o.Connection+": "+o.Price, ": ")
	}
	switch {
	case o.Reference == model.ComposerReference:
		item.State = Pill{Icon: "check", Text: "Always there"}
	case o.Reason != "":
		item.State = Pill{Class: "bad", Icon: "x", Text: "Cannot be used"}
	case o.Tested:
		item.State = Pill{Icon: "check", Text: "Calls tools"}
	default:
		item.State = Pill{Class: "off", Text: "Not tried yet"}
	}
	return item
}

// listed puts the first n of some names into words.
func listed(names []string, n int) string {
	if len(names) == 0 {
		return "no models"
	}
	shown := names[:min(n, len(names))]
	out := strings.Join(shown, ", ")
	if more := len(names) - len(shown); more > 0 {
		out += " and " + strconv.Itoa(more) + " more"
	}
	return out
}
