package main_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkPublish publishes three apps to this server and to workerd beside it: how long building and placing takes,
// how large the Worker is, what publishing the same again costs, and how many requests a second each place answers.
func BenchmarkPublish(b *testing.B) {
	p := benchProgram(b, b.TempDir())
	var slugs []string
	for _, prompt := range benchPrompts[:3] {
		app, _ := p.green(p.create(prompt).Slug)
		slugs = append(slugs, app.Slug)
	}
	for _, place := range []string{"local", "workerd"} {
		b.Run(place, func(b *testing.B) {
			p.t = b
			p.api("PUT", "/team/deploy", obj{"kind": place}, nil)
			var built, placed, again, sizes []float64
			for b.Loop() {
				for _, slug := range slugs {
					first := p.live(slug)
					built = append(built, milliseconds(b, first, `Built for production in (\d+) ms`))
					placed = append(placed, milliseconds(b, first, `Deployed in (\d+) ms`))
					sizes = append(sizes, float64(first.WorkerBytes)/1000)
					again = append(again, milliseconds(b, p.live(slug), `Deployed in (\d+) ms`))
				}
			}
			for unit, values := range map[string][]float64{"build-ms": built, "place-ms": placed, "unchanged-place-ms": again, "worker-kB": sizes} {
				slices.Sort(values)
				b.ReportMetric(values[len(values)/2], unit)
			}
			address := p.published(slugs[0])
			_, page := fetch(b, address+"/", "Accept", "text/html")
			script := regexp.MustCompile(`/assets/[^"]+\.js`).FindString(page)
			b.ReportMetric(perSecond(b, address+"/"), "pages/s")
			b.ReportMetric(perSecond(b, address+script), "scripts/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// milliseconds reads a figure from a deployment's log.
func milliseconds(b *testing.B, d deploymentJSON, pattern string) float64 {
	b.Helper()
	find := regexp.MustCompile(pattern)
	for _, l := range d.Log {
		if m := find.FindStringSubmatch(l.Text); m != nil {
			ms, err := strconv.ParseFloat(m[1], 64)
			if err != nil {
				b.Fatal(err)
			}
			return ms
		}
	}
	b.Fatalf("the log says nothing like %s: %v", pattern, d.Log)
	return 0
}

// perSecond has eight clients ask for an address for three seconds, after one in which everything warms up. Each answer
// is read to its end and must be a 200.
func perSecond(b *testing.B, address string) float64 {
	b.Helper()
	var answered atomic.Int64
	ctx, cancel := context.WithTimeout(b.Context(), 4*time.Second)
	defer cancel()
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for ctx.Err() == nil {
				if err := askedOnce(ctx, address); err == nil {
					answered.Add(1)
				} else if ctx.Err() == nil {
					b.Error(err)
					return
				}
			}
		})
	}
	time.Sleep(time.Second)
	before, began := answered.Load(), time.Now()
	clients.Wait()
	return float64(answered.Load()-before) / time.Since(began).Seconds()
}

func askedOnce(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/html, */*")
	res, err := anyHost.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(res.Body)
		return fmt.Errorf("%s: %s %s", address, res.Status, said)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}
