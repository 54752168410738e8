package wire

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		header, value string
		want          time.Duration
		ok            bool
	}{
		{"Retry-After", "5", 5 * time.Second, true},
		{"Retry-After", "1.5", 1500 * time.Millisecond, true},
		{"Retry-After", "-5", 0, true},
		{"Retry-After", "1e300", 24 * time.Hour, true},
		{"Retry-After", "NaN", 0, false},
		{"Retry-After", "soon", 0, false},
		{"Retry-After", "", 0, false},
		{"Retry-After-Ms", "250", 250 * time.Millisecond, true},
		{"Retry-After", "Mon, 23 Nov 2026 12:00:30 GMT", 30 * time.Second, true},
		{"Retry-After", "Mon, 23 Nov 2026 11:00:00 GMT", 0, true},
	}
	for _, test := range tests {
		got, ok := RetryAfter(http.Header{test.header: {test.value}}, now)
		if got != test.want || ok != test.ok {
			t.Errorf("%s: %s is %v, %v; want %v, %v", test.header, test.value, got, ok, test.want, test.ok)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"1", "0.5", "-1", "Inf", "NaN", "1e400", "Mon, 23 Nov 2026 12:00:30 GMT", "Mon, 23 Nov 9999 12:00:30 GMT", "x"} {
		f.Add(seed)
	}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, value string) {
		if wait, _ := RetryAfter(http.Header{"Retry-After": {value}}, now); wait < 0 || wait > 24*time.Hour {
			t.Errorf("%q is %v", value, wait)
		}
	})
}

func TestBodyIsBounded(t *testing.T) {
	w := NewWatch(time.Minute, func() { t.Error("the watch ended") })
	b, err := io.ReadAll(w.Body(io.NopCloser(strings.NewReader("0123456789")), 4))
	if string(b) != "0123" || !errors.Is(err, ErrTooLarge) {
		t.Errorf("read %q, %v", b, err)
	}
}

// TestSilence: only waiting for the server counts, not what the reader does in between.
func TestSilence(t *testing.T) {
	const silence = 50 * time.Millisecond
	ended := make(chan struct{})
	w := NewWatch(silence, func() { close(ended) })
	r, out := io.Pipe()
	body := w.Body(r, MaxReply)
	go func() { _, _ = out.Write([]byte("x")) }()
	if _, err := body.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * silence) // busy
	select {
	case <-ended:
		t.Fatal("a busy reader was taken for a silent server")
	default:
	}
	go func() { _, _ = body.Read(make([]byte, 1)) }()
	select {
	case <-ended:
	case <-time.After(100 * silence):
		t.Error("a silent server was not noticed")
	}
	_ = out.Close()
}
