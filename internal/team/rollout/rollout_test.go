package rollout

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
)

func TestValidate(t *testing.T) {
	for words, edit := range map[string]func(*Toggle){
		"The name of a toggle":           func(t *Toggle) { t.Name = "" },
		"begins with a letter":           func(t *Toggle) { t.Name = "1st" },
		"lower-case":                     func(t *Toggle) { t.Name = "New Editor" },
		"1 to 60":                        func(t *Toggle) { t.Name = strings.Repeat("a", 61) },
		"description of new_editor":      func(t *Toggle) { t.Description = strings.Repeat("x", 501) },
		"stage of new_editor must be":    func(t *Toggle) { t.Stage = "everybody" },
		"percentage of new_editor must":  func(t *Toggle) { t.Share = -1 },
		"between 0 and 100":              func(t *Toggle) { t.Share = WholeShare + 1 },
		"ends before it begins":          func(t *Toggle) { t.From, t.Until = noon, noon.Add(-time.Hour) },
		"0 is not the number of a team":  func(t *Toggle) { t.Allow = []int64{0} },
		"-3 is not the number of a team": func(t *Toggle) { t.Deny = []int64{1, -3} },
		"Use a percentage instead":       func(t *Toggle) { t.Deny = make([]int64, maxTeams+1) },
		"cannot need itself":             func(t *Toggle) { t.Needs = []Need{{"new_editor", "on"}} },
		"needs other twice":              func(t *Toggle) { t.Needs = []Need{{"other", "on"}, {"other", "off"}} },
		"more than 8 other toggles":      func(t *Toggle) { t.Needs = make([]Need, 9) },
		"must have 2 to 12 arms":         func(t *Toggle) { t.Arms = t.Arms[:1] },
		"must have 2 to 12":              func(t *Toggle) { t.Arms = make([]Arm, 13) },
		"two arms on":                    func(t *Toggle) { t.Arms = append(t.Arms, Arm{Name: "on"}) },
		"The name of an arm":             func(t *Toggle) { t.Arms[1].Name = "On" },
		"weight of on must be":           func(t *Toggle) { t.Arms[1].Weight = -1 },
		"weight of on":                   func(t *Toggle) { t.Arms[1].Weight = WholeShare + 1 },
		"value of on is longer":          func(t *Toggle) { t.Arms[1].Value = strings.Repeat("x", 501) },
		`no arm "maybe"`:                 func(t *Toggle) { t.Default = "maybe" },
		"No arm of new_editor":           func(t *Toggle) { t.Arms[1].Weight = 0 },
	} {
		if err := with(edit).Validate(); !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Text(err), words) {
			t.Errorf("got %v, want %q", err, words)
		}
	}
	if err := with(func(t *Toggle) { t.From, t.Until, t.Allow, t.Deny = noon, noon.Add(1), []int64{1}, []int64{1} }).Validate(); err != nil {
		t.Error(err)
	}
}

func TestCatalogueIsSafe(t *testing.T) {
	s, err := Compile(Catalogue())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, a := range s.EvaluateAll(Subject{TeamID: 1, Internal: true, Beta: true}, noon) {
		got[a.Toggle] = a.Arm
	}
	want := map[string]string{
		Model: "usual", PromptRevision: "current", EditFormat: "lines", DeployTarget: "local", BrowserVerification: "on", TypeCheck: "on", ConvertV3: "off", SignUps: "on",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParse(t *testing.T) {
	full := with(func(t *Toggle) {
		t.Description, t.Stage, t.Share, t.Allow, t.Deny, t.Needs = "A new editor", Percentage, 125, []int64{1}, []int64{2}, []Need{{"other", "on"}}
		t.From, t.Until, t.Killed, t.Revision, t.Arms[1].Value = noon, noon.Add(time.Hour), true, 9, "v2"
	})
	b, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Parse(b); err != nil || !cmp.Equal(got, full) {
		t.Errorf("%v\n%s", err, cmp.Diff(full, got))
	}
	for name, text := range map[string]string{
		"nothing": "", "another thing": "[]", "an unknown field": strings.Replace(string(b), `"stage"`, `"phase"`, 1), "two": string(b) + string(b),
		"a share that is no number": strings.Replace(string(b), "125", `"1.25%"`, 1), "invalid": strings.Replace(string(b), "125", "-125", 1),
	} {
		if _, err := Parse([]byte(text)); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzParse: what is read is valid, can be evaluated for anybody, and is the same when it is written and read again.
func FuzzParse(f *testing.F) {
	for _, t := range append(Catalogue(), with(func(t *Toggle) { t.Allow, t.From = []int64{1}, noon })) {
		b, err := json.Marshal(t)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		toggle, err := Parse(b)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatal(err)
			}
			return
		}
		s, err := Compile([]Toggle{toggle})
		if err != nil {
			t.Fatalf("valid alone, and not compiled: %v", err)
		}
		for team := range int64(20) {
			if got := s.Evaluate(toggle.Name, Subject{TeamID: team, Beta: team%2 == 0}, noon); toggle.arm(got.Arm) < 0 {
				t.Fatalf("%+v", got)
			}
		}
		again, err := json.Marshal(toggle)
		if err != nil {
			t.Fatal(err)
		}
		if same, err := Parse(again); err != nil || !cmp.Equal(same, toggle) {
			t.Fatalf("%v\n%s", err, cmp.Diff(toggle, same))
		}
	})
}
