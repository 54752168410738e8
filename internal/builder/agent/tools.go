package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"overskill/internal/filetree"
	"overskill/internal/llm"
)

// tool is one thing that the model can do.
type tool struct {
	name        string
	description string
	schema      string // JSON schema of the input
	slow        bool   // asks a registry or a database
	look        bool   // changes nothing, so that it may be used before the plan
	run         func(ctx context.Context, s *session, input json.RawMessage) outcome
}

type toolset []tool

func (ts toolset) find(name string) (tool, bool) {
	i := slices.IndexFunc(ts, func(t tool) bool { return t.name == name })
	if i < 0 {
		return tool{}, false
	}
	return ts[i], true
}

func (ts toolset) names() string {
	var names []string
	for _, t := range ts {
		names = append(names, t.name)
	}
	return strings.Join(names, ", ")
}

// offer is how the tools are described to the model.
func (ts toolset) offer() []llm.Tool {
	out := make([]llm.Tool, len(ts))
	for i, t := range ts {
		out[i] = llm.Tool{Name: t.name, Description: t.description, Schema: json.RawMessage(t.schema)}
	}
	return out
}

const (
	planName        = "os-plan"
	lineReplaceName = "os-line-replace"
)

// allTools are on offer through a whole turn, in this order.
func allTools(logs bool) toolset {
	ts := toolset{
		planTool(), askTool(), viewTool(), searchTool(), writeTool(), lineReplaceTool(), deleteTool(), renameTool(),
		addDependencyTool(), removeDependencyTool(), migrateTool(),
	}
	if logs {
		ts = append(ts, logsTool())
	}
	return ts
}

const maxInput = filetree.MaxFileSize + 64<<10 // bytes of JSON; escapes may take some more than the content itself

// decode reads a tool's input strictly: one object, only known members, of the right types, in UTF-8 without
// NUL. It returns what to tell the model, or "".
func decode(input json.RawMessage, into any) (problem string) {
	switch {
	case len(input) > 2*maxInput:
		return fmt.Sprintf("The input has %d bytes, which is too much. A file may have %d.", len(input), filetree.MaxFileSize)
	case !utf8.Valid(input):
		return "The input is not valid UTF-8."
	}
	d := json.NewDecoder(bytes.NewReader(input))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return decodeProblem(err, into)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return "The input is more than one JSON object."
	}
	if hasNUL(reflect.ValueOf(into)) {
		return "The input holds a NUL character, which no file of an app may."
	}
	return ""
}

func decodeProblem(err error, into any) string {
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) && wrongType.Field != "" {
		return fmt.Sprintf("%s must be %s, not a %s.", wrongType.Field, inWords(wrongType.Type), wrongType.Value)
	}
	if name, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown {
		return fmt.Sprintf("There is no input %s. There are: %s.", name, strings.Join(members(into), ", "))
	}
	return "The input is not the JSON object that was expected: " + strings.TrimPrefix(err.Error(), "json: ") + "."
}

// inWords names a type as JSON knows it.
func inWords(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Pointer:
		return inWords(t.Elem())
	case reflect.Int:
		return "a whole number"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		if t.Elem().Kind() != reflect.String {
			return "a list"
		}
		return "a list of strings"
	}
	return "an object"
}

// members lists the inputs of a tool, from its struct.
func members(into any) []string {
	var names []string
	for _, f := range reflect.VisibleFields(reflect.TypeOf(into).Elem()) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			names = append(names, name)
		}
	}
	return names
}

func hasNUL(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer:
		return !v.IsNil() && hasNUL(v.Elem())
	case reflect.String:
		return strings.ContainsRune(v.String(), 0)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return false // JSON to be decoded by its own
		}
		for i := range v.Len() {
			if hasNUL(v.Index(i)) {
				return true
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if hasNUL(v.Field(i)) {
				return true
			}
		}
	}
	return false
}

// storable keeps an input that a JSON column can hold. What is no JSON is kept as a string.
func storable[Raw ~[]byte](raw Raw) json.RawMessage {
	input := json.RawMessage(raw)
	if json.Valid(input) && utf8.Valid(input) && !bytes.Contains(input, []byte(`\u0000`)) {
		return input
	}
	quoted, err := json.Marshal(bounded(storableText(string(input)), 64<<10))
	if err != nil { // a string always encodes
		return json.RawMessage(`null`)
	}
	return quoted
}

// storableText drops what a text column cannot hold.
func storableText(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// bounded cuts a text to at most n bytes, at a character.
func bounded(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
