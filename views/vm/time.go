package vm

import (
	"fmt"
	"time"
)

// Time is a moment on a page: relative in the text, exact on hover, machine-readable in the attribute.
// The zero Time prints nothing.
type Time struct {
	Text  string
	Exact string
	ISO   string
}

// NewTime puts t into words as seen at now. A zero t gives the zero Time.
func NewTime(t, now time.Time) Time {
	if t.IsZero() {
		return Time{}
	}
	t = t.UTC()
	return Time{Text: ago(t, now), Exact: t.Format("2 Jan 2006, 15:04:05 UTC"), ISO: t.Format(time.RFC3339)}
}

func ago(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case d < time.Minute: // also a clock that is a little ahead
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	case d < 48*time.Hour:
		return "yesterday"
	case d < 7*24*time.Hour:
		return fmt.Sprintf("%d days ago", int(d.Hours()/24))
	case t.Year() == now.UTC().Year():
		return t.Format("2 Jan")
	}
	return t.Format("2 Jan 2006")
}

// Took puts a duration into words: "0.2 s", "41.8 s", "2 min 05 s". Below 50 ms it is "< 0.1 s".
func Took(d time.Duration) string {
	switch {
	case d < 0:
		return ""
	case d < 50*time.Millisecond:
		return "< 0.1 s"
	case d < time.Minute-50*time.Millisecond:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	d = d.Round(time.Second)
	return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
}

// Bytes puts a size into words, with decimal units: "812 B", "4.1 kB", "2.0 MB".
func Bytes(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1000*1000:
		return fmt.Sprintf("%.1f kB", float64(n)/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

// Count puts a number before its noun: "1 file", "3 files".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
