package modelscript

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// Server plays a script on loopback until its test ends.
type Server struct {
	URL string // of the API's root, without a slash at its end
	*Script
}

// serve starts a server of a script whose requests handler answers.
func serve(t testing.TB, steps []Step, handler func(*Script) http.Handler) *Server {
	t.Helper()
	script := newScript(t, steps)
	srv := httptest.NewServer(handler(script))
	t.Cleanup(func() {
		srv.CloseClientConnections() // wakes a reply that hangs
		srv.Close()
	})
	return &Server{URL: srv.URL, Script: script}
}

// object is a JSON object.
type object = map[string]any

// frame is one server-sent event; the name may be empty.
type frame struct{ name, data string }

// jsonFrame is an event whose data is v in JSON.
func jsonFrame(name string, v any) frame {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("modelscript: encode event %s: %v", name, err))
	}
	return frame{name, string(b)}
}

// stream is a whole reply, one event after the other. It is collected before it is played, so that faults can be
// placed by the number of events.
type stream struct{ frames []frame }

// event adds an event whose data is v in JSON.
func (s *stream) event(name string, v any) { s.frames = append(s.frames, jsonFrame(name, v)) }

// line adds an event whose data is text as it stands.
func (s *stream) line(name, text string) { s.frames = append(s.frames, frame{name, text}) }

// play sends the events and commits the faults of the step: after ErrorAfter events it sends failure and ends, after
// BreakAfter events it breaks the connection, and it hangs after half of the events. A fault that lies behind the
// last event fails the test, because it would never happen.
func (s *stream) play(t testing.TB, w http.ResponseWriter, r *http.Request, step Step, failure frame) {
	if last := max(step.ErrorAfter, step.BreakAfter); last > len(s.frames) {
		t.Errorf("modelscript: a fault after %d events in a reply of %d", last, len(s.frames))
	}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	out := http.NewResponseController(w)
	_ = out.Flush() // the headers come before the model has thought
	for i, f := range s.frames {
		if step.Hang > 0 && i == len(s.frames)/2 && !pause(r, step.Hang) {
			return
		}
		if !f.send(w, out, i%7 == 3) {
			return
		}
		switch i + 1 {
		case step.ErrorAfter:
			failure.send(w, out, false)
			return
		case step.BreakAfter:
			panic(http.ErrAbortHandler)
		}
	}
}

// send writes the event and reports whether the client is still there. A torn event arrives in two pieces, as
// networks deliver some.
func (f frame) send(w io.Writer, out *http.ResponseController, torn bool) bool {
	var b strings.Builder
	if f.name != "" {
		fmt.Fprintf(&b, "event: %s\n", f.name)
	}
	fmt.Fprintf(&b, "data: %s\n\n", f.data)
	text := b.String()
	if torn {
		half := len(text) / 2
		if _, err := io.WriteString(w, text[:half]); err != nil || out.Flush() != nil {
			return false
		}
		text = text[half:]
	}
	_, err := io.WriteString(w, text)
	return err == nil && out.Flush() == nil
}

// pause waits and reports whether the client is still there.
func pause(r *http.Request, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// refuse answers with the step's HTTP error and the body, which is the provider's.
func refuse(w http.ResponseWriter, step Step, body any) {
	w.Header().Set("Content-Type", "application/json")
	if step.RetryAfter != "" {
		w.Header().Set("Retry-After", step.RetryAfter)
	}
	w.WriteHeader(step.Status)
	_ = json.NewEncoder(w).Encode(body)
}

// pieces cuts text into pieces of about n bytes, 17 when n is 0, never inside a character: JSON could not carry that.
func pieces(text string, n int) []string {
	if n <= 0 {
		n = 17
	}
	var list []string
	for len(text) > n {
		cut := runeStart(text, n)
		if cut == 0 {
			_, cut = utf8.DecodeRuneInString(text)
		}
		list = append(list, text[:cut])
		text = text[cut:]
	}
	if text == "" {
		return list
	}
	return append(list, text)
}

// runeStart returns the start of the character at byte n.
func runeStart(text string, n int) int {
	for n > 0 && n < len(text) && !utf8.RuneStart(text[n]) {
		n--
	}
	return n
}

// input is the call's input as the model would write it.
func (c Call) input() string {
	switch v := c.Input.(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		b, err := json.Marshal(v)
		if err != nil {
			panic(fmt.Sprintf("modelscript: encode the input of %s: %v", c.Name, err))
		}
		return string(b)
	}
}

// inputs are the inputs of all calls; of the last one only what CutInput leaves.
func (s Step) inputs() []string {
	list := make([]string, len(s.Calls))
	for i, c := range s.Calls {
		list[i] = c.input()
	}
	if last := len(list) - 1; last >= 0 && s.CutInput > 0 && s.CutInput < len(list[last]) {
		list[last] = list[last][:runeStart(list[last], s.CutInput)]
	}
	return list
}

// stop is why the reply ends, in the terms of package llm.
func (s Step) stop() string {
	switch {
	case s.Stop != "":
		return s.Stop
	case s.CutInput > 0:
		return "max_tokens"
	case len(s.Calls) > 0:
		return "tool_use"
	default:
		return "end_turn"
	}
}

// usage is what the request cost.
func (s Step) usage() Usage {
	if s.Usage == (Usage{}) {
		return Usage{Input: 100, Output: 20}
	}
	return s.Usage
}
