package main_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The benchmarks of this file measure the whole program from outside: HTTP in, a live preview out.
// `make bench` runs them; docs/BENCHMARKS.md keeps the figures.

// benchPrompts are of different sizes, and none is a test fixture.
var benchPrompts = []string{
	"a reading diary",
	"Track the tools in our workshop: name, where it hangs, who borrowed it and since when. My team logs in.",
	"Wine cellar: bottles (name, vintage, region, price, quantity, drink before), tastings with a rating from 1 to 5. Dark red buttons.",
	"volunteers and shifts for a village festival, each shift has a place, a start and an end",
	"Piano teacher: students with phone and email, lessons with date, duration and a fee, what is unpaid this month",
}

// BenchmarkPromptToPreview is from POST /apps to a verified version, packages and browser warm.
func BenchmarkPromptToPreview(b *testing.B) {
	p := benchProgram(b, b.TempDir())
	for _, prompt := range benchPrompts[:2] { // the first ones warm everything up
		p.green(p.create(prompt).Slug)
	}
	var took []time.Duration
	b.ResetTimer()
	for i := range b.N {
		began := time.Now()
		p.green(p.create(benchPrompts[i%len(benchPrompts)]).Slug)
		took = append(took, time.Since(began))
	}
	report(b, took, "median-ms", "max-ms")
}

// BenchmarkFollowUp is from POST /messages to a verified version.
func BenchmarkFollowUp(b *testing.B) {
	p := benchProgram(b, b.TempDir())
	app := p.create(benchPrompts[3])
	p.green(app.Slug)
	fields := []string{"colour", "shelf", "owner", "edition", "mood", "weight", "signature", "origin", "priority", "comment"}
	var took []time.Duration
	b.ResetTimer()
	for i := range b.N {
		began := time.Now()
		p.api("POST", "/apps/"+app.Slug+"/messages", map[string]string{"content": fmt.Sprintf("Add a %s field to volunteers", fields[i%len(fields)])}, nil)
		p.green(app.Slug)
		took = append(took, time.Since(began))
	}
	report(b, took, "median-ms", "max-ms")
}

// BenchmarkFirstApp is the first app on a new data directory, from the start of the program, downloads of Postgres and
// packages included.
func BenchmarkFirstApp(b *testing.B) {
	var ready, took []time.Duration
	for range b.N {
		dir := b.TempDir()
		began := time.Now()
		p := benchProgram(b, dir)
		ready = append(ready, time.Since(began))
		p.green(p.create(benchPrompts[1]).Slug)
		took = append(took, time.Since(began))
		p.stopNow()
	}
	report(b, ready, "median-ready-ms", "")
	report(b, took, "median-ms", "max-ms")
}

// BenchmarkIdleMemory is the memory of the program and all its children (PSS, so shared pages count once), two minutes
// after five apps were built.
func BenchmarkIdleMemory(b *testing.B) {
	for range b.N {
		p := benchProgram(b, b.TempDir())
		for _, prompt := range benchPrompts {
			p.green(p.create(prompt).Slug)
		}
		busy := pss(b, p.cmd.Process.Pid)
		time.Sleep(2 * time.Minute)
		b.ReportMetric(pss(b, p.cmd.Process.Pid)/1e6, "idle-MB")
		b.ReportMetric(busy/1e6, "busy-MB")
		p.stopNow()
	}
}

func benchProgram(b *testing.B, dir string) *program {
	b.Helper()
	p := start(b, filepath.Join(dir, "data"), ownPackages)
	p.token = p.person("bench@example.com")
	return p
}

func report(b *testing.B, took []time.Duration, median, longest string) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Milliseconds()), median)
	if longest != "" {
		b.ReportMetric(float64(took[len(took)-1].Milliseconds()), longest)
	}
	b.ReportMetric(0, "ns/op") // the median says more
}

// pss sums the proportional set sizes of a process and its descendants, in bytes.
func pss(b *testing.B, pid int) float64 {
	b.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0 // it has just ended
	}
	sum := 0.0
	for lines := bufio.NewScanner(bytes.NewReader(raw)); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "Pss:"); ok {
			kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			if err != nil {
				b.Fatal(err)
			}
			sum += kb * 1024
		}
	}
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range tasks {
		list, err := os.ReadFile(f)
		if err != nil {
			continue // the thread has just ended
		}
		for _, child := range strings.Fields(string(list)) {
			n, err := strconv.Atoi(child)
			if err != nil {
				b.Fatal(err)
			}
			sum += pss(b, n)
		}
	}
	return sum
}
