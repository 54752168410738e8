package ledger

import "overskill/internal/llm"

// tally counts what came of a reply.
type tally struct {
	events  int
	stopped bool // the Stop event came
	answer  llm.Answer

	usage *llm.Usage // the last one
	early bool       // the reply grew after it

	prose int // bytes of text and reasoning
	calls map[string]*callSize
}

// callSize is how much of a tool call came, in bytes.
type callSize struct{ name, deltas, whole int }

// add counts an event.
func (t *tally) add(e llm.Event) {
	t.events++
	switch {
	case e.Text != "":
		t.prose += len(e.Text)
		t.early = true
	case e.Reasoning != "":
		t.prose += len(e.Reasoning)
		t.early = true
	case e.Begun != nil:
		t.call(e.Begun.ID).name = len(e.Begun.Name)
	case e.Input != nil:
		t.call(e.Input.CallID).deltas += len(e.Input.JSON)
		t.early = true
	case e.Call != nil: // says again what the deltas said, where there were any
		c := t.call(e.Call.ID)
		c.name, c.whole = len(e.Call.Name), len(e.Call.Input)
	case e.Answer != nil:
		t.answer = *e.Answer
	case e.Usage != nil:
		t.usage, t.early = new(plausible(*e.Usage)), false
	case e.Stop != "":
		t.stopped = true
	}
}

func (t *tally) call(id string) *callSize {
	c := t.calls[id]
	if c == nil {
		c = &callSize{}
		t.calls[id] = c
	}
	return c
}

// output estimates the tokens that came.
func (t *tally) output() int64 {
	n := t.prose
	for _, c := range t.calls {
		n += c.name + max(c.deltas, c.whole)
	}
	if n == 0 {
		return 0
	}
	return llm.EstimateBytes(n)
}

// whole is the usage of a reply that came to its end, and whether it is an estimate: the provider said nothing, or
// said it before the reply had grown to its end.
func (t *tally) whole(req llm.Request) (u llm.Usage, estimated bool) {
	if t.usage != nil && !t.early {
		return *t.usage, false
	}
	return t.soFar(req), true
}

// soFar is the usage of what came: the last known one, with at least as much output as was seen.
func (t *tally) soFar(req llm.Request) llm.Usage {
	u := llm.Usage{Input: llm.Estimate(req)}
	if t.usage != nil {
		u = *t.usage
	}
	u.Output = max(u.Output, t.output())
	return u
}

// maxTokens is more than any request has. Providers of all sorts answer, and a count beyond sense must not spoil the
// sums of everybody.
const maxTokens = 1_000_000_000

// plausible bounds each class of a usage to what can be.
func plausible(u llm.Usage) llm.Usage {
	for _, n := range []*int64{&u.Input, &u.Output, &u.CacheRead, &u.CacheWrite, &u.CacheWrite1h} {
		*n = min(max(*n, 0), maxTokens)
	}
	return u
}
