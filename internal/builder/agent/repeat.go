package agent

import (
	"bytes"
	"encoding/json"

	"overskill/internal/llm"
	"overskill/internal/model"
)

const maxIdentical = 3

// loopGuard notices a model that repeats itself: the same call again and again, while the files stay the same.
type loopGuard struct {
	seen map[string]int
}

// reset forgets what was called, for the files have changed.
func (g *loopGuard) reset() { g.seen = nil }

// count notes a call that is run.
func (g *loopGuard) count(name string, input json.RawMessage) {
	if g.seen == nil {
		g.seen = map[string]int{}
	}
	g.seen[callKey(name, input)]++
}

// stuck reports whether a call that is about to be run would be the third of its kind.
func (g *loopGuard) stuck(call llm.ToolCall) bool {
	return g.seen[callKey(call.Name, storable(call.Input))] >= maxIdentical-1
}

func callKey(name string, input json.RawMessage) string { return name + "\x00" + canonical(input) }

// changedFiles reports whether a recorded call changed a file.
func changedFiles(c model.ToolCall) bool {
	switch c.Name {
	case "os-delete", "os-rename", "os-add-dependency", "os-remove-dependency":
		return c.OK
	}
	return c.Detail != ""
}

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
