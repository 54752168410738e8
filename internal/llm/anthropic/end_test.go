package anthropic

import (
	"context"
	"errors"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"overskill/internal/llm"
	"overskill/internal/testing/modelscript"
)

// brokenNet is a network in which nothing can be reached.
type brokenNet struct{}

func (*brokenNet) dial(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("no route to host")
}

// TestSilence waits for the answer, for the first event, and in the middle of a reply.
func TestSilence(t *testing.T) {
	short := func(c *Config) { c.Silence = 60 * time.Millisecond }
	check := func(t *testing.T, url string, begun bool) {
		t.Helper()
		start := time.Now()
		e, _ := fails(t, newModel(t, url, short), hi(), llm.Silent)
		if e.Begun != begun || !e.Temporary() {
			t.Errorf("begun %v, temporary %v", e.Begun, e.Temporary())
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("it took %v to give up", took)
		}
	}
	t.Run("no answer", func(t *testing.T) {
		check(t, serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), false)
	})
	t.Run("no event", func(t *testing.T) {
		check(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}), false)
	})
	t.Run("an error whose body does not come", func(t *testing.T) {
		check(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}), false)
	})
	t.Run("within a reply", func(t *testing.T) {
		check(t, modelscript.Anthropic(t, modelscript.Step{Text: "I begin to say it", Hang: patience}).URL, true)
	})
}

// TestNoFalseSilence has times in which nothing comes and nothing is wrong.
func TestNoFalseSilence(t *testing.T) {
	short := func(c *Config) { c.Silence = 150 * time.Millisecond }
	t.Run("a reader that is busy", func(t *testing.T) {
		srv := modelscript.Anthropic(t, modelscript.Step{Text: "Hi there"})
		err := newModel(t, srv.URL, short).Stream(t.Context(), hi(), func(e llm.Event) error {
			if e.Text != "" {
				time.Sleep(300 * time.Millisecond)
			}
			return nil
		})
		if err != nil {
			t.Errorf("Stream: %v", err)
		}
	})
	t.Run("a wait that the provider asked for", func(t *testing.T) {
		srv := modelscript.Anthropic(t, modelscript.Step{Status: 429, RetryAfter: "0.4"}, modelscript.Step{Text: "Hi"})
		ask(t, newModel(t, srv.URL, short), hi())
	})
	t.Run("pings while the model thinks", func(t *testing.T) {
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			out := http.NewResponseController(w)
			for range 8 {
				_, _ = w.Write([]byte(onWire(`{"type":"ping"}`)))
				_ = out.Flush()
				time.Sleep(50 * time.Millisecond)
			}
			_, _ = w.Write([]byte(onWire(start, textOpen, textHi, closed0, ended, stopped)))
		})
		ask(t, newModel(t, url, short), hi())
	})
	t.Run("a server that does not end the stream", func(t *testing.T) {
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = w.Write([]byte(onWire(start, textOpen, textHi, closed0, ended, stopped)))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})
		began := time.Now()
		ask(t, newModel(t, url), hi())
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %v after the last event", took)
		}
	})
}

// counter counts the connections that are open.
type counter struct{ open, dialed atomic.Int64 }

type countedConn struct {
	net.Conn
	closed atomic.Bool
	c      *counter
}

func (c *countedConn) Close() error {
	if !c.closed.Swap(true) {
		c.c.open.Add(-1)
	}
	return c.Conn.Close()
}

// client is one whose connections count.
func (c *counter) client() (*http.Client, *http.Transport) {
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		c.open.Add(1)
		c.dialed.Add(1)
		return &countedConn{Conn: conn, c: c}, nil
	}}
	return &http.Client{Transport: transport}, transport
}

