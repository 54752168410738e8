package rollout

import (
	"fmt"
	"math"
)

// Metric is something by which the arms of a toggle are compared.
type Metric string

// The metrics. For each, more is better or worse as Metric.harm has it.
const (
	Green         Metric = "green"           // share of turns whose version became green
	Recovered     Metric = "recovered"       // share of turns that needed recovery
	Cost          Metric = "cost"            // micro-USD of a turn
	TimeToPreview Metric = "time_to_preview" // milliseconds from the request to the green version
	WorkerSize    Metric = "worker_size"     // bytes of the green version's Worker
)

// Metrics are all of them, in the order in which a person reads them.
var Metrics = []Metric{Green, Recovered, Cost, TimeToPreview, WorkerSize}

// Tally counts the turns of one arm. Adding the tallies of two times gives the tally of both.
type Tally struct {
	Turns     int64            `json:"turns"`
	Green     int64            `json:"green"`
	Recovered int64            `json:"recovered"`
	Cost      Moments          `json:"cost"`
	Preview   Moments          `json:"preview"` // of green turns
	Size      Moments          `json:"size"`    // of green turns
	Errors    map[string]int64 `json:"errors,omitempty"`
}

// Moments are the sums of ln(1+x) and of its square: amounts of money and time have a few huge values, and what is
// compared is how many times more one arm needs, not how many more.
type Moments struct {
	N     int64   `json:"n"`
	Sum   float64 `json:"sum"`
	SumSq float64 `json:"sum_sq"`
}

// Add counts an amount; negative ones count as nothing.
func (m *Moments) Add(x float64) {
	l := math.Log1p(max(x, 0))
	m.N, m.Sum, m.SumSq = m.N+1, m.Sum+l, m.SumSq+l*l
}

// Plus returns the sums of both.
func (m Moments) Plus(o Moments) Moments { return Moments{m.N + o.N, m.Sum + o.Sum, m.SumSq + o.SumSq} }

// Turn is one turn as the guard counts it.
type Turn struct {
	Green, Recovered bool
	CostMicros       int64
	PreviewMillis    int64 // counted when green
	WorkerBytes      int64 // counted when green
	ErrorClass       string
}

// Add counts a turn.
func (t *Tally) Add(turn Turn) {
	t.Turns++
	t.Cost.Add(float64(turn.CostMicros))
	if turn.Recovered {
		t.Recovered++
	}
	if turn.Green {
		t.Green++
		t.Preview.Add(float64(turn.PreviewMillis))
		t.Size.Add(float64(turn.WorkerBytes))
	}
	if turn.ErrorClass != "" {
		if t.Errors == nil {
			t.Errors = map[string]int64{}
		}
		t.Errors[turn.ErrorClass]++
	}
}

// Policy says how much worse an arm may be, and how sure one has to be.
type Policy struct {
	// Margins is the harm by metric at which an arm is too bad: for rates in points (0.05 is five of a hundred), for amounts
	// as a share (0.10 is a tenth more). A metric without a margin is shown and decides nothing.
	Margins map[Metric]float64
	// Alpha is the chance that an arm which is no worse is ever rolled back, however often one looks; 0 means 0.05.
	Alpha float64
	// MinTurns is how many turns both arms need before anything is decided; 0 means 100.
	MinTurns int64
	// Clustering is by how much the turns of one team are more alike than those of different teams: the factor by which
	// the variance is larger than for turns that have nothing to do with each other; 0 means 1.5.
	Clustering float64
}

// DefaultPolicy is what an administrator starts with.
func DefaultPolicy() Policy {
	return Policy{Margins: map[Metric]float64{Green: 0.05, Recovered: 0.10, Cost: 0.15, TimeToPreview: 0.20, WorkerSize: 0.20}}
}

func (p Policy) withDefaults() Policy {
	set := func(v *float64, otherwise float64) {
		if *v == 0 {
			*v = otherwise
		}
	}
	set(&p.Alpha, 0.05)
	set(&p.Clustering, 1.5)
	if p.MinTurns == 0 {
		p.MinTurns = 100
	}
	return p
}

// Verdict is what should happen with an arm.
type Verdict string

// The verdicts.
const (
	Wait     Verdict = "wait"      // it is not known yet
	StepUp   Verdict = "step_up"   // harm beyond the margins is ruled out
	Hold     Verdict = "hold"      // it is worse, by less than the margin
	Rollback Verdict = "roll_back" // it is worse, by the margin or more
)

// Finding is how an arm compares with the control in one metric.
type Finding struct {
	Metric  Metric
	Control float64 // a rate, or the geometric mean of an amount
	Arm     float64
	// Harm is how much worse the arm is: points of a rate, or the share by which an amount is larger. Low and High bound it
	// at all times together, with the confidence 1-Alpha.
	Harm, Low, High float64
	Verdict         Verdict
	Sentence        string
}

// Judgement is the whole comparison.
type Judgement struct {
	Verdict  Verdict
	Sentence string
	Findings []Finding
}

// Judge compares an arm with the control. It may be asked after every turn: the intervals are a confidence sequence, from
// the mixture sequential probability ratio test with a normal mixture (Robbins 1970; Johari, Koomen, Pekelis and Walsh,
// "Always Valid Inference", Operations Research 70(3), 2022). A test for one look would call one equal arm in three worse
// when it is looked at a hundred times. Alpha is shared among the metrics that decide (Bonferroni).
func (p Policy) Judge(control, arm Tally) Judgement {
	p = p.withDefaults()
	deciding := 0
	for _, m := range Metrics {
		if p.Margins[m] > 0 {
			deciding++
		}
	}
	out := Judgement{Verdict: StepUp}
	if deciding == 0 {
		out.Verdict = Wait
	}
	for _, m := range Metrics {
		f := p.compare(m, control, arm, p.Alpha/float64(max(deciding, 1)))
		out.Findings = append(out.Findings, f)
		if p.Margins[m] > 0 && rank(f.Verdict) > rank(out.Verdict) {
			out.Verdict = f.Verdict
		}
	}
	out.Sentence = out.sentence(p, control, arm)
	return out
}

