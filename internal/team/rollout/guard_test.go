package rollout

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// world makes turns of teams. The turns of one team are alike: each has its own chance of a green version and its own cost.
type world struct {
	r           *rand.Rand
	green, cost float64 // of this arm: the chance, and the factor
	left        int     // turns of the team at hand
	ease, size  float64
}

// turn is a turn of a team, which has ten on average. The spread between teams makes the variance of means half as large
// again as that of independent turns, which is what Policy.Clustering supposes.
func (w *world) turn() Turn {
	if w.left--; w.left < 0 {
		w.left = int(w.r.ExpFloat64() * 9)
		w.ease, w.size = w.r.NormFloat64()*0.55, w.r.NormFloat64()*0.2
	}
	logit := math.Log(w.green/(1-w.green)) + w.ease
	t := Turn{Green: w.r.Float64() < 1/(1+math.Exp(-logit)), Recovered: w.r.Float64() < 0.15}
	t.CostMicros = int64(40_000 * w.cost * math.Exp(w.size+w.r.NormFloat64()*0.9))
	t.PreviewMillis = int64(20_000 * math.Exp(w.r.NormFloat64()*0.5))
	t.WorkerBytes = int64(700_000 * math.Exp(w.r.NormFloat64()*0.25))
	return t
}

// outcome is how a comparison that is looked at every 50 turns ended: its first verdict that is neither Wait nor StepUp, or
// what it said at the end.
func outcome(r *rand.Rand, p Policy, green, cost float64, most int) (Verdict, int) {
	control, arm := &world{r: r, green: 0.90, cost: 1}, &world{r: r, green: green, cost: cost}
	var c, a Tally
	var said Judgement
	for n := 1; n <= most; n++ {
		c.Add(control.turn())
		a.Add(arm.turn())
		if n%50 != 0 {
			continue
		}
		if said = p.Judge(c, a); said.Verdict == Rollback || said.Verdict == Hold {
			return said.Verdict, n
		}
	}
	return said.Verdict, most
}

// TestErrorRates plays a thousand rollouts of each kind, of up to 4,000 turns in each arm, looked at 80 times. The table is
// in docs/ROLLOUT.md.
func TestErrorRates(t *testing.T) {
	const runs, most = 1000, 4000
	for _, c := range []struct {
		name        string
		green, cost float64
		caught      [2]float64 // bounds of the share that is held or rolled back
	}{
		{"an equal arm", 0.90, 1, [2]float64{0, 0.05}},
		{"a tenth fewer green", 0.81, 1, [2]float64{0.99, 1}},
		{"a tenth fewer green, a tenth dearer", 0.81, 1.1, [2]float64{0.99, 1}},
		{"a twentieth fewer green", 0.855, 1, [2]float64{0.60, 1}},
		{"half as dear again", 0.90, 1.5, [2]float64{0.99, 1}},
		{"better and cheaper", 0.95, 0.8, [2]float64{0, 0.02}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(2026, 11))
			verdicts := map[Verdict]int{}
			var after []int
			for range runs {
				v, n := outcome(r, DefaultPolicy(), c.green, c.cost, most)
				verdicts[v]++
				if v == Rollback || v == Hold {
					after = append(after, n)
				}
			}
			caught := float64(verdicts[Rollback]+verdicts[Hold]) / runs
			median := 0
			if len(after) > 0 {
				slices.Sort(after)
				median = after[len(after)/2]
			}
			t.Logf("rolled back %d, held %d, stepped up %d, waiting %d of %d; caught after %d turns in the median",
				verdicts[Rollback], verdicts[Hold], verdicts[StepUp], verdicts[Wait], runs, median)
			if caught < c.caught[0] || caught > c.caught[1] {
				t.Errorf("%.3f are caught, want %v", caught, c.caught)
			}
		})
	}
}

func filled(n int, green, cost float64) (out Tally) {
	w := &world{r: rand.New(rand.NewPCG(1, 1)), green: green, cost: cost}
	for range n {
		out.Add(w.turn())
	}
	return out
}

func TestJudge(t *testing.T) {
	same := Tally{}
	for range 500 {
		same.Add(Turn{Green: true, CostMicros: 100, PreviewMillis: 5, WorkerBytes: 7})
	}
	for name, c := range map[string]struct {
		control, arm Tally
		want         Verdict
		words        string
	}{
		"nothing at all":             {Tally{}, Tally{}, Wait, "0 of 100 turns"},
		"one arm is empty":           {filled(4000, 0.9, 1), Tally{}, Wait, "0 of 100 turns"},
		"one turn each":              {filled(1, 0.9, 1), filled(1, 0.9, 1), Wait, "1 of 100 turns"},
		"few turns, all of them bad": {filled(99, 0.99, 1), filled(99, 0.01, 1), Wait, "99 of 100 turns"},
		"all of them bad":            {filled(200, 0.9, 1), filled(200, 0.02, 1), Rollback, "worse by more than the margin, after 200 turns: [green"},
		"dearer":                     {filled(2000, 0.9, 1), filled(2000, 0.9, 2), Rollback, "cost"},
		"nothing varies":             {same, same, StepUp, "Nothing is worse"},
		"much is known":              {filled(20_000, 0.9, 1), filled(20_000, 0.9, 1), StepUp, "after 20000 turns"},
	} {
		got := DefaultPolicy().Judge(c.control, c.arm)
		if got.Verdict != c.want || !strings.Contains(got.Sentence, c.words) || len(got.Findings) != len(Metrics) {
			t.Errorf("%s: %s %q", name, got.Verdict, got.Sentence)
		}
		for _, f := range got.Findings {
			if math.IsNaN(f.Harm+f.Low+f.High) || f.Low > f.Harm || f.Harm > f.High {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
	if got := (Policy{}).Judge(filled(4000, 0.9, 1), filled(4000, 0.1, 1)); got.Verdict != Wait {
		t.Errorf("a policy without margins decides: %+v", got)
	}
}

func TestTally(t *testing.T) {
	var a Tally
	a.Add(Turn{Green: true, CostMicros: 10, PreviewMillis: 20, WorkerBytes: 30})
	a.Add(Turn{Recovered: true, CostMicros: -5, ErrorClass: "type"})
	if a.Turns != 2 || a.Green != 1 || a.Recovered != 1 || a.Cost.N != 2 || a.Preview.N != 1 || a.Size.N != 1 || a.Errors["type"] != 1 || a.Cost.Sum != math.Log1p(10) {
		t.Errorf("%+v", a)
	}
	b, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	var again Tally
	if err := json.Unmarshal(b, &again); err != nil || !cmp.Equal(a, again) {
		t.Errorf("%v %s", err, cmp.Diff(a, again))
	}
	if got := a.Cost.Plus(Moments{1, 2, 4}); got.N != 3 || got.Sum != a.Cost.Sum+2 || got.SumSq != a.Cost.SumSq+4 {
		t.Errorf("%+v", got)
	}
}

func TestNext(t *testing.T) {
	var got []int
	for share, ok := Next(0); ok; share, ok = Next(share) {
		got = append(got, share)
	}
	if !slices.Equal(got, []int{100, 500, 1000, 2500, 5000, 10_000}) {
		t.Errorf("%v", got)
	}
	if got, ok := Next(1234); got != 2500 || !ok {
		t.Errorf("%d %v", got, ok)
	}
}