// TestEnds stops requests at every stage: the error is the one that stopped it, and neither a connection nor a
// goroutine is left.
func TestEnds(t *testing.T) {
	enough := errors.New("enough")
	slow := modelscript.Step{Text: "I say a few words, and then I hang for a while.", Hang: patience, Calls: []modelscript.Call{{Name: "os-list"}}}
	tests := []struct {
		name string
		step modelscript.Step
		emit func(e llm.Event, cancel func()) error
		want error
	}{
		{"emit fails at the answer", slow, func(e llm.Event, _ func()) error {
			if e.Answer != nil {
				return enough
			}
			return nil
		}, enough},
		{"emit fails in a text", slow, func(e llm.Event, _ func()) error {
			if e.Text != "" {
				return enough
			}
			return nil
		}, enough},
		{"emit fails at the stop", modelscript.Step{Text: "Hi"}, func(e llm.Event, _ func()) error {
			if e.Stop != "" {
				return enough
			}
			return nil
		}, enough},
		{"the context ends in a reply", slow, func(e llm.Event, cancel func()) error {
			if e.Text != "" {
				cancel()
			}
			return nil
		}, context.Canceled},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			srv := modelscript.Anthropic(t, test.step)
			var open counter
			client, transport := open.client()
			m := newModel(t, srv.URL, func(c *Config) { c.Client = client })
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stopped := false
			err := m.Stream(ctx, hi(), func(e llm.Event) error {
				if stopped {
					t.Errorf("an event came after an error: %+v", e)
				}
				err := test.emit(e, cancel)
				stopped = err != nil
				return err
			})
			if !errors.Is(err, test.want) {
				t.Errorf("Stream: %v, want %v", err, test.want)
			}
			transport.CloseIdleConnections()
			eventually(t, "connections are left", func() bool { return open.open.Load() == 0 })
			eventually(t, "goroutines are left", func() bool { return !strings.Contains(stacks(), "http.(*persistConn)") })
		})
	}
	t.Run("the context had ended before", func(t *testing.T) {
		srv := modelscript.Anthropic(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := newModel(t, srv.URL).Stream(ctx, hi(), new(heard).hear); !errors.Is(err, context.Canceled) {
			t.Errorf("Stream: %v", err)
		}
	})
}

// TestConnectionsAreUsedAgain asks several times over one connection.
func TestConnectionsAreUsedAgain(t *testing.T) {
	step := modelscript.Step{Text: "Hi", Calls: []modelscript.Call{{Name: "os-list"}}}
	srv := modelscript.Anthropic(t, step, step, modelscript.Step{Status: 529, RetryAfter: "0"}, step)
	var open counter
	client, transport := open.client()
	defer transport.CloseIdleConnections()
	m := newModel(t, srv.URL, func(c *Config) { c.Client = client })
	for range 3 {
		ask(t, m, hi())
	}
	if n := open.dialed.Load(); n > 2 { // the SDK closes the body of an answer that it does not take
		t.Errorf("%d connections for four requests", n)
	}
}

func stacks() string {
	buf := make([]byte, 1<<20)
	return string(buf[:runtime.Stack(buf, true)])
}

func eventually(t *testing.T, complaint string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Errorf("%s:\n%s", complaint, stacks())
}

// BenchmarkStream measures a reply of 2,000 deltas: from the events in memory to what is told, everything of the SDK
// and of the adapter, and no network.
func BenchmarkStream(b *testing.B) {
	events := []string{start, toolOpen}
	for range 2000 {
		events = append(events, `{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"const a = 1; "}}`)
	}
	events = append(events, closed0, used, stopped)
	m := New(Config{Model: testModel, Client: &http.Client{Transport: transport(onWire(events...))}})
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if err := m.Stream(b.Context(), hi(), func(llm.Event) error { n++; return nil }); err != nil || n < 2000 {
			b.Fatalf("%d events, %v", n, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/2000, "µs/delta")
}

// BenchmarkRequest measures how long it takes to write a long conversation.
func BenchmarkRequest(b *testing.B) {
	m := New(Config{Model: testModel})
	req := llm.Request{System: []string{words(5000, "a rule")}, Messages: []llm.Message{{Role: llm.User, Text: "Go"}}}
	for range 30 {
		req.Messages = append(
			req.Messages,
			llm.Message{Role: llm.Assistant, Calls: []llm.ToolCall{{ID: "a", Name: "os-view", Input: llm.RawInput(`{"path":"src/App.tsx"}`)}}},
			llm.Message{Role: llm.User, Results: []llm.ToolResult{{CallID: "a", Text: words(2000, "a line")}}},
		)
	}
	b.ReportAllocs()
	for b.Loop() {
		p, err := m.params(req, allFeatures)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := p.MarshalJSON(); err != nil {
			b.Fatal(err)
		}
	}
}