// rank orders verdicts: the highest of all metrics counts. One that is not known yet keeps the others from stepping up.
func rank(v Verdict) int {
	return map[Verdict]int{StepUp: 0, Wait: 1, Hold: 2, Rollback: 3}[v]
}

// sample is what is compared: a mean, its variance, and of how many.
type sample struct {
	n              int64
	mean, variance float64 // variance of one value
}

func (t Tally) sample(m Metric) sample {
	switch m {
	case Green:
		return rate(t.Green, t.Turns)
	case Recovered:
		return rate(t.Recovered, t.Turns)
	case Cost:
		return t.Cost.sample()
	case TimeToPreview:
		return t.Preview.sample()
	}
	return t.Size.sample()
}

// rate takes two turns more, one of each kind, so that no variance is nothing (Agresti and Coull 1998 do the same for one
// look).
func rate(k, n int64) sample {
	p := (float64(k) + 1) / (float64(n) + 2)
	return sample{n, p, p * (1 - p)}
}

func (m Moments) sample() sample {
	if m.N < 2 {
		return sample{n: m.N}
	}
	n := float64(m.N)
	mean := m.Sum / n
	return sample{m.N, mean, max((m.SumSq-n*mean*mean)/(n-1), 1e-6)}
}

func (m Metric) isRate() bool { return m == Green || m == Recovered }

// shown is a mean as people read it.
func (m Metric) shown(mean float64) float64 {
	if m.isRate() {
		return mean
	}
	return math.Expm1(mean)
}

// compare is one metric. Amounts are compared by their logarithms, and shown as a share.
func (p Policy) compare(m Metric, control, arm Tally, alpha float64) Finding {
	c, a := control.sample(m), arm.sample(m)
	f := Finding{Metric: m, Control: m.shown(c.mean), Arm: m.shown(a.mean), Verdict: Wait}
	margin := p.Margins[m]
	least := min(control.Turns, arm.Turns)
	if c.n < 2 || a.n < 2 {
		f.Sentence = "There is nothing to compare yet."
		return f
	}
	harm := a.mean - c.mean
	if m == Green {
		harm = -harm
	}
	v := p.Clustering * (c.variance/float64(c.n) + a.variance/float64(a.n))
	scale := margin // the mixture is centred on differences that matter
	if scale <= 0 {
		scale = 0.10
	}
	if !m.isRate() {
		scale = math.Log1p(scale)
	}
	half := halfWidth(v, scale, alpha)
	unit := func(x float64) float64 {
		if m.isRate() {
			return x
		}
		return math.Expm1(x)
	}
	f.Harm, f.Low, f.High = unit(harm), unit(harm-half), unit(harm+half)
	switch {
	case least < p.MinTurns || margin <= 0:
	case f.Low > 0 && f.Harm >= margin:
		f.Verdict = Rollback
	case f.Low > 0:
		f.Verdict = Hold
	case f.High < margin:
		f.Verdict = StepUp
	}
	f.Sentence = f.sentence()
	return f
}

// halfWidth is half of the confidence sequence's interval at this time: v is the variance of the difference, and tau the
// standard deviation of the mixture.
func halfWidth(v, tau, alpha float64) float64 {
	t2 := tau * tau
	return math.Sqrt(v * (v + t2) / t2 * (2*math.Log(1/alpha) + math.Log((v+t2)/v)))
}

func (f Finding) sentence() string {
	if f.Metric.isRate() {
		return fmt.Sprintf("%.1f%% instead of %.1f%%. Worse by %+.1f points, between %+.1f and %+.1f.", 100*f.Arm, 100*f.Control, 100*f.Harm, 100*f.Low, 100*f.High)
	}
	return fmt.Sprintf("%+.1f%%, between %+.1f%% and %+.1f%%.", 100*f.Harm, 100*f.Low, 100*f.High)
}

func (j Judgement) sentence(p Policy, control, arm Tally) string {
	var by []Metric
	for _, f := range j.Findings {
		if p.Margins[f.Metric] > 0 && f.Verdict == j.Verdict {
			by = append(by, f.Metric)
		}
	}
	switch j.Verdict {
	case Rollback:
		return fmt.Sprintf("It is worse by more than the margin, after %d turns: %v.", arm.Turns, by)
	case Hold:
		return fmt.Sprintf("It is worse, by less than the margin, after %d turns: %v.", arm.Turns, by)
	case StepUp:
		return fmt.Sprintf("Nothing is worse by the margin, after %d turns.", arm.Turns)
	}
	if least := min(control.Turns, arm.Turns); least < p.MinTurns {
		return fmt.Sprintf("%d of %d turns are there.", least, p.MinTurns)
	}
	return fmt.Sprintf("It is not known yet, after %d turns: %v.", arm.Turns, by)
}

// ladder are the shares that an automatic rollout steps through.
var ladder = []int{100, 500, 1000, 2500, 5000, WholeShare}

// Next returns the share after this one, and false at the top.
func Next(share int) (int, bool) {
	for _, s := range ladder {
		if s > share {
			return s, true
		}
	}
	return share, false
}
