package agent

import (
	"bytes"
	"encoding/json"
	"strconv"

	"overskill/internal/llm"
	"overskill/internal/model"
)

// record is what an earlier run of the same turn left behind.
type record struct {
	calls map[int]model.ToolCall
	last  int  // the highest Seq
	apart bool // this run went another way than the recorded one: nothing more is answered from the record
}

func newRecord(calls []model.ToolCall) *record {
	r := &record{calls: map[int]model.ToolCall{}}
	for _, c := range calls {
		r.calls[c.Seq] = c
		r.last = max(r.last, c.Seq)
	}
	return r
}

// find returns the recorded call with this number, if it is the same call. The first one that differs
// makes the record useless: from there on this run has a history of its own.
func (r *record) find(seq int, call llm.ToolCall) (model.ToolCall, bool) {
	c, ok := r.calls[seq]
	if !ok || r.apart {
		return model.ToolCall{}, false
	}
	if c.Name != call.Name || canonical(c.Input) != canonical(storable(call.Input)) {
		r.apart = true
		return model.ToolCall{}, false
	}
	return c, true
}

// align compares the calls of a conversation with the record and returns the number of the next call.
// A conversation that the record tells otherwise is one of another run.
func (r *record) align(conversation []llm.Message) (next int) {
	next = 1
	for _, m := range conversation {
		for _, call := range m.Calls {
			r.find(next, call)
			next++
		}
	}
	return next
}

// planning returns the part of the conversation in which the plan was made, as far as the record knows it.
func (r *record) planning(plan Plan) []llm.Message {
	said, heard := llm.Message{Role: llm.Assistant}, llm.Message{Role: llm.User}
	add := func(name string, input json.RawMessage, result string, failed bool) {
		id := "plan_" + strconv.Itoa(len(said.Calls)+1)
		said.Calls = append(said.Calls, llm.ToolCall{ID: id, Name: name, Input: input})
		heard.Results = append(heard.Results, llm.ToolResult{CallID: id, Text: result, Failed: failed})
	}
	for seq := 1; seq <= r.last; seq++ {
		c, ok := r.calls[seq]
		if !ok {
			break
		}
		add(c.Name, c.Input, c.Result, !c.OK)
		if c.Name == planName && c.OK {
			return []llm.Message{said, heard}
		}
	}
	said.Calls, heard.Results = nil, nil
	input, err := json.Marshal(plan)
	if err != nil { // strings always encode
		input = json.RawMessage(`{}`)
	}
	add(planName, input, planAccepted, false)
	return []llm.Message{said, heard}
}

// free returns the number under which a new call can be recorded: seq, unless it is taken.
func (r *record) free(seq int) int { return max(seq, r.last+1) }

// canonical makes equal inputs equal strings: databases reorder the keys of JSON and drop its spaces.
func canonical(input json.RawMessage) string {
	var v any
	d := json.NewDecoder(bytes.NewReader(input))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return string(input)
	}
	out, err := json.Marshal(v)
	if err != nil {
		return string(input)
	}
	return string(out)
}

// loopGuard notices a model that repeats itself: the same call again and again, while the files stay the same.
type loopGuard struct {
	seen map[string]int
	tree string // hash of the files that seen is about
}

const maxIdentical = 3

// stuck counts a call that is about to be run, and reports whether it is the third of its kind.
func (g *loopGuard) stuck(call llm.ToolCall, treeHash string) bool {
	if g.seen == nil || g.tree != treeHash {
		g.seen, g.tree = map[string]int{}, treeHash
	}
	key := call.Name + "\x00" + canonical(call.Input)
	g.seen[key]++
	return g.seen[key] >= maxIdentical
}
