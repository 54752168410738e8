package cloudflaretest

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// tail is an open listener to a script's logs.
type tail struct {
	script string
	events chan []byte
}

func (a *Account) newTail(r *http.Request) (reply, error) {
	s, err := a.find(r)
	if err != nil {
		return reply{}, err
	}
	var in struct {
		Filters []any `json:"filters"`
	}
	if err := body(r, &in, "application/json"); err != nil {
		return reply{}, err
	}
	id := randomHex(16)
	a.tails[id] = &tail{s.name, make(chan []byte, 100)}
	address := "ws" + strings.TrimPrefix(strings.TrimSuffix(a.URL, "/client/v4"), "http") + "/tail/" + id
	return reply{Result: map[string]any{"id": id, "url": address, "expires_at": a.now().Add(6 * time.Hour)}}, nil
}

func (a *Account) deleteTail(r *http.Request) (reply, error) {
	id := r.PathValue("tail")
	if a.tails[id] == nil {
		return reply{}, refuse(http.StatusNotFound, 10061, "there is no such tail")
	}
	close(a.tails[id].events)
	delete(a.tails, id)
	return reply{}, nil
}

// Tails is how many tails are open.
func (a *Account) Tails() (n int) {
	a.locked(func() { n = len(a.tails) })
	return n
}

// Emit sends an event to all who listen to a script, and returns how many those are.
func (a *Account) Emit(script string, event any) (listeners int) {
	raw, err := json.Marshal(event)
	if err != nil {
		a.t.Fatal(err)
	}
	a.locked(func() {
		for _, t := range a.tails {
			if t.script == script {
				t.events <- raw
				listeners++
			}
		}
	})
	return listeners
}

func (a *Account) closeTails() {
	a.locked(func() {
		for id, t := range a.tails {
			close(t.events)
			delete(a.tails, id)
		}
	})
}

// serveTail sends events over a WebSocket that speaks the protocol trace-v1.
func (a *Account) serveTail(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	t := a.tails[r.PathValue("tail")]
	a.mu.Unlock()
	if t == nil || r.Header.Get("Sec-Websocket-Protocol") != "trace-v1" {
		http.Error(w, "no such tail, or another protocol", http.StatusBadRequest)
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"trace-v1"}})
	if err != nil {
		return
	}
	defer conn.CloseNow()
	// The listener speaks first, and says only whether it wants to debug.
	var hello struct {
		Debug *bool `json:"debug"`
	}
	if _, first, err := conn.Read(r.Context()); err != nil || strict(first, &hello) != nil || hello.Debug == nil {
		_ = conn.Close(websocket.StatusPolicyViolation, "the first message is not {debug}")
		return
	}
	ctx := conn.CloseRead(context.WithoutCancel(r.Context()))
	for {
		select {
		case <-ctx.Done():
			return
		case raw, open := <-t.events:
			if !open {
				_ = conn.Close(websocket.StatusNormalClosure, "")
				return
			}
			if conn.Write(ctx, websocket.MessageBinary, raw) != nil {
				return
			}
		}
	}
}
