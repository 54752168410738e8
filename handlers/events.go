package handlers

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"overskill/internal/fault"
	"overskill/internal/model"
)

const (
	heartbeat  = 15 * time.Second // shorter than the idle timeout of common proxies
	writeLimit = 20 * time.Second // a client that takes nothing for so long is gone
	streamLife = 15 * time.Minute // then the browser reconnects, and is asked again who it is
)

// events streams what happens to an app as server-sent events (WHATWG HTML, section 9.2). Each message has
// the event's id, its kind and its data as JSON. It begins after the id in the header Last-Event-ID, which
// a browser sends when it reconnects, else after ?after=, else at the beginning.
func (s *server) events(c echo.Context) error {
	slug, u := c.Param("slug"), me(c)
	after, err := lastEventID(c)
	if err != nil {
		return err
	}
	if _, err := s.Builder.App(c.Request().Context(), u, slug); err != nil {
		return err // before the head is sent: this can still be a 404
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), streamLife)
	defer cancel()

	stream := newStream(c)
	if err := stream.comment("hello"); err != nil {
		return nil
	}
	var beats sync.WaitGroup
	beats.Go(func() {
		tick := time.NewTicker(heartbeat)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if stream.comment("") != nil {
					cancel()
					return
				}
			}
		}
	})
	err = s.Builder.Events(ctx, u, slug, after, stream.event)
	cancel()
	beats.Wait()
	if err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

func lastEventID(c echo.Context) (int64, error) {
	value := c.Request().Header.Get("Last-Event-ID")
	if value == "" {
		value = c.QueryParam("after")
	}
	if value == "" {
		return 0, nil
	}
	id, err := strconv.ParseInt(value, 10, 64)
	if err != nil || id < 0 {
		return 0, fault.New(fault.Invalid, "The id of the last event must be a number.")
	}
	return id, nil
}

// stream writes server-sent events. Its methods may be called at the same time.
type stream struct {
	mu      sync.Mutex
	w       http.ResponseWriter
	control *http.ResponseController
}

// newStream sends the head. The headers keep proxies from holding the stream back.
func newStream(c echo.Context) *stream {
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-cache, no-store, no-transform")
	h.Set("X-Accel-Buffering", "no")
	c.Response().WriteHeader(http.StatusOK)
	return &stream{w: c.Response(), control: http.NewResponseController(c.Response())}
}

func (s *stream) comment(text string) error {
	return s.send([]byte(": " + text + "\n\n"))
}

func (s *stream) event(e model.Event) error {
	var buf bytes.Buffer
	fmt.Fprintf(&buf, "id: %d\nevent: %s\n", e.ID, e.Kind)
	for line := range bytes.Lines(e.Data) {
		buf.WriteString("data: ")
		buf.Write(bytes.TrimRight(line, "\r\n"))
		buf.WriteByte('\n')
	}
	buf.WriteByte('\n')
	return s.send(buf.Bytes())
}

func (s *stream) send(message []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Not every writer has deadlines (a test's has none); then the server's own limits hold.
	_ = s.control.SetWriteDeadline(time.Now().Add(writeLimit))
	if _, err := s.w.Write(message); err != nil {
		return fmt.Errorf("send event: %w", err)
	}
	if err := s.control.Flush(); err != nil {
		return fmt.Errorf("flush event: %w", err)
	}
	return nil
}
