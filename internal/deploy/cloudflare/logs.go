package cloudflare

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"

	"overskill/internal/deploy/target"
	"overskill/internal/fault"
	"overskill/internal/model"
)

// Cloudflare keeps no logs for us: a tail shows what happens while it is open.
const (
	listenFor  = 10 * time.Second // how long Logs listens
	listenMax  = 500              // lines after which Logs has enough
	tailReply  = 1 << 20          // bytes of one event
	tailHeader = "trace-v1"       // the protocol
)

// Logs listens for ten seconds and returns what the server code wrote meanwhile; lines before since are left out.
// Cloudflare keeps nothing, so what was written before the call is not among them.
func (t *Target) Logs(ctx context.Context, s target.Site, since time.Time) ([]target.Line, error) {
	listening, cancel := context.WithTimeout(ctx, listenFor)
	defer cancel()
	var lines []target.Line
	err := t.Tail(listening, s, func(l target.Line) bool {
		if !l.At.Before(since) {
			lines = append(lines, l)
		}
		return len(lines) < listenMax
	})
	if err != nil && (ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded)) {
		return nil, err
	}
	slices.SortStableFunc(lines, func(a, b target.Line) int { return a.At.Compare(b.At) })
	return lines, nil
}

// Tail hands each line that the server code writes to emit, until emit returns false or ctx ends, whose error it then
// returns. The tail is closed at Cloudflare in any case. Scripts in a dispatch namespace have no tails: Invalid.
func (t *Target) Tail(ctx context.Context, s target.Site, emit func(target.Line) bool) error {
	name, err := script(s)
	if err != nil {
		return err
	}
	if t.cfg.Mode == ModeDispatch {
		return fault.New(fault.Invalid, "Cloudflare shows no live logs of scripts in a dispatch namespace. Use a Tail Worker or Logpush there.")
	}
	tails := t.account("/workers/scripts/%s/tails", name)
	body := &payload{Type: "application/json", Body: []byte(`{"filters":[]}`)}
	var tail struct {
		ID  string `json:"id"`
		URL string `json:"url"`
	}
	if _, err := t.call(ctx, http.MethodPost, tails, body, &tail); err != nil {
		return fmt.Errorf("open the logs of %s: %w", name, err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
		defer cancel()
		if !names.MatchString(tail.ID) {
			return
		}
		if err := t.remove(closing, tails+"/"+tail.ID); err != nil { // it ends by itself after a while
			t.cfg.Log.WarnContext(closing, "cloudflare tail is left open", "error", err)
		}
	}()
	t.api.redact.add(tail.URL) // who has the address can read the logs
	return t.listen(ctx, tail.URL, emit)
}

func (t *Target) listen(ctx context.Context, address string, emit func(target.Line) bool) error {
	dialing, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	conn, _, err := websocket.Dial(dialing, address, &websocket.DialOptions{Subprotocols: []string{tailHeader}, HTTPClient: t.cfg.HTTPClient})
	if err != nil {
		return t.tailBroke(ctx, err)
	}
	defer conn.CloseNow()
	conn.SetReadLimit(tailReply)
	if err := conn.Write(ctx, websocket.MessageText, []byte(`{"debug":false}`)); err != nil {
		return t.tailBroke(ctx, err)
	}
	for {
		_, data, err := conn.Read(ctx)
		if err != nil {
			if websocket.CloseStatus(err) == websocket.StatusNormalClosure {
				return nil
			}
			return t.tailBroke(ctx, err)
		}
		for _, l := range traceLines(data) {
			l.Text = t.api.redact.text(l.Text)
			if !emit(l) {
				return nil
			}
		}
	}
}

func (t *Target) tailBroke(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	cause := errors.New(t.api.redact.text("tail: " + err.Error()))
	return fault.Wrap(cause, fault.Unavailable, "The connection to Cloudflare's logs broke. Open them again.")
}

// traceLines reads one event of a tail: what was written, then what was thrown. What is no event gives nothing.
func traceLines(data []byte) []target.Line {
	var event struct {
		Logs []struct {
			Message   []any  `json:"message"`
			Level     string `json:"level"`
			Timestamp int64  `json:"timestamp"` // milliseconds
		} `json:"logs"`
		Exceptions []struct {
			Name      string `json:"name"`
			Message   string `json:"message"`
			Stack     string `json:"stack"`
			Timestamp int64  `json:"timestamp"`
		} `json:"exceptions"`
	}
	if json.Unmarshal(data, &event) != nil {
		return nil
	}
	var out []target.Line
	for _, l := range event.Logs {
		words := make([]string, len(l.Message))
		for i, m := range l.Message {
			if s, ok := m.(string); ok {
				words[i] = s
				continue
			}
			b, _ := json.Marshal(m) // it came out of JSON
			words[i] = string(b)
		}
		level := model.LogInfo
		switch l.Level {
		case "warn":
			level = model.LogWarn
		case "error":
			level = model.LogError
		}
		out = append(out, target.Line{At: time.UnixMilli(l.Timestamp).UTC(), Level: level, Text: strings.Join(words, " ")})
	}
	for _, e := range event.Exceptions {
		text := e.Name + ": " + e.Message
		if e.Stack != "" {
			text += "\n" + e.Stack
		}
		out = append(out, target.Line{At: time.UnixMilli(e.Timestamp).UTC(), Level: model.LogError, Text: text})
	}
	return out
}
