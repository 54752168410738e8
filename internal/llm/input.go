package llm

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// RawInput is a tool call's input as the model wrote it. Unlike json.RawMessage it may be broken JSON and still be
// kept: it is then encoded as an object that holds the text.
type RawInput []byte

// brokenInput is how broken input is encoded.
type brokenInput struct {
	Broken string `json:"_broken_input"`
}

// MarshalJSON writes the input, or what is left of it as text.
func (r RawInput) MarshalJSON() ([]byte, error) {
	if r.Object() {
		return r, nil
	}
	return json.Marshal(brokenInput{string(r)})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (r *RawInput) UnmarshalJSON(b []byte) error {
	var broken brokenInput
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&broken); err == nil && broken.Broken != "" {
		*r = RawInput(broken.Broken)
		return nil
	}
	*r = bytes.Clone(b)
	return nil
}

// Object reports whether the input is one whole JSON object in UTF-8, which is what providers take back.
func (r RawInput) Object() bool {
	t := bytes.TrimSpace(r)
	return len(t) > 0 && t[0] == '{' && utf8.Valid(t) && json.Valid(t)
}
