package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"overskill/internal/llm"
)

// Shares of the model's window, in percent.
const (
	countAt     = 70 // ask the provider for the exact number, if it never told one
	compactAt   = 75 // of what is left beside the reply
	compactTo   = 40
	dropTo      = 60 // where shortening was not enough
	historyPart = 15
	resultPart  = 15 // one tool's result
	indexPart   = 10 // the list of the app's files
)

const (
	maxReplyTokens = 32_000
	bytesPerToken  = 3    // on the low side
	keptMessages   = 6    // the newest stay whole
	keptSqueezed   = 2    // if it cannot be otherwise
	minStubbed     = 300  // bytes: a text that is no longer stays as it is
	maxDropped     = 2000 // bytes: the list of what was changed in replies that are gone
	countTimeout   = 30 * time.Second
)

// leftOut begins what stands for a text that the model wrote or read before, and that it can look up again.
const leftOut = "(left out here"

// window keeps a conversation within what the model reads at once. Old tool results and old file contents are
// replaced by a line each, from the oldest on; where that is not enough, the oldest replies go altogether. What was
// taken away stays away, so that a provider's cache of the conversation is built anew only when more is.
type window struct {
	context, reply int64   // tokens
	factor         float64 // tokens by the provider's count for each of ours; 0: it never told
	counted        bool    // the provider was asked to count
	below          int     // messages with a lower number are stubbed
	gone           int     // messages with a lower number are gone, save the opening and the plan
	squeezed       bool    // the provider said that it was too much
	stubs          map[int]llm.Message
}

func newWindow(l llm.Limits) window {
	w := window{context: l.Context, reply: min(maxReplyTokens, l.MaxOutput), stubs: map[int]llm.Message{}}
	if w.context <= 0 {
		w.context = 16_000
	}
	if w.reply <= 0 {
		w.reply = 4_000
	}
	w.reply = min(w.reply, w.context/4)
	return w
}

func (w *window) room() int64 { return w.context - w.reply }

// bytes is how long a text may be that takes up a part of the window, at most most.
func (w *window) bytes(percent, most int64) int {
	if w.context > most*100 { // no overflow for windows without end
		return int(most)
	}
	return int(min(most, w.context*percent/100*bytesPerToken))
}

// recent returns the newest earlier turns that fit, beginning with what a person said.
func (w *window) recent(history []llm.Message) []llm.Message {
	room := int64(w.bytes(historyPart, 1<<30))
	first := len(history)
	for i, m := range slices.Backward(history) {
		if room -= int64(len(m.Text)); room < 0 {
			break
		}
		if m.Role == llm.User {
			first = i
		}
	}
	return slices.Clone(history[first:])
}

// learn compares our estimate of a request with what the provider counted.
func (w *window) learn(req llm.Request, u llm.Usage) {
	if n := u.Prompt(); n > 0 {
		w.factor = float64(n) / float64(llm.Estimate(req))
	}
}

func (w *window) estimate(req llm.Request) int64 {
	n := llm.Estimate(req)
	if w.factor > 0 {
		return int64(w.factor * float64(n))
	}
	return n
}

// squeeze makes room after the provider refused a request as too long. It can do so once.
func (w *window) squeeze(said []llm.Message) bool {
	if w.squeezed {
		return false
	}
	w.squeezed = true
	w.below = max(w.below, len(said)-keptSqueezed)
	w.factor = max(w.factor, 1) * 1.5 // our estimate was too low
	w.counted = true                  // and so was the provider's
	return true
}

// compose puts the next request together, so that it fits.
func (s *session) compose(ctx context.Context) llm.Request {
	req := llm.Request{System: s.system, Tools: s.tools.offer(), Messages: s.outgoing(), MaxTokens: int(s.window.reply)}
	w := &s.window
	n := w.estimate(req)
	if w.factor == 0 && !w.counted && n*100 > w.room()*countAt {
		w.counted = true
		countCtx, cancel := context.WithTimeout(ctx, countTimeout)
		if exact, err := s.in.Model.CountTokens(countCtx, req); err == nil && exact > 0 {
			w.factor = float64(exact) / float64(llm.Estimate(req))
			n = w.estimate(req)
		} // else the estimate, which is on the high side, has to do
		cancel()
	}
	if n*100 <= w.room()*compactAt {
		return req
	}
	for _, kept := range []int{keptMessages, keptSqueezed} {
		for ; n > w.room()*compactTo/100 && w.below < len(s.said)-kept; n = w.estimate(req) {
			w.below++
			req.Messages = s.outgoing()
		}
		if n*100 <= w.room()*compactAt {
			break
		}
		for ; n > w.room()*dropTo/100 && w.gone < len(s.said)-kept; n = w.estimate(req) {
			w.gone++
			for w.gone < len(s.said)-kept && s.said[w.gone].Role == llm.User { // results go with their calls
				w.gone++
			}
			req.Messages = s.outgoing()
		}
		if n*100 <= w.room()*compactAt {
			break
		}
	}
	return req
}

