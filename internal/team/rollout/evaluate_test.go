package rollout

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"overskill/internal/fault"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func compile(t testing.TB, toggles ...Toggle) *Set {
	t.Helper()
	s, err := Compile(toggles)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// with changes a toggle that reaches everybody.
func with(edit func(*Toggle)) Toggle {
	t := boolean("new_editor", "")
	t.Stage = All
	edit(&t)
	return t
}

func TestEvaluate(t *testing.T) {
	ours, beta, team := Subject{TeamID: 7, Internal: true}, Subject{TeamID: 7, Beta: true}, Subject{TeamID: 7}
	before := boolean("before", "")
	for name, c := range map[string]struct {
		toggle Toggle
		who    Subject
		arm    string
		why    Reason
	}{
		"all":                          {with(func(*Toggle) {}), team, "on", Reached},
		"off reaches nobody":           {with(func(t *Toggle) { t.Stage = Off }), ours, "off", Outside},
		"internal":                     {with(func(t *Toggle) { t.Stage = Internal }), ours, "on", Reached},
		"internal leaves beta out":     {with(func(t *Toggle) { t.Stage = Internal }), beta, "off", Outside},
		"beta":                         {with(func(t *Toggle) { t.Stage = Beta }), beta, "on", Reached},
		"beta has our own teams":       {with(func(t *Toggle) { t.Stage = Beta }), ours, "on", Reached},
		"beta leaves others out":       {with(func(t *Toggle) { t.Stage = Beta }), team, "off", Outside},
		"0 percent":                    {with(func(t *Toggle) { t.Stage = Percentage }), team, "off", Outside},
		"0 percent has the beta teams": {with(func(t *Toggle) { t.Stage = Percentage }), beta, "on", Reached},
		"100 percent":                  {with(func(t *Toggle) { t.Stage, t.Share = Percentage, WholeShare }), team, "on", Reached},
		"let in":                       {with(func(t *Toggle) { t.Stage, t.Allow = Off, []int64{7} }), team, "on", Allowed},
		"left out":                     {with(func(t *Toggle) { t.Deny = []int64{7} }), team, "off", Denied},
		"left out wins":                {with(func(t *Toggle) { t.Allow, t.Deny = []int64{7}, []int64{7} }), team, "off", Denied},
		"killed":                       {with(func(t *Toggle) { t.Killed = true }), team, "off", Killed},
		"killed wins":                  {with(func(t *Toggle) { t.Killed, t.Allow, t.Deny = true, []int64{7}, []int64{7} }), team, "off", Killed},
		"too early":                    {with(func(t *Toggle) { t.From = noon.Add(1) }), team, "off", Unscheduled},
		"just in time":                 {with(func(t *Toggle) { t.From = noon }), team, "on", Reached},
		"over":                         {with(func(t *Toggle) { t.Until = noon }), team, "off", Unscheduled},
		"not over yet":                 {with(func(t *Toggle) { t.Until = noon.Add(1) }), team, "on", Reached},
		"too early for those let in":   {with(func(t *Toggle) { t.From, t.Allow = noon.Add(1), []int64{7} }), team, "off", Unscheduled},
		"needs what is off":            {with(func(t *Toggle) { t.Needs = []Need{{"before", "on"}} }), team, "off", Unmet},
		"needs what is off, let in":    {with(func(t *Toggle) { t.Needs, t.Allow = []Need{{"before", "on"}}, []int64{7} }), team, "off", Unmet},
		"needs the default":            {with(func(t *Toggle) { t.Needs = []Need{{"before", "off"}} }), team, "on", Reached},
		"needs what nobody knows":      {with(func(t *Toggle) { t.Needs = []Need{{"nothing", "on"}} }), team, "off", Unmet},
	} {
		t.Run(name, func(t *testing.T) {
			got := compile(t, c.toggle, before).Evaluate("new_editor", c.who, noon)
			if got.Arm != c.arm || got.Reason != c.why || got.Toggle != "new_editor" {
				t.Errorf("%+v, want %s because %s", got, c.arm, c.why)
			}
		})
	}
	if got := compile(t).Evaluate("nothing", team, noon); got != (Assignment{Toggle: "nothing", Reason: Unknown}) {
		t.Errorf("%+v", got)
	}
	if got := compile(t, with(func(*Toggle) {}), before).EvaluateAll(team, noon); len(got) != 2 || got[0].Toggle != "before" || got[1].Arm != "on" {
		t.Errorf("%+v", got)
	}
}

func TestCompileRefuses(t *testing.T) {
	needing := func(name, other string) Toggle {
		b := boolean(name, "")
		b.Needs = []Need{{other, "on"}}
		return b
	}
	for name, toggles := range map[string][]Toggle{
		"two of a name":  {boolean("a", ""), boolean("a", "")},
		"a circle":       {needing("a", "b"), needing("b", "c"), needing("c", "a")},
		"no such arm":    {boolean("a", ""), with(func(t *Toggle) { t.Needs = []Need{{"a", "perhaps"}} })},
		"one is invalid": {boolean("a", ""), with(func(t *Toggle) { t.Share = -1 })},
	} {
		if _, err := Compile(toggles); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Compile(Catalogue()); err != nil {
		t.Errorf("what code declares: %v", err)
	}
}

// TestGrowingNeverMovesATeamOut, nor from one arm to another.
func TestGrowingNeverMovesATeamOut(t *testing.T) {
	toggle := arms("model", "", "usual", "a", "b", "c")
	toggle.Stage = Percentage
	in := map[int64]string{}
	for share := 0; share <= WholeShare; share += 250 {
		toggle.Share = share
		s := compile(t, toggle)
		for team := int64(1); team <= 5000; team++ {
			got := s.Evaluate("model", Subject{TeamID: team}, noon)
			switch was := in[team]; {
			case was != "" && was != got.Arm:
				t.Fatalf("at %d team %d moves from %s to %s", share, team, was, got.Arm)
			case got.Reason == Reached:
				in[team] = got.Arm
			}
		}
		if n := float64(len(in)); math.Abs(n-5000*float64(share)/WholeShare) > 160 { // 4.5 standard deviations at the most
			t.Errorf("at %d: %v of 5000 teams", share, n)
		}
	}
}

// chiSquare is the statistic of counts against shares of their sum.
func chiSquare(counts []int, shares []float64) (x float64) {
	sum := 0
	for _, n := range counts {
		sum += n
	}
	for i, n := range counts {
		want := shares[i] * float64(sum)
		x += (float64(n) - want) * (float64(n) - want) / want
	}
	return x
}

// TestTeamsAreSpread: over the places of the rollout, over the arms by their weights, and over two toggles without any
// connection. The bounds are the 99.99% quantiles of chi-square.
func TestTeamsAreSpread(t *testing.T) {
	const teams = 100_000
	for _, name := range []string{"model", "prompt_revision", "a", "b", "checkout_v2"} {
		places, even := make([]int, 100), make([]float64, 100)
		for i := range even {
			even[i] = 0.01
		}
		for team := range int64(teams) {
			places[hash(seed(name, "place"), team+1)%WholeShare/100]++
		}
		if x := chiSquare(places, even); x > 161.3 { // 99 degrees of freedom
			t.Errorf("%s: the places are uneven: %.1f", name, x)
		}
		weighted := Toggle{Name: name, Default: "control", Stage: All, Arms: []Arm{{Name: "control", Weight: 1}, {Name: "x", Weight: 2}, {Name: "y", Weight: 5}, {Name: "z", Weight: 0}}}
		s, counts := compile(t, weighted), map[string]int{}
		for team := range int64(teams) {
			counts[s.Evaluate(name, Subject{TeamID: team + 1}, noon).Arm]++
		}
		if x := chiSquare([]int{counts["control"], counts["x"], counts["y"]}, []float64{0.125, 0.25, 0.625}); x > 18.4 || counts["z"] > 0 { // 2 degrees
			t.Errorf("%s: the arms are %v: %.1f", name, counts, x)
		}
	}
	// Among the teams that one toggle reaches first, another reaches its usual share, and so do the arms.
	var both, first int
	armOfFirst := [2]int{}
	for team := range int64(teams) {
		if hash(seed("model", "place"), team+1)%WholeShare >= 1000 {
			continue
		}
		first++
		if hash(seed("edit_format", "place"), team+1)%WholeShare < 1000 {
			both++
		}
		armOfFirst[hash(seed("model", "arm"), team+1)%2]++
	}
	if x := chiSquare([]int{both, first - both}, []float64{0.1, 0.9}); x > 15.1 { // 1 degree
		t.Errorf("%d of %d teams are in both: %.1f", both, first, x)
	}
	if x := chiSquare(armOfFirst[:], []float64{0.5, 0.5}); x > 15.1 {
		t.Errorf("the arms of those that are in: %v", armOfFirst)
	}
}

// TestHashStays: teams change sides when it changes.
func TestHashStays(t *testing.T) {
	for team, want := range map[int64]string{1: "7312 837", 42: "5279 360", 1 << 40: "8561 345"} {
		if got := fmt.Sprint(hash(seed("model", "place"), team)%WholeShare, " ", hash(seed("model", "arm"), team)%1000); got != want {
			t.Errorf("team %d: %s, want %s", team, got, want)
		}
	}
}

// TestNeedsHold: whatever the two toggles are, nobody gets an arm without what it needs.
func TestNeedsHold(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		first, second := boolean("first", ""), boolean("second", "")
		for _, x := range []*Toggle{&first, &second} {
			x.Stage, x.Share, x.Killed = stages[r.IntN(len(stages))], r.IntN(WholeShare+1), r.IntN(5) == 0
		}
		second.Needs = []Need{{"first", "on"}}
		who := Subject{TeamID: r.Int64N(1000) + 1, Internal: r.IntN(4) == 0, Beta: r.IntN(4) == 0}
		s := compile(t, first, second)
		if s.Evaluate("second", who, noon).Arm == "on" && s.Evaluate("first", who, noon).Arm != "on" {
			t.Fatalf("%+v gets the second of %+v and %+v alone", who, first, second)
		}
	}
}

func BenchmarkEvaluate(b *testing.B) {
	list := Catalogue()
	for i := range list {
		list[i].Stage, list[i].Share = Percentage, 5000
		list[i].Allow, list[i].Deny = []int64{1, 2, 3}, []int64{4, 5, 6}
	}
	list[1].Needs = []Need{{TypeCheck, ArmOn}, {Model, "usual"}}
	s := compile(b, list...)
	b.ReportAllocs()
	team := int64(0)
	for b.Loop() {
		team++
		if s.Evaluate(PromptRevision, Subject{TeamID: team}, noon).Arm == "" {
			b.Fatal("no arm")
		}
	}
}
