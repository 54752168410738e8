package workerd

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"overskill/internal/deploy/target"
	"overskill/internal/model"
)

// Limits of what is kept of an app's lines.
const (
	maxLines     = 1000
	maxText      = 8 << 10   // bytes of one line
	maxRing      = 1 << 20   // bytes of all lines of an app
	maxRead      = 256 << 10 // bytes of one line as the runtime writes it
	linesASecond = 1000      // more than these are counted, not kept: reading them would cost the server its time
)

// ring keeps the last lines of an app.
type ring struct {
	mu    sync.Mutex
	lines []target.Line
	bytes int
	last  time.Time
}

func (l *ring) add(line target.Line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	l.bytes += len(line.Text)
	l.last = line.At
	drop := 0
	for len(l.lines)-drop > maxLines || l.bytes > maxRing {
		l.bytes -= len(l.lines[drop].Text)
		drop++
	}
	if drop > 0 {
		l.lines = append(l.lines[:0], l.lines[drop:]...)
	}
}

func (l *ring) since(t time.Time) []target.Line {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []target.Line
	for _, line := range l.lines {
		if line.At.After(t) {
			out = append(out, line)
		}
	}
	return out
}

func (l *ring) quietSince() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// record is a line of workerd's structured log. What the app writes has no source.
type record struct {
	Level   string
	Message string
	Source  string
}

// parseRecord reads one line of the runtime's output. ok is false for what is not a record, such as a stack of the
// runtime itself.
func parseRecord(line []byte) (r record, ok bool) {
	if len(line) == 0 || line[0] != '{' || json.Unmarshal(line, &r) != nil {
		return record{}, false
	}
	return r, r.Level != "" || r.Message != ""
}

func levelOf(s string) model.LogLevel {
	switch s {
	case "warn", "warning":
		return model.LogWarn
	case "error", "fatal":
		return model.LogError
	}
	return model.LogInfo
}

// cut shortens a text to n bytes, at a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "… (cut)"
}

// redactor replaces the values of secrets by their names. Values under six bytes are left: they would black out words.
func redactor(secrets map[string]string) *strings.Replacer {
	var pairs []string
	for name, value := range secrets {
		if len(value) >= 6 {
			pairs = append(pairs, value, "["+name+"]")
		}
	}
	return strings.NewReplacer(pairs...)
}

// collect reads the runtime's output to its end, and gives what the app wrote to the ring and what the runtime says to
// runtime. It always reads on: a full pipe would hold the app up.
func collect(from io.Reader, to *ring, hide *strings.Replacer, runtime func(record)) {
	in := bufio.NewReaderSize(from, maxRead)
	var second time.Time
	var kept, dropped int
	flush := func(now time.Time) {
		if dropped > 0 {
			to.add(target.Line{At: now, Level: model.LogWarn, Text: fmt.Sprintf("%d more lines within a second were not kept.", dropped)})
		}
		second, kept, dropped = now, 0, 0
	}
	for {
		line, err := in.ReadSlice('\n')
		now := time.Now()
		if now.Sub(second) >= time.Second {
			flush(now)
		}
		tooLong := errors.Is(err, bufio.ErrBufferFull)
		switch {
		case len(line) == 0:
		case kept >= linesASecond:
			dropped++
		default:
			r, ok := parseRecord(line)
			if tooLong && line[0] == '{' {
				r, ok = record{Level: "info", Message: string(line[:maxText])}, true
			}
			if ok && r.Source == "" {
				kept++
				to.add(target.Line{At: now, Level: levelOf(r.Level), Text: cut(hide.Replace(r.Message), maxText)})
			} else if ok {
				r.Message = hide.Replace(r.Message)
				runtime(r)
			}
		}
		for errors.Is(err, bufio.ErrBufferFull) { // the rest of a line that is too long
			_, err = in.ReadSlice('\n')
		}
		if err != nil {
			flush(now)
			return
		}
	}
}