// outgoing is the conversation as it is sent.
func (s *session) outgoing() []llm.Message {
	out := make([]llm.Message, 0, len(s.history)+len(s.said))
	out = append(out, s.history...)
	kept := s.afterPlan()
	for i, m := range s.said {
		switch {
		case i == 0 && s.window.squeezed && len(s.said) > 1:
			m = llm.Message{Role: llm.User, Text: withoutData("attached-files", m.Text)}
		case i == 0:
		case i >= kept && i < s.window.gone:
			if i == kept {
				out = append(out, llm.Message{Role: llm.User, Text: s.inShort(kept, s.window.gone)})
			}
			continue
		case i < s.window.below:
			if _, made := s.window.stubs[i]; !made {
				s.window.stubs[i] = s.stub(i)
			}
			m = s.window.stubs[i]
		}
		out = append(out, m)
	}
	return out
}

// afterPlan is the message with which carrying the plan out begins.
func (s *session) afterPlan() int {
	for i, m := range s.said {
		for _, c := range m.Calls {
			if c.Name == planName {
				return i + 2
			}
		}
	}
	return 1
}

// inShort says what was done in messages that are gone.
func (s *session) inShort(from, to int) string {
	var done []string
	seq := s.seqOf(from)
	for _, m := range s.said[from:to] {
		for range m.Calls {
			if c, ran := s.record[seq]; ran && c.OK && changedFiles(c) && !slices.Contains(done, c.Path) {
				done = append(done, c.Path)
			}
			seq++
		}
	}
	text := leftOut + ": the first replies of this turn)"
	if len(done) > 0 {
		text += "\nThey changed " + bounded(strings.Join(done, ", "), maxDropped) + "."
	}
	return text
}

// stub is message n with its long parts replaced by a line each. Plans and short results stay.
func (s *session) stub(n int) llm.Message {
	m := s.said[n]
	m.Thinking = nil
	m.Calls = slices.Clone(m.Calls)
	for i, c := range m.Calls {
		m.Calls[i].Input = stubInput(c)
	}
	if len(m.Results) == 0 || n == 0 {
		return m
	}
	calls := s.said[n-1].Calls
	m.Results = slices.Clone(m.Results)
	for i, r := range m.Results {
		if len(r.Text) > minStubbed && i < len(calls) {
			m.Results[i].Text = stubResult(calls[i], r)
		}
	}
	return m
}

// stubResult says in a line what a call had shown.
func stubResult(c llm.ToolCall, r llm.ToolResult) string {
	var in struct {
		Path    string `json:"path"`
		Pattern string `json:"pattern"`
		Source  string `json:"source"`
	}
	_ = json.Unmarshal(c.Input, &in) // what is missing is empty
	lines := strings.Count(r.Text, "\n") + 1
	switch {
	case r.Failed:
		first, _, _ := strings.Cut(r.Text, "\n")
		return bounded(first, minStubbed) + "\n" + leftOut + ": the rest)"
	case c.Name == "os-view":
		return fmt.Sprintf("%s: %s was shown, %d lines; view it again if you need it)", leftOut, in.Path, lines)
	case c.Name == "os-search-files":
		return fmt.Sprintf("%s: the matches of %q, %d lines; search again if you need them)", leftOut, bounded(in.Pattern, 100), lines)
	case c.Name == logsName:
		return fmt.Sprintf("%s: %d lines of the %s log; read it again if you need it)", leftOut, lines, in.Source)
	}
	return bounded(r.Text, minStubbed/2) + "\n" + leftOut + ": the rest)"
}

// stubInput is the input of a call that wrote a file, without the text that it wrote: the file has it.
func stubInput(c llm.ToolCall) llm.RawInput {
	long := map[string][]string{"os-write": {"content"}, lineReplaceName: {"search", "replace", "below"}, "os-migrate": {"sql"}}[c.Name]
	if long == nil || len(c.Input) <= minStubbed {
		return c.Input
	}
	var in map[string]any
	if json.Unmarshal(c.Input, &in) != nil {
		return llm.RawInput(`{}`)
	}
	parts := []map[string]any{in}
	if edits, ok := in["edits"].([]any); ok {
		for _, e := range edits {
			if part, ok := e.(map[string]any); ok {
				parts = append(parts, part)
			}
		}
	}
	for _, part := range parts {
		for _, name := range long {
			if text, ok := part[name].(string); ok && len(text) > minStubbed/3 {
				part[name] = fmt.Sprintf("%s: %d lines; view the file if you need them)", leftOut, strings.Count(text, "\n")+1)
			}
		}
	}
	out, err := json.Marshal(in)
	if err != nil { // it was JSON before
		return c.Input
	}
	return out
}

// withoutData takes what asData has put there out of a text again.
func withoutData(mark, text string) string {
	before, _, found := strings.Cut(text, "\n\n<"+mark+">\n")
	if !found {
		return text
	}
	return before + "\n\n" + leftOut + ": the files that were attached; view what you need)"
}
